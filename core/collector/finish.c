/* Spans made by hand come to their ends: by their program, by its end, or because nothing of them
 * is known. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define UNBORN_NS (2 * NS_PER_SEC) /* another process's ring may have the begin */

enum sure { SURE, WAIT, GONE };

/* Whether what is known of the span is all: GONE: it was forgotten. */
static enum sure make_sure(struct explicit_span *es, bool forced)
{
    struct collector *c = es->depot->collector;
    if (!es->unsure)
        return SURE;
    bool late = forced || c->now - es->arrived > UNBORN_NS;
    if (!es->begun && es->looked && !late)
        return WAIT;
    if (!depot_ready(es->depot) && !forced)
        return WAIT;
    bool was_pending = explicit_is_pending(es);
    int err = es->depot->store != NULL ? explicit_adopt(es) : ERR_IO;
    es->depot->explicit.pending -= was_pending - explicit_is_pending(es);
    if (err == ERR_NOENT)
        es->looked = true;
    if (es->over) {
        c->totals.api_late += !es->begun;
        explicit_forget_pending(es);
        return GONE;
    }
    if (err == ERR_OK || (err == ERR_NOENT && es->begun)) {
        es->unsure = false;
        return SURE;
    }
    if ((err != ERR_NOENT && !forced) || !late)
        return WAIT;
    if (es->begun)
        return SURE;
    c->totals.api_lost++;
    explicit_forget_pending(es);
    return GONE;
}

/* A traceparent has to name a span: where none runs, llmt_current_traceparent names half of the
 * trace's own id, which then is no span's but says: the trace itself. */
static void set_root(struct explicit_span *es)
{
    struct span *s = es->span;
    if (es->trace->by_hand->begun &&
        memcmp(s->parent_span_id, s->trace_id + SPAN_ID_LEN, SPAN_ID_LEN) == 0)
        memset(s->parent_span_id, 0, SPAN_ID_LEN);
}

void explicit_dress(struct explicit_span *es)
{
    struct span *s = es->span;
    set_root(es);
    s->uncounted = es->told.around && s->type != SPAN_LLM &&
                   (s->tokens_input >= 0 || s->tokens_output >= 0 || s->cost_usd >= 0);
    if (s->name == NULL)
        s->name = strdup("unnamed");
    if (es->told.cut == NULL)
        return;
    if (s->metadata == NULL)
        s->metadata = json_object();
    if (json_length(es->told.cut) > 0)
        json_set(s->metadata, "truncated", json_copy(es->told.cut));
    else
        json_free(json_take(s->metadata, "truncated"));
}

static void finish(struct explicit_span *es, struct ring *r)
{
    struct span *s = es->span;
    struct trace_state *t = es->trace;
    if (es->end != NULL)
        explicit_apply(es, es->end, es->end_time, r->process.content);
    if (es->told.around) /* a begin may have been read after its children's calls */
        join_mark(es->depot, s->trace_id, s->parent_span_id, s->start_time, false);
    join_finish(es);
    explicit_dress(es);
    s->end_time = es->end_time > s->start_time ? es->end_time : s->start_time;
    if (s->ring_id == NULL || es->ring == NULL)
        s->ring_id = r->id;
    explicit_trace_enter(t, es->client, s->name);
    if (span_seal(s, CONTENT_MAX) != ERR_OK)
        log_debug("a span is printed only at its commit, or refused there");
    struct finished f = {.span = s,
                         .ring = es->ring != NULL ? es->ring : r,
                         .trace = t,
                         .client = client_use(es->client),
                         .bytes = es->bytes};
    es->span = NULL;
    if (depot_add_span(es->depot, &f) != ERR_OK) {
        span_free(s);
        client_leave(f.client);
    }
    explicit_forget_pending(es);
}

static bool is_through(const struct explicit_span *es, const struct ring *r)
{
    uint64_t enough = r->explicit.pressed ? WHOLE_POLLS - 1 : WHOLE_POLLS;
    return r->polls >= es->end_polls + enough;
}

/* Whether the next commit has enough to do, `done` of it by this ring. */
static bool is_enough(const struct ring *r, size_t done)
{
    return done >= GROUP_SPANS || (done >= GROUP_LEAST && r->depot->span_count >= GROUP_SPANS);
}

static bool finish_ended(struct ring *r, bool all)
{
    struct explicit_span *next;
    size_t done = 0;
    for (struct explicit_span *es = r->explicit.ended.first; es != NULL; es = next) {
        next = es->next;
        if (!all && !is_through(es, r))
            break;
        if (es->holds > 0 && !all)
            continue;
        if (is_enough(r, done))
            return false;
        enum sure sure = make_sure(es, all);
        done += sure != WAIT;
        if (sure == SURE)
            finish(es, r);
    }
    return true;
}

