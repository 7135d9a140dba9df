/* Messages of the explicit API put into a ring by hand, as core/client would. */
#ifndef TESTS_COLLECTOR_MESSAGES_H
#define TESTS_COLLECTOR_MESSAGES_H

#include "synthetic.h"
#include "wire/api.h"

struct message {
    struct wire_api_head head;
    uint8_t fields[32768];
    size_t length;
};

/* An id of which every byte is n. */
static inline void id_fill(uint8_t *id, size_t len, int n)
{
    memset(id, n, len);
}

static inline void message_field(struct message *m, int name, const void *data, size_t len)
{
    struct wire_api_field field = {.name = (uint16_t)name, .length = (uint32_t)len};
    assert_true(m->length + sizeof(field) + len <= sizeof(m->fields));
    memcpy(m->fields + m->length, &field, sizeof(field));
    memcpy(m->fields + m->length + sizeof(field), data, len);
    m->length += sizeof(field) + len;
}

static inline void message_text(struct message *m, int name, const char *text)
{
    if (text != NULL)
        message_field(m, name, text, strlen(text));
}

static inline void message_figure(struct message *m, int name, int64_t figure)
{
    message_field(m, name, &figure, sizeof(figure));
}

static inline void message_cost(struct message *m, double cost)
{
    message_field(m, WIRE_FIELD_COST, &cost, sizeof(cost));
}

static inline void message_put(struct ring_writer *w, const struct message *m, enum wire_type type)
{
    struct wire_record head = {
        .type = (uint16_t)type, .time = (uint64_t)clock_boot_ns(), .tid = (uint32_t)getpid()};
    struct wire_piece pieces[2] = {{&m->head, sizeof(m->head)}, {m->fields, m->length}};
    assert_int_equal(ring_writer_put(w, &head, pieces, 2), 0);
}

/* Numbers name the ids: 0 is the zero id. */
static inline struct message message_of(uint32_t client, int trace, int span)
{
    struct message m = {.head = {.client = client}};
    id_fill(m.head.trace_id, TRACE_ID_LEN, trace);
    id_fill(m.head.span_id, SPAN_ID_LEN, span);
    return m;
}

static inline void tell_client(struct ring_writer *w, uint32_t client, const char *url,
                               const char *key)
{
    struct message m = message_of(client, 0, 0);
    message_text(&m, WIRE_FIELD_URL, url);
    message_text(&m, WIRE_FIELD_KEY, key);
    message_put(w, &m, WIRE_CLIENT);
}

static inline void tell_trace(struct ring_writer *w, uint32_t client, int trace, const char *name)
{
    struct message m = message_of(client, trace, 0);
    message_text(&m, WIRE_FIELD_NAME, name);
    message_put(w, &m, WIRE_TRACE_BEGIN);
}

static inline void tell_trace_end(struct ring_writer *w, uint32_t client, int trace)
{
    struct message m = message_of(client, trace, 0);
    message_put(w, &m, WIRE_TRACE_END);
}

static inline void tell_span(struct ring_writer *w, uint32_t client, int trace, int span,
                             int parent, enum wire_span_type type)
{
    struct message m = message_of(client, trace, span);
    char name[32];
    id_fill(m.head.parent_id, SPAN_ID_LEN, parent);
    m.head.span_type = (uint8_t)type;
    snprintf(name, sizeof(name), "span-%d", span);
    message_text(&m, WIRE_FIELD_NAME, name);
    message_put(w, &m, WIRE_SPAN_BEGIN);
}

static inline void tell_span_end(struct ring_writer *w, uint32_t client, int trace, int span)
{
    struct message m = message_of(client, trace, span);
    message_put(w, &m, WIRE_SPAN_END);
}

static inline void tell_flush_flags(struct ring_writer *w, uint32_t client, uint32_t slot,
                                    uint64_t ticket, uint32_t flags)
{
    struct message m = message_of(client, 0, 0);
    struct wire_api_flush flush = {.ticket = ticket, .slot = slot, .flags = flags};
    memcpy(m.fields, &flush, sizeof(flush));
    m.length = sizeof(flush);
    message_put(w, &m, WIRE_FLUSH);
}

static inline void tell_flush(struct ring_writer *w, uint32_t client, uint32_t slot,
                              uint64_t ticket)
{
    tell_flush_flags(w, client, slot, ticket, 0);
}

/* What the collector wrote into a slot. */
static inline uint64_t flushed_in(const struct ring_writer *w, uint32_t slot)
{
    return atomic_load(&w->header->flushed[slot]);
}

/* The bytes of a record that was put while ids were active. */
static inline void line_put_active(struct line *l, enum wire_type type, const char *data,
                                   size_t len, int trace, int span)
{
    int dir = type == WIRE_DATA_IN;
    uint8_t ids[TRACE_ID_LEN + SPAN_ID_LEN];
    struct wire_record head = head_of(l, type);
    head.flags = WIRE_HAS_SPAN;
    id_fill(ids, TRACE_ID_LEN, trace);
    id_fill(ids + TRACE_ID_LEN, SPAN_ID_LEN, span);
    assert_int_equal(ring_writer_put_data(l->w, &head, ids, data, len), 0);
    l->offset[dir] += len;
}

#endif
