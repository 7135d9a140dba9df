/* Where a captured call belongs when ids come with it: those of the request's own `traceparent`,
 * else those that were active on its thread. Whether these are of a span that the program made by
 * hand is known once that span's begin was read, which may come after the call's bytes: the
 * decision waits for it until everything that was committed before the request is read. A call
 * inside such a span of type llm fills it (inside.c), any other is its child, in its trace,
 * delivered where that is. */
#include <stdlib.h>
#include <string.h>

#include "collector/internal.h"

/* In which records come that an earlier collector has read. */
#define FIRST_POLLS (UINT64_C(2) * WHOLE_POLLS)
#define DEPTH_MAX   64

void kept_later(struct ring *r, struct kept k)
{
    struct later_list *l = &r->later;
    if (r->undecided == NULL && l->count == l->first) {
        kept_commit(r, k);
        return;
    }
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        struct later_item *items = realloc(l->items, cap * sizeof(*items));
        if (items == NULL) {
            kept_commit(r, k);
            return;
        }
        l->items = items;
        l->cap = cap;
    }
    l->items[l->count++] = (struct later_item){k, r->polls};
}

static void later_commit(struct ring *r, bool all)
{
    struct later_list *l = &r->later;
    while (l->first < l->count && (all || r->polls >= l->items[l->first].polls + WHOLE_POLLS))
        kept_commit(r, l->items[l->first++].kept);
    if (l->first < l->count && l->first < l->count / 2)
        return;
    l->count -= l->first;
    if (l->count > 0)
        memmove(l->items, l->items + l->first, l->count * sizeof(*l->items));
    l->first = 0;
}

/* Puts the parent of a span that is finished, or is a captured call's, in the place of its id. */
static bool take_parent(struct depot *d, const uint8_t *trace_id, uint8_t *id)
{
    struct span *stored = NULL;
    struct store_owner owner = {0};
    const struct span *s = NULL;
    for (size_t i = 0; i < d->span_count && s == NULL; i++)
        if (memcmp(d->spans[i].span->span_id, id, SPAN_ID_LEN) == 0)
            s = d->spans[i].span;
    if (s == NULL && d->store != NULL &&
        store_find_kept_span(d->store, id, &stored, &owner) == ERR_OK)
        s = stored;
    bool found = s != NULL && memcmp(s->trace_id, trace_id, TRACE_ID_LEN) == 0;
    if (found)
        memcpy(id, s->parent_span_id, SPAN_ID_LEN);
    span_free(stored);
    free(owner.ring_id);
    return found;
}

void join_mark(struct depot *d, const uint8_t *trace_id, const uint8_t *span_id, int64_t start,
               bool look)
{
    uint8_t id[SPAN_ID_LEN];
    memcpy(id, span_id, SPAN_ID_LEN);
    for (int depth = 0; depth < DEPTH_MAX && !id_is_zero(id, SPAN_ID_LEN); depth++) {
        struct explicit_span *es = map_get(&d->explicit.spans, id, SPAN_ID_LEN);
        if (es == NULL && look)
            es = explicit_find(d, id);
        if (es == NULL || !es->begun || es->over) {
            if (!look || !take_parent(d, trace_id, id))
                return;
            continue;
        }
        if (es->told.around || memcmp(es->span->trace_id, trace_id, TRACE_ID_LEN) != 0)
            return;
        if (!es->ended || start <= es->end_time) {
            es->told.around = true;
            if (es->stored || es->unsure) /* before the call's records are released */
                explicit_changed(es);
        }
        memcpy(id, es->span->parent_span_id, SPAN_ID_LEN);
    }
}

/* The call is placed for good: it runs, or becomes a span. */
static bool settle(struct call *call)
{
    if (call->ended != NULL) {
        call_commit(call);
        call_free(call);
        return true;
    }
    if (!call_place(call))
        return false;
    call_enlist(call, CALL_FRESH, &call->ring->depot->fresh);
    return true;
}

static bool is_generation(const struct call *call)
{
    return call->operation != LLM_OP_EMBEDDINGS;
}

/* Whether the call fills the span. One that was sent when the span was over is its child. */
static bool fills(const struct explicit_span *es, const struct call *call)
{
    return es->begun && !es->over && es->span->type == SPAN_LLM && is_generation(call) &&
           (!es->ended || call->start <= es->end_time);
}

/* A collector that was killed left records of calls that its spans have already: those of a span
 * that it finished are told by their time. */
