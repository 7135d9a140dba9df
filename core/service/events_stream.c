/* Those who listen. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/api.h"
#include "service/events.h"
#include "service/print.h"

static const char greeting[] = ": what changes from now on\n\n";
static const char farewell[] = ": too slow, connect again\n\n";

uint64_t event_hash(uint64_t seed, const char *bytes, size_t len)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash == 0 ? 1 : hash;
}

void events_prepare(struct request *r)
{
    struct api_state *state = api_state(r);
    if (state == NULL)
        return;
    query_text(r, &state->problems, "trace_id", STORED_ID_MAX, &state->trace_id);
    if (state->problems.count > 0)
        problems_answer(&state->problems, r);
}

static int print_event(struct buf *out, const struct stored_trace *trace)
{
    int err = buf_append_str(out, "event: trace\ndata: ");
    if (err == ERR_OK)
        err = print_trace(out, trace);
    return err != ERR_OK ? err : buf_append(out, "\n\n", 2);
}

int event_print_trace(struct buf *out, const struct stored_trace *trace)
{
    buf_clear(out);
    if (trace->metadata.len + trace->output.len + trace->error.len < EVENT_BYTES) {
        const int err = print_event(out, trace);
        if (err != ERR_FULL)
            return err;
    }
    struct stored_trace bare = *trace;
    bare.metadata = bare.output = (struct text){0};
    if (bare.error.len > EVENT_BYTES)
        bare.error = text_cut(bare.error, EVENT_BYTES / 4);
    buf_clear(out);
    return print_event(out, &bare);
}

/* ---- Giving */

static void give(struct event_stream *s, const struct buf *text, int64_t now)
{
    if (s->dropped || text == NULL || text->len == 0)
        return;
    if (buf_append(&s->waiting, text->data, text->len) != ERR_OK) {
        /* Whole events wait there; the room of the last word was left free. */
        s->waiting.max = STREAM_BYTES + sizeof(farewell);
        buf_append_cut(&s->waiting, farewell, sizeof(farewell) - 1);
        s->dropped = true;
    }
    s->heard = now;
    event_wake(s->wake);
}

/* Whether this is news to the watch; it is remembered as told. What a silent look remembered is
 * still news when this server's own write tells it: it may have come between the stream's beginning
 * and that look. */
static bool is_news(struct watch *w, uint64_t trace, uint64_t content, const struct news *news)
{
    const size_t held = w->told_count < TOLD_MAX ? w->told_count : TOLD_MAX;
    for (size_t i = 0; i < held; i++) {
        if (w->told[i].trace == trace) {
            const bool differs = w->told[i].content != content;
            const bool unheard = w->told[i].unheard;
            w->told[i].content = content;
            w->told[i].unheard = news->silent ? differs || unheard : unheard && news->only != NULL;
            return differs || (unheard && news->only == NULL);
        }
    }
    w->told[w->told_count % TOLD_MAX].trace = trace;
    w->told[w->told_count % TOLD_MAX].content = content;
    w->told[w->told_count % TOLD_MAX].unheard = news->silent;
    w->told_count++;
    return true;
}

static bool concerns(const struct watch *w, const struct news *news)
{
    if (news->only != NULL)
        return news->only == w;
    return (w->project == NULL || strcmp(w->project, news->project) == 0) &&
           (w->trace == NULL || strcmp(w->trace, news->trace) == 0);
}

void events_give(struct events *e, const struct news *news, int64_t now)
{
    const uint64_t trace = event_hash(1, news->trace, strlen(news->trace));
    const uint64_t content = event_hash(1, buf_str(news->trace_event), news->trace_event->len);
    for (struct watch *w = e->watches; w != NULL; w = w->next) {
        if (!concerns(w, news))
            continue;
        const bool told = is_news(w, trace, content, news) || news->again;
        for (struct event_stream *s = e->streams; s != NULL && !news->silent; s = s->next) {
            if (s->watch != w)
                continue;
            give(s, news->span_events, now);
            if (told)
                give(s, news->trace_event, now);
        }
    }
}

