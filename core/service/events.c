/* GET /api/events: server-sent events (WHATWG HTML, "Server-sent events") of what changes. Writes
 * of this process are told by whoever made them (events_tell), those of others are looked for
 * (events_look.c). A trace is read from the store when it is told, at most every 200 ms, so that it
 * costs the same whether one span came or a thousand. */
#include "service/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/api.h"
#include "service/print.h"

#define ROUND_MAX 64 /* traces told before others get the lock's data again */

/* A trace that is due, taken out of the lock. */
struct due {
    char *project, *trace;
    struct buf spans;
};

static void earlier(struct events *e, int64_t due)
{
    if (due < e->wakes_at) {
        e->wakes_at = due;
        pthread_cond_signal(&e->news);
    }
}

/* ---- What changed */

static bool is(const char *held, struct text text)
{
    return strlen(held) == text.len && (text.len == 0 || memcmp(held, text.at, text.len) == 0);
}

static bool is_watched(const struct events *e, struct text project, struct text trace)
{
    for (const struct watch *w = e->watches; w != NULL; w = w->next)
        if ((w->project == NULL || is(w->project, project)) &&
            (w->trace == NULL || is(w->trace, trace)))
            return true;
    return false;
}

static void pending_release(struct pending *p)
{
    free(p->project);
    free(p->trace);
    buf_release(&p->spans);
    *p = (struct pending){0};
}

static struct pending *pending_find(struct events *e, struct text project, struct text trace,
                                    int64_t now)
{
    const uint64_t hash = event_hash(event_hash(1, project.at, project.len), trace.at, trace.len);
    struct pending *unused = NULL;
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (e->pending[i].hash == hash && is(e->pending[i].project, project) &&
            is(e->pending[i].trace, trace))
            return &e->pending[i];
        if (e->pending[i].hash == 0 && unused == NULL)
            unused = &e->pending[i];
    }
    if (unused == NULL) {
        e->flooded = true; /* the newest of them are found by a look, then */
        return NULL;
    }
    unused->hash = hash;
    unused->project = strndup(project.at, project.len);
    unused->trace = strndup(trace.at, trace.len);
    unused->due = now + BURST_NS;
    buf_init(&unused->spans, SPANS_BYTES);
    if (unused->project != NULL && unused->trace != NULL)
        return unused;
    pending_release(unused);
    return NULL;
}

static void pending_add_span(struct pending *p, struct text trace, struct text span)
{
    const uint64_t hash = event_hash(1, span.at, span.len);
    for (size_t i = 0; i < p->span_count && i < PENDING_SPANS; i++)
        if (p->span_hashes[i] == hash)
            return;
    if (p->span_count == PENDING_SPANS)
        return;
    const size_t before = p->spans.len;
    int err = buf_append_str(&p->spans, "event: span\ndata: {\"trace_id\":");
    if (err == ERR_OK)
        err = print_text(&p->spans, trace);
    if (err == ERR_OK)
        err = buf_append_str(&p->spans, ",\"span_id\":");
    if (err == ERR_OK)
        err = print_text(&p->spans, span);
    if (err == ERR_OK)
        err = buf_append_str(&p->spans, "}\n\n");
    if (err == ERR_OK)
        p->span_hashes[p->span_count++] = hash;
    else
        p->spans.len = before;
}

void events_tell(struct service *s, enum service_event what, struct text project_id,
                 struct text trace_id, struct text span_id)
{
    struct events *e = s->events;
    if (e == NULL || atomic_load(&e->listening) == 0 || project_id.at == NULL)
        return;
    const int64_t now = clock_boot_ns();
    pthread_mutex_lock(&e->lock);
    if (!e->stopping && is_watched(e, project_id, trace_id)) {
        struct pending *p = pending_find(e, project_id, trace_id, now);
        if (p != NULL) {
            p->changed = true;
            if (what == EVENT_SPAN)
                pending_add_span(p, trace_id, span_id);
            earlier(e, p->due);
        }
    }
    pthread_mutex_unlock(&e->lock);
}

/* ---- The thread */

/* Takes what is due; forgets what was told long enough ago. */
static size_t take_due(struct events *e, int64_t now, struct due *due)
{
    size_t count = 0;
    for (size_t i = 0; i < PENDING_MAX && count < ROUND_MAX; i++) {
        struct pending *p = &e->pending[i];
        if (p->hash == 0 || p->due > now)
            continue;
        if (!p->changed) {
            pending_release(p);
            continue;
        }
        struct due *d = &due[count];
        *d = (struct due){.project = strdup(p->project), .trace = strdup(p->trace)};
        p->due = now + INTERVAL_NS;
        if (d->project == NULL || d->trace == NULL) {
            free(d->project);
            free(d->trace);
            continue;
        }
        d->spans = p->spans;
        buf_init(&p->spans, SPANS_BYTES);
        p->span_count = 0;
        p->changed = false;
        count++;
    }
    return count;
}

static int print_each(void *user, const struct stored_trace *trace)
{
    return event_print_trace(user, trace);
}

