/* Where a captured call belongs when ids come with it: those of the request's own `traceparent`,
 * else those that were active on its thread. Whether these are a span that the program made by hand
 * is known once that span's begin was read, which may come after the call's bytes: the decision
 * waits for it until everything that was committed before the request is read. */
#include <stdlib.h>
#include <string.h>

#include "collector/internal.h"

#define ACTIVES_MAX                                                                                \
    16u /* changes of the active ids within the requests that are not parsed yet                   \
         */

struct actives {
    size_t count;
    struct {
        uint64_t offset;
        bool any;
        struct active_ids ids;
    } from[ACTIVES_MAX];
};

void conn_note_active(struct conn *c, uint64_t offset, const struct active_ids *ids)
{
    struct actives *a = c->actives;
    if (a == NULL) {
        if (ids == NULL)
            return;
        a = c->actives = calloc(1, sizeof(*a));
        if (a == NULL)
            return;
    }
    if (a->count > 0) {
        bool any = a->from[a->count - 1].any;
        if (any == (ids != NULL) &&
            (!any || memcmp(&a->from[a->count - 1].ids, ids, sizeof(*ids)) == 0))
            return;
    }
    if (a->count == ACTIVES_MAX)
        memmove(a->from, a->from + 1, --a->count * sizeof(a->from[0]));
    a->from[a->count].offset = offset;
    a->from[a->count].any = ids != NULL;
    if (ids != NULL)
        a->from[a->count].ids = *ids;
    a->count++;
}

const struct active_ids *conn_active_at(struct conn *c, uint64_t offset)
{
    struct actives *a = c->actives;
    if (a == NULL || a->count == 0 || a->from[0].offset > offset)
        return NULL;
    size_t past = 0;
    while (past + 1 < a->count && a->from[past + 1].offset <= offset)
        past++;
    a->count -= past;
    memmove(a->from, a->from + past, a->count * sizeof(a->from[0]));
    return a->from[0].any ? &a->from[0].ids : NULL;
}

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

/* False: nothing is known of its ids yet. */
static bool decide(struct call *call, bool last)
{
    if (!last)
        return false;
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
    call->polls = call->ring->polls;
    call_enlist(call, CALL_UNDECIDED, &call->ring->undecided);
    (void)decide(call, false);
    return true;
}

void join_end(struct call *call)
{
    if (call->list != CALL_UNDECIDED) {
        call_commit(call);
        call_free(call);
    } else {
        call->polls = call->ring->polls;
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

struct call **joined_calls(struct joined *j)
{
    (void)j;
    return NULL;
}
