/* The traces that captured calls belong to: made with their first call, ended with their process,
 * their run, or, in a process that serves many conversations, after a time without calls. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collector/internal.h"

#define IDLE_NS    (600 * NS_PER_SEC)
#define TRACES_MAX 65536u /* in memory, of those that run and that the store knows */

struct trace_key {
    struct depot *depot;
    uint8_t id[TRACE_ID_LEN];
};

static struct trace_key key_of(struct depot *d, const uint8_t *id)
{
    struct trace_key key;
    memset(&key, 0, sizeof(key));
    key.depot = d;
    memcpy(key.id, id, TRACE_ID_LEN);
    return key;
}

void trace_state_free(struct trace_state *t)
{
    if (t == NULL)
        return;
    explicit_trace_free(t->by_hand);
    trace_free(t->trace);
    free(t->ring_id);
    free(t);
}

/* In the list of what the next commit writes. */
void trace_touch(struct trace_state *t)
{
    struct depot *d = t->depot;
    if (t->dirty)
        return;
    if (d->trace_count == d->trace_cap) {
        size_t cap = d->trace_cap == 0 ? 16 : d->trace_cap * 2;
        struct trace_state **traces = realloc(d->traces, cap * sizeof(struct trace_state *));
        if (traces == NULL)
            return;
        d->traces = traces;
        d->trace_cap = cap;
    }
    d->traces[d->trace_count++] = t;
    t->dirty = true;
}

bool trace_add_destinations(struct trace_state *t, const int64_t *ids, size_t count)
{
    bool more = false;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < t->destination_count && !known; k++)
            known = t->destinations[k] == ids[i];
        if (!known && t->destination_count < DESTINATIONS_MAX) {
            t->destinations[t->destination_count++] = ids[i];
            t->begun = false; /* the new one has to hear of the trace */
            more = true;
        }
    }
    return more;
}

static void add_destinations(struct trace_state *t, const struct process *p)
{
    (void)trace_add_destinations(t, p->destinations, p->destination_count);
}

void traces_add_destinations(struct ring *r)
{
    size_t at = 0;
    for (struct trace_state *t; (t = map_next(&r->collector->traces, &at, NULL, NULL)) != NULL;)
        if (t->by_hand == NULL && (t->ring == r || (t->run && strcmp(t->ring_id, r->id) == 0)))
            add_destinations(t, &r->process);
}

static struct trace_state *state_new(struct ring *r, const struct group_result *place)
{
    struct trace_state *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->trace = trace_new();
    t->depot = r->depot;
    t->ring_id = strdup(r->id);
    if (t->trace == NULL || t->ring_id == NULL) {
        trace_state_free(t);
        return NULL;
    }
    memcpy(t->trace->trace_id, place->trace_id, TRACE_ID_LEN);
    t->trace->name = place->name != NULL ? strdup(place->name) : NULL;
    uint8_t run[TRACE_ID_LEN];
    t->run = r->process.run_trace != NULL &&
             id_from_hex(r->process.run_trace, TRACE_ID_LEN, run) == ERR_OK &&
             memcmp(run, place->trace_id, TRACE_ID_LEN) == 0;
    if (!t->run) {
        t->ring = r;
        t->trace->ring_id = t->ring_id;
    }
    if (place->inferred) {
        t->trace->metadata = json_object();
        json_set_bool(t->trace->metadata, "conversation_inferred", true);
    }
    return t;
}

struct trace_state *trace_find(struct depot *d, const uint8_t *id)
{
    struct trace_key key = key_of(d, id);
    return map_get(&d->collector->traces, &key, sizeof(key));
}

struct trace_state *trace_make(struct ring *r, const struct group_result *place, int64_t start)
{
    struct trace_key key = key_of(r->depot, place->trace_id);
    struct trace_state *t = state_new(r, place);
    if (t == NULL)
        return NULL;
    t->trace->start_time = start;
    t->used = r->collector->now;
    if (map_set(&r->collector->traces, &key, sizeof(key), t) != ERR_OK) {
        trace_state_free(t);
        return NULL;
    }
    return t;
}

struct trace_state *trace_get(struct ring *r, const struct group_result *place, int64_t start)
{
    struct trace_state *t = trace_find(r->depot, place->trace_id);
    if (t == NULL) {
        t = trace_make(r, place, start);
        if (t == NULL)
            return NULL;
        if (r->process.wanted_count > 0 && r->process.wanted[0].project_id != NULL)
            t->trace->project_id = strdup(r->process.wanted[0].project_id);
    }
    if (t->by_hand == NULL) {
        if (t->trace->end_time != 0) { /* a conversation that goes on */
            t->trace->end_time = 0;
            t->ended = false;
        }
        add_destinations(t, &r->process);
    }
    if (!t->begun)
        trace_touch(t);
    t->used = r->collector->now;
    return t;
}

void trace_end(struct trace_state *t, int64_t end_time)
{
    if (t->trace->end_time != 0)
        return;
    if (end_time < t->last)
        end_time = t->last;
    t->trace->end_time = end_time > t->trace->start_time ? end_time : t->trace->start_time;
    trace_touch(t);
}

void traces_end_ring(struct ring *r)
{
    struct collector *c = r->collector;
    size_t at = 0;
    for (struct trace_state *t; (t = map_next(&c->traces, &at, NULL, NULL)) != NULL;)
        if (t->ring == r) {
            explicit_trace_left(t);
            trace_end(t, t->by_hand != NULL ? r->lived : 0);
            t->ring = NULL;
        }
}

void traces_end_idle(struct collector *c)
{
    size_t at = 0;
    for (struct trace_state *t; (t = map_next(&c->traces, &at, NULL, NULL)) != NULL;)
        if (t->by_hand == NULL && t->ring != NULL && t->ring->process.listens == 1 &&
            t->open == 0 && c->now - t->used > IDLE_NS)
            trace_end(t, 0);
}

/* Its program is not here any more, or there are too many: it is in the store, and is found again
 * there when more is said of it. */
static bool may_be_forgotten(const struct collector *c, struct trace_state *t)
{
    if (t->by_hand == NULL || t->run || !explicit_trace_is_idle(t))
        return false;
    if (t->ring != NULL && !t->ended) {
        if (c->traces.count < TRACES_MAX)
            return false;
        t->ring->explicit.forgot = true;
    }
    return true;
}

void traces_sweep(struct collector *c)
{
    size_t at = 0;
    for (struct trace_state *t; (t = map_next(&c->traces, &at, NULL, NULL)) != NULL;) {
        if (!may_be_forgotten(c, t) && (!t->ended || t->dirty || t->open > 0 || t->by_hand != NULL))
            continue;
        struct trace_key key = key_of(t->depot, t->trace->trace_id);
        map_take(&c->traces, &key, sizeof(key));
        trace_state_free(t);
    }
}
