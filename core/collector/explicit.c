/* Spans that programs make by hand: from their records to the commit group. */
#include "collector/explicit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define TIME_MAX (UINT64_C(1) << 61) /* 73 years after the boot */

static void list_leave(struct explicit_span *es)
{
    struct explicit_list *l = es->list;
    if (l == NULL)
        return;
    if (es->prev != NULL)
        es->prev->next = es->next;
    else
        l->first = es->next;
    if (es->next != NULL)
        es->next->prev = es->prev;
    else
        l->last = es->prev;
    l->count--;
    es->list = NULL;
    es->next = es->prev = NULL;
}

static void list_append(struct explicit_list *l, struct explicit_span *es)
{
    es->list = l;
    es->prev = l->last;
    es->next = NULL;
    if (l->last != NULL)
        l->last->next = es;
    else
        l->first = es;
    l->last = es;
    l->count++;
}

static struct explicit_list *list_for(struct explicit_span *es)
{
    struct depot_explicit *d = &es->depot->explicit;
    if (es->ended)
        return &es->end_ring->explicit.ended;
    if (!es->begun)
        return &es->ring->explicit.unborn;
    if (!es->stored)
        return &d->fresh;
    return es->changed ? &d->changed : &d->shown;
}

bool explicit_is_pending(const struct explicit_span *es)
{
    return es->list != NULL && (es->ended || !es->begun);
}

void explicit_place(struct explicit_span *es)
{
    struct depot_explicit *d = &es->depot->explicit;
    struct explicit_list *l = list_for(es);
    if (es->list == l)
        return;
    list_leave(es);
    list_append(l, es);
    if (l == &d->changed) {
        int64_t due = explicit_change_due(es);
        if (d->changed.count == 1 || due < d->change_due)
            d->change_due = due;
    }
}

static void release_kept(struct explicit_span *es, bool now)
{
    for (size_t i = 0; i < es->kept.count; i++) {
        const struct kept_item *item = &es->kept.items[i];
        item->ring->explicit.kept--;
        if (now)
            kept_release(item->ring, item->kept);
        else
            kept_commit(item->ring, item->kept);
    }
    es->kept.count = es->kept.bytes = 0;
}

void explicit_release_kept(struct explicit_span *es)
{
    release_kept(es, true);
}

void explicit_changed(struct explicit_span *es)
{
    es->changed = es->urgent = es->depot->explicit.urgent = true;
    explicit_place(es);
}

void explicit_free(struct explicit_span *es)
{
    join_release(es);
    if (es->end != NULL)
        api_message_release(es->end);
    free(es->end);
    told_release(&es->told);
    span_free(es->span);
    free(es->kept.items);
    client_leave(es->client);
    free(es);
}

void explicit_forget(struct explicit_span *es)
{
    struct depot_explicit *d = &es->depot->explicit;
    release_kept(es, false);
    list_leave(es);
    map_take(&d->spans, es->span_id, SPAN_ID_LEN);
    d->bytes -= es->bytes;
    if (es->trace != NULL)
        es->trace->open--;
    explicit_free(es);
}

struct explicit_span *explicit_new(struct ring *r, const uint8_t *span_id)
{
    struct depot_explicit *d = &r->depot->explicit;
    struct explicit_span *es = calloc(1, sizeof(*es));
    if (es == NULL)
        return NULL;
    memcpy(es->span_id, span_id, SPAN_ID_LEN);
    es->depot = r->depot;
    es->ring = r;
    es->client = client_use(client_get(r, 0));
    es->arrived = r->collector->now;
    es->first_polls = r->polls;
    es->unsure = true;
    es->span = span_new();
    if (es->span == NULL || map_set(&d->spans, es->span_id, SPAN_ID_LEN, es) != ERR_OK) {
        explicit_free(es);
        return NULL;
    }
    memcpy(es->span->span_id, span_id, SPAN_ID_LEN);
    return es;
}

static void keep(struct explicit_span *es, const struct kept_list *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_item *item = &kept->items[i];
        es->bytes += item->kept.size;
        es->depot->explicit.bytes += item->kept.size;
        if (kept_list_add(&es->kept, item->ring, item->kept))
            item->ring->explicit.kept++;
        else
            kept_release(item->ring, item->kept);
    }
}

static void release_all(const struct kept_list *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        kept_release(kept->items[i].ring, kept->items[i].kept);
}

static void take_text(struct explicit_span *es, struct api_message *m, int field, char **to,
                      int64_t time)
{
    if (!api_has(m, field) || !told_wins(&es->told, field, time))
        return;
    free(*to);
    *to = m->value[field].text;
    m->set &= ~(1u << field);
    told_cut(&es->told, m, field);
}

static void take_data(struct explicit_span *es, struct api_message *m, int field, json **to,
                      int64_t time)
{
    if (!api_has(m, field) || !told_wins(&es->told, field, time))
        return;
    json_free(*to);
    *to = m->value[field].data;
    m->set &= ~(1u << field);
}

void explicit_apply(struct explicit_span *es, struct api_message *m, int64_t time, bool content)
{
    struct span *s = es->span;
    int64_t *const figures[] = {&s->tokens_input, &s->tokens_output, &s->tokens_cache_read,
                                &s->tokens_cache_write, &s->tokens_reasoning};
    take_text(es, m, WIRE_FIELD_NAME, &s->name, time);
    take_text(es, m, WIRE_FIELD_MODEL, &s->model, time);
    take_text(es, m, WIRE_FIELD_ERROR, &s->error, time);
    if (content) {
        take_data(es, m, WIRE_FIELD_INPUT, &s->input_data, time);
        take_data(es, m, WIRE_FIELD_OUTPUT, &s->output_data, time);
    }
    if (api_has(m, WIRE_FIELD_METADATA)) {
        told_merge(&es->told, &s->metadata, m->value[WIRE_FIELD_METADATA].data, time);
        m->set &= ~(1u << WIRE_FIELD_METADATA);
    }
    for (int i = 0; i < 5; i++) {
        int field = WIRE_FIELD_TOKENS_INPUT + i;
        if (api_has(m, field) && told_wins(&es->told, field, time))
            *figures[i] = m->value[field].figure;
    }
    if (api_has(m, WIRE_FIELD_COST) && told_wins(&es->told, WIRE_FIELD_COST, time))
        s->cost_usd = m->value[WIRE_FIELD_COST].cost;
}

