/* Spans made by hand while they run: shown, changed, read in any order, taken over. */
#include "by_hand.h"

/* A span that runs is shown, its parents first, and follows what is said of it. */
static void test_running(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    settle(c, 250);
    const struct span *s = the_span(3);
    assert_non_null(s);
    assert_int_equal(s->end_time, 0);
    assert_int_equal(spans.count, 2);
    assert_int_equal(spans.items[0]->span_id[0], 2); /* stored before its child */
    tell_fields(1, 3, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{\"n\":1}");
    settle(c, 1300);
    s = the_span(3);
    assert_int_equal(s->end_time, 0);
    assert_non_null(json_get(s->output_data, "n"));
    tell_span_end(&w, 1, 1, 3);
    settle(c, 100);
    s = the_span(3);
    assert_true(s->end_time > 0);
    assert_non_null(json_get(s->output_data, "n"));
    assert_int_equal(the_span(2)->end_time, 0);
    collector_free(c);
}

/* A child that ends before its parent was shown: the parent's row is there first. */
static void test_parent_first(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    for (int i = 49; i >= 2; i--) /* read before those above them */
        tell_span(&w, 1, 1, i, i == 2 ? 0 : i - 1, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 49);
    tell_span(&w, 1, 1, 60, 61, WIRE_SPAN_CHAIN); /* their own parents */
    tell_span(&w, 1, 1, 61, 60, WIRE_SPAN_CHAIN);
    tell_span(&w, 1, 1, 62, 61, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 62);
    settle(c, 90);
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_true(spans.count >= 48);
    bool seen[256] = {true};
    for (size_t i = 0; i < spans.count; i++) {
        if (spans.items[i]->span_id[0] < 50)
            assert_true(seen[spans.items[i]->parent_span_id[0]]);
        seen[spans.items[i]->span_id[0]] = true;
    }
    assert_true(seen[49]);
    settle(c, 200);
    assert_non_null(the_span(60));
    assert_non_null(the_span(62));
    collector_free(c);
}

/* A parent is shown because its child is finished, while its own end is not through: a collector
 * that takes over has that end, too. */
static void test_shown_while_it_ends(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    collector_step(c);
    tell_span_end(&w, 1, 1, 3);
    collector_step(c);
    tell_span_end(&w, 1, 1, 2);
    collector_step(c);
    assert_int_equal(collector_flush(c), ERR_OK);
    assert_true(the_span(3)->end_time > 0);
    assert_int_equal(the_span(2)->end_time, 0);
    collector_free(c);
    c = start_collector(&place);
    settle(c, 200);
    assert_true(the_span(2)->end_time > 0);
    assert_false(the_span(2)->partial);
    collector_free(c);
}

/* The store knows when each thing was said: what is older does not replace it, whichever collector
 * reads it when. */
static void test_older_after_takeover(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    struct message newer = message_of(1, 1, 2), older = newer, rest = newer;
    message_text(&newer, WIRE_FIELD_OUTPUT, "{\"n\":2}");
    message_text(&newer, WIRE_FIELD_METADATA, "{\"a\":2}");
    put_later(&newer, WIRE_SPAN_OUTPUT, 1000);
    tell_fields(1, 0, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "newer");
    settle(c, 300);
    assert_non_null(the_span(2));
    collector_free(c);
    c = start_collector(&place);
    message_text(&older, WIRE_FIELD_OUTPUT, "{\"n\":1}");
    message_text(&older, WIRE_FIELD_METADATA, "{\"a\":1,\"b\":1}");
    put_later(&older, WIRE_SPAN_OUTPUT, -1000000);
    put_later(&rest, WIRE_SPAN_END, 2000);
    older = message_of(1, 1, 0);
    message_text(&older, WIRE_FIELD_OUTPUT, "older");
    put_later(&older, WIRE_SPAN_OUTPUT, -1000000);
    tell_trace_end(&w, 1, 1);
    settle(c, 200);
    const struct span *s = the_span(2);
    char *output = json_print_new(s->output_data), *metadata = json_print_new(s->metadata);
    assert_string_equal(output, "{\"n\":2}");
    assert_string_equal(metadata, "{\"a\":2,\"b\":1}");
    free(output);
    free(metadata);
    struct trace *t = the_trace(1);
    assert_string_equal(t->output, "newer");
    trace_free(t);
    collector_free(c);
}

/* The end lies in the first block that is read, what was said before it far behind: it waits. */
static void test_end_is_read_first(void **state)
{
    (void)state;
    static char filler[40000];
    struct ring_place held;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    struct message end = message_of(1, 1, 2);
    uint8_t *at = ring_writer_hold(&w, sizeof(end.head), 1, &held);
    assert_non_null(at);
    memset(filler, 'x', sizeof(filler));
    struct wire_api_head about = {.client = 1, .trace_id = {9}, .span_id = {9}};
    struct wire_api_field field = {.name = 31, .length = sizeof(filler)};
    for (int i = 0; i < 200; i++) { /* more than one poll reads */
        struct wire_record head = {.type = WIRE_SPAN_OUTPUT, .time = 1, .tid = 1};
        struct wire_piece pieces[3] = {
            {&about, sizeof(about)}, {&field, sizeof(field)}, {filler, sizeof(filler)}};
        assert_int_equal(ring_writer_put(&w, &head, pieces, 3), 0);
    }
    tell_fields(1, 2, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{\"far\":\"behind\"}");
    memcpy(at, &end.head, sizeof(end.head));
    struct wire_record head = {.type = WIRE_SPAN_END,
                               .time = (uint64_t)clock_boot_ns(),
                               .tid = 1,
                               .length = sizeof(end.head)};
    ring_writer_commit(&w, &held, &head);
    settle(c, 300);
    const struct span *s = the_span(2);
    assert_true(s->end_time > 0);
    assert_non_null(json_get(s->output_data, "far"));
    collector_free(c);
}

/* Spans that stay open do not fill the ring: what the store shows is given back. */
static void test_pressure(void **state)
{
    (void)state;
    static char filler[16370];
    char text[16384];
    struct collector *c = start_collector(&place);
    begin_all();
    memset(filler, 'x', sizeof(filler) - 1);
    snprintf(text, sizeof(text), "{\"t\":\"%s\"}", filler);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 50; i++) {
            struct message m = message_of(1, 1, 2 + (round * 50 + i) % 200);
            m.head.span_id[1] = (uint8_t)((round * 50 + i) / 200);
            message_text(&m, WIRE_FIELD_INPUT, text);
            message_put(&w, &m, WIRE_SPAN_BEGIN);
        }
        for (int i = 0; i < 3; i++)
            collector_step(c);
    }
    settle(c, 300);
    assert_int_equal(atomic_load(&w.header->lost_records), 0);
    assert_true(atomic_load(&w.header->blocks_reserved) < 16u << 4); /* 16 MB, of 49 told */
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3000);
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parent_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shown_while_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_after_takeover, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_is_read_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pressure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
