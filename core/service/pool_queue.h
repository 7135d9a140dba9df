/* Requests that wait for a thread, first come first served. Thread-safe. */
#ifndef TRACER_SERVICE_POOL_QUEUE_H
#define TRACER_SERVICE_POOL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct inbound;

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct inbound *first, *last;
    size_t count, sleepers;
    bool ended;
};

void queue_init(struct queue *q);
void queue_release(struct queue *q);
/* ERR_FULL: POOL_WAITING_MAX wait already. */
int queue_put(struct queue *q, struct inbound *e) WARN_UNUSED_RESULT;
/* Waits for one. NULL: the queue is empty and has ended. */
struct inbound *queue_take(struct queue *q);
/* Waits for some: as many as make `batch` writes, and one at least, linked by next. */
struct inbound *queue_take_writes(struct queue *q, size_t batch);
/* Those who wait get what is there, then NULL. */
void queue_end(struct queue *q);

#endif
