#include "service/server.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/auth.h"
#include "service/connection.h"
#include "service/limit.h"
#include "service/pool.h"
#include "service/server_linger.h"
#include "service/server_notify.h"

#define CONNECTIONS_MAX ((size_t)16384)
#define DESCRIPTORS_OWN ((size_t)192) /* files of the store, sockets to listen on, libraries */
#define LIMIT_SLOTS     ((size_t)65536)
#define TICK_MS         500 /* between looks at connections whose time is over */
#define TRIM_S          5
#define MAPPED_LEAST    (512 << 10) /* bytes */
#define ARENAS          4           /* of malloc: each keeps what was freed in it */

static int fail(char **why, int err, const char *format, const char *text)
{
    if (*why == NULL && asprintf(why, format, text) < 0)
        *why = NULL;
    return err;
}

/* ------------------------------------------------------------------------------- starting */

static int start_listening(struct server *server, char **why)
{
    const struct service_settings *o = &server->service.settings;
    struct listeners *l = &server->listeners;
    int err = listen_inherited(l, why);
    bool inherited = l->count > 0;
    if (err == ERR_OK && !inherited && o->listen != NULL)
        err = listen_tcp(l, o->listen, why);
    if (err == ERR_OK && !inherited && o->socket != NULL)
        err = listen_unix(l, o->socket, why);
    for (size_t i = 0; err == ERR_OK && i < l->count; i++)
        err = auth_may_listen(server->service.auth, l->all[i].loopback, l->all[i].name, why);
    if (err == ERR_OK && l->count == 0)
        return fail(why, ERR_RANGE, "there is nothing to listen on%s", "");
    return err;
}

/* As many connections as the system lets us have, within reason. */
static size_t raise_descriptors(size_t *descriptors)
{
    struct rlimit limit = {1024, 1024};
    size_t want = CONNECTIONS_MAX + CONNECTION_SPARE + DESCRIPTORS_OWN;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    *descriptors = limit.rlim_cur < want ? (size_t)limit.rlim_cur : want;
    size_t own = DESCRIPTORS_OWN + CONNECTION_SPARE;
    return *descriptors > 2 * own ? *descriptors - own : *descriptors / 2;
}

static int open_store(struct server *server, char **why)
{
    struct service_settings *o = &server->service.settings;
    char *notice = NULL;
    int err = o->backend->open(&server->service.backend, &o->store, &notice);
    if (err == ERR_OK && notice != NULL)
        log_info("%s", notice);
    if (err != ERR_OK)
        err = fail(why, err, "cannot open the store: %s", notice != NULL ? notice : err_str(err));
    free(notice);
    return err;
}

static int start_serving(struct server *server, char **why)
{
    struct service *s = &server->service;
    size_t descriptors;
    size_t max = raise_descriptors(&descriptors);
    s->connections = connections_new(max, descriptors);
    if (s->settings.rate_limit > 0)
        s->limit = limit_new(s->settings.rate_limit, LIMIT_SLOTS);
    if (s->connections == NULL || (s->settings.rate_limit > 0 && s->limit == NULL))
        return ERR_NOMEM;
    int err = pool_new(&s->pool, s);
    if (err == ERR_OK)
        err = keeper_start(&server->keeper, s);
    if (err == ERR_OK)
        err = linger_start(&s->linger);
    if (err != ERR_OK)
        return fail(why, err, "cannot work with the store: %s", err_str(err));
    err = events_start(s);
    server->events_started = err == ERR_OK;
    if (err == ERR_OK)
        err = daemons_start(server, max + CONNECTION_SPARE);
    if (err == ERR_OK)
        err = accepter_start(&server->accepter, s, &server->listeners, server->daemons,
                             server->daemon_count);
    return err;
}

static int start(struct server *server, char **why)
{
    struct service *s = &server->service;
    const struct service_settings *o = &s->settings;
    int err = auth_new(&s->auth, o->keys, o->key_required, o->default_key, why);
    if (err == ERR_OK)
        err = start_listening(server, why);
    if (err == ERR_OK)
        err = assets_init(&server->assets);
    s->assets = &server->assets;
    if (err == ERR_OK)
        err = open_store(server, why);
    if (err == ERR_OK)
        err = start_serving(server, why);
    if (err != ERR_OK && *why == NULL)
        return fail(why, err, "cannot start: %s", err == ERR_IO ? strerror(errno) : err_str(err));
    return err;
}

