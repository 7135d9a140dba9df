/* llm_tracer.h - traces and spans by hand.
 *
 * A program opens a client, begins a trace, begins spans in it, says what went in and out, and ends
 * them. What is told is written into shared memory, from where the collector (`llm-tracer`, started
 * when none runs) stores it and delivers it to a tracing service. Nothing here fails the program or
 * makes it wait: see "Promises".
 *
 *     llmt_client *client = llmt_client_new(NULL);
 *     llmt_trace *trace = llmt_trace_begin(client, "chat-request", NULL);
 *     llmt_span *span = llmt_span_begin(trace, "answer", "llm", NULL);
 *     ...
 *     llmt_span_set_output(span, "{\"content\": \"42\"}");
 *     llmt_span_set_usage(span, 12, 3, LLMT_UNKNOWN);
 *     llmt_span_end(span);
 *     llmt_trace_end(trace);
 *     llmt_client_close(client);
 *
 * Settings that the options leave out come from the environment: TRACER_URL (default
 * http://localhost:8001), TRACER_API_KEY (project-ID), TRACER_PROJECT_ID (default: the key's),
 * TRACING_ENABLED (false: nothing is recorded, every function returns at once). Without a key, or
 * with one that is not of the form project-ID, everything is kept in the local store and nothing is
 * delivered. `llm-tracer list` shows what was recorded.
 *
 * Promises
 * - Thread-safe: any function may be called from any thread, on the same handle too. Not
 *   async-signal-safe: do not call these functions from a signal handler. None is a cancellation
 *   point: a thread that is cancelled ends at the program's next one (not with
 *   PTHREAD_CANCEL_ASYNCHRONOUS, which these functions do not stand).
 * - No function waits for the network or the collector, but for llmt_flush and, with LLMT_SYNC, the
 *   functions that complete a span or a trace; both are bounded by a timeout.
 * - Handles are never dangling. NULL is accepted everywhere and does nothing; what returns int
 *   gives LLMT_EINVAL then. A handle that was ended (or closed) may be used and ended again: that
 *   does nothing but return LLMT_EENDED. They are not pointers to memory: never follow or free one.
 * - What is left open is not lost: the collector ends it when the process has ended, marked.
 * - Texts are copied before a function returns. They are UTF-8; what is not, and control
 *   characters, are replaced so that the result is valid JSON. Texts above their limit are cut, and
 *   the span or trace says so in its metadata.
 * - A forked child may use the handles that it inherited as parents; ending them is the business of
 *   the process that began them, so a child's llmt_span_end on one only frees the child's copy.
 *
 * Functions that return int give LLMT_OK (0) or one of the negative numbers of enum llmt_error;
 * none needs to be checked. Written against the calls of a Python client: TracerClient is a client
 * with LLMT_ASYNC, SyncTracerClient one with LLMT_SYNC. */
#ifndef LLM_TRACER_H
#define LLM_TRACER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this header, as a number that grows; llmt_version tells that of the library. */
#define LLMT_VERSION_NUMBER 0x000100 /* 0.1.0 */

#define LLMT_TRACE_ID_SIZE    33   /* 32 lower-case hex digits and NUL */
#define LLMT_SPAN_ID_SIZE     17   /* 16 lower-case hex digits and NUL */
#define LLMT_TRACEPARENT_SIZE 56   /* "00-" trace "-" span "-01" and NUL (W3C Trace Context 3.2) */
#define LLMT_UNKNOWN          (-1) /* a figure that is not known; what is set already stays */

/* Limits, in characters (code points) unless said otherwise; longer texts are cut. */
#define LLMT_NAME_MAX   255 /* names of traces and spans; also model, user and session id */
#define LLMT_TAGS_MAX   50  /* tags of a trace; further ones are left out */
#define LLMT_TAG_MAX    100
#define LLMT_TEXT_MAX   65536      /* bytes: output of a trace, error */
#define LLMT_DATA_MAX   (4u << 20) /* bytes: input, output and metadata as JSON */
#define LLMT_TOKENS_MAX INT64_C(1000000000000)
#define LLMT_COST_MAX   1e9 /* USD */