static bool was_inside(struct call *call)
{
    struct depot *d = call->ring->depot;
    struct span *s = NULL;
    struct store_owner owner;
    if (!call->ring->inherited || call->first_polls > FIRST_POLLS || !is_generation(call) ||
        d->store == NULL ||
        store_find_kept_span(d->store, call->place.parent_span_id, &s, &owner) != ERR_OK)
        return false;
    bool inside = s->type == SPAN_LLM && s->end_time != 0 && s->capture_route != NULL &&
                  call->start >= s->start_time && call->start <= s->end_time;
    span_free(s);
    free(owner.ring_id);
    return inside;
}

/* A trace made by hand that is in the store alone. */
static bool find_trace(struct call *call)
{
    struct depot *d = call->ring->depot;
    struct trace *t = NULL;
    struct store_owner owner;
    if (d->store == NULL ||
        store_find_kept_trace(d->store, call->place.trace_id, &t, &owner) != ERR_OK)
        return false;
    bool by_hand = t->state != NULL;
    trace_free(t);
    free(owner.ring_id);
    return by_hand &&
           explicit_trace_get(call->ring, call->place.trace_id, NULL, call->start) != NULL;
}

/* Frees the call, or leaves it where it is until it ends. */
static void drop(struct call *call)
{
    call->absorbed = true;
    if (call->ended != NULL)
        call_free(call);
    else
        call_leave(call);
}

/* last: all is read that was committed before the request. False: nothing is known of its ids. */
static bool decide(struct call *call, bool last)
{
    struct depot *d = call->ring->depot;
    const uint8_t *parent = call->place.parent_span_id;
    struct explicit_span *es = id_is_zero(parent, SPAN_ID_LEN) ? NULL : explicit_find(d, parent);
    if (es != NULL && es->unsure && es->begun && depot_ready(d)) {
        int err = explicit_adopt(es); /* the calls that it has already, before others are added */
        es->unsure = err != ERR_OK && err != ERR_NOENT;
    }
    if (es != NULL && es->begun && !es->over &&
        memcmp(es->span->trace_id, call->place.trace_id, TRACE_ID_LEN) == 0) {
        call->client = client_use(es->client);
        join_mark(d, call->place.trace_id, parent, call->start, true);
        if (!fills(es, call))
            return settle(call);
        if (inside_has(es, call))
            drop(call);
        else
            inside_add(es, call);
        return true;
    }
    if (!last)
        return false;
    if (was_inside(call)) {
        drop(call);
        return true;
    }
    struct trace_state *t = trace_find(d, call->place.trace_id);
    if (t != NULL ? t->by_hand != NULL : find_trace(call))
        join_mark(d, call->place.trace_id, parent, call->start, true);
    return settle(call);
}

bool join_begin(struct call *call)
{
    const struct active_ids *ids = &call->active;
    uint8_t trace_id[TRACE_ID_LEN], span_id[SPAN_ID_LEN];
    bool named = traceparent_parse(call->seen->traceparent, trace_id, span_id) == ERR_OK;
    if (!named && (!call->has_active || id_is_zero(ids->trace_id, TRACE_ID_LEN)))
        return settle(call);
    if (!named) {
        memcpy(call->place.trace_id, ids->trace_id, TRACE_ID_LEN);
        memcpy(call->place.parent_span_id, ids->span_id, SPAN_ID_LEN);
        call->place.inferred = false;
    }
    call->polls = call->first_polls = call->ring->polls;
    call_enlist(call, CALL_UNDECIDED, &call->ring->undecided);
    (void)decide(call, false);
    return true;
}

void join_end(struct call *call)
{
    if (call->absorbed) {
        call_free(call);
    } else if (call->list == CALL_INSIDE) {
        inside_end(call);
    } else if (call->list == CALL_UNDECIDED) {
        call->polls = call->ring->polls;
        (void)decide(call, false);
    } else {
        call_commit(call);
        call_free(call);
    }
}

void join_look(struct ring *r, bool all)
{
    struct call *next;
    for (struct call *call = r->undecided; call != NULL; call = next) {
        next = call->next;
        (void)decide(call, all || r->polls >= call->polls + WHOLE_POLLS);
    }
    later_commit(r, all);
}

void join_forget(struct ring *r)
{
    while (r->undecided != NULL)
        call_free(r->undecided);
    free(r->later.items);
    r->later = (struct later_list){0};
}
