#include "export/queue.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

void queue_wait(struct export_queue *q, int64_t until)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t left = until - clock_boot_ns();
    if (left <= 0)
        return;
    int64_t at = (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec + left;
    ts.tv_sec = (time_t)(at / NS_PER_SEC);
    ts.tv_nsec = (long)(at % NS_PER_SEC);
    (void)pthread_cond_timedwait(&q->changed, &q->lock, &ts);
}

void queue_block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

bool queue_store(struct export_queue *q, struct store **out)
{
    char *notice = NULL;
    int err = store_open(out, q->dir, STORE_WRITE, &notice);
    if (notice != NULL && q->notice != NULL && err == ERR_OK)
        q->notice(q->user, notice);
    free(notice);
    return err == ERR_OK;
}

static struct lane *lane_of(struct export_queue *q, int64_t id)
{
    for (size_t i = 0; i < q->lane_count; i++)
        if (q->lanes[i]->id == id)
            return q->lanes[i];
    return NULL;
}

/* With the lock held. A lane that cannot be made is tried again at the next look. */
static void start_lane(struct export_queue *q, int64_t id)
{
    if (q->lane_count == LANES_MAX || lane_of(q, id) != NULL)
        return;
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return;
    lane->queue = q;
    lane->id = id;
    lane->waiting = true;
    lane->seen = q->generation;
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
        free(lane);
        return;
    }
    q->lanes[q->lane_count++] = lane;
}

/* Looks for destinations that have entries and no thread yet. */
static void *queue_main(void *arg)
{
    struct export_queue *q = arg;
    struct store *store = NULL;
    queue_block_signals();
    pthread_mutex_lock(&q->lock);
    while (!q->stop) {
        uint64_t generation = q->generation;
        int64_t ids[LANES_MAX];
        int count = 0;
        pthread_mutex_unlock(&q->lock);
        if (store != NULL || queue_store(q, &store))
            count = store_outbox_destinations(store, ids, LANES_MAX);
        pthread_mutex_lock(&q->lock);
        for (int i = 0; i < count; i++)
            start_lane(q, ids[i]);
        q->seen = generation;
        if (!q->stop && generation == q->generation)
            queue_wait(q, clock_boot_ns() + q->timing.idle * NS_PER_MS);
    }
    q->finished++;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    store_close(store);
    return NULL;
}

int export_start_timed(struct export_queue **out, const char *dir,
                       void (*notice)(void *user, const char *text), void *user,
                       const struct export_timing *timing)
{
    struct export_queue *q = calloc(1, sizeof(*q));
    pthread_condattr_t attr;
    if (q == NULL)
        return ERR_NOMEM;
    q->dir = strdup(dir);
    q->notice = notice;
    q->user = user;
    q->timing = *timing;
    q->generation = 1;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    int err = q->dir == NULL ? ERR_NOMEM : ERR_OK;
    if (err == ERR_OK && pthread_create(&q->thread, NULL, queue_main, q) != 0)
        err = ERR_IO;
    if (err != ERR_OK) {
        free(q->dir);
        free(q);
        return err;
    }
    *out = q;
    return ERR_OK;
}

int export_start(struct export_queue **out, const char *dir,
                 void (*notice)(void *user, const char *text), void *user)
{
    return export_start_timed(out, dir, notice, user, &export_timing_default);
}

void export_wake(struct export_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->generation++;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

bool export_pending(struct export_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool pending = q->seen != q->generation;
    int64_t soon = clock_boot_ns() + 60 * NS_PER_SEC;
    for (size_t i = 0; i < q->lane_count && !pending; i++) {
        const struct lane *lane = q->lanes[i];
        pending =
            !lane->blocked && lane->next <= soon && (lane->waiting || lane->seen != q->generation);
    }
    pthread_mutex_unlock(&q->lock);
    return pending;
}

/* The pause after a first failure may be waited out; later ones are longer. */
bool export_failing(struct export_queue *q, int64_t destination)
{
    bool failing = false;
    pthread_mutex_lock(&q->lock);
    int64_t soon = clock_boot_ns() + q->timing.retry_min * NS_PER_MS * 5 / 4;
    for (size_t i = 0; i < q->lane_count; i++)
        if (q->lanes[i]->id == destination)
            failing = q->lanes[i]->blocked || q->lanes[i]->next > soon;
    pthread_mutex_unlock(&q->lock);
    return failing;
}

void export_stop(struct export_queue *q, int64_t timeout_ms)
{
    if (q == NULL)
        return;
    int64_t until = clock_boot_ns() + timeout_ms * NS_PER_MS;
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->changed);
    while (q->finished < q->lane_count + 1 && clock_boot_ns() < until)
        queue_wait(q, until);
    pthread_mutex_unlock(&q->lock);
    atomic_store(&q->cancel, true);
    pthread_join(q->thread, NULL); /* from here on no lane is added */
    for (size_t i = 0; i < q->lane_count; i++) {
        pthread_join(q->lanes[i]->thread, NULL);
        lane_free(q->lanes[i]);
    }
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q->dir);
    free(q);
}
