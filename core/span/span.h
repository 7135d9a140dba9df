/* Traces and spans, whoever made them: the record that the store keeps, the exporters send and the
 * tools print. Not thread-safe. */
#ifndef TRACER_SPAN_SPAN_H
#define TRACER_SPAN_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

struct llm_call;

#define TRACE_ID_LEN 16
#define SPAN_ID_LEN  8
#define TRACE_ID_HEX (2 * TRACE_ID_LEN + 1)
#define SPAN_ID_HEX  (2 * SPAN_ID_LEN + 1)
#define SPAN_UNKNOWN (-1) /* an int64_t figure that nobody told; cost: negative */

enum span_type {
    SPAN_LLM,
    SPAN_TOOL,
    SPAN_AGENT,
    SPAN_FUNCTION,
    SPAN_RETRIEVAL,
    SPAN_EMBEDDING,
    SPAN_CHAIN,
    SPAN_OTHER,
    SPAN_TYPE_COUNT
};

/* The process that a span comes from. */
struct span_process {
    int64_t pid;
    char *exe;
    json *argv; /* array of text */
};

/* A span. Texts and JSON are owned, NULL where unknown. Times are wall ns; end_time 0: running.
 * The zero value is not a span: use span_new. */
struct span {
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN];
    uint8_t parent_span_id[SPAN_ID_LEN]; /* all zero: a root */
    char *name;
    enum span_type type;
    int64_t start_time, end_time;
    char *model; /* response model, else request model */
    char *provider, *operation, *request_model, *response_model, *response_id;
    int stream; /* 1 streamed, 0 not, -1 unknown */
    int64_t chunk_count;
    double ttfc_ms, ttft_ms; /* negative: unknown */
    int64_t tokens_input, tokens_output, tokens_cache_read, tokens_cache_write, tokens_reasoning;
    char *usage_source;
    double cost_usd;
    char *cost_source;
    json *finish_reasons;
    int64_t status_code; /* SPAN_UNKNOWN: none */
    int64_t retry;
    char *error, *error_type;
    bool partial;
    bool uncounted; /* its figures are those of calls below it, which count: printed as
                       "counted": false */
    json *input_data, *output_data, *metadata;
    struct span_process process;
    char *capture_route;   /* "openssl", "gnutls", "libc", "curl"; NULL: made by hand */
    int64_t dropped_bytes; /* 0: none */
    const char *ring_id;   /* borrowed: the ring it came from, for store_abandon; never printed */
    char *state;   /* what a collector has to remember of it while it runs; never printed; NULL:
                      nothing, or a captured call's */
    char *printed; /* span_seal made it: the fields' line; NULL: not sealed */
    size_t printed_len;
};

/* A trace. end_time 0: running. */
struct trace {
    uint8_t trace_id[TRACE_ID_LEN];
    char *name;
    char *project_id;
    int64_t start_time, end_time;
    json *metadata; /* object or NULL */
    json *tags;     /* array of text or NULL */
    char *user_id, *session_id;
    char *output;
    char *error; /* set when any span failed; the first one's */
    /* Borrowed: the ring whose end is the trace's end too (store_abandon); NULL for a trace that
     * several processes share, such as a run's. */
    const char *ring_id;
    char *state; /* as a span's, but kept when it has ended */
    /* Kept by the store: */
    int64_t span_count;
    int64_t tokens_input, tokens_output; /* SPAN_UNKNOWN: no span told */
    double total_cost;                   /* negative: unknown */
};

/* What a span adds to the totals of its trace; SPAN_UNKNOWN: nothing. */
struct span_figures {
    int64_t tokens_input, tokens_output;
    double cost_usd;
};

struct span *span_new(void); /* NULL: out of memory; figures unknown, ids zero */
void span_free(struct span *s);
struct trace *trace_new(void);
void trace_free(struct trace *t);

struct span_figures span_counted(const struct span *s);

const char *span_type_name(enum span_type type);
/* ERR_BAD for none of the eight names; *out is SPAN_OTHER then. */
int span_type_parse(const char *name, enum span_type *out);

/* Lower-case hex with NUL; out has room for 2 * len + 1. Returns out. */
char *id_to_hex(const uint8_t *id, size_t len, char *out);
/* ERR_BAD unless text is exactly 2 * len hex digits. */
int id_from_hex(const char *text, size_t len, uint8_t *id) WARN_UNUSED_RESULT;
bool id_is_zero(const uint8_t *id, size_t len);
void id_random(uint8_t *id, size_t len); /* never all zero */
/* The id that this ring, connection and stream offset always give (replay gives the same). */
void id_derive(const char *ring_id, uint64_t conn, uint64_t offset, const char *salt, uint8_t *id,
               size_t len);
