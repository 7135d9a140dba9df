/* Spans made by hand that run, as the store shows them: put when they outlast a group, again when
 * more was said, read again when their collector has forgotten them or was replaced. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collector/internal.h"

#define CHANGE_NS NS_PER_SEC /* between two writes of a span that changes */
#define SHOWN_MAX 65536u     /* in memory, of those that the store shows as they are */

int64_t explicit_change_due(const struct explicit_span *es)
{
    return es->written + CHANGE_NS + (int64_t)(es->bytes >> 10) * NS_PER_MS;
}

bool explicit_due(const struct depot *d, int64_t before)
{
    const struct depot_explicit *e = &d->explicit;
    if (e->fresh.first != NULL && (d->settle || e->fresh.first->arrived <= before))
        return true;
    return e->urgent ||
           (e->changed.first != NULL && (d->settle || d->collector->now >= e->change_due));
}

bool explicit_waiting(const struct depot *d)
{
    const struct depot_explicit *e = &d->explicit;
    return e->pending > 0 || e->fresh.first != NULL || e->changed.first != NULL;
}

static int remember_put(struct depot_explicit *d, struct explicit_span *es)
{
    if (d->put_count == d->put_cap) {
        size_t cap = d->put_cap == 0 ? 64 : d->put_cap * 2;
        struct explicit_span **put = realloc(d->put, cap * sizeof(struct explicit_span *));
        if (put == NULL)
            return ERR_NOMEM;
        d->put = put;
        d->put_cap = cap;
    }
    d->put[d->put_count++] = es;
    es->putting = true;
    return ERR_OK;
}

static int put_one(struct depot *d, struct explicit_span *es)
{
    if (es->unsure) {
        int err = explicit_adopt(es);
        if (err != ERR_OK && err != ERR_NOENT)
            return err;
        es->unsure = false;
    }
    if (es->over)
        return ERR_OK;
    explicit_dress(es);
    explicit_trace_enter(es->trace, es->client, es->span->name);
    free(es->span->state);
    es->span->state = told_print(&es->told);
    if (es->span->state == NULL)
        return ERR_NOMEM;
    struct span *shown = join_shown(es);
    int err = store_put_span(d->store, shown != NULL ? shown : es->span, es->client->destinations,
                             es->client->destination_count);
    span_free(shown);
    return err;
}

static bool is_to_be_put(const struct explicit_span *es)
{
    return es != NULL && es->begun && !es->stored && !es->putting;
}

/* Those above it first: the outbox never has a child before its parent. */
static int put_chain(struct depot *d, struct explicit_span *es)
{
    struct depot_explicit *e = &d->explicit;
    struct explicit_span *top = es;
    int err = remember_put(e, es);
    es->below = NULL;
    while (err == ERR_OK) {
        struct explicit_span *up = map_get(&e->spans, top->span->parent_span_id, SPAN_ID_LEN);
        if (!is_to_be_put(up))
            break;
        err = remember_put(e, up);
        up->below = top;
        top = up;
    }
    for (; top != NULL && err == ERR_OK; top = top->below)
        err = put_one(d, top);
    return err;
}

int explicit_put_chain(struct depot *d, const uint8_t *span_id)
{
    if (d->explicit.spans.count == 0)
        return ERR_OK;
    struct explicit_span *es = map_get(&d->explicit.spans, span_id, SPAN_ID_LEN);
    return is_to_be_put(es) ? put_chain(d, es) : ERR_OK;
}

/* Whether the transaction takes another one. */
static bool has_room(struct depot_explicit *e)
{
    e->more = e->more || e->put_count >= GROUP_SPANS;
    return !e->more;
}

static int put_changed(struct depot *d)
{
    struct depot_explicit *e = &d->explicit;
    int64_t next = INT64_MAX;
    int err = ERR_OK;
    for (struct explicit_span *es = e->changed.first; es != NULL && err == ERR_OK; es = es->next) {
        int64_t due = explicit_change_due(es);
        if (!has_room(e)) {
            next = 0;
            break;
        }
        if (d->settle || es->urgent || due <= d->collector->now) {
            err = remember_put(e, es);
            if (err == ERR_OK)
                err = put_one(d, es);
        } else if (due < next) {
            next = due;
        }
    }
    e->change_due = next;
    return err;
}