/* What a function may return beside LLMT_OK. */
enum llmt_error {
    LLMT_OK = 0,
    LLMT_EINVAL = -1,    /* an argument is missing or malformed; nothing was recorded */
    LLMT_ERANGE = -2,    /* a number is out of its range (or not a number); not recorded */
    LLMT_ETYPE = -3,     /* none of the eight span types; recorded as "other" */
    LLMT_EJSON = -4,     /* not JSON; recorded as {"text": "..."} */
    LLMT_EENDED = -5,    /* the handle was ended or closed before; nothing was recorded */
    LLMT_ENOBUFS = -6,   /* no room in shared memory; the loss is counted and shown */
    LLMT_ETIMEDOUT = -7, /* not confirmed: no answer in time, or the service takes nothing at
                            present; it is kept and delivered later */
    LLMT_ENOMEM = -8,
    LLMT_EDISABLED = -9 /* TRACING_ENABLED=false: nothing is recorded */
};
/* A sentence on the error, in static memory; never NULL. Thread-safe. */
const char *llmt_strerror(int error);
/* What the last function of this thread that returns a trace or a span had to say: LLMT_OK, or why
 * it returned NULL (LLMT_EINVAL: NULL was given; LLMT_EENDED, LLMT_EDISABLED, LLMT_ENOMEM), or what
 * was wrong with what it recorded all the same (LLMT_ETYPE, LLMT_EJSON), or LLMT_ENOBUFS: there is
 * a handle, but no record. Thread-safe. */
int llmt_last_error(void);
/* LLMT_VERSION_NUMBER of the library. Thread-safe. */
int llmt_version(void);

/* Handles. See "Promises" on what one is. */
typedef struct llmt_client llmt_client;
typedef struct llmt_trace llmt_trace;
typedef struct llmt_span llmt_span;

/* --- clients ---------------------------------------------------------------------------------- */

typedef enum llmt_mode {
    LLMT_ASYNC = 0, /* nothing waits; the collector delivers behind the program */
    LLMT_SYNC = 1   /* completing a span or trace waits until the service has it, but no longer than
                       timeout_ms or until it is clear that the service takes nothing at present;
                       after a wait in vain nothing waits for the next 30 s (LLMT_ETIMEDOUT) */
} llmt_mode;

/* Called at most once for each kind of trouble, from the thread that met it, with one line without
 * a newline (no key, no prompt in it), in memory that lasts. It must not call functions of this
 * header on the same client. Not called for a client that was closed before the trouble was met.
 * Without a callback the line goes to stderr (descriptor 2), where that can take it without delay
 * and is what it was when the library was loaded, or a terminal or other character device, or a
 * pipe. A file or socket that the program put there later, a log on purpose too, is not written:
 * it might be data. No signal is raised by it. */
typedef void llmt_warning_fn(void *user, const char *text);

/* All members may be zero or NULL; empty texts count as NULL. Texts are copied. */
typedef struct llmt_client_options {
    unsigned flags; /* 0 */
    llmt_mode mode;
    const char *base_url;        /* of the tracing service; a trailing '/' is dropped */
    const char *api_key;         /* "project-" and the project's id */
    const char *project_id;      /* 1..100 of [A-Za-z0-9_-] */
    int timeout_ms;              /* bounds every wait; 0: 5000; 1..600000 */
    llmt_warning_fn *on_warning; /* NULL: a line on stderr, once for all clients with the same
                                    settings */
    void *user;
} llmt_client_options;

/* Opens a client. options may be NULL. Never fails but for memory (and with 65,280 open): NULL
 * then, which every other function accepts. Close it with llmt_client_close. Cheap; one a process
 * is enough, one for each piece of work is fine. What the environment says of shared memory and of
 * the collector is read by the first call, the rest by each. Thread-safe; like getenv, not while
 * another thread changes the environment. */
llmt_client *llmt_client_new(const llmt_client_options *options);
/* Whether what this client records is delivered to a service: it has a key of the right form, and
 * tracing is not disabled. False for NULL and closed clients. Thread-safe. */
