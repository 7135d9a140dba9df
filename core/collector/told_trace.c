/* What programs say of traces. */
#include <stdlib.h>
#include <string.h>

#include "collector/internal.h"

/* A name that only a remote parent's program gave is older than any other. */
#define JOINED_NAME_TIME 1

static void drop_end(struct explicit_trace *e)
{
    if (e->end != NULL)
        api_message_release(e->end);
    free(e->end);
    e->end = NULL;
}

void explicit_trace_free(struct explicit_trace *e)
{
    if (e == NULL)
        return;
    drop_end(e);
    told_release(&e->told);
    client_leave(e->client);
    free(e->kept.items);
    free(e->fallback);
    free(e);
}

static struct explicit_trace *attach(struct trace_state *t, struct client *client)
{
    struct explicit_trace *e = t->by_hand;
    if (e == NULL) {
        e = t->by_hand = calloc(1, sizeof(*t->by_hand));
        if (e == NULL)
            return NULL;
        e->unsure = true;
        e->client = client_use(client);
    }
    if (e->client->shared && !client->shared) {
        client_leave(e->client);
        e->client = client_use(client);
    }
    return e;
}

struct trace_state *explicit_trace_get(struct ring *r, const uint8_t *trace_id,
                                       struct client *client, int64_t start)
{
    struct trace_state *t = trace_find(r->depot, trace_id);
    if (t == NULL) {
        struct group_result place = {.name = NULL};
        memcpy(place.trace_id, trace_id, TRACE_ID_LEN);
        t = trace_make(r, &place, start);
    }
    if (t == NULL || attach(t, client != NULL ? client : client_get(r, 0)) == NULL)
        return NULL;
    if (start < t->trace->start_time)
        t->trace->start_time = start;
    return t;
}

static void touch(struct trace_state *t)
{
    t->by_hand->dressed = false;
    t->changed = true;
    trace_touch(t);
}

void explicit_trace_enter(struct trace_state *t, const struct client *client, const char *name)
{
    struct explicit_trace *e = t->by_hand;
    if (e->fallback == NULL && name != NULL)
        e->fallback = strdup(name);
    if (trace_add_destinations(t, client->destinations, client->destination_count) || !t->begun)
        touch(t);
}

static void take_text(struct explicit_trace *e, struct api_message *m, int field, char **to,
                      int64_t time)
{
    if (!api_has(m, field) || !told_wins(&e->told, field, time))
        return;
    free(*to);
    *to = m->value[field].text;
    m->value[field].text = NULL;
    m->set &= ~(1u << field);
    told_cut(&e->told, m, field);
}

static void apply(struct trace_state *t, struct api_message *m, int64_t time, bool content)
{
    struct explicit_trace *e = t->by_hand;
    struct trace *trace = t->trace;
    take_text(e, m, WIRE_FIELD_USER_ID, &trace->user_id, time);
    take_text(e, m, WIRE_FIELD_SESSION_ID, &trace->session_id, time);
    take_text(e, m, WIRE_FIELD_PROJECT_ID, &trace->project_id, time);
    if (content)
        take_text(e, m, WIRE_FIELD_OUTPUT, &trace->output, time);
    if (api_has(m, WIRE_FIELD_TAG) && told_wins(&e->told, WIRE_FIELD_TAG, time)) {
        json_free(trace->tags);
        trace->tags = m->value[WIRE_FIELD_TAG].data;
        m->set &= ~(1u << WIRE_FIELD_TAG);
        told_cut(&e->told, m, WIRE_FIELD_TAG);
    }
    if (api_has(m, WIRE_FIELD_METADATA)) {
        told_merge(&e->told, &trace->metadata, m->value[WIRE_FIELD_METADATA].data, time);
        m->set &= ~(1u << WIRE_FIELD_METADATA);
    }
}

/* Whose end is the trace's end. */
static void own(struct trace_state *t, struct ring *r)
{
    if (t->run || t->ring == r)
        return;
    char *id = r != NULL ? strdup(r->id) : NULL;
    t->ring = r;
    free(t->ring_id);
    t->ring_id = id;
    t->trace->ring_id = id;
}

static void begin(struct trace_state *t, struct ring *r, struct api_message *m, int64_t time)
{
    struct explicit_trace *e = t->by_hand;
    if ((m->head.flags & WIRE_API_JOINED) != 0) {
        e->joined = r;
        if (t->trace->name == NULL)
            take_text(e, m, WIRE_FIELD_NAME, &t->trace->name, JOINED_NAME_TIME);
        return;
    }
    take_text(e, m, WIRE_FIELD_NAME, &t->trace->name, time);
    struct client *client = client_use(client_get(r, m->head.client));
    client_leave(e->client);
    e->client = client;
    own(t, r);
    if (!e->begun && !r->explicit.met)
        e->unsure = false;
    e->begun = true;
}

/* What the end said waits until it is through, since one that ended the trace earlier may still
 * come. */
