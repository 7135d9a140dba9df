/* Figures that a program sets on a span around captured calls: shown there, counted once. */
#include "joining.h"

/* Span n says what it cost: n hundred tokens in, n thousand out. */
static void say_figures(struct ring_writer *w, int span)
{
    struct message m = message_of(1, 1, span);
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, span * 100);
    message_figure(&m, WIRE_FIELD_TOKENS_OUTPUT, span * 1000);
    message_cost(&m, span);
    message_put(w, &m, WIRE_SPAN_OUTPUT);
}

static void call(struct line *l, int span, const char *question)
{
    ask_active(l, question, 1, span);
    line_answer(l, "fine");
}

static void check_figures(int number, bool counted)
{
    const struct span *s = span_numbered(number);
    assert_int_equal(s->tokens_input, number * 100);
    assert_int_equal(s->tokens_output, number * 1000);
    assert_true(s->cost_usd == number);
    assert_int_equal(s->uncounted, !counted);
}

static double cost_of_trace(void)
{
    struct trace *t = trace_numbered(1);
    double cost = t->total_cost;
    trace_free(t);
    return cost;
}

static void read_all(void)
{
    spans_free(&spans);
    spans_read(&place, &spans);
}

/* A process with trace 1, and a line of it. */
static void begin_all(struct ring_writer *w, struct line *l)
{
    ring_make(w, &place, NULL);
    tell_client(w, 1, NULL, NULL);
    tell_trace(w, 1, 1, "by hand");
    line_open(l, w, 1);
}

static void finish_all(struct collector *c, struct ring_writer *w)
{
    tell_trace_end(w, 1, 1);
    settle(c, 300);
    read_all();
    collector_free(c);
    ring_writer_discard(w);
}

/* An agent, a tool in it, the call in that. Beside them one without calls. */
static void test_all_above_the_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    tell_span(&w, 1, 1, 4, 2, WIRE_SPAN_EMBEDDING);
    tell_span(&w, 1, 1, 5, 2, WIRE_SPAN_CHAIN);
    call(&l, 3, "question");
    for (int span = 4; span >= 2; span--) {
        say_figures(&w, span);
        tell_span_end(&w, 1, 1, span);
    }
    tell_span_end(&w, 1, 1, 5);
    finish_all(c, &w);
    assert_false(span_that_asked("question")->uncounted);
    check_figures(2, false);
    check_figures(3, false);
    check_figures(4, true);
    assert_false(span_numbered(5)->uncounted);
    check_totals(1, 5, 20 + 400, 14 + 4000);
    double own = span_that_asked("question")->cost_usd;
    assert_true(cost_of_trace() > 3.999 + own && cost_of_trace() < 4.001 + own);
}

/* A call that fills a span of type llm is below the spans above that one. What the program says of
 * the llm span itself counts. */
static void test_above_a_filled_span(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_LLM);
    call(&l, 3, "fills");
    say_figures(&w, 3);
    tell_span_end(&w, 1, 1, 3);
    say_figures(&w, 2);
    tell_span_end(&w, 1, 1, 2);
    finish_all(c, &w);
    check_figures(3, true);
    check_figures(2, false);
    check_totals(1, 2, 300, 3000);
}

/* Nothing was captured: all is as the program says. */
static void test_by_hand_alone(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_LLM);
    for (int span = 3; span >= 2; span--) {
        say_figures(&w, span);
        tell_span_end(&w, 1, 1, span);
    }
    finish_all(c, &w);
    check_figures(2, true);
    check_figures(3, true);
    check_totals(1, 2, 500, 5000);
}

/* A call that is sent behind a span's end is none of those that it told of; the agent above runs
 * on, and finds its way by a tool that is finished, still here and in the store alone. */
static void test_behind_the_end(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    say_figures(&w, 2);
    say_figures(&w, 3);
    tell_span_end(&w, 1, 1, 3);
    settle(c, 300);
    check_totals(1, 2, 500, 5000);
    call(&l, 3, "late");
    settle(c, 300);
    check_totals(1, 3, 320, 3014);
    tell_span_end(&w, 1, 1, 2);
    finish_all(c, &w);
    check_figures(3, true);
    check_figures(2, false);
    check_totals(1, 3, 320, 3014);
}

/* The same while the span is still here: it has ended, and is not finished. */
static void test_just_behind_the_end(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    say_figures(&w, 3);
    tell_span_end(&w, 1, 1, 3);
    call(&l, 3, "late");
    say_figures(&w, 2);
    tell_span_end(&w, 1, 1, 2);
    finish_all(c, &w);
    check_figures(3, true);
    check_figures(2, false);
    check_totals(1, 3, 320, 3014);
}

/* The span ends while its call runs. */
static void test_the_call_outlasts_the_span(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    ask_active(&l, "slow", 1, 2);
    say_figures(&w, 2);
    tell_span_end(&w, 1, 1, 2);
    settle(c, 300);
    line_answer(&l, "fine");
    finish_all(c, &w);
    check_figures(2, false);
    check_totals(1, 2, 20, 14);
}

/* As another block may give it: the agent's begin is read behind the call of its tool. */
static void test_the_begin_comes_late(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    call(&l, 3, "early");
    collector_step(c);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    say_figures(&w, 2);
    tell_span_end(&w, 1, 1, 3);
    tell_span_end(&w, 1, 1, 2);
    finish_all(c, &w);
    check_figures(2, false);
    check_totals(1, 3, 20, 14);
}

/* The next collector has never seen the call's records. */
static void test_replaced(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    steps(c, 300); /* both are shown */
    call(&l, 3, "before");
    steps(c, 400);
    collector_free(c);
    c = start_collector(&place);
    steps(c, 50);
    for (int span = 3; span >= 2; span--) {
        say_figures(&w, span);
        tell_span_end(&w, 1, 1, span);
    }
    finish_all(c, &w);
    check_figures(2, false);
    check_figures(3, false);
    check_totals(1, 3, 20, 14);
}

/* Said while nobody collects, of a span that is in the store alone. */
static void test_shown_in_the_store_alone(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_TOOL);
    say_figures(&w, 2);
    steps(c, 400);
    check_totals(1, 2, 200, 2000);
    collector_free(c);
    c = start_collector(&place);
    call(&l, 3, "of the next");
    settle(c, 300); /* the agent runs */
    check_totals(1, 3, 20, 14);
    tell_span_end(&w, 1, 1, 3);
    tell_span_end(&w, 1, 1, 2);
    finish_all(c, &w);
    check_figures(2, false);
    check_totals(1, 3, 20, 14);
}

/* Parents that go round, and more of them than anybody has. */
static void test_hostile_parents(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    begin_all(&w, &l);
    tell_span(&w, 1, 1, 2, 3, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_AGENT);
    for (int span = 4; span < 200; span++)
        tell_span(&w, 1, 1, span, span - 1, WIRE_SPAN_TOOL);
    say_figures(&w, 199);
    say_figures(&w, 3);
    call(&l, 199, "deep");
    call(&l, 3, "round");
    for (int span = 199; span >= 2; span--)
        tell_span_end(&w, 1, 1, span);
    finish_all(c, &w);
    check_figures(199, false);
    check_figures(3, false);
    check_totals(1, 200, 40, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_above_the_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_above_a_filled_span, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_hand_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_behind_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_just_behind_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_call_outlasts_the_span, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_begin_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shown_in_the_store_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_parents, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
