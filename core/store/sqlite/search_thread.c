/* The thread that fills the index behind the writers, who wait when it cannot follow. */
#include <time.h>

#include "base/log.h"
#include "store/sqlite/sqlite.h"

enum { PAUSE_MS = 100, FAILED_PAUSE_MS = 5000, HURRY_ROWS = 2000 };

/* FTS5 goes through some ten documents a microsecond, and seeks one in some ten. */
static const struct search_limits limits = {SEARCH_PART_DOCUMENTS, 65536, 200};

void search_index_init(struct search_index *x, struct backend_session *session)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->wake, &monotonic);
    pthread_cond_init(&x->progress, &monotonic);
    pthread_condattr_destroy(&monotonic);
    x->session = session;
    x->limits = limits;
    x->work = true;
}

static struct timespec from_now(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static void pause_a_while(struct search_index *x, int64_t ms, int64_t hurry)
{
    struct timespec until = from_now(ms);
    while (!x->stop && x->committed - x->done < hurry &&
           pthread_cond_timedwait(&x->wake, &x->lock, &until) == 0)
        ;
}

static void *run(void *user)
{
    struct search_index *x = user;
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        while (!x->work && !x->stop)
            pthread_cond_wait(&x->wake, &x->lock);
        x->work = false;
        pause_a_while(x, PAUSE_MS, HURRY_ROWS); /* more comes while it waits */
        int more = 1;
        while (more == 1 && !x->stop) {
            pthread_mutex_unlock(&x->lock);
            more = search_index_step(x);
            pthread_mutex_lock(&x->lock);
            x->failing = more < 0;
            pthread_cond_broadcast(&x->progress);
        }
        if (more < 0 && !x->stop) {
            log_warn("search index: %s", x->session->error);
            x->work = true;
            pause_a_while(x, FAILED_PAUSE_MS, INT64_MAX);
        }
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

int search_index_start(struct search_index *x)
{
    pthread_mutex_lock(&x->lock);
    x->running = pthread_create(&x->thread, NULL, run, x) == 0;
    bool running = x->running;
    pthread_mutex_unlock(&x->lock);
    return running ? ERR_OK : ERR_NOMEM;
}

void search_index_wake(struct search_index *x, int64_t rows)
{
    pthread_mutex_lock(&x->lock);
    x->committed = rows;
    if (!x->work || rows - x->done >= HURRY_ROWS)
        pthread_cond_signal(&x->wake);
    x->work = true;
    pthread_mutex_unlock(&x->lock);
}

void search_index_done(struct search_index *x, int64_t rows)
{
    pthread_mutex_lock(&x->lock);
    x->done = rows;
    pthread_mutex_unlock(&x->lock);
}

void search_index_wait(struct search_index *x)
{
    struct timespec until = from_now(SEARCH_WAIT_MS);
    pthread_mutex_lock(&x->lock);
    while (x->running && !x->stop && !x->failing && x->committed - x->done > SEARCH_LAG_MAX &&
           pthread_cond_timedwait(&x->progress, &x->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&x->lock);
}

void search_index_stop(struct search_index *x)
{
    if (x->session == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->wake);
    pthread_cond_broadcast(&x->progress);
    pthread_mutex_unlock(&x->lock);
    if (x->running)
        pthread_join(x->thread, NULL);
    pthread_cond_destroy(&x->wake);
    pthread_cond_destroy(&x->progress);
    pthread_mutex_destroy(&x->lock);
    sqlite_session_free(x->session);
    x->session = NULL;
}
