/* Delivery of stored spans: one table of exporters (export.c), and a queue that reads the outbox
 * with a thread for each destination, so that none waits for another. An exporter never touches the
 * traced program. */
#ifndef TRACER_EXPORT_EXPORT_H
#define TRACER_EXPORT_EXPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

#define EXPORT_REASON_MAX 512
#define EXPORT_BATCH_MAX  256 /* most entries of one batch */

/* What became of an attempt. */
enum export_result {
    EXPORT_DELIVERED,
    EXPORT_RETRY,    /* later; *retry_after_ms > 0 when the server named a time */
    EXPORT_REJECTED, /* never: the server refused this one, the next may go */
    EXPORT_BLOCKED   /* this destination will not take anything until something changes (bad key) */
};

/* Times, so that tests can run in seconds what takes minutes. All in ms. */
struct export_timing {
    int64_t request;       /* longest request, connecting included */
    int64_t retry_min;     /* first pause after a failure; doubled each time, with jitter */
    int64_t retry_max;     /* longest pause that is our own choice */
    int64_t rate_limit;    /* shortest pause after an unexplained refusal for speed */
    int64_t blocked;       /* between two looks at a destination that refuses the key */
    int64_t idle;          /* between two looks at the outbox when nobody rings */
    int64_t suspect_tries; /* attempts (not ms) after which one entry is thought to be at fault */
};
extern const struct export_timing export_timing_default;

/* How a failed entry may be at fault itself. */
enum export_suspect {
    SUSPECT_NONE,
    SUSPECT_SERVER, /* give it up only once an entry of another trace went through */
    SUSPECT_ENTRY   /* give it up then, or after twice the tries */
};

struct export_context {
    struct store *store;
    const struct destination *destination;
    const char *key; /* or NULL */
    void **state;    /* the exporter's own, per destination */
    char *error;     /* written on failure: one sentence, no secrets */
    size_t error_size;
    int64_t retry_after_ms;
    enum export_suspect suspect;
    const struct export_timing *timing;
    const atomic_bool *cancel; /* true: give the request in flight up */
};

struct exporter {
    const char *name; /* destination.kind */
    enum export_result (*deliver)(struct export_context *c, const struct outbox_entry *entry);
    /* Several at once, where that is cheaper; may be NULL. Returns how many of the first entries it
     * took: those with delivered[i] false are to be delivered one by one, in order. 0: it took
     * none, and *all says why; EXPORT_DELIVERED there means "all one by one". */
    size_t (*deliver_batch)(struct export_context *c, const struct outbox_entry *entries,
                            size_t count, bool *delivered, enum export_result *all);
    void (*release)(void *state);
};

/* NULL-terminated. */
extern const struct exporter *const exporters[];

struct export_queue;

/* Starts the queue; its threads open their own handles on the store in dir. notice: called from
 * those threads, at most once per destination and kind of failure, with a sentence for the log; may
 * be NULL. ERR_NOMEM, ERR_IO. */
int export_start(struct export_queue **out, const char *dir,
                 void (*notice)(void *user, const char *text), void *user) WARN_UNUSED_RESULT;
/* The same with times of the caller's choice. */
int export_start_timed(struct export_queue **out, const char *dir,
                       void (*notice)(void *user, const char *text), void *user,
                       const struct export_timing *timing) WARN_UNUSED_RESULT;
/* New entries are in the outbox. Thread-safe, never blocks. */
void export_wake(struct export_queue *q);
/* True while entries wait that could still be delivered soon (not blocked, not backing off for more
 * than a minute). Thread-safe. */
bool export_pending(struct export_queue *q);
/* True while the destination takes nothing: it refuses the key, or has failed more than once in a
 * row and is left alone for a while. Thread-safe. */
bool export_failing(struct export_queue *q, int64_t destination);
/* Stops: finishes the requests in flight, at most timeout_ms, then breaks them off. Entries stay in
 * the outbox. Frees the queue. */
void export_stop(struct export_queue *q, int64_t timeout_ms);

#endif
