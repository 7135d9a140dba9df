/* What is older than TRACE_TTL_DAYS goes, in steps small enough that writes come in between. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "service/server.h"
#include "service/server_log.h"

#define FIRST_S 2    /* after the start */
#define EVERY_S 3600 /* looks whether there is something */
#define STEP_MS 100  /* between two steps */
#define RETRY_S 60   /* after a failure */
#define DAY_NS  (INT64_C(86400) * NS_PER_SEC)

struct keeper {
    struct service *service;
    struct backend_session *session;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool end;
};

/* False: it is to end. */
static bool rest(struct keeper *k, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at = until.tv_sec * NS_PER_SEC + until.tv_nsec + ns;
    until = (struct timespec){.tv_sec = at / NS_PER_SEC, .tv_nsec = at % NS_PER_SEC};
    pthread_mutex_lock(&k->lock);
    while (!k->end && pthread_cond_timedwait(&k->ended, &k->lock, &until) == 0)
        continue;
    bool on = !k->end;
    pthread_mutex_unlock(&k->lock);
    return on;
}

static void *keep(void *user)
{
    struct keeper *k = user;
    const struct backend_ops *ops = k->service->settings.backend;
    int64_t age = k->service->settings.store.ttl_days * DAY_NS;
    int64_t pause = FIRST_S * NS_PER_SEC;
    while (rest(k, pause)) {
        int done = ops->purge(k->session, clock_wall_ns() - age);
        pause = EVERY_S * NS_PER_SEC;
        if (done > 0)
            pause = STEP_MS * NS_PER_MS;
        if (done < 0) {
            pause = RETRY_S * NS_PER_SEC;
            service_complain("old traces cannot be deleted: %s: %s", err_str(done),
                             backend_error(ops, k->session));
        }
    }
    return NULL;
}

int keeper_start(struct keeper **out, struct service *s)
{
    *out = NULL;
    if (s->settings.backend->read_only || s->settings.store.ttl_days <= 0)
        return ERR_OK;
    struct keeper *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NOMEM;
    int err = s->settings.backend->session_new(s->backend, true, &k->session);
    if (err != ERR_OK) {
        free(k);
        return err;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    k->service = s;
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        s->settings.backend->session_free(k->session);
        free(k);
        return ERR_IO;
    }
    *out = k;
    return ERR_OK;
}

void keeper_stop(struct keeper *k)
{
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->end = true;
    pthread_cond_signal(&k->ended);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    k->service->settings.backend->session_free(k->session);
    pthread_cond_destroy(&k->ended);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