static void hold_end(struct explicit_trace *e, struct api_message *m, bool content)
{
    drop_end(e);
    if (m->set != 0)
        e->end = malloc(sizeof(*e->end));
    if (e->end == NULL)
        return;
    *e->end = *m;
    e->end_content = content;
    m->set = 0; /* its values are taken */
}

static void end(struct trace_state *t, struct ring *r, struct api_message *m, int64_t time)
{
    struct explicit_trace *e = t->by_hand;
    bool part = (m->head.flags & WIRE_API_JOINED) != 0 || e->joined == r;
    bool first = e->end_ring == NULL;
    if (part)
        apply(t, m, time, r->process.content);
    else
        hold_end(e, m, r->process.content);
    if (!part || ((first || e->end_part) && time > e->end_time))
        e->end_time = time;
    e->ended = true;
    e->end_part = part && (first || e->end_part);
    if (!first)
        return;
    e->end_ring = r;
    e->end_polls = r->polls;
    t->ending = r->explicit.ending;
    r->explicit.ending = t;
    t->depot->explicit.pending++;
}

static void keep(struct explicit_trace *e, const struct kept_list *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_item *item = &kept->items[i];
        if (kept_list_add(&e->kept, item->ring, item->kept))
            item->ring->explicit.kept++;
        else
            kept_release(item->ring, item->kept);
    }
}

static int look_up(struct trace_state *t);

/* It has been ended before that time: to complete it again changes nothing. */
static bool is_complete(struct trace_state *t, int64_t time)
{
    const struct explicit_trace *e = t->by_hand;
    if (e->end_ring != NULL)
        return !e->end_part && time > e->end_time;
    if (e->unsure && !t->begun && depot_ready(t->depot))
        (void)look_up(t);
    return e->ended && t->trace->end_time != 0;
}

void explicit_trace_tell(struct ring *r, struct api_message *m, int64_t time,
                         const struct kept_list *kept)
{
    struct client *client = client_get(r, m->head.client);
    struct trace_state *t = explicit_trace_get(r, m->head.trace_id, client, time);
    bool late = t != NULL && m->type == WIRE_TRACE_END && is_complete(t, time);
    if (t == NULL || late) {
        r->collector->totals.api_late += late && !r->explicit.met;
        if (late)
            trace_touch(t); /* it goes with the next commit */
        for (size_t i = 0; i < kept->count; i++)
            kept_release(kept->items[i].ring, kept->items[i].kept);
        return;
    }
    keep(t->by_hand, kept);
    if (m->type == WIRE_TRACE_END) {
        end(t, r, m, time);
    } else {
        apply(t, m, time, r->process.content);
        if (m->type == WIRE_TRACE_BEGIN)
            begin(t, r, m, time);
        if (t->trace->end_time != 0)
            explicit_trace_extend(t, time);
    }
    t->used = r->collector->now;
    touch(t);
}

void explicit_trace_extend(struct trace_state *t, int64_t end_time)
{
    if (end_time > t->last)
        t->last = end_time;
    if (t->by_hand == NULL || t->trace->end_time == 0 || end_time <= t->trace->end_time)
        return;
    t->trace->end_time = end_time;
    t->ended = false;
    trace_touch(t);
}

/* A process that joined the trace has ended its part; the trace runs on with its own process. */
static bool is_part(const struct trace_state *t)
{
    const struct explicit_trace *e = t->by_hand;
    return e->end_part && t->ring != NULL && t->ring != e->end_ring && t->trace->end_time == 0;
}

static void end_through(struct trace_state *t)
{
    struct explicit_trace *e = t->by_hand;
    bool part = is_part(t);
    if (e->end != NULL)
        apply(t, e->end, e->end_time, e->end_content);
    drop_end(e);
    if (e->end_time > t->last)
        t->last = e->end_time;
    if (t->last < t->trace->start_time)
        t->last = t->trace->start_time;
    e->end_ring = NULL;
    e->end_time = 0;
    t->depot->explicit.pending--;
    if (part)
        e->ended = false;
    else if (t->last > t->trace->end_time)
        t->trace->end_time = t->last;
    t->ended = false;
    touch(t);
}

void explicit_traces_service(struct ring *r, bool all)
{
    for (struct trace_state **at = &r->explicit.ending; *at != NULL;) {
        struct trace_state *t = *at;
        if (!all && r->polls < t->by_hand->end_polls + WHOLE_POLLS) {
            at = &t->ending;
            continue;
        }
        *at = t->ending;
        t->ending = NULL;
        end_through(t);
    }
}

void explicit_trace_left(struct trace_state *t)
{
    if (t->by_hand == NULL || t->by_hand->ended || t->trace->end_time != 0)
        return;
    t->by_hand->left = true;
    if (t->trace->error == NULL) /* one that the store has comes before it, too */
        t->trace->error = strdup(STORE_TRACE_LEFT);
    touch(t);
}