/* ---- Coming and going, with the lock */

static bool same(const char *held, struct text text)
{
    if (held == NULL || text.at == NULL)
        return held == NULL && text.at == NULL;
    return strlen(held) == text.len && memcmp(held, text.at, text.len) == 0;
}

static void watch_free(struct watch *w)
{
    if (w != NULL) {
        free(w->project);
        free(w->trace);
    }
    free(w);
}

static struct watch *watch_get(struct events *e, struct text project, struct text trace)
{
    for (struct watch *w = e->watches; w != NULL; w = w->next) {
        if (same(w->project, project) && same(w->trace, trace)) {
            w->streams++;
            return w;
        }
    }
    struct watch *w = calloc(1, sizeof(*w));
    if (w != NULL && project.at != NULL)
        w->project = strndup(project.at, project.len);
    if (w != NULL && trace.at != NULL)
        w->trace = strndup(trace.at, trace.len);
    if (w == NULL || (project.at != NULL && w->project == NULL) ||
        (trace.at != NULL && w->trace == NULL)) {
        watch_free(w);
        return NULL;
    }
    w->streams = 1;
    w->seen = !e->service->settings.backend->shared;
    w->next = e->watches;
    e->watches = w;
    return w;
}

static void watch_put(struct events *e, struct watch *w)
{
    if (--w->streams > 0)
        return;
    struct watch **at = &e->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    watch_free(w);
}

static bool is_full(const struct events *e, struct text project)
{
    unsigned all = 0, mine = 0;
    for (const struct event_stream *s = e->streams; s != NULL; s = s->next) {
        all++;
        mine += same(s->watch->project, project);
    }
    return all >= STREAMS_MAX || mine >= STREAMS_A_PROJECT;
}

static bool subscribe(struct events *e, struct event_stream *s, const struct request *r)
{
    const struct api_state *state = r->state;
    s->watch = watch_get(e, r->project_id, state->trace_id);
    if (s->watch == NULL)
        return false;
    s->next = e->streams;
    e->streams = s;
    atomic_fetch_add(&e->listening, 1);
    e->wakes_at = 0;
    pthread_cond_signal(&e->news); /* it waits for nothing while nobody listens */
    return true;
}

struct event_stream *events_open(struct request *r, struct event_wake *wake)
{
    struct events *e = r->service->events;
    struct event_stream *s = calloc(1, sizeof(*s));
    bool full = true, open = false;
    if (s != NULL && e != NULL) {
        s->service = e->service;
        s->wake = wake;
        s->heard = clock_boot_ns();
        buf_init(&s->waiting, STREAM_BYTES);
        buf_append_cut(&s->waiting, greeting, sizeof(greeting) - 1);
        pthread_mutex_lock(&e->lock);
        full = e->stopping || is_full(e, r->project_id);
        open = !full && subscribe(e, s, r);
        pthread_mutex_unlock(&e->lock);
    }
    if (open)
        return s;
    if (s != NULL)
        buf_release(&s->waiting);
    free(s);
    request_fail(r, 503, "%s", full ? "too many listen already" : "out of memory");
    r->retry_after = "5";
    return NULL;
}

ssize_t events_read(struct event_stream *s, char *out, size_t room)
{
    struct events *e = s->service->events;
    ssize_t got;
    pthread_mutex_lock(&e->lock);
    const size_t len = s->waiting.len < room ? s->waiting.len : room;
    if (e->stopping || (s->dropped && len == 0)) {
        got = ERR_CLOSED;
    } else {
        if (len > 0)
            memcpy(out, s->waiting.data, len);
        buf_consume(&s->waiting, len);
        got = (ssize_t)len;
    }
    pthread_mutex_unlock(&e->lock);
    return got;
}

void events_close(struct event_stream *s)
{
    struct events *e = s->service->events;
    pthread_mutex_lock(&e->lock);
    struct event_stream **at = &e->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    atomic_fetch_sub(&e->listening, 1);
    watch_put(e, s->watch);
    pthread_mutex_unlock(&e->lock);
    buf_release(&s->waiting);
    free(s);
}
