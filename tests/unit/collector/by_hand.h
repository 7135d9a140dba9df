/* What the tests of traces and spans made by hand share. */
#ifndef TESTS_COLLECTOR_BY_HAND_H
#define TESTS_COLLECTOR_BY_HAND_H

#include "messages.h"

static struct place place;
static struct spans spans;
static struct ring_writer w;
static int64_t began; /* by begin_all; boot clock, ns */

static inline int setup(void **state)
{
    (void)state;
    place_make(&place);
    w = (struct ring_writer){0};
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    if (w.header != NULL)
        ring_writer_discard(&w);
    place_remove(&place);
    return 0;
}

static inline const struct span *the_span(int n)
{
    uint8_t id[SPAN_ID_LEN];
    id_fill(id, sizeof(id), n);
    spans_free(&spans);
    spans_read(&place, &spans);
    for (size_t i = 0; i < spans.count; i++)
        if (memcmp(spans.items[i]->span_id, id, sizeof(id)) == 0)
            return spans.items[i];
    return NULL;
}

static inline struct trace *the_trace(int n)
{
    struct store *s;
    struct trace *t = NULL;
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, sizeof(id), n);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    (void)store_get_trace(s, id, &t);
    store_close(s);
    return t;
}

static inline void tell_fields(int trace, int span, enum wire_type type, int field,
                               const char *text)
{
    struct message m = message_of(1, trace, span);
    message_text(&m, field, text);
    message_put(&w, &m, type);
}

/* A record of a time of its own, µs after the test began: their order is that of these figures,
 * however long the test is kept from running. */
static inline void put_later(const struct message *m, enum wire_type type, int64_t us)
{
    struct wire_record head = {
        .type = (uint16_t)type, .time = (uint64_t)(began + us * 1000), .tid = (uint32_t)getpid()};
    struct wire_piece pieces[2] = {{&m->head, sizeof(m->head)}, {m->fields, m->length}};
    assert_int_equal(ring_writer_put(&w, &head, pieces, 2), 0);
}

static inline void begin_all(void)
{
    began = clock_boot_ns();
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, NULL, NULL);
    tell_trace(&w, 1, 1, "trace");
}

static inline uint64_t status_count(const char *name)
{
    int64_t count = -1;
    json *status = collector_status_read(place.runtime);
    assert_true(json_get_int(status, name, &count));
    json_free(status);
    return (uint64_t)count;
}

#endif