bool llmt_client_enabled(const llmt_client *client);
/* Copies the base URL, key or project id in use (NUL-terminated, cut at size; "" when there is
 * none) and returns its length, as snprintf does. what: 'u' URL, 'k' key, 'p' project id.
 * Thread-safe. */
size_t llmt_client_get(const llmt_client *client, char what, char *out, size_t size);
/* Closes the client: no new traces. Those that are open may still be used and ended. Does not wait;
 * what was recorded is delivered behind the program. With LLMT_SYNC waits as llmt_flush does, at
 * most the client's timeout. LLMT_OK, LLMT_EENDED, LLMT_ETIMEDOUT. Thread-safe. */
int llmt_client_close(llmt_client *client);
/* Waits until all that this client recorded before the call is in the local store and, when the
 * client has a key, at the service. timeout_ms: 0..600000 (0: only looks, so that it hardly ever is
 * LLMT_OK); negative: the client's own, and no longer than it takes to see that the service takes
 * nothing. LLMT_OK, LLMT_ETIMEDOUT (nothing is lost, it is delivered later), LLMT_EENDED,
 * LLMT_EDISABLED. Thread-safe. */
int llmt_flush(llmt_client *client, int timeout_ms);

/* --- traces ----------------------------------------------------------------------------------- */

/* For the `flags` of traces and spans. Without it, what is begun becomes the active one of the
 * calling thread until it ends or is detached. */
#define LLMT_DETACHED 1u

/* All members may be zero or NULL. Texts are copied. */
typedef struct llmt_trace_options {
    unsigned flags;          /* 0 or LLMT_DETACHED */
    const char *metadata;    /* a JSON object */
    const char *const *tags; /* NULL-terminated */
    const char *user_id;     /* at most LLMT_NAME_MAX, as the session id */
    const char *session_id;
    const char *project_id;  /* instead of the client's; 1..100 of [A-Za-z0-9_-], else passed over
                                with a warning */
    const char *traceparent; /* of a request that is being served (W3C Trace Context): the trace
                                goes on under its ids; a malformed one is ignored, with a warning */
} llmt_trace_options;

/* Begins a trace. name: 1..255 characters (NULL or empty: "unnamed"). options may be NULL. Returns
 * NULL when nothing is recorded (client NULL, closed, or disabled). End it with llmt_trace_end.
 * Thread-safe. */
llmt_trace *llmt_trace_begin(llmt_client *client, const char *name,
                             const llmt_trace_options *options);
/* What came out of the trace as a whole, a plain text of at most LLMT_TEXT_MAX bytes; the last one
 * counts. NULL or "" leaves what is there. LLMT_OK, LLMT_EENDED, LLMT_ENOBUFS. Thread-safe. */
int llmt_trace_set_output(llmt_trace *trace, const char *text);
/* Adds the members of a JSON object to the trace's metadata. LLMT_OK, LLMT_EJSON, LLMT_EINVAL,
 * LLMT_EENDED, LLMT_ENOBUFS. Thread-safe. */
int llmt_trace_set_metadata(llmt_trace *trace, const char *json);
/* Ends the trace. Spans in it that are still open may be used and ended later. With LLMT_SYNC waits
 * (see llmt_mode). LLMT_OK, LLMT_EENDED, LLMT_ENOBUFS, LLMT_ETIMEDOUT. Thread-safe. */
int llmt_trace_end(llmt_trace *trace);
/* Writes the trace's id (32 hex digits) to out and returns out; "" for NULL and ended traces.
 * Thread-safe. */
const char *llmt_trace_id(const llmt_trace *trace, char out[LLMT_TRACE_ID_SIZE]);

/* --- spans ------------------------------------------------------------------------------------ */

/* All members may be zero or NULL. Texts are copied. */
typedef struct llmt_span_options {
    unsigned flags;       /* 0 or LLMT_DETACHED */
    const char *input;    /* what went in: a JSON object (other JSON becomes {"value": ...}) */
    const char *metadata; /* a JSON object */
    const char *model;    /* at most LLMT_NAME_MAX */
    const char *parent_span_id; /* for llmt_create_span only: 16 hex digits */
} llmt_span_options;