/* Spans that wait for their end to be through, and have what no record of theirs says. */
static int put_ended(struct depot *d)
{
    const struct collector *c = d->collector;
    int err = ERR_OK;
    for (size_t i = 0; i < c->ring_count; i++)
        for (struct explicit_span *es = c->rings[i]->explicit.ended.first;
             es != NULL && err == ERR_OK; es = es->next)
            if (es->depot == d && es->urgent && es->begun && !es->putting)
                err = put_chain(d, es);
    return err;
}

int explicit_put(struct depot *d, int64_t before)
{
    struct depot_explicit *e = &d->explicit;
    int err = ERR_OK;
    for (struct explicit_span *es = e->fresh.first; es != NULL && err == ERR_OK; es = es->next) {
        if (!is_to_be_put(es) || !(d->settle || es->urgent || es->arrived <= before))
            continue;
        if (!has_room(e))
            break;
        err = put_chain(d, es);
    }
    if (err == ERR_OK && e->changed.first != NULL)
        err = put_changed(d);
    if (err == ERR_OK && e->urgent)
        err = put_ended(d);
    for (size_t i = 0; i < d->span_count && err == ERR_OK && e->spans.count > 0; i++)
        err = explicit_put_chain(d, d->spans[i].span->parent_span_id);
    return err;
}

static void forget_oldest(struct depot_explicit *d)
{
    struct explicit_span *next;
    for (struct explicit_span *es = d->shown.first; es != NULL && d->shown.count > SHOWN_MAX;
         es = next) {
        next = es->next;
        if (es->holds > 0 || es->joined != NULL)
            continue;
        if (es->ring != NULL)
            es->ring->explicit.forgot = true;
        explicit_forget(es);
    }
}

void explicit_written(struct depot *d)
{
    struct depot_explicit *e = &d->explicit;
    for (size_t i = 0; i < e->put_count; i++) {
        struct explicit_span *es = e->put[i];
        es->putting = es->urgent = false;
        if (es->over) {
            explicit_forget_pending(es);
            continue;
        }
        es->stored = true;
        es->written = d->collector->now;
        if (!es->ended) { /* else the end is not in the store yet */
            es->changed = false;
            explicit_release_kept(es);
        }
        if (es->ring == NULL && !es->ended && es->holds == 0 && es->joined == NULL)
            explicit_forget(es); /* its process ended, or has another collector */
        else
            explicit_place(es);
    }
    e->put_count = 0;
    e->urgent = e->urgent && e->more;
    forget_oldest(e);
}

void explicit_undone(struct depot *d)
{
    struct depot_explicit *e = &d->explicit;
    for (size_t i = 0; i < e->put_count; i++) {
        e->put[i]->putting = false;
        explicit_place(e->put[i]);
    }
    e->put_count = 0;
    e->change_due = 0;
}

static void adopt_text(struct explicit_span *es, const struct told *stored, int field, char **to,
                       char **from)
{
    if (*from == NULL || (*to != NULL && es->told.at[field] >= stored->at[field]))
        return;
    free(*to);
    *to = *from;
    *from = NULL;
    es->told.at[field] = stored->at[field];
}

static void adopt_data(struct explicit_span *es, const struct told *stored, int field, json **to,
                       json **from)
{
    if (*from == NULL || (*to != NULL && es->told.at[field] >= stored->at[field]))
        return;
    json_free(*to);
    *to = *from;
    *from = NULL;
    es->told.at[field] = stored->at[field];
}

