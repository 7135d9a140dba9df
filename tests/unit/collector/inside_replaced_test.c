/* The same while collectors come and go. */
#include "joining.h"

/* A collector that works for so long and is killed. */
static void killed_collector(int ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        steps(start_collector(&place), ms);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* A collector is replaced between two calls of one span, and in the middle of the second. */
static void test_replaced(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "one", 1, 2);
    line_answer(&l, "one");
    steps(c, 1300); /* shown as running, its records released */
    collector_free(c);
    c = start_collector(&place);
    steps(c, 50);
    ask_active(&l, "two", 1, 2);
    int n = make_answer(text, sizeof(text), "two");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    steps(c, 250);
    collector_free(c);
    c = start_collector(&place);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    steps(c, 50);
    end_all(&w);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_true(s->end_time != 0);
    assert_string_equal(answer_of(s), "two");
    assert_int_equal(s->tokens_input, 40);
    assert_int_equal(s->tokens_output, 28);
    check_totals(1, 1, 40, 28);
    collector_free(c);
    ring_writer_discard(&w);
}

/* What a call said is in the store before its records are given back. */
static void test_killed(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    killed_collector(400); /* the span is shown, its records are gone */
    line_open(&l, &w, 1);
    for (int i = 1; i <= 4; i++) {
        ask_active(&l, "before the kill", 1, 2);
        line_answer(&l, "before the kill");
        killed_collector(i % 2 == 0 ? 40
                                    : 250); /* in the middle of a commit group, and behind it */
    }
    ask_active(&l, "after", 1, 2);
    line_answer(&l, "after");
    end_all(&w);
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "after");
    check_totals(1, 1, 5 * 20, 5 * 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Nor are calls of a span that is finished told twice. */
static void test_killed_behind_the_end(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 1; i <= 3; i++) {
        int number = 10 * i;
        tell_client(&w, 1, NULL, NULL);
        tell_trace(&w, 1, number, "by hand");
        tell_span(&w, 1, number, number, 0, WIRE_SPAN_LLM);
        ask_active(&l, "once", number, number);
        line_answer(&l, "once");
        tell_span_end(&w, 1, number, number);
        tell_trace_end(&w, 1, number);
        killed_collector(20 * i);
    }
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    for (int i = 1; i <= 3; i++)
        check_totals(10 * i, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Records of a call that was taken, and whose collector was killed before it gave them back. */
static void test_records_come_again(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l, first;
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    first = l;
    ask_active(&l, "once", 1, 2);
    line_answer(&l, "once");
    killed_collector(400);
    l = first;
    ask_active(&l, "once", 1, 2); /* while the span runs */
    line_answer(&l, "once");
    killed_collector(400);
    uint64_t asked = (uint64_t)clock_boot_ns();
    end_all(&w);
    killed_collector(400);
    l = first;
    char text[4096];
    uint8_t ids[TRACE_ID_LEN + SPAN_ID_LEN];
    struct wire_record head = head_of(&l, WIRE_DATA_OUT);
    int n = make_request_with(text, sizeof(text), "", "once");
    head.flags = WIRE_HAS_SPAN;
    head.time = asked; /* and when it is finished */
    id_fill(ids, TRACE_ID_LEN, 1);
    id_fill(ids + TRACE_ID_LEN, SPAN_ID_LEN, 2);
    assert_int_equal(ring_writer_put_data(&w, &head, ids, text, (size_t)n), 0);
    line_answer(&l, "once");
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time != 0);
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_behind_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_come_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