static void set_process(struct span *s, const struct ring *r)
{
    const struct process *p = &r->process;
    s->process.pid = p->pid;
    if (s->process.exe == NULL && p->exe != NULL)
        s->process.exe = strdup(p->exe);
    if (s->process.argv == NULL)
        s->process.argv = json_copy(p->argv);
    s->ring_id = r->id;
}

static bool begin(struct explicit_span *es, struct ring *r, struct api_message *m, int64_t time)
{
    struct span *s = es->span;
    const struct wire_api_head *head = &m->head;
    struct client *client = client_get(r, head->client);
    struct trace_state *t = explicit_trace_get(r, head->trace_id, client, time);
    if (t == NULL)
        return false;
    if (es->begun) /* told twice, or by two */
        return true;
    es->begun = true;
    es->unsure = r->explicit.met;
    es->ring = r;
    client_leave(es->client);
    es->client = client_use(client);
    es->trace = t;
    t->open++;
    t->used = r->collector->now;
    memcpy(s->trace_id, head->trace_id, TRACE_ID_LEN);
    if (memcmp(head->parent_id, head->span_id, SPAN_ID_LEN) != 0)
        memcpy(s->parent_span_id, head->parent_id, SPAN_ID_LEN);
    s->type = (enum span_type)head->span_type;
    s->start_time = time;
    es->order = es->depot->explicit.order++;
    set_process(s, r);
    return true;
}

/* The message that ends a span waits until the span is finished, since one that ended it earlier
 * may still come. */
static void end(struct explicit_span *es, struct ring *r, struct api_message *m, int64_t time)
{
    if (es->end != NULL)
        api_message_release(es->end);
    else if (m->set != 0)
        es->end = malloc(sizeof(*es->end));
    if (es->end != NULL) {
        *es->end = *m;
        m->set = 0; /* its values are taken */
    }
    es->end_time = time;
    if (es->ended)
        return;
    es->ended = true;
    es->end_ring = r;
    es->end_polls = r->polls;
}

static void tell_span(struct ring *r, struct api_message *m, int64_t time,
                      const struct kept_list *kept)
{
    struct depot_explicit *d = &r->depot->explicit;
    struct explicit_span *es = map_get(&d->spans, m->head.span_id, SPAN_ID_LEN);
    if (es == NULL)
        es = explicit_new(r, m->head.span_id);
    bool late = es != NULL && es->ended && time > es->end_time && m->type != WIRE_SPAN_BEGIN;
    if (es == NULL || es->over || late) {
        if (es != NULL && !r->explicit.met) /* else an earlier collector may have seen it in time */
            r->collector->totals.api_late++;
        release_all(kept);
        return;
    }
    bool was_pending = explicit_is_pending(es);
    keep(es, kept);
    if (m->type == WIRE_SPAN_BEGIN && !begin(es, r, m, time))
        log_debug("out of memory: a span's begin is lost");
    if (m->type == WIRE_SPAN_END)
        end(es, r, m, time);
    else
        explicit_apply(es, m, time, r->process.content);
    if (es->trace != NULL && m->type == WIRE_SPAN_BEGIN)
        explicit_trace_enter(es->trace, es->client, es->span->name);
    es->changed = true;
    explicit_place(es);
    d->pending += explicit_is_pending(es);
    d->pending -= was_pending;
}

static void tell(struct ring *r, uint16_t type, const uint8_t *data, size_t length, uint64_t time,
                 const struct kept_list *kept)
{
    struct api_message m;
    int64_t wall = r->process.boot_to_wall + (int64_t)(time < TIME_MAX ? time : TIME_MAX);
    if (wall < 1)
        wall = 1;
    int err = api_message_read(&m, type, data, length);
    r->collector->totals.api_bad += err != ERR_OK || m.malformed;
    if (err != ERR_OK) {
        release_all(kept);
    } else if (type == WIRE_CLIENT || type == WIRE_CLIENT_END) {
        for (size_t i = 1; i < kept->count; i++) /* nobody has texts as long as that */
            kept_release(r, kept->items[i].kept);
        client_tell(r, &m, kept->items[0].kept);
    } else if (m.of_trace) {
        explicit_trace_tell(r, &m, wall, kept);
    } else {
        tell_span(r, &m, wall, kept);
    }
    api_message_release(&m);
}

void ring_api(struct ring *r, const struct wire_record *head, const uint8_t *payload, struct kept k)
{
    if (head->conn == 0) {
        struct kept_item item = {r, k};
        struct kept_list kept = {.items = &item, .count = 1};
        tell(r, head->type, payload, head->length, head->time, &kept);
        return;
    }
    struct kept_list kept = {0};
    uint8_t *whole;
    size_t length = 0;
    uint64_t time = 0;
    pieces_add(r, head, payload, k, &whole, &length, &time, &kept);
    if (whole != NULL)
        tell(r, head->type, whole, length, time, &kept);
    free(whole);
    free(kept.items);
}

void explicit_forget_pending(struct explicit_span *es)
{
    es->depot->explicit.pending -= explicit_is_pending(es);
    explicit_forget(es);
}
