/* Where traces and spans are kept; the store is also the outbox of the exporters. One SQLite file,
 * traces.db, in WAL mode: what was committed survives the end of any process, SIGKILL included; a
 * power cut may take the last moments, but leaves the file whole. A store may be opened by several
 * processes and, with a handle each, by several threads; one handle serves one thread at a time.
 * A callback may use the handle, but not the function that called it. Ids of traces and of spans
 * are each unique in the whole store. Beside the errors that are named, every function may give
 * ERR_IO (disk full included), ERR_BUSY (another writer for more than ten seconds), ERR_NOMEM and
 * ERR_CORRUPT, with a sentence in store_error. */
#ifndef TRACER_STORE_STORE_H
#define TRACER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "span/span.h"

struct store;

enum store_mode { STORE_WRITE, STORE_READ };

/* The data directory: TRACER_DATA_DIR, else $XDG_DATA_HOME/llm-tracer, else
 * ~/.local/share/llm-tracer; made 0700 if missing. When it cannot be written, the runtime directory
 * is used instead (*fallback becomes true; "": there is none). out has room for size bytes. ERR_IO:
 * out is the folder that was wanted, errno says why it is none. ERR_RANGE. */
int store_data_dir(const char *runtime_dir, char *out, size_t size,
                   bool *fallback) WARN_UNUSED_RESULT;

/* Makes the folder and its parents, 0700, where they are missing. ERR_IO (errno says why): it is
 * none or cannot be written. */
int store_make_folder(const char *dir) WARN_UNUSED_RESULT;

/* Opens dir/traces.db (made if missing in STORE_WRITE). A file that is not ours, or is corrupt, is
 * never overwritten: STORE_WRITE moves a corrupt one aside to traces.db.corrupt-TIME and starts a
 * new one (ERR_OK, said in *notice). ERR_NOENT (read, no store yet), ERR_IO, ERR_DENIED (a database
 * of another program), ERR_VERSION (made by a newer version), ERR_NOMEM. *notice: new memory or
 * NULL, a sentence on what was moved or why it failed (the argument may be NULL). */
int store_open(struct store **out, const char *dir, enum store_mode mode,
               char **notice) WARN_UNUSED_RESULT;
void store_close(struct store *s);
/* A sentence about the last failure on this handle; "" when there was none. */
const char *store_error(const struct store *s);

/* Where a process wants its spans delivered. */
struct destination {
    int64_t id;       /* given by the store; 0: none (local only) */
    char *kind;       /* exporter's name: "service", "file", "console" */
    char *url;        /* service: base URL without trailing '/'; file: path */
    char *project_id; /* or NULL */
    bool content;     /* prompts and answers may go there */
};
void destination_release(struct destination *d);
/* Finds or makes the row of this kind, URL, project and content; the key (NULL: leaves it) replaces
 * an earlier one in dir/keys, a 0600 file; it never goes to the database. *id is set. ERR_BAD: the
 * key has control characters. */
int store_destination(struct store *s, const struct destination *d, const char *key, int64_t *id);
/* ERR_NOENT. *key: new memory, NULL: none. */
int store_destination_get(struct store *s, int64_t id, struct destination *out, char **key);

/* A ring's process, kept so that a replaced collector knows it. info is JSON made by the caller. */
int store_ring_put(struct store *s, const char *ring_id, const char *info);
char *store_ring_get(struct store *s, const char *ring_id); /* new memory or NULL */
int store_ring_forget(struct store *s, const char *ring_id);

/* Writes go between begin and commit (group commit: one transaction for many). destinations (count
 * 0..8, ids) get an outbox entry for the change: a trace when it is new, ends or ends later, a span
 * when it is new (running or not) and when it ends; one that is put finished at once gets both,
 * BEGIN and END. Putting the same again changes nothing and queues nothing. Putting a span whose
 * end_time is set over a running one completes it; a finished one is never changed. A trace that is
 * put again takes over what is set in it, keeps what is not, and never runs again. A span whose
 * trace is not there makes it, with its own name; a span that is known stays in the trace it was
 * first put in. Totals of the trace are kept. After any error the whole transaction is rolled back:
 * further calls fail until store_commit (fails too) or store_rollback, then all of it may be tried
 * again. */
int store_begin(struct store *s) WARN_UNUSED_RESULT;
int store_commit(struct store *s) WARN_UNUSED_RESULT;
void store_rollback(struct store *s);
int store_put_trace(struct store *s, const struct trace *t, const int64_t *destinations,
                    size_t count) WARN_UNUSED_RESULT;
int store_put_span(struct store *s, const struct span *span, const int64_t *destinations,
                   size_t count) WARN_UNUSED_RESULT;
/* Ends every trace and span still running that this ring's process owned (their ring_id): spans
 * become partial with the error given, those made by hand (they have a state) with the one below;
 * traces made by hand are marked in their metadata, and fail for that if for nothing else. Those
 * who were told of their begin are told of the end. By itself or inside a transaction. */
#define STORE_NOT_ENDED      "process ended before the span was ended"
#define STORE_NOT_ENDED_TYPE "not_ended"
#define STORE_TRACE_LEFT     "process ended before the trace was ended"
#define STORE_ENDED_BY       "ended_by"
#define STORE_ENDED_BY_EXIT  "process exit"
int store_abandon(struct store *s, const char *ring_id, int64_t end_time, const char *error);