static void announce(const struct server *server)
{
    const struct service_settings *o = &server->service.settings;
    const char *where = o->store.data_dir;
    if (strcmp(o->backend->name, "dynamodb") == 0)
        where = o->store.traces_table;
    for (size_t i = 0; i < server->listeners.count; i++)
        log_info("serves %s from %s (%s)", server->listeners.all[i].name,
                 where != NULL ? where : "memory", o->backend->name);
    notify_send("READY=1");
    if (o->ready != NULL)
        o->ready(o->user, server->listeners.all[0].name);
}

/* ------------------------------------------------------------------------------- stopping */

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Who has not sent all of a request, or does not read its answer, is waited for less long. */
static void end_connections(struct connections *c, int64_t passed)
{
    connections_end(c, CONNECTION_IDLE);
    if (passed > SERVER_STOP_S / 5 * NS_PER_SEC) {
        connections_end(c, CONNECTION_HEAD);
        connections_end(c, CONNECTION_BODY);
    }
    if (passed > (SERVER_STOP_S - 2) * NS_PER_SEC)
        connections_end(c, CONNECTION_ANSWER);
}

/* Nothing new comes in; what runs has SERVER_STOP_S. False: it did not finish. */
static bool drain(struct server *server)
{
    struct service *s = &server->service;
    accepter_stop(server->accepter);
    server->accepter = NULL;
    listen_release(&server->listeners);
    atomic_store(&s->stopping, true);
    if (server->events_started)
        events_stop(s);
    int64_t begin = clock_boot_ns();
    int64_t passed = 0;
    for (; passed < SERVER_STOP_S * NS_PER_SEC; passed = clock_boot_ns() - begin) {
        end_connections(s->connections, passed);
        if (atomic_load(&s->running) == 0)
            return true;
        pause_ms(5);
    }
    return false;
}

/* What was started, in the opposite order. */
static void release(struct server *server)
{
    struct service *s = &server->service;
    accepter_stop(server->accepter);
    listen_release(&server->listeners);
    pool_free(s->pool);
    daemons_stop(server);
    linger_stop(s->linger);
    keeper_stop(server->keeper);
    if (server->events_started)
        events_free(s);
    if (s->backend != NULL)
        s->settings.backend->close(s->backend);
    assets_release(&server->assets);
    connections_free(s->connections);
    limit_free(s->limit);
    auth_free(s->auth);
    free(server);
}

/* ------------------------------------------------------------------------------- running */

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

/* Until one of the signals comes. */
static void wait_for_signal(struct server *server, const sigset_t *set)
{
    int64_t watchdog = notify_watchdog_ns();
    int64_t fed = 0;
    int64_t trimmed = 0;
    for (;;) {
        const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
        if (sigtimedwait(set, NULL, &tick) > 0)
            return;
        int64_t now = clock_boot_ns();
        connections_reap(server->service.connections, now);
        if (watchdog > 0 && now - fed >= watchdog) {
            notify_send("WATCHDOG=1");
            fed = now;
        }
        /* Memory of large bodies and answers, which glibc would keep for the next one. */
        if (now - trimmed >= TRIM_S * NS_PER_SEC) {
            malloc_trim(0);
            trimmed = now;
        }
    }
}

/* Large bodies and answers are the system's again as soon as they are freed. glibc would otherwise
 * raise the bound to the largest that it has seen, and keep what lies between smaller ones. */
static void return_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_LEAST);
    (void)mallopt(M_ARENA_MAX, ARENAS);
}

int service_run(const struct service_settings *settings, char **why)
{
    sigset_t signals, before;
    *why = NULL;
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return ERR_NOMEM;
    server->service.settings = *settings;
    return_memory();
    /* Blocked before any thread starts, so that only this one takes them. */
    stop_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full store is an error, not a death */
    int err = start(server, why);
    if (err == ERR_OK) {
        announce(server);
        wait_for_signal(server, &signals);
        notify_send("STOPPING=1");
        /* From here on a second signal ends the process as it would any other. */
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!drain(server)) {
            log_warn("%zu requests did not finish within %d s",
                     atomic_load(&server->service.running), SERVER_STOP_S);
            notify_send("STATUS=ended with requests unfinished");
            return ERR_OK; /* their threads still run: the process ends around them */
        }
    }
    release(server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}