/* Begins a span in a trace (the first) or inside a span (the second). name as for traces. type: one
 * of llm, tool, agent, function, retrieval, embedding, chain, other; anything else is recorded as
 * "other", with a warning and LLMT_ETYPE in llmt_last_error. Returns NULL when nothing is recorded
 * (parent NULL, ended, or disabled).
 * End it with llmt_span_end. llmt_span_begin takes either parent. A captured call made while the
 * span is active on its thread becomes its child; an `llm` span is filled in by it (model, tokens,
 * cost, time to first token, output, error, where the program sets none). Thread-safe. */
llmt_span *llmt_trace_span_begin(llmt_trace *trace, const char *name, const char *type,
                                 const llmt_span_options *options);
llmt_span *llmt_span_span_begin(llmt_span *parent, const char *name, const char *type,
                                const llmt_span_options *options);
/* What went in or came out: JSON text of at most LLMT_DATA_MAX bytes, an object (other JSON becomes
 * {"value": ...}); the last one counts. LLMT_OK, LLMT_EJSON, LLMT_EINVAL (NULL), LLMT_EENDED,
 * LLMT_ENOBUFS. Thread-safe. */
int llmt_span_set_input(llmt_span *span, const char *json);
int llmt_span_set_output(llmt_span *span, const char *json);
/* Adds the members of a JSON object to the span's metadata. Errors as above. Thread-safe. */
int llmt_span_set_metadata(llmt_span *span, const char *json);
/* The model's name, at most LLMT_NAME_MAX characters. LLMT_OK, LLMT_EINVAL (NULL or empty),
 * LLMT_EENDED, LLMT_ENOBUFS. Thread-safe. */
int llmt_span_set_model(llmt_span *span, const char *model);
/* Tokens that went in (cached ones included) and came out (reasoning included), 0..LLMT_TOKENS_MAX,
 * and the cost in USD, 0..LLMT_COST_MAX; LLMT_UNKNOWN leaves one as it is. LLMT_ERANGE: nothing of
 * the call is recorded. LLMT_OK, LLMT_EENDED, LLMT_ENOBUFS. Thread-safe. */
int llmt_span_set_usage(llmt_span *span, int64_t tokens_input, int64_t tokens_output,
                        double cost_usd);
/* Parts of those tokens: read from and written to the provider's cache, spent on reasoning. Range
 * and errors as above. Thread-safe. */
int llmt_span_set_usage_details(llmt_span *span, int64_t tokens_cache_read,
                                int64_t tokens_cache_write, int64_t tokens_reasoning);
/* Says that the span failed, and why: a text of at most LLMT_TEXT_MAX bytes (NULL or "": "error").
 * The span still has to be ended. The last one counts. LLMT_OK, LLMT_EENDED, LLMT_ENOBUFS.
 * Thread-safe. */