static void adopt_figures(struct explicit_span *es, const struct told *stored, struct span *from)
{
    struct span *s = es->span;
    int64_t *const to[] = {&s->tokens_input, &s->tokens_output, &s->tokens_cache_read,
                           &s->tokens_cache_write, &s->tokens_reasoning};
    const int64_t values[] = {from->tokens_input, from->tokens_output, from->tokens_cache_read,
                              from->tokens_cache_write, from->tokens_reasoning};
    for (int i = 0; i < 5; i++) {
        int field = WIRE_FIELD_TOKENS_INPUT + i;
        if (values[i] < 0 || (*to[i] >= 0 && es->told.at[field] >= stored->at[field]))
            continue;
        *to[i] = values[i];
        es->told.at[field] = stored->at[field];
    }
    if (from->cost_usd >= 0 &&
        (s->cost_usd < 0 || es->told.at[WIRE_FIELD_COST] < stored->at[WIRE_FIELD_COST])) {
        s->cost_usd = from->cost_usd;
        es->told.at[WIRE_FIELD_COST] = stored->at[WIRE_FIELD_COST];
    }
}

/* Its begin was released: what it said is in the store alone. */
static bool adopt_begin(struct explicit_span *es, struct span *from,
                        const struct store_owner *owner)
{
    struct span *s = es->span;
    struct ring *r = es->ended ? es->end_ring : es->ring;
    struct client *client = client_new();
    for (size_t i = 0; i < owner->destination_count; i++)
        if (client->destination_count < EXPLICIT_DESTINATIONS && !client->shared)
            client->destinations[client->destination_count++] = owner->destinations[i];
    struct trace_state *t = explicit_trace_get(r, from->trace_id, client, from->start_time);
    if (t == NULL) {
        client_leave(client);
        return false;
    }
    client_leave(es->client);
    es->client = client;
    es->trace = t;
    t->open++;
    memcpy(s->trace_id, from->trace_id, TRACE_ID_LEN);
    memcpy(s->parent_span_id, from->parent_span_id, SPAN_ID_LEN);
    s->type = from->type;
    s->start_time = from->start_time;
    s->process = from->process;
    memset(&from->process, 0, sizeof(from->process));
    es->ring = ring_of(es->depot->collector, owner->ring_id);
    s->ring_id = es->ring != NULL ? es->ring->id : NULL;
    es->begun = true;
    return true;
}

static int adopt(struct explicit_span *es, struct span *from, const struct store_owner *owner)
{
    struct span *s = es->span;
    if (from->end_time != 0) {
        es->over = true;
        return ERR_OK;
    }
    if (from->state == NULL) /* a captured call's, which no program ends */
        return ERR_NOENT;
    if (!es->begun && !adopt_begin(es, from, owner))
        return ERR_NOMEM;
    struct told stored = {0};
    told_parse(&stored, from->state);
    es->told.around |= stored.around;
    join_adopt(es, from, &stored);
    adopt_text(es, &stored, WIRE_FIELD_NAME, &s->name, &from->name);
    adopt_text(es, &stored, WIRE_FIELD_MODEL, &s->model, &from->model);
    adopt_text(es, &stored, WIRE_FIELD_ERROR, &s->error, &from->error);
    adopt_data(es, &stored, WIRE_FIELD_INPUT, &s->input_data, &from->input_data);
    adopt_data(es, &stored, WIRE_FIELD_OUTPUT, &s->output_data, &from->output_data);
    adopt_figures(es, &stored, from);
    if (from->metadata != NULL)
        told_merge_stored(&es->told, &s->metadata, &stored, from->metadata);
    from->metadata = NULL;
    told_release(&stored);
    free(s->state);
    s->state = from->state;
    from->state = NULL;
    es->stored = true;
    if (!es->putting) /* else the lists are being gone through; explicit_written places it */
        explicit_place(es);
    return ERR_OK;
}

int explicit_adopt(struct explicit_span *es)
{
    struct span *stored;
    struct store_owner owner;
    int err = store_find_kept_span(es->depot->store, es->span_id, &stored, &owner);
    if (err == ERR_OK)
        err = adopt(es, stored, &owner);
    span_free(stored);
    free(owner.ring_id);
    return err;
}