/* The store could not be read: once more, later. */
static void put_back(struct events *e, const struct due *d, int64_t now)
{
    struct pending *p = pending_find(e, text_of(d->project), text_of(d->trace), now);
    if (p == NULL)
        return;
    p->changed = true;
    p->due = now + RETRY_NS;
}

static void tell(struct events *e, struct due *d, int64_t now)
{
    struct buf event;
    buf_init(&event, STREAM_BYTES);
    const int err = e->service->settings.backend->trace(e->session, text_of(d->project),
                                                        text_of(d->trace), print_each, &event);
    pthread_mutex_lock(&e->lock);
    if (err == ERR_OK)
        events_give(e,
                    &(struct news){.project = d->project,
                                   .trace = d->trace,
                                   .trace_event = &event,
                                   .span_events = &d->spans},
                    now);
    else if (err != ERR_NOENT)
        put_back(e, d, now);
    pthread_mutex_unlock(&e->lock);
    buf_release(&event);
    buf_release(&d->spans);
    free(d->project);
    free(d->trace);
}

static void beat(struct events *e, int64_t now)
{
    for (struct event_stream *s = e->streams; s != NULL; s = s->next) {
        if (s->dropped || now - s->heard < HEARTBEAT_NS)
            continue;
        s->heard = now;
        buf_append_cut(&s->waiting, ":\n\n", 3);
        event_wake(s->wake);
    }
}

/* When there is something to do next, with the lock. */
static int64_t next_time(const struct events *e, int64_t now)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < PENDING_MAX; i++)
        if (e->pending[i].hash != 0 && e->pending[i].due < next)
            next = e->pending[i].due;
    for (const struct event_stream *s = e->streams; s != NULL; s = s->next)
        if (!s->dropped && s->heard + HEARTBEAT_NS < next)
            next = s->heard + HEARTBEAT_NS;
    if (e->streams != NULL && e->service->settings.backend->shared && e->asked_at + LOOK_NS < next)
        next = e->asked_at + LOOK_NS;
    if (e->flooded && e->flood_due < next)
        next = e->flood_due;
    return next < now + BURST_NS ? now + BURST_NS : next;
}

static void wait_until(struct events *e, int64_t time, int64_t now)
{
    struct timespec at;
    e->wakes_at = time;
    if (time == INT64_MAX) {
        pthread_cond_wait(&e->news, &e->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &at);
    const int64_t ns = (int64_t)at.tv_sec * NS_PER_SEC + at.tv_nsec + (time - now);
    at.tv_sec = (time_t)(ns / NS_PER_SEC);
    at.tv_nsec = (long)(ns % NS_PER_SEC);
    pthread_cond_timedwait(&e->news, &e->lock, &at);
}

static void *run(void *argument)
{
    struct events *e = argument;
    struct due due[ROUND_MAX];
    pthread_mutex_lock(&e->lock);
    while (!e->stopping) {
        const int64_t now = clock_boot_ns();
        const size_t count = take_due(e, now, due);
        const bool flooded = e->flooded && now >= e->flood_due, listened = e->streams != NULL;
        if (flooded) {
            e->flooded = false;
            e->flood_due = now + FLOOD_NS;
        }
        beat(e, now);
        pthread_mutex_unlock(&e->lock);
        for (size_t i = 0; i < count; i++)
            tell(e, &due[i], now);
        if (listened && flooded)
            events_look_again(e, now);
        if (listened && e->service->settings.backend->shared)
            events_look(e, now);
        pthread_mutex_lock(&e->lock);
        if (!e->stopping)
            wait_until(e, next_time(e, now), now);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---- From its start to its end */

static int start_thread(struct events *e)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&e->news, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&e->thread, NULL, run, e) == 0)
        return ERR_OK;
    pthread_cond_destroy(&e->news);
    pthread_mutex_destroy(&e->lock);
    return ERR_IO;
}

int events_start(struct service *s)
{
    struct events *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return ERR_NOMEM;
    e->service = s;
    e->wakes_at = INT64_MAX;
    int err = s->settings.backend->session_new(s->backend, false, &e->session);
    if (err != ERR_OK) {
        free(e);
        return err;
    }
    err = start_thread(e);
    if (err != ERR_OK) {
        s->settings.backend->session_free(e->session);
        free(e);
        return err;
    }
    s->events = e;
    return ERR_OK;
}

void events_stop(struct service *s)
{
    struct events *e = s->events;
    if (e == NULL)
        return;
    pthread_mutex_lock(&e->lock);
    const bool first = !e->stopping;
    e->stopping = true;
    for (struct event_stream *stream = e->streams; stream != NULL; stream = stream->next)
        event_wake(stream->wake);
    pthread_cond_signal(&e->news);
    pthread_mutex_unlock(&e->lock);
    if (first)
        pthread_join(e->thread, NULL);
}

void events_free(struct service *s)
{
    struct events *e = s->events;
    if (e == NULL)
        return;
    for (size_t i = 0; i < PENDING_MAX; i++)
        if (e->pending[i].hash != 0)
            pending_release(&e->pending[i]);
    s->settings.backend->session_free(e->session);
    pthread_cond_destroy(&e->news);
    pthread_mutex_destroy(&e->lock);
    free(e);
    s->events = NULL;
}