/* W3C Trace Context: version 00 (later ones by their first four fields). ERR_BAD. */
int traceparent_parse(const char *text, uint8_t *trace_id, uint8_t *span_id) WARN_UNUSED_RESULT;

/* One JSON object with the fields, in the order and with the names of the design ("Traces and
 * spans"); absent = unknown. Appends to out, no newline. ERR_NOMEM, ERR_FULL. */
int span_print(const struct span *s, struct buf *out) WARN_UNUSED_RESULT;
/* Prints the span into itself and gives up its JSON values, which take several times the memory of
 * their text. Its other fields can be read as before; nothing may be changed any more, and
 * span_print gives that text. max: ceiling of the text in bytes. ERR_NOMEM, ERR_FULL: the span is
 * as it was. Sealing a sealed one does nothing. */
int span_seal(struct span *s, size_t max) WARN_UNUSED_RESULT;
/* Reads what span_print printed (the store keeps it so). NULL: malformed or out of memory. */
struct span *span_parse(const char *text, size_t len);

/* What is known of the span and has no field of its own in the tracing service's contract, as one
 * object: by the names of span_print, with the figures of an uncounted span, which a service would
 * sum up. The span's own metadata wins over a figure of the same name. content false: without the
 * command line, where a prompt may stand. The span must not be sealed; it is left as it was. New
 * memory; NULL: out of memory. */
json *span_metadata(struct span *s, bool content);
/* Whether a member of what span_print prints is a field of that contract; uncounted: of a span
 * whose figures are none. */
bool span_contract_field(const char *name, size_t len, bool uncounted);

/* Fills the span from a call: names, figures, messages, times (boot_to_wall is added to the call's
 * boot times), metadata. What the call does not know leaves the span as it is, so that it may be
 * called at the request and again at the end. content false: input_data and output_data stay NULL;
 * the number of messages goes to metadata. Takes the JSON of the call over (input, output,
 * metadata, price and finish_reasons become NULL). */
void span_from_call(struct span *s, struct llm_call *call, int64_t boot_to_wall, bool content);
/* Fills what s does not know from a captured span, for a call made inside an explicit llm span:
 * what the program set itself stays. Takes texts and JSON over; ids, name, type and times of s
 * stay. */
void span_fill(struct span *s, struct span *from);
/* Adds a captured call to others inside the same span: tokens, cost and chunks are summed (what no
 * call told stays unknown), the times to first chunk and content are those of the first by
 * start_time, all else is the last's by end_time where it knows it, its error or success included.
 * Takes texts and JSON over; ids, name and type of sum stay. */
void span_sum(struct span *sum, struct span *from);
/* A copy that shares nothing but ring_id; NULL: out of memory, or the span is sealed. */
struct span *span_copy(const struct span *s);

/* Grouping (group.c): which trace a captured call belongs to. */
struct grouper;
struct group_process { /* what is known of the process; texts borrowed for the call */
    const char *ring_id;
    const char *run_trace; /* 32 hex of the wrapper's run, or NULL */
    const char *run_name;
    const char *traceparent; /* inherited by environment (TRACEPARENT), or NULL */
    const char *command;     /* argv joined, for a name */
    bool listens;            /* it accepts connections: group by conversation, not process */
    /* SPAN_ID_LEN bytes, the derived id of the call that is placed: a conversation that it starts
     * gets a trace id made from it, so that a replay finds the same trace. NULL: made from what is
     * said in the request. */
    const uint8_t *span_id;
};
struct grouper *grouper_new(void);
void grouper_free(struct grouper *g);
/* Decides trace_id, parent_span_id and the trace's name of a call whose request is known, by the
 * order of the design: the request's traceparent; the run; in a process that listens the
 * conversation (history that extends an earlier request's, previous_response_id); the process.
 * name is new memory. inferred: true when the conversation was guessed. ERR_NOMEM. */
struct group_result {
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t parent_span_id[SPAN_ID_LEN];
    char *name;
    bool inferred;
};
int grouper_place(struct grouper *g, const struct group_process *process,
                  const struct llm_call *call, struct group_result *out) WARN_UNUSED_RESULT;
/* The call ended: remembers its answer, so that the next request of the conversation is known.
 * Before span_from_call, which takes the messages away. */
void grouper_finish(struct grouper *g, const struct llm_call *call, const uint8_t *trace_id);

#endif