/* Reading. */
struct trace_query {
    size_t limit;       /* 1..1000 */
    const char *cursor; /* from the last page, or NULL */
    const char *name;   /* substring, or NULL */
    const char *model;
    int64_t from, to; /* wall ns; 0: open */
};
/* What `list` shows of a trace beside the trace itself. */
struct trace_row {
    struct trace *trace;
    char *model;     /* of its first llm span, or NULL */
    int64_t models;  /* how many different ones */
    int64_t errors;  /* spans that failed */
    int64_t running; /* spans that run */
};
typedef int trace_row_fn(void *user, const struct trace_row *row);
typedef int span_fn(void *user, const struct span *span);
/* Newest first. *next_cursor is new memory, NULL at the end. name and model: any case. ERR_BAD for
 * a cursor that is none; ends early with what `each` returns if not 0. */
int store_list_traces(struct store *s, const struct trace_query *q, trace_row_fn *each, void *user,
                      char **next_cursor);
/* ids may be prefixes of at least 4 hex digits: ERR_NOENT, ERR_EXIST (ambiguous). */
int store_find_trace(struct store *s, const char *hex, struct trace **out);
/* Spans of a trace in order of start_time (ERR_NOENT: no such trace); trace_id NULL: all spans of
 * the store in the order in which they came. Ends early with what `each` returns if not 0. */
int store_each_span(struct store *s, const uint8_t *trace_id, span_fn *each, void *user);
struct store_totals {
    int64_t traces, spans, bytes, outbox, outbox_oldest; /* wall ns; 0: none */
    int64_t purged_traces;
};
int store_totals(struct store *s, struct store_totals *out);

/* Outbox: per destination in order of seq. */
enum outbox_op { OUTBOX_TRACE_BEGIN, OUTBOX_SPAN_BEGIN, OUTBOX_SPAN_END, OUTBOX_TRACE_END };
struct outbox_entry {
    int64_t seq;
    int64_t destination;
    enum outbox_op op;
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN]; /* zero for traces */
    int64_t attempts;
};
/* The next entries of a destination after seq `after`, at most max; returns the count or an error.
 */
int store_outbox_next(struct store *s, int64_t destination, int64_t after, struct outbox_entry *out,
                      size_t max);
/* The first and the last seq that wait for a destination; both 0: none does. Entries are taken out
 * as they are delivered or rejected, so what waited up to some seq has gone once *first is 0 or
 * above it. */
int store_outbox_bounds(struct store *s, int64_t destination, int64_t *first, int64_t *last);
/* Destinations that have entries waiting; returns the count. */
int store_outbox_destinations(struct store *s, int64_t *out, size_t max);
int store_outbox_done(struct store *s, int64_t seq); /* delivered: removed, counted */
int store_outbox_failed(struct store *s, int64_t seq, const char *why); /* attempts + 1, why kept */
/* Gives one up for good (the service refused it): kept in table `rejected` with the reason. */
int store_outbox_reject(struct store *s, int64_t seq, const char *why);
int store_get_trace(struct store *s, const uint8_t *trace_id, struct trace **out);
int store_get_span(struct store *s, const uint8_t *trace_id, const uint8_t *span_id,
                   struct span **out);
/* The same by a span's id alone, or of a trace, with their state and with what was said when they
 * were put: whose they are, and where they go (a finished span: not known any more). */
struct store_owner {
    char *ring_id; /* new memory; NULL: nobody's */
    int64_t destinations[8];
    size_t destination_count;
};
int store_find_kept_span(struct store *s, const uint8_t *span_id, struct span **out,
                         struct store_owner *owner);
int store_find_kept_trace(struct store *s, const uint8_t *trace_id, struct trace **out,
                          struct store_owner *owner);
/* Ids that a service gave (older servers make their own). local: 32 or 16 hex. */
int store_remote_put(struct store *s, int64_t destination, const char *local, const char *remote);
char *store_remote_get(struct store *s, int64_t destination, const char *local);
/* The last delivery state of each destination, for `status`. */
struct delivery_state {
    struct destination destination;
    int64_t waiting, delivered, rejected;
    char *last_error; /* NULL: none since the last success */
    int64_t last_error_time, last_success_time;
};
typedef int delivery_fn(void *user, const struct delivery_state *state);
int store_each_delivery(struct store *s, delivery_fn *each, void *user);
int store_delivery_note(struct store *s, int64_t destination,
                        const char *error); /* NULL: success */

/* Retention: one small step; returns how much it did (0: nothing is left to do). Traces that ended
 * before older_than (wall ns; 0: no age) or, while more than max_bytes (0: no limit) are in use,
 * the oldest. What is not delivered yet is kept unless max_bytes cannot be met otherwise; a trace
 * that still runs goes last. */
int store_purge(struct store *s, int64_t older_than, int64_t max_bytes);
/* After a purge: `llm-tracer ui` keeps words of what was stored beside the store. Its index goes,
 * unless one runs and drops them itself, or ran within a day and the store is not empty. */
void store_drop_index(struct store *s);
/* Fills the secondary indexes behind the writes, one batch when enough has come together for one;
 * returns rows done (0: nothing to do now). Everything is found without it too, only slower. */
int store_index_step(struct store *s);

#endif
