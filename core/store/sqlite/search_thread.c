/* The thread that fills the index: behind the writers, and after them when there is too little of
 * the processor for all. */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/sqlite/sqlite.h"

enum { PAUSE_MS = 100, FAILED_PAUSE_MS = 5000 };

void search_index_init(struct search_index *x, struct backend_session *session)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    x->session = session;
    x->work = true;
}

static void pause_until_woken(struct search_index *x, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!x->stop && pthread_cond_timedwait(&x->wake, &x->lock, &until) == 0)
        ;
}

static void *run(void *user)
{
    struct search_index *x = user;
    /* What was asked for comes first: the index has time. (Linux: nice is a thread's.) */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        while (!x->work && !x->stop)
            pthread_cond_wait(&x->wake, &x->lock);
        x->work = false;
        pause_until_woken(x, PAUSE_MS); /* more comes while it waits */
        int more = 1;
        while (more == 1 && !x->stop) {
            pthread_mutex_unlock(&x->lock);
            more = search_index_step(x);
            pthread_mutex_lock(&x->lock);
        }
        if (more < 0 && !x->stop) {
            log_warn("search index: %s", x->session->error);
            x->work = true;
            pause_until_woken(x, FAILED_PAUSE_MS);
        }
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

int search_index_start(struct search_index *x)
{
    x->running = pthread_create(&x->thread, NULL, run, x) == 0;
    return x->running ? ERR_OK : ERR_NOMEM;
}

void search_index_wake(struct search_index *x)
{
    pthread_mutex_lock(&x->lock);
    if (!x->work) {
        x->work = true;
        pthread_cond_signal(&x->wake);
    }
    pthread_mutex_unlock(&x->lock);
}

void search_index_stop(struct search_index *x)
{
    if (x->session == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
    if (x->running)
        pthread_join(x->thread, NULL);
    pthread_cond_destroy(&x->wake);
    pthread_mutex_destroy(&x->lock);
    sqlite_session_free(x->session);
    x->session = NULL;
}
