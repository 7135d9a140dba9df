#include "service/pool.h"

#include <stdlib.h>

#include "service/connection_inbound.h"
#include "service/pool_queue.h"
#include "service/pool_write.h"

#define THREADS_MAX  32
#define ANSWER_LEVEL 1 /* of gzip: the store's threads have better things to do */

struct worker {
    struct pool *pool;
    struct backend_session *session;
    struct gzip *gzip;
    pthread_t thread;
    bool started;
};

struct pool {
    struct service *service;
    struct queue reads, writes;
    struct worker readers[THREADS_MAX], writers[THREADS_MAX];
    size_t reader_count, writer_count;
};

static void finish(struct worker *w, struct inbound *e)
{
    inbound_complete(e, w->gzip);
    inbound_resume(e);
}

static void prepare(struct worker *w, struct inbound *e)
{
    inbound_prepare(e);
    if (e->r.status == 0 && e->r.route->work == ROUTE_WRITE) {
        if (pool_write(w->pool, e) == ERR_OK)
            return;
        request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many requests wait; try again");
        e->r.retry_after = "1";
    } else if (e->r.status == 0) {
        e->r.route->answer(&e->r, w->session);
    }
    finish(w, e);
}

static void *read_all(void *user)
{
    struct worker *w = user;
    for (struct inbound *e; (e = queue_take(&w->pool->reads)) != NULL;) {
        if (e->unprepared) {
            e->unprepared = false;
            prepare(w, e);
        } else {
            e->r.route->answer(&e->r, w->session);
            finish(w, e);
        }
    }
    return NULL;
}

static void *write_all(void *user)
{
    struct worker *w = user;
    struct service *s = w->pool->service;
    for (struct inbound *all;
         (all = queue_take_writes(&w->pool->writes, s->settings.backend->batch)) != NULL;) {
        write_batch(s->settings.backend, w->session, all);
        for (struct inbound *e = all, *next; e != NULL; e = next) {
            next = e->next;
            finish(w, e);
        }
    }
    return NULL;
}

static int start(struct pool *p, struct worker *w, bool writer)
{
    struct service *s = p->service;
    w->pool = p;
    w->gzip = gzip_new(ANSWER_LEVEL);
    if (w->gzip == NULL)
        return ERR_NOMEM;
    int err = s->settings.backend->session_new(s->backend, writer, &w->session);
    if (err != ERR_OK)
        return err;
    if (pthread_create(&w->thread, NULL, writer ? write_all : read_all, w) != 0)
        return ERR_IO;
    w->started = true;
    return ERR_OK;
}

static size_t bounded(unsigned count)
{
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
}

int pool_new(struct pool **out, struct service *s)
{
    struct pool *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    p->service = s;
    queue_init(&p->reads);
    queue_init(&p->writes);
    size_t readers = bounded(s->settings.backend->readers);
    size_t writers = s->settings.backend->read_only ? 0 : bounded(s->settings.backend->writers);
    int err = ERR_OK;
    while (err == ERR_OK && p->reader_count < readers)
        err = start(p, &p->readers[p->reader_count++], false);
    while (err == ERR_OK && p->writer_count < writers)
        err = start(p, &p->writers[p->writer_count++], true);
    if (err != ERR_OK) {
        pool_free(p);
        return err;
    }
    *out = p;
    return ERR_OK;
}

int pool_prepare(struct pool *p, struct inbound *e)
{
    e->unprepared = true;
    return queue_put(&p->reads, e);
}

int pool_read(struct pool *p, struct inbound *e)
{
    return queue_put(&p->reads, e);
}

int pool_write(struct pool *p, struct inbound *e)
{
    /* Nobody writes to a store that is only looked at: a reader says so. */
    if (p->writer_count == 0) {
        e->r.write_result = ERR_UNSUPPORTED;
        return queue_put(&p->reads, e);
    }
    return queue_put(&p->writes, e);
}

static void end(struct service *s, struct worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (workers[i].started)
            pthread_join(workers[i].thread, NULL);
        if (workers[i].session != NULL)
            s->settings.backend->session_free(workers[i].session);
        gzip_free(workers[i].gzip);
    }
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    /* Readers first: what they prepare goes to the writers. */
    queue_end(&p->reads);
    end(p->service, p->readers, p->reader_count);
    queue_end(&p->writes);
    end(p->service, p->writers, p->writer_count);
    queue_release(&p->reads);
    queue_release(&p->writes);
    free(p);
}