int llmt_span_set_error(llmt_span *span, const char *text);
int llmt_span_set_errorf(llmt_span *span, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int llmt_span_set_errorv(llmt_span *span, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Ends the span, before or after its children. With LLMT_SYNC waits (see llmt_mode). LLMT_OK,
 * LLMT_EENDED, LLMT_ENOBUFS, LLMT_ETIMEDOUT. Thread-safe. */
int llmt_span_end(llmt_span *span);
/* Writes the span's id (16 hex digits) to out and returns out; "" for NULL and ended spans.
 * Thread-safe. */
const char *llmt_span_id(const llmt_span *span, char out[LLMT_SPAN_ID_SIZE]);
/* The same for the id of the trace that it is in (32 hex digits). Thread-safe. */
const char *llmt_span_trace_id(const llmt_span *span, char out[LLMT_TRACE_ID_SIZE]);

/* Output as key/value pairs: LLMT_SET_OUTPUT(span, LLMT_TEXT("answer", text), LLMT_INT("hits", 3)).
 * Keys and texts NULL: the pair is left out; a number that is not finite becomes null. */
typedef struct llmt_pair {
    const char *key;
    int kind; /* 't' text, 'i' integer, 'n' number, 'b' boolean, 'j' JSON */
    const char *text;
    int64_t integer; /* boolean: 0 is false */
    double number;
} llmt_pair;
/* LLMT_OK, LLMT_EINVAL (a kind that is none), LLMT_EJSON (a 'j' that is none; recorded as text),
 * LLMT_EENDED, LLMT_ENOBUFS, LLMT_ENOMEM. Thread-safe. */
int llmt_span_set_output_pairs(llmt_span *span, const llmt_pair *pairs, size_t count);

/* --- the active span of a thread -------------------------------------------------------------- */

/* Each thread has a stack of what is active on it; captured calls of the thread join its top. A
 * trace or span is put there when it begins (unless LLMT_DETACHED) and taken out when it ends on
 * that thread. For work that is handed to a thread pool or an event loop: attach where the work
 * runs, detach when that is done. One span may be active on many threads. Attaching it again
 * counts; the stack is 64 deep, what is beyond is not active (LLMT_ENOBUFS). Ended ones leave the
 * stack of another thread when that thread next begins, ends, attaches or detaches.
 * LLMT_OK, LLMT_EENDED, LLMT_EINVAL (detach: not in this thread's stack). Thread-safe: the stack is
 * the calling thread's. */
int llmt_span_attach(llmt_span *span);
int llmt_span_detach(llmt_span *span);
int llmt_trace_attach(llmt_trace *trace);
int llmt_trace_detach(llmt_trace *trace);
/* Makes ids the calling thread's active ones, whatever its stack says, until the next call that
 * changes the stack or these ids: for runtimes that keep the active span themselves. trace_id 32
 * and span_id 16 hex digits (NULL: the trace itself); trace_id NULL: nothing is active. LLMT_OK,
 * LLMT_EINVAL (an id is malformed). Thread-safe: the ids are the calling thread's. */
int llmt_activate(const char *trace_id, const char *span_id);
/* The `traceparent` header of the thread's active span, to be sent with a request that another
 * traced service serves. Returns out; "" and NULL when nothing is active. When a trace is active
 * and no span of it, the header names a span that does not exist: what follows is a root of the
 * trace. Thread-safe. */
const char *llmt_current_traceparent(char out[LLMT_TRACEPARENT_SIZE]);
/* The same for one span; "" and NULL for NULL and ended ones. Thread-safe. */
const char *llmt_span_traceparent(const llmt_span *span, char out[LLMT_TRACEPARENT_SIZE]);

/* --- by id ------------------------------------------------------------------------------------ */

/* For programs that carry ids themselves, across processes too. Ids are 32 and 16 hex digits
 * (dashes are skipped). Nothing is made active, nothing has to be freed. Completing what is
 * complete changes nothing. Thread-safe. Errors: LLMT_EDISABLED (the id is ""), LLMT_EINVAL (an id
 * is malformed), LLMT_EENDED (the client is closed), LLMT_ETYPE, LLMT_EJSON, LLMT_ENOBUFS, with
 * LLMT_SYNC LLMT_ETIMEDOUT for what completes. With LLMT_ETYPE and LLMT_EJSON the id is set. */
int llmt_create_trace(llmt_client *client, const char *name, const llmt_trace_options *options,
                      char trace_id[LLMT_TRACE_ID_SIZE]);
int llmt_create_span(llmt_client *client, const char *trace_id, const char *name, const char *type,
                     const llmt_span_options *options, char span_id[LLMT_SPAN_ID_SIZE]);
/* Ends the trace of that id. output: plain text, at most LLMT_TEXT_MAX bytes; NULL or "" leaves
 * what is there. Errors as above. Thread-safe. */
int llmt_complete_trace(llmt_client *client, const char *trace_id, const char *output);
/* Ends the span of that id. output: JSON as in llmt_span_set_output (NULL: none). error: why it
 * failed, a text of at most LLMT_TEXT_MAX bytes (NULL or "": it did not fail by this call). Figures
 * as in llmt_span_set_usage (LLMT_ERANGE: the span is completed without them). Errors as above.
 * Thread-safe. */
int llmt_complete_span(llmt_client *client, const char *span_id, const char *output,
                       const char *error, int64_t tokens_input, int64_t tokens_output,
                       double cost_usd);

#ifdef __cplusplus
}
#endif

#include "llm_tracer_scope.h"

#endif
