#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "export/queue.h"

#define BATCH_MIN 8 /* below it single requests are as quick */

static bool stopping(struct lane *lane)
{
    pthread_mutex_lock(&lane->queue->lock);
    bool stop = lane->queue->stop;
    pthread_mutex_unlock(&lane->queue->lock);
    return stop;
}

void lane_free(struct lane *lane)
{
    if (lane->exporter != NULL && lane->state != NULL)
        lane->exporter->release(lane->state);
    destination_release(&lane->destination);
    if (lane->key != NULL)
        explicit_bzero(lane->key, strlen(lane->key));
    free(lane->key);
    store_close(lane->store);
    free(lane);
}

static const struct exporter *exporter_named(const char *name)
{
    for (size_t i = 0; name != NULL && exporters[i] != NULL; i++)
        if (strcmp(exporters[i]->name, name) == 0)
            return exporters[i];
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Reads destination and key (again). Returns whether the key is another one than before. */
static bool load_destination(struct lane *lane)
{
    struct destination fresh = {0};
    char *key = NULL;
    if (store_destination_get(lane->store, lane->id, &fresh, &key) != ERR_OK)
        return false;
    bool changed = lane->exporter == NULL || !same_text(key, lane->key) ||
                   !same_text(fresh.project_id, lane->destination.project_id) ||
                   fresh.content != lane->destination.content;
    if (changed) {
        if (lane->exporter != NULL && lane->state != NULL)
            lane->exporter->release(lane->state);
        lane->state = NULL;
        destination_release(&lane->destination);
        if (lane->key != NULL)
            explicit_bzero(lane->key, strlen(lane->key));
        free(lane->key);
        lane->destination = fresh;
        lane->key = key;
        lane->exporter = exporter_named(fresh.kind);
    } else {
        destination_release(&fresh);
        free(key);
    }
    return changed;
}

/* The same for failures that differ in figures alone. */
static uint64_t kind_of(const char *error)
{
    char text[EXPORT_REASON_MAX];
    size_t len = 0;
    for (const char *p = error; *p != '\0' && len < sizeof(text); p++)
        if (*p < '0' || *p > '9')
            text[len++] = *p;
    return hash_bytes(0, text, len);
}

/* Tells the person who reads the log, once for each kind of failure. */
static void tell(struct lane *lane, const char *error)
{
    uint64_t kind = kind_of(error);
    if (lane->queue->notice == NULL || lane->told_count == TOLD_MAX)
        return;
    for (size_t i = 0; i < lane->told_count; i++)
        if (lane->told[i] == kind)
            return;
    lane->told[lane->told_count++] = kind;
    char text[EXPORT_REASON_MAX + 128];
    snprintf(text, sizeof(text), "delivery to %.100s: %s",
             lane->destination.kind != NULL ? lane->destination.kind : "?", error);
    lane->queue->notice(lane->queue->user, text);
}

static void set_next(struct lane *lane, int64_t next, bool blocked)
{
    pthread_mutex_lock(&lane->queue->lock);
    lane->next = next;
    lane->blocked = blocked;
    pthread_mutex_unlock(&lane->queue->lock);
}

/* Doubled from retry_min, within a quarter around it so that collectors do not march in step. */
static int64_t backoff_ms(const struct lane *lane, int64_t at_least)
{
    const struct export_timing *timing = &lane->queue->timing;
    int64_t ms = timing->retry_min;
    for (int i = 1; i < lane->failures && ms < timing->retry_max; i++)
        ms *= 2;
    ms = ms < timing->retry_max ? ms : timing->retry_max;
    uint8_t random[2];
    id_random(random, sizeof(random));
    ms = ms * 3 / 4 + ms * (random[0] | random[1] << 8) / 131072;
    return ms > at_least ? ms : at_least;
}

static void on_success(struct lane *lane)
{
    int64_t now = clock_boot_ns();
    bool failed = lane->failures > 0;
    lane->failures = 0;
    if (failed || now - lane->noted_ok > NS_PER_SEC) {
        lane->noted_ok = now;
        (void)store_delivery_note(lane->store, lane->id, NULL);
    }
    set_next(lane, 0, false);
}

static void on_failure(struct lane *lane, const struct export_context *c, enum export_result result)
{
    const struct export_timing *timing = &lane->queue->timing;
    lane->failures++;
    (void)store_delivery_note(lane->store, lane->id, c->error);
    tell(lane, c->error);
    if (result == EXPORT_BLOCKED)
        set_next(lane, clock_boot_ns() + timing->blocked * NS_PER_MS, true);
    else
        set_next(lane, clock_boot_ns() + backoff_ms(lane, c->retry_after_ms) * NS_PER_MS, false);
}

/* The entry was obeyed: until that is written down it must not be sent again. */
static void mark(struct lane *lane, int64_t seq, const char *rejected)
{
    while ((rejected != NULL ? store_outbox_reject(lane->store, seq, rejected)
                             : store_outbox_done(lane->store, seq)) != ERR_OK) {
        struct export_queue *q = lane->queue;
        tell(lane, store_error(lane->store));
        pthread_mutex_lock(&q->lock);
        if (!q->stop)
            queue_wait(q, clock_boot_ns() + q->timing.retry_min * NS_PER_MS);
        bool stop = q->stop;
        pthread_mutex_unlock(&q->lock);
        if (stop)
            return;
    }
}

static struct export_context context_of(struct lane *lane, char *error, size_t size)
{
    error[0] = '\0';
    return (struct export_context){
        .store = lane->store,
        .destination = &lane->destination,
        .key = lane->key,
        .state = &lane->state,
        .error = error,
        .error_size = size,
        .timing = &lane->queue->timing,
        .cancel = &lane->queue->cancel,
    };
}

/* An entry of another trace that can go first: the test whether one entry or the service is at
 * fault. */
static bool witness_passes(struct lane *lane, const struct outbox_entry *entries, int count)
{
    char error[EXPORT_REASON_MAX];
    for (int i = 1; i < count; i++) {
        if (entries[i].op != OUTBOX_TRACE_BEGIN ||
            memcmp(entries[i].trace_id, entries[0].trace_id, TRACE_ID_LEN) == 0)
            continue;
        struct export_context c = context_of(lane, error, sizeof(error));
        if (lane->exporter->deliver(&c, &entries[i]) != EXPORT_DELIVERED)
            return false;
        mark(lane, entries[i].seq, NULL);
        return true;
    }
    return false;
}

static bool is_hopeless(struct lane *lane, const struct export_context *c,
                        const struct outbox_entry *entries, int count)
{
    int64_t tries = lane->queue->timing.suspect_tries;
    if (c->suspect == SUSPECT_NONE || entries[0].attempts + 1 < tries)
        return false;
    return witness_passes(lane, entries, count) ||
           (c->suspect == SUSPECT_ENTRY && entries[0].attempts + 1 >= 2 * tries);
}

/* Delivers entries[0]; the others are what follows it. Returns whether the next one may go. */
static bool deliver_first(struct lane *lane, const struct outbox_entry *entries, int count)
{
    char error[EXPORT_REASON_MAX];
    struct export_context c = context_of(lane, error, sizeof(error));
    enum export_result result = lane->exporter->deliver(&c, &entries[0]);
    if (result == EXPORT_DELIVERED) {
        mark(lane, entries[0].seq, NULL);
        on_success(lane);
        return true;
    }
    if (atomic_load(&lane->queue->cancel))
        return false;
    if (result == EXPORT_RETRY && is_hopeless(lane, &c, entries, count))
        result = EXPORT_REJECTED;
    if (result == EXPORT_REJECTED) {
        mark(lane, entries[0].seq, error);
        (void)store_delivery_note(lane->store, lane->id, error);
        tell(lane, error);
        set_next(lane, 0, false);
        return true;
    }
    (void)store_outbox_failed(lane->store, entries[0].seq, error);
    on_failure(lane, &c, result);
    return false;
}

/* Marks in one transaction; one by one when that fails. */
static void mark_batch(struct lane *lane, const struct outbox_entry *entries, const bool *delivered,
                       size_t count)
{
    int err = store_begin(lane->store);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        if (delivered[i])
            err = store_outbox_done(lane->store, entries[i].seq);
    if (err == ERR_OK && store_commit(lane->store) == ERR_OK)
        return;
    store_rollback(lane->store);
    for (size_t i = 0; i < count; i++)
        if (delivered[i])
            mark(lane, entries[i].seq, NULL);
}

/* Returns how many entries are dealt with, or -1 when the destination has to wait. */
static int deliver_batch(struct lane *lane, const struct outbox_entry *entries, int count)
{
    char error[EXPORT_REASON_MAX];
    bool delivered[EXPORT_BATCH_MAX] = {false};
    enum export_result all = EXPORT_DELIVERED;
    struct export_context c = context_of(lane, error, sizeof(error));
    bool singly = lane->singly;
    lane->singly = false;
    if (lane->exporter->deliver_batch == NULL || count < BATCH_MIN || singly)
        return 0;
    size_t taken = lane->exporter->deliver_batch(&c, entries, (size_t)count, delivered, &all);
    if (taken == 0) {
        if (all == EXPORT_DELIVERED)
            return 0;
        lane->singly = c.suspect != SUSPECT_NONE;
        if (!atomic_load(&lane->queue->cancel))
            on_failure(lane, &c, all);
        return -1;
    }
    mark_batch(lane, entries, delivered, taken);
    on_success(lane);
    for (int i = 0; i < (int)taken; i++)
        if (!delivered[i] && (stopping(lane) || !deliver_first(lane, entries + i, count - i)))
            return -1;
    return (int)taken;
}

/* One look at the outbox. Returns whether there may be more to do at once. */
static bool lane_turn(struct lane *lane)
{
    struct outbox_entry entries[EXPORT_BATCH_MAX];
    struct export_queue *q = lane->queue;
    pthread_mutex_lock(&q->lock);
    uint64_t generation = q->generation;
    pthread_mutex_unlock(&q->lock);
    int count = store_outbox_next(lane->store, lane->id, 0, entries, EXPORT_BATCH_MAX);
    pthread_mutex_lock(&q->lock);
    lane->waiting = count > 0;
    lane->seen = generation;
    pthread_mutex_unlock(&q->lock);
    if (count <= 0)
        return false;
    int done = deliver_batch(lane, entries, count);
    if (done != 0)
        return done > 0;
    for (int i = 0; i < count; i++)
        if (stopping(lane) || !deliver_first(lane, entries + i, count - i))
            return false;
    return true;
}

/* Whether something may be tried now; looks for another key while the old one is refused. */
static bool lane_ready(struct lane *lane)
{
    if (lane->store == NULL && !queue_store(lane->queue, &lane->store))
        return false;
    bool changed = (lane->exporter == NULL || lane->blocked) && load_destination(lane);
    if (lane->exporter == NULL) {
        (void)store_delivery_note(lane->store, lane->id, "no exporter of that name");
        set_next(lane, clock_boot_ns() + lane->queue->timing.blocked * NS_PER_MS, true);
        return false;
    }
    if (changed)
        set_next(lane, 0, false);
    return lane->next <= clock_boot_ns();
}

void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct export_queue *q = lane->queue;
    queue_block_signals();
    while (!stopping(lane)) {
        if (lane_ready(lane) && lane_turn(lane))
            continue;
        pthread_mutex_lock(&q->lock);
        int64_t now = clock_boot_ns();
        int64_t until = now + q->timing.idle * NS_PER_MS;
        if (!lane->blocked && lane->next > now && lane->next < until)
            until = lane->next;
        bool news = lane->next <= now && lane->seen != q->generation && lane->exporter != NULL;
        if (!q->stop && !news)
            queue_wait(q, until);
        pthread_mutex_unlock(&q->lock);
    }
    pthread_mutex_lock(&q->lock);
    q->finished++;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return NULL;
}