static bool look_for_unborn(struct ring *r, bool all)
{
    struct explicit_span *next;
    size_t done = 0;
    for (struct explicit_span *es = r->explicit.unborn.first; es != NULL; es = next) {
        next = es->next;
        if (!all && r->polls < es->first_polls + WHOLE_POLLS)
            break;
        if (is_enough(r, done))
            return false;
        done += make_sure(es, all) != WAIT;
    }
    return true;
}

bool explicit_service(struct ring *r)
{
    if (r->explicit.ended.first != NULL && !finish_ended(r, false))
        return false;
    if (r->explicit.unborn.first != NULL && !look_for_unborn(r, false))
        return false;
    if (r->explicit.ending != NULL)
        explicit_traces_service(r, r->explicit.pressed);
    r->explicit.pressed = false;
    return true;
}

/* Ended by its process's end. */
static void leave_open(struct explicit_span *es, struct ring *r)
{
    struct span *s = es->span;
    es->depot->explicit.pending -= explicit_is_pending(es);
    if (!es->ended) {
        es->ended = true;
        es->end_ring = r;
        es->end_time = r->lived;
        s->partial = true;
        if (s->error == NULL) {
            s->error = strdup(STORE_NOT_ENDED);
            s->error_type = strdup(STORE_NOT_ENDED_TYPE);
        }
    }
    explicit_place(es);
    es->depot->explicit.pending++;
    if (make_sure(es, true) == SURE)
        finish(es, es->end_ring);
}

bool explicit_end_ring(struct ring *r)
{
    struct depot_explicit *d = &r->depot->explicit;
    size_t done = 0;
    if (r->explicit.partial.count > 0)
        pieces_drop(r);
    if (!finish_ended(r, true) || !look_for_unborn(r, true))
        return false;
    size_t at = 0;
    for (struct explicit_span *es; (es = map_next(&d->spans, &at, NULL, NULL)) != NULL;) {
        if (es->ring != r)
            continue;
        if (is_enough(r, done++))
            return false;
        leave_open(es, r);
    }
    explicit_traces_service(r, true);
    if (r->explicit.kept > 0) /* said of other processes' spans */
        r->depot->settle = r->depot->hurry = true;
    return true;
}

void explicit_give_back(struct ring *r)
{
    struct depot *d = r->depot;
    size_t at = 0;
    for (struct explicit_span *es; (es = map_next(&d->explicit.spans, &at, NULL, NULL)) != NULL;)
        explicit_release_kept(es);
    at = 0;
    for (struct trace_state *t; (t = map_next(&d->collector->traces, &at, NULL, NULL)) != NULL;)
        if (t->depot == d && t->by_hand != NULL)
            explicit_trace_release_kept(t);
    d->collector->totals.released_early++;
}

/* It waits for its commit: the store still shows it as running. */
static bool is_finished(const struct depot *d, const uint8_t *span_id)
{
    for (size_t i = 0; i < d->span_count; i++)
        if (memcmp(d->spans[i].span->span_id, span_id, SPAN_ID_LEN) == 0)
            return true;
    return false;
}

/* One that was forgotten here, or that an earlier collector knew, of a ring that is here. */
static struct explicit_span *find_stored(struct depot *d, const uint8_t *span_id)
{
    struct span *stored = NULL;
    struct store_owner owner;
    struct explicit_span *es = NULL;
    if (d->store == NULL || is_finished(d, span_id) ||
        store_find_kept_span(d->store, span_id, &stored, &owner) != ERR_OK)
        return NULL;
    struct ring *r = ring_of(d->collector, owner.ring_id);
    if (stored->end_time == 0 && stored->state != NULL && r != NULL)
        es = explicit_new(r, span_id);
    if (es != NULL && explicit_adopt(es) != ERR_OK) {
        explicit_forget(es);
        es = NULL;
    }
    if (es != NULL)
        es->unsure = false;
    span_free(stored);
    free(owner.ring_id);
    return es;
}

struct explicit_span *explicit_find(struct depot *d, const uint8_t *span_id)
{
    struct explicit_span *es = map_get(&d->explicit.spans, span_id, SPAN_ID_LEN);
    if (es == NULL)
        es = find_stored(d, span_id);
    else if (!es->begun && make_sure(es, false) == GONE)
        return NULL;
    return es != NULL && es->begun && !es->over ? es : NULL;
}

void explicit_release_ring(struct ring *r)
{
    r->abandoned = true;
    pieces_release(r);
    clients_release(r);
}

void explicit_release_depot(struct depot *d)
{
    size_t at = 0;
    for (struct explicit_span *es; (es = map_next(&d->explicit.spans, &at, NULL, NULL)) != NULL;)
        explicit_free(es);
    map_release(&d->explicit.spans);
    free(d->explicit.put);
}