static void adopt_text(struct explicit_trace *e, const struct told *stored, int field, char **to,
                       char **from)
{
    int64_t mine = e->told.at[field];
    if (*from == NULL || (*to != NULL && mine > stored->at[field] && mine != JOINED_NAME_TIME))
        return;
    free(*to);
    *to = *from;
    *from = NULL;
    e->told.at[field] = stored->at[field];
}

static int64_t latest(const struct told *t)
{
    int64_t last = 0;
    for (int field = 1; field < API_FIELDS; field++)
        if (t->at[field] > last)
            last = t->at[field];
    return last;
}

static void adopt(struct trace_state *t, struct trace *from, const struct store_owner *owner)
{
    struct explicit_trace *e = t->by_hand;
    struct trace *to = t->trace;
    struct told stored = {0};
    told_parse(&stored, from->state);
    int64_t told = latest(&e->told);
    adopt_text(e, &stored, WIRE_FIELD_NAME, &to->name, &from->name);
    adopt_text(e, &stored, WIRE_FIELD_USER_ID, &to->user_id, &from->user_id);
    adopt_text(e, &stored, WIRE_FIELD_SESSION_ID, &to->session_id, &from->session_id);
    adopt_text(e, &stored, WIRE_FIELD_PROJECT_ID, &to->project_id, &from->project_id);
    adopt_text(e, &stored, WIRE_FIELD_OUTPUT, &to->output, &from->output);
    if (to->tags == NULL || stored.at[WIRE_FIELD_TAG] > e->told.at[WIRE_FIELD_TAG]) {
        json_free(to->tags);
        to->tags = from->tags;
        from->tags = NULL;
        e->told.at[WIRE_FIELD_TAG] = stored.at[WIRE_FIELD_TAG];
    }
    if (from->metadata != NULL)
        told_merge_stored(&e->told, &to->metadata, &stored, from->metadata);
    from->metadata = NULL;
    told_release(&stored);
    if (from->start_time < to->start_time)
        to->start_time = from->start_time;
    if (from->end_time != 0)
        drop_end(e); /* it was complete already */
    if (from->end_time != 0 && to->end_time == 0 && e->end_ring == NULL) {
        to->end_time = from->end_time > told ? from->end_time : told;
        e->ended = true;
    }
    (void)trace_add_destinations(t, owner->destinations, owner->destination_count);
    if (!e->begun && owner->ring_id != NULL && !t->run)
        own(t, ring_of(t->depot->collector, owner->ring_id));
}

static int look_up(struct trace_state *t)
{
    struct trace *stored;
    struct store_owner owner;
    int err = store_find_kept_trace(t->depot->store, t->trace->trace_id, &stored, &owner);
    if (err == ERR_OK)
        adopt(t, stored, &owner);
    if (err == ERR_OK || err == ERR_NOENT)
        t->by_hand->unsure = false;
    trace_free(stored);
    free(owner.ring_id);
    return err == ERR_NOENT ? ERR_OK : err;
}

int explicit_trace_dress(struct trace_state *t)
{
    struct explicit_trace *e = t->by_hand;
    struct trace *trace = t->trace;
    if (e == NULL || e->dressed)
        return ERR_OK;
    int err = e->unsure ? look_up(t) : ERR_OK;
    if (err != ERR_OK)
        return err;
    if (trace->name == NULL)
        trace->name = strdup(e->fallback != NULL && !e->begun ? e->fallback : "unnamed");
    if (trace->project_id == NULL && e->client->project_id != NULL)
        trace->project_id = strdup(e->client->project_id);
    (void)trace_add_destinations(t, e->client->destinations, e->client->destination_count);
    if (trace->metadata == NULL && (e->left || e->told.cut != NULL))
        trace->metadata = json_object();
    if (e->left)
        json_set_text(trace->metadata, STORE_ENDED_BY, STORE_ENDED_BY_EXIT);
    if (json_length(e->told.cut) > 0)
        json_set(trace->metadata, "truncated", json_copy(e->told.cut));
    else if (e->told.cut != NULL)
        json_free(json_take(trace->metadata, "truncated"));
    free(trace->state);
    trace->state = told_print(&e->told);
    e->dressed = true;
    return trace->state != NULL ? ERR_OK : ERR_NOMEM;
}

void explicit_trace_written(struct trace_state *t)
{
    if (t->by_hand != NULL && t->by_hand->end_ring == NULL) /* else its end is not in the store */
        explicit_trace_release_kept(t);
}

void explicit_trace_release_kept(struct trace_state *t)
{
    struct explicit_trace *e = t->by_hand;
    for (size_t i = 0; i < e->kept.count; i++)
        e->kept.items[i].ring->explicit.kept--;
    kept_list_release(&e->kept);
}

bool explicit_trace_is_idle(const struct trace_state *t)
{
    const struct explicit_trace *e = t->by_hand;
    return t->begun && !t->dirty && t->open == 0 && e->end_ring == NULL && e->kept.count == 0;
}
