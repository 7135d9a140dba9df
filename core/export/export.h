/* Delivery of stored spans: one table of exporters (export.c), one thread that reads the outbox. An
 * exporter never touches the traced program. */
#ifndef TRACER_EXPORT_EXPORT_H
#define TRACER_EXPORT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/* What became of an attempt. */
enum export_result {
    EXPORT_DELIVERED,
    EXPORT_RETRY,    /* later; *retry_after_ms > 0 when the server named a time */
    EXPORT_REJECTED, /* never: the server refused this one, the next may go */
    EXPORT_BLOCKED   /* this destination will not take anything until something changes (bad key) */
};

struct export_context {
    struct store *store;
    const struct destination *destination;
    const char *key; /* or NULL */
    void **state;    /* the exporter's own, per destination */
    char *error;     /* written on failure: one sentence, no secrets */
    size_t error_size;
    int64_t retry_after_ms;
};

struct exporter {
    const char *name; /* destination.kind */
    enum export_result (*deliver)(struct export_context *c, const struct outbox_entry *entry);
    void (*release)(void *state);
};

/* NULL-terminated. */
extern const struct exporter *const exporters[];

struct export_queue;

/* Starts the thread; it opens its own handle on the store in dir. notice: called from that thread,
 * at most once per destination and kind of failure, with a sentence for the log; may be NULL. */
int export_start(struct export_queue **out, const char *dir,
                 void (*notice)(void *user, const char *text), void *user) WARN_UNUSED_RESULT;
/* New entries are in the outbox. Thread-safe, never blocks. */
void export_wake(struct export_queue *q);
/* True while entries wait that could still be delivered soon (not blocked, not backing off for more
 * than a minute). Thread-safe. */
bool export_pending(struct export_queue *q);
/* Stops: finishes the request in flight, at most timeout_ms. Entries stay in the outbox. */
void export_stop(struct export_queue *q, int64_t timeout_ms);

#endif
