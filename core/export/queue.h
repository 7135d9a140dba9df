/* The queue's own structures, private to queue.c (threads) and lane.c (one destination). */
#ifndef TRACER_EXPORT_QUEUE_H
#define TRACER_EXPORT_QUEUE_H

#include <pthread.h>

#include "export/export.h"

#define LANES_MAX 64
#define TOLD_MAX  16 /* kinds of failure of a destination; more are not told */

/* One destination and its thread. What is marked L is guarded by the queue's lock; the rest is the
 * thread's own. */
struct lane {
    struct export_queue *queue;
    pthread_t thread;
    int64_t id;
    struct store *store;
    struct destination destination;
    char *key;
    const struct exporter *exporter;
    void *state;
    int failures;            /* in a row */
    int64_t noted_ok;        /* boot ns of the last success written down */
    bool singly;             /* the last batch failed in a way that one entry may have caused */
    uint64_t told[TOLD_MAX]; /* kinds of failure that notice was called for */
    size_t told_count;
    uint64_t seen; /* L: the generation that the last look at the outbox covered */
    bool waiting;  /* L: that look found entries */
    bool blocked;  /* L */
    int64_t next;  /* L: boot ns before which nothing is tried; 0: at once */
};

struct export_queue {
    char *dir;
    void (*notice)(void *user, const char *text);
    void *user;
    struct export_timing timing;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;    /* finds destinations */
    uint64_t generation; /* raised by export_wake */
    uint64_t seen;       /* covered by the last look for destinations */
    bool stop;
    atomic_bool cancel;
    size_t finished; /* threads that ended after stop */
    size_t lane_count;
    struct lane *lanes[LANES_MAX];
};

/* Signals are for the program's own threads. */
void queue_block_signals(void);
/* The thread of a lane. */
void *lane_main(void *lane);
void lane_free(struct lane *lane);
/* Opens a handle for the calling thread. */
bool queue_store(struct export_queue *q, struct store **out);
/* Waits with the lock held until something changes or the boot time has come. */
void queue_wait(struct export_queue *q, int64_t until);

#endif
