#include "service/pool_queue.h"

#include "service/connection_inbound.h"
#include "service/pool.h"

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->some, NULL);
}

void queue_release(struct queue *q)
{
    pthread_cond_destroy(&q->some);
    pthread_mutex_destroy(&q->lock);
}

int queue_put(struct queue *q, struct inbound *e)
{
    int err = ERR_OK;
    pthread_mutex_lock(&q->lock);
    if (q->count >= POOL_WAITING_MAX) {
        err = ERR_FULL;
    } else {
        e->next = NULL;
        if (q->last != NULL)
            q->last->next = e;
        else
            q->first = e;
        q->last = e;
        q->count++;
        if (q->sleepers > 0)
            pthread_cond_signal(&q->some);
    }
    pthread_mutex_unlock(&q->lock);
    return err;
}

/* Waits, with the lock held; false: nothing is there and nothing will come. */
static bool wait_for_some(struct queue *q)
{
    q->sleepers++;
    while (q->first == NULL && !q->ended)
        pthread_cond_wait(&q->some, &q->lock);
    q->sleepers--;
    return q->first != NULL;
}

static struct inbound *pop(struct queue *q)
{
    struct inbound *e = q->first;
    q->first = e->next;
    if (q->first == NULL)
        q->last = NULL;
    q->count--;
    e->next = NULL;
    return e;
}

struct inbound *queue_take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct inbound *e = wait_for_some(q) ? pop(q) : NULL;
    pthread_mutex_unlock(&q->lock);
    return e;
}

struct inbound *queue_take_writes(struct queue *q, size_t batch)
{
    struct inbound *first = NULL;
    struct inbound **end = &first;
    size_t writes = 0;
    pthread_mutex_lock(&q->lock);
    if (wait_for_some(q)) {
        do {
            struct inbound *e = pop(q);
            writes += e->r.write_count > 0 ? e->r.write_count : 1;
            *end = e;
            end = &e->next;
        } while (q->first != NULL && writes + q->first->r.write_count <= batch);
    }
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_end(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ended = true;
    pthread_cond_broadcast(&q->some);
    pthread_mutex_unlock(&q->lock);
}
