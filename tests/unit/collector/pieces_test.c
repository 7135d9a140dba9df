/* Messages of several records: in any order, incomplete, and from a program that is broken. */
#include "messages.h"

static struct place place;
static struct spans spans;
static struct ring_writer w;
static struct collector *c;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    w = (struct ring_writer){0};
    c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    collector_free(c);
    ring_writer_discard(&w);
    place_remove(&place);
    return 0;
}

static void put_piece(uint64_t number, enum wire_type type, const uint8_t *data, uint64_t from,
                      uint64_t length, uint64_t total)
{
    struct wire_record head = {.type = (uint16_t)type,
                               .conn = number,
                               .offset = from,
                               .lost = total,
                               .time = (uint64_t)clock_boot_ns(),
                               .tid = 1};
    struct wire_piece piece = {data + from, length};
    assert_int_equal(ring_writer_put(&w, &head, &piece, 1), 0);
}

/* A SPAN_BEGIN with an input of about that many bytes; the caller frees it. */
static uint8_t *make_begin(int span, size_t size, size_t *total)
{
    struct wire_api_head head = {.client = 1};
    struct wire_api_field field = {.name = WIRE_FIELD_INPUT, .length = (uint32_t)size};
    uint8_t *data = malloc(sizeof(head) + sizeof(field) + size);
    assert_non_null(data);
    id_fill(head.trace_id, TRACE_ID_LEN, 1);
    id_fill(head.span_id, SPAN_ID_LEN, span);
    memcpy(data, &head, sizeof(head));
    memcpy(data + sizeof(head), &field, sizeof(field));
    char *text = (char *)data + sizeof(head) + sizeof(field);
    static const char front[] = {'{', '"', 't', '"', ':', '"'}, back[] = {'"', '}'};
    memset(text, 'x', size);
    memcpy(text, front, sizeof(front));
    memcpy(text + size - sizeof(back), back, sizeof(back));
    *total = sizeof(head) + sizeof(field) + size;
    return data;
}

static const struct span *the_span(int n)
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

static int64_t status_count(const char *name)
{
    int64_t count = -1;
    for (int i = 0; i < 100; i++) /* written once a second */
        settle(c, 10);
    json *status = collector_status_read(place.runtime);
    assert_true(json_get_int(status, name, &count));
    json_free(status);
    return count;
}

static void test_any_order(void **state)
{
    (void)state;
    enum { PIECE = 30000 };
    size_t total;
    uint8_t *data = make_begin(2, 1000000, &total);
    const size_t count = (total + PIECE - 1) / PIECE;
    for (size_t i = 0; i < count; i++) { /* odd ones backwards, then even ones */
        size_t n = i < count / 2 ? 2 * (count / 2 - 1 - i) + 1 : 2 * (i - count / 2);
        size_t from = n * PIECE, length = total - from < PIECE ? total - from : PIECE;
        put_piece(7, WIRE_SPAN_BEGIN, data, from, length, total);
        if (i % 7 == 0)
            collector_step(c);
    }
    tell_span_end(&w, 1, 1, 2);
    settle(c, 100);
    const struct span *s = the_span(2);
    assert_non_null(s);
    assert_int_equal(strlen(json_get_text(s->input_data, "t")), 1000000 - 8);
    free(data);
}

static void test_two_at_once(void **state)
{
    (void)state;
    size_t total[2];
    uint8_t *data[2] = {make_begin(2, 50000, &total[0]), make_begin(3, 50000, &total[1])};
    for (int i = 0; i < 2; i++)
        put_piece(5 + (uint64_t)i, WIRE_SPAN_BEGIN, data[i], 0, 20000, total[i]);
    for (int i = 0; i < 2; i++)
        put_piece(5 + (uint64_t)i, WIRE_SPAN_BEGIN, data[i], 20000, total[i] - 20000, total[i]);
    tell_span_end(&w, 1, 1, 2);
    tell_span_end(&w, 1, 1, 3);
    settle(c, 100);
    for (int i = 2; i <= 3; i++)
        assert_int_equal(strlen(json_get_text(the_span(i)->input_data, "t")), 50000 - 8);
    free(data[0]);
    free(data[1]);
}

