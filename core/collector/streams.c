/* Records of a connection to its two streams of bytes. Threads write into different blocks, so that
 * records come out of order: one whose predecessor is missing waits, unless `lost` says that the
 * predecessor never reached the ring. One that stays missing for two complete polls (and half a
 * second: its writer may just be off the processor) belonged to a thread that died: a gap. The
 * bytes of an answer wait likewise until their request is complete: both may be in the same poll,
 * in blocks that are read in another order; and the next request waits for the answer. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collector/internal.h"

#define CONN_INFO_MAX 1024u /* of a host or peer text */
#define ROW_CONNS_MAX 1024u /* connections kept in a ring's row */
#define ACTIVE_SPAN   (uint32_t)sizeof(struct active_ids)
/* A time that can be added to without overflow: 73 years. */
#define TIME_MAX     (INT64_C(1) << 61)
#define TIME_SANE(t) ((t) > (uint64_t)TIME_MAX ? TIME_MAX : (int64_t)(t))

static void wait_list_add(struct conn *c)
{
    if (c->waiting)
        return;
    c->waiting = true;
    c->prev = NULL;
    c->next = c->ring->waiting;
    if (c->next != NULL)
        c->next->prev = c;
    c->ring->waiting = c;
}

static void wait_list_remove(struct conn *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->ring->waiting = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

struct conn *ring_conn_get(struct ring *r, uint64_t id, bool make)
{
    struct conn *c = map_get(&r->conns, &id, sizeof(id));
    if (c != NULL || !make || r->conns.count >= CONNECTIONS_MAX)
        return c;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->id = id;
    c->ring = r;
    c->opened = c->last = r->collector->now;
    c->settling = r->inherited;
    c->dir[HTTP_OUT].floating = c->dir[HTTP_IN].floating = r->inherited;
    if (map_set(&r->conns, &id, sizeof(id), c) != ERR_OK) {
        free(c);
        return NULL;
    }
    return c;
}

static void conn_parse(struct conn *c)
{
    struct http_options options = {.body_max = CONTENT_MAX,
                                   .resync = c->settling,
                                   .server = c->server,
                                   .curl_layer = c->layer == WIRE_LAYER_CURL};
    if (c->http == NULL && c->proto == WIRE_PROTO_HTTP1 &&
        http_conn_new(&c->http, &options, &call_handler, c) != ERR_OK)
        c->http = NULL;
}

static void count_http2(struct conn *c)
{
    struct map *m = &c->ring->collector->http2;
    const char *host = c->host != NULL && c->host[0] != '\0' ? c->host : c->peer;
    if (host == NULL || host[0] == '\0')
        host = "unknown";
    if (m->count >= 256 && map_get(m, host, strlen(host)) == NULL)
        host = "others";
    uintptr_t count = (uintptr_t)map_get(m, host, strlen(host));
    if (map_set(m, host, strlen(host), (void *)(count + 1)) != ERR_OK)
        return;
}

static char *take_text(const uint8_t **at, const uint8_t *end)
{
    if (*at >= end)
        return NULL;
    const uint8_t *stop = memchr(*at, '\0', (size_t)(end - *at));
    if (stop == NULL || (size_t)(stop - *at) > CONN_INFO_MAX) {
        *at = end;
        return NULL;
    }
    char *text = strdup((const char *)*at);
    *at = stop + 1;
    return text;
}

static void conn_advance(struct conn *c, bool force);

void ring_conn_open(struct conn *c, const struct wire_record *head, const uint8_t *payload,
                    struct kept k)
{
    struct wire_connection_info info;
    if (c->known || head->length < sizeof(info)) {
        kept_release(c->ring, k);
        return;
    }
    memcpy(&info, payload, sizeof(info));
    if (info.layer == 0 || info.layer >= WIRE_LAYER_LIMIT || info.proto == 0 ||
        info.proto >= WIRE_PROTO_LIMIT) {
        kept_release(c->ring, k);
        return;
    }
    const uint8_t *at = payload + sizeof(info);
    c->host = take_text(&at, payload + head->length);
    c->peer = take_text(&at, payload + head->length);
    c->slot = info.slot;
    c->layer = info.layer;
    c->tls = info.tls != 0;
    c->proto = info.proto;
    c->server = info.server != 0;
    c->known = true;
    if (c->proto == WIRE_PROTO_HTTP2) {
        count_http2(c);
        ring_reader_stop(c->ring->reader, c->slot);
        c->settling = false;
        kept_release(c->ring, k);
        return; /* nothing but this record follows */
    }
    c->birth = k;
    conn_parse(c);
    if (!c->settling)
        conn_advance(c, false);
}

/* Nothing more can come of the connection: its hooks are told to stop looking. */
static void conn_give_up(struct conn *c)
{
    if (c->stopped)
        return;
    c->stopped = true;
    c->ring->unparsed++;
    c->ring->collector->totals.unparsed++;
    ring_reader_stop(c->ring->reader, c->slot);
    ring_conn_kept_commit(c);
}

static void stream_gap(struct conn *c, enum http_dir dir, uint64_t len, int64_t time)
{
    c->dir[dir].next += len;
    c->ring->gaps++;
    c->ring->gap_bytes += len;
    c->ring->collector->totals.gaps++;
    c->ring->collector->totals.gap_bytes += len;
    if (c->http != NULL)
        http_conn_gap(c->http, dir, len, time);
}

/* The bytes of a record whose place in the stream is reached. What lies before `next` was seen
 * already and is skipped. */
static void stream_feed(struct conn *c, enum http_dir dir, const struct piece *p, const char *data)
{
    struct stream *s = &c->dir[dir];
    if (s->floating) {
        s->floating = false;
        s->next = p->offset;
        s->lost = p->lost;
    }
    if (p->offset > s->next)
        stream_gap(c, dir, p->offset - s->next, p->time);
    if (p->lost > s->lost)
        s->lost = p->lost;
    uint64_t seen = s->next - p->offset;
    size_t len = seen < p->length ? p->length - (size_t)seen : 0;
    if (c->http == NULL || c->stopped || s->next > UINT64_MAX - len || (len == 0 && !p->eof)) {
        s->next += s->next > UINT64_MAX - len ? 0 : len;
        kept_commit(c->ring, p->kept);
        return;
    }
    uint64_t offset = s->next;
    s->next += len;
    size_t open = http_conn_open(c->http);
    c->touched = false;
    if (dir == (c->server ? HTTP_IN : HTTP_OUT))
        conn_note_active(c, offset, p->has_active ? &p->active : NULL);
    if (len > 0)
        http_conn_data(c->http, dir, offset, data + seen, len, p->time);
    if (p->eof)
        http_conn_eof(c->http, dir, p->time);
    ring_conn_keep(c, p->kept);
    if (http_conn_dead(c->http)) {
        conn_give_up(c);
        return;
    }
    /* The record is needed while an exchange is open, and when it began a request's head that is
     * not complete. Otherwise everything up to here waits for the commit alone. */
    bool head_begun = dir == (c->server ? HTTP_IN : HTTP_OUT) && open == 0 && !c->touched;
    if (http_conn_open(c->http) == 0 && !head_begun)
        ring_conn_kept_commit(c);
}

static void piece_free(struct conn *c, struct piece *p)
{
    c->held_bytes -= sizeof(*p) + p->length;
    c->ring->collector->held_bytes -= sizeof(*p) + p->length;
    free(p);
}

static void stream_pop(struct conn *c, enum http_dir dir)
{
    struct piece *p = c->dir[dir].held;
    c->dir[dir].held = p->next;
    if (p->next == NULL)
        c->dir[dir].tail = NULL;
    stream_feed(c, dir, p, p->data);
    piece_free(c, p);
}

/* Whether the record's place is reached, or what lies before it is known to be lost. */
static bool is_next(const struct stream *s, uint64_t offset, uint64_t lost)
{
    return s->floating || offset <= s->next ||
           (lost > s->lost && lost - s->lost >= offset - s->next);
}

static bool is_ready(const struct conn *c, enum http_dir dir, const struct piece *p)
{
    if (!is_next(&c->dir[dir], p->offset, p->lost))
        return false;
    bool answer = dir == (c->server ? HTTP_OUT : HTTP_IN);
    return answer == (c->answerable > 0) || p->length == 0 || c->http == NULL || c->stopped;
}

static bool waited_enough(const struct ring *r, uint64_t poll, int64_t arrived)
{
    return r->polls >= poll + 2 && r->collector->now - arrived >= SECOND_LOOK_NS;
}

/* Which stream's first waiting piece is older; -1: none waits. */
static int older(const struct conn *c)
{
    const struct piece *out = c->dir[HTTP_OUT].held, *in = c->dir[HTTP_IN].held;
    if (out == NULL || in == NULL)
        return out != NULL ? HTTP_OUT : in != NULL ? HTTP_IN : -1;
    return in->time < out->time ? HTTP_IN : HTTP_OUT;
}

static bool conn_closed_now(const struct conn *c, bool force)
{
    if (!c->closing)
        return false;
    bool whole = is_next(&c->dir[HTTP_OUT], c->close_offset[HTTP_OUT], c->close_lost[HTTP_OUT]) &&
                 is_next(&c->dir[HTTP_IN], c->close_offset[HTTP_IN], c->close_lost[HTTP_IN]);
    return whole || force || waited_enough(c->ring, c->close_poll, c->close_arrived);
}

/* Uses what can be used; frees the connection when it is over. force: nothing more will come. */
static void conn_advance(struct conn *c, bool force)
{
    if (c->settling || !c->known) {
        if (!force) {
            wait_list_add(c);
            return;
        }
        if (!c->known) { /* its first record was lost: the Host header has to do */
            c->known = true;
            c->proto = WIRE_PROTO_HTTP1;
            conn_parse(c);
        }
        c->settling = false;
    }
    for (;;) {
        int d = older(c);
        if (d < 0)
            break;
        struct piece *p = c->dir[d].held;
        if (!force && !is_ready(c, (enum http_dir)d, p)) {
            int other = d == HTTP_OUT ? HTTP_IN : HTTP_OUT;
            const struct piece *q = c->dir[other].held;
            if (q == NULL || !is_ready(c, (enum http_dir)other, q)) {
                if (!waited_enough(c->ring, p->poll, p->arrived))
                    break;
            } else {
                d = other;
            }
        }
        stream_pop(c, (enum http_dir)d);
    }
    bool waits = c->dir[HTTP_OUT].held != NULL || c->dir[HTTP_IN].held != NULL;
    if (conn_closed_now(c, force))
        ring_conn_end(c, c->close_time);
    else if (!waits && !c->closing)
        wait_list_remove(c);
    else
        wait_list_add(c);
}

static void conn_hold_piece(struct conn *c, enum http_dir dir, const struct piece *record,
                            const uint8_t *data)
{
    struct piece *p = malloc(sizeof(*p) + record->length);
    if (p == NULL) { /* becomes a gap */
        kept_release(c->ring, record->kept);
        return;
    }
    *p = *record;
    memcpy(p->data, data, record->length);
    c->held_bytes += sizeof(*p) + p->length;
    c->ring->collector->held_bytes += sizeof(*p) + p->length;
    struct stream *s = &c->dir[dir];
    struct piece **at = &s->held;
    if (s->tail != NULL && s->tail->offset <= p->offset)
        at = &s->tail->next;
    while (*at != NULL && (*at)->offset <= p->offset)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    if (p->next == NULL)
        s->tail = p;
    wait_list_add(c);
}

void ring_conn_data(struct conn *c, const struct wire_record *head, const uint8_t *payload,
                    struct kept k)
{
    struct collector *col = c->ring->collector;
    enum http_dir dir = head->type == WIRE_DATA_OUT ? HTTP_OUT : HTTP_IN;
    struct piece record = {.offset = head->offset,
                           .lost = head->lost,
                           .time = TIME_SANE(head->time),
                           .poll = c->ring->polls,
                           .arrived = col->now,
                           .kept = k,
                           .length = head->length,
                           .eof = (head->flags & WIRE_EOF) != 0};
    if (head->flags & WIRE_HAS_SPAN) {
        if (head->length < ACTIVE_SPAN) {
            kept_release(c->ring, k);
            return;
        }
        memcpy(&record.active, payload, ACTIVE_SPAN);
        record.has_active = true;
        record.length -= ACTIVE_SPAN;
        payload += ACTIVE_SPAN;
    }
    c->last = col->now;
    if (c->stopped || (c->known && c->proto == WIRE_PROTO_HTTP2)) {
        kept_commit(c->ring, k);
        return;
    }
    struct stream *s = &c->dir[dir];
    if (c->known && !c->settling && s->held == NULL && is_ready(c, dir, &record)) {
        stream_feed(c, dir, &record, (const char *)payload);
        if (c->waiting)
            conn_advance(c, false);
        return;
    }
    conn_hold_piece(c, dir, &record, payload);
    conn_advance(c, c->held_bytes > HELD_CONN_MAX || col->held_bytes > HELD_ALL_MAX);
}

void ring_conn_closing(struct conn *c, const struct wire_record *head, const uint8_t *payload)
{
    struct wire_close_info info = {0};
    if (c->closing)
        return;
    if (head->length >= sizeof(info))
        memcpy(&info, payload, sizeof(info));
    c->closing = true;
    c->close_offset[HTTP_OUT] = head->offset;
    c->close_lost[HTTP_OUT] = head->lost;
    c->close_offset[HTTP_IN] = info.in_offset;
    c->close_lost[HTTP_IN] = info.in_lost;
    c->close_time = TIME_SANE(head->time);
    c->close_arrived = c->ring->collector->now;
    c->close_poll = c->ring->polls;
    if (c->stopped || (c->known && c->proto == WIRE_PROTO_HTTP2))
        ring_conn_end(c, c->close_time);
    else
        conn_advance(c, false);
}

/* Ends and frees the connection; open exchanges end as aborted. */
void ring_conn_end(struct conn *c, int64_t time)
{
    struct ring *r = c->ring;
    for (int d = HTTP_OUT; d <= HTTP_IN; d++)
        while (c->dir[d].held != NULL) /* left by a close that waited long enough */
            stream_pop(c, (enum http_dir)d);
    for (int d = HTTP_OUT; d <= HTTP_IN && c->closing && c->http != NULL && !c->stopped; d++)
        if (c->close_offset[d] > c->dir[d].next)
            stream_gap(c, (enum http_dir)d, c->close_offset[d] - c->dir[d].next, time);
    wait_list_remove(c);
    if (c->http != NULL) {
        http_conn_close(c->http, time);
        http_conn_free(c->http);
    }
    ring_conn_kept_commit(c);
    free(c->kept.items);
    free(c->actives);
    kept_commit(r, c->birth);
    map_take(&r->conns, &c->id, sizeof(c->id));
    free(c->host);
    free(c->peer);
    free(c);
}

/* Looks at every connection that waits. all: nothing more will come of this ring. */
void ring_look_again(struct ring *r, bool all)
{
    struct conn *next;
    for (struct conn *c = r->waiting; c != NULL; c = next) {
        next = c->next;
        const struct piece *out = c->dir[HTTP_OUT].held, *in = c->dir[HTTP_IN].held;
        const struct piece *first = out != NULL ? out : in;
        uint64_t poll = first != NULL ? first->poll : c->close_poll;
        int64_t arrived = first != NULL ? first->arrived : c->close_arrived;
        bool settled = (c->settling || !c->known) && (first != NULL || c->closing) &&
                       r->polls >= poll + 2 && (c->known || waited_enough(r, poll, arrived));
        conn_advance(c, all || settled);
    }
}

static json *conn_to_json(const struct conn *c)
{
    json *o = json_object();
    json_set_int(o, "id", (int64_t)c->id);
    json_set_int(o, "slot", c->slot);
    json_set_int(o, "layer", c->layer);
    json_set_int(o, "proto", c->proto);
    json_set_bool(o, "tls", c->tls);
    json_set_bool(o, "server", c->server);
    json_set_text(o, "host", c->host);
    json_set_text(o, "peer", c->peer);
    return o;
}

/* The connections that the next collector has to know, since their first record may be gone. */
json *conns_to_json(struct ring *r)
{
    json *list = json_array();
    size_t at = 0, count = 0;
    for (struct conn *c; count < ROW_CONNS_MAX && (c = map_next(&r->conns, &at, NULL, NULL));) {
        if (!c->known || c->proto != WIRE_PROTO_HTTP1)
            continue;
        json_add(list, conn_to_json(c));
        c->stored = true;
        count++;
    }
    return list;
}

void conns_from_json(struct ring *r, const json *list)
{
    for (json *o = json_first(list); o != NULL; o = json_next(o)) {
        int64_t id, slot = 0, layer = 0, proto = 0;
        if (!json_get_int(o, "id", &id) || !json_get_int(o, "layer", &layer) ||
            !json_get_int(o, "proto", &proto))
            continue;
        json_get_int(o, "slot", &slot);
        struct conn *c = ring_conn_get(r, (uint64_t)id, true);
        if (c == NULL || c->known)
            continue;
        const char *host = json_get_text(o, "host"), *peer = json_get_text(o, "peer");
        c->slot = (uint32_t)slot;
        c->layer = (uint8_t)layer;
        c->proto = (uint8_t)proto;
        c->tls = json_is_true(json_get(o, "tls"));
        c->server = json_is_true(json_get(o, "server"));
        c->host = host != NULL ? strdup(host) : NULL;
        c->peer = peer != NULL ? strdup(peer) : NULL;
        c->known = c->stored = true;
        conn_parse(c);
    }
}