/* Pieces that overlap, lie outside, change their minds, or never come: dropped and counted, and
 * what is whole goes on. */
static void test_broken(void **state)
{
    (void)state;
    size_t total;
    uint8_t *data = make_begin(2, 50000, &total);
    put_piece(1, WIRE_SPAN_BEGIN, data, 0, 20000, total);
    put_piece(1, WIRE_SPAN_BEGIN, data, 19999, 20000, total); /* overlaps */
    put_piece(2, WIRE_SPAN_BEGIN, data, 0, 20000, total);
    put_piece(2, WIRE_SPAN_BEGIN, data, 20000, 20000, total + 1); /* another length */
    put_piece(3, WIRE_SPAN_BEGIN, data, 0, 20000, total);
    put_piece(3, WIRE_SPAN_END, data, 20000, 20000, total);   /* another type */
    put_piece(4, WIRE_SPAN_BEGIN, data, 20000, 20000, 30000); /* behind its end */
    put_piece(5, WIRE_SPAN_BEGIN, data, 0, 0, total);         /* nothing */
    settle(c, 50);
    assert_int_equal(status_count("lost_messages"), 5);
    put_piece(6, WIRE_SPAN_BEGIN, data, 0, 20000, 0); /* no length */
    put_piece(7, WIRE_SPAN_BEGIN, data, 0, 20000, WIRE_MESSAGE_MAX + 1);
    put_piece(8, WIRE_SPAN_BEGIN, data, 0, 20000, UINT64_MAX);
    settle(c, 50);
    assert_int_equal(status_count("bad_messages"), 3);
    for (uint64_t i = 100; i < 300; i++) /* more than are held, none of them whole */
        put_piece(i, WIRE_SPAN_BEGIN, data, 0, 1000, total);
    settle(c, 50);
    assert_true(status_count("lost_messages") >= 5 + 200 - 64);
    put_piece(301, WIRE_SPAN_BEGIN, data, 0, 30000, total);
    put_piece(301, WIRE_SPAN_BEGIN, data, 30000, total - 30000, total);
    tell_span_end(&w, 1, 1, 2);
    settle(c, 100);
    assert_non_null(the_span(2));
    free(data);
}

/* Incomplete messages do not keep the ring's room: they go when it runs short. */
static void test_room(void **state)
{
    (void)state;
    size_t total;
    uint8_t *data = make_begin(2, 4u << 20, &total);
    for (uint64_t n = 1; n <= 20; n++) {
        for (uint64_t from = 60000; from + 60000 < total; from += 60000) {
            put_piece(n, WIRE_SPAN_BEGIN, data, from, 60000, total);
            if (from % 600000 == 0)
                collector_step(c);
        }
        for (int i = 0; i < 3; i++)
            collector_step(c);
    }
    settle(c, 50);
    assert_int_equal(atomic_load(&w.header->lost_records), 0);
    tell_span(&w, 1, 1, 3, 0, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 3);
    settle(c, 100);
    assert_non_null(the_span(3));
    free(data);
}

/* Records of every type with random bytes, and good ones among them. */
static void test_random(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    uint8_t bytes[600];
    for (int i = 0; i < 30000; i++) {
        size_t length = (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t k = 0; k < length; k++)
            bytes[k] = (uint8_t)(rand_r(&seed) % 4 == 0 ? rand_r(&seed) : rand_r(&seed) % 4);
        struct wire_record head = {.type = (uint16_t)(WIRE_TRACE_BEGIN + rand_r(&seed) % 9),
                                   .conn = rand_r(&seed) % 4 == 0 ? (uint64_t)rand_r(&seed) % 5 : 0,
                                   .offset = (uint64_t)rand_r(&seed) % 700,
                                   .lost = (uint64_t)rand_r(&seed) % 2000,
                                   .time = rand_r(&seed) % 8 == 0 ? UINT64_MAX - 1
                                                                  : (uint64_t)clock_boot_ns(),
                                   .tid = 1};
        struct wire_piece piece = {bytes, length};
        assert_int_equal(ring_writer_put(&w, &head, &piece, 1), 0);
        if (i % 500 == 0)
            collector_step(c);
    }
    tell_span(&w, 1, 1, 77, 0, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 77);
    settle(c, 300);
    assert_non_null(the_span(77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
