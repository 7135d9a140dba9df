/* Captured calls inside a span of type llm that the program made by hand. */
#include "joining.h"

static void test_fills_an_llm_span(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "inside", 1, 2);
    line_answer(&l, "filled");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_string_equal(s->name, "span-2");
    assert_int_equal(s->type, SPAN_LLM);
    assert_string_equal(s->model, "gpt-4o-2024-08-06");
    assert_string_equal(s->provider, "openai");
    assert_string_equal(s->operation, "chat");
    assert_string_equal(s->usage_source, "reported");
    assert_string_equal(s->capture_route, "openssl");
    assert_int_equal(s->process.pid, getpid());
    assert_int_equal(s->tokens_input, 20);
    assert_int_equal(s->tokens_output, 14);
    assert_true(s->cost_usd > 0);
    assert_string_equal(answer_of(s), "filled");
    assert_non_null(s->input_data);
    assert_non_null(s->finish_reasons);
    assert_null(json_get(s->metadata, "calls"));
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

static void put_text(struct line *l, const char *text)
{
    line_put(l, WIRE_DATA_IN, text, strlen(text));
}

static void test_a_streamed_answer(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    line_put_active(&l, WIRE_DATA_OUT, text,
                    (size_t)make_request(text, sizeof(text), "stream", true), 1, 2);
    put_text(&l, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    put_text(&l, "3b\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}       \n\n\r\n");
    put_text(&l, "3b\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"streamed\"}}]}     \n\n\r\n");
    put_text(&l, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    end_all(&w);
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_string_equal(answer_of(s), "streamed");
    assert_int_equal(s->stream, 1);
    assert_true(s->ttfc_ms > 0);
    assert_true(s->ttft_ms >= s->ttfc_ms);
    assert_true(s->chunk_count > 0);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Field by field. */
static void test_the_program_wins(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "inside", 1, 2);
    line_answer(&l, "not told");
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_MODEL, "mine");
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"content\":\"mine\"}");
    message_text(&m, WIRE_FIELD_METADATA, "{\"api\":\"mine\"}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 5);
    message_cost(&m, 0.25);
    message_put(&w, &m, WIRE_SPAN_OUTPUT);
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_string_equal(s->model, "mine");
    assert_string_equal(s->response_model, "gpt-4o-2024-08-06");
    assert_string_equal(json_get_text(s->output_data, "content"), "mine");
    assert_string_equal(json_get_text(s->metadata, "api"), "mine");
    assert_int_equal(s->tokens_input, 5);
    assert_int_equal(s->tokens_output, 14);
    assert_null(s->usage_source);
    assert_true(s->cost_usd == 0.25);
    assert_null(s->cost_source);
    assert_non_null(s->input_data); /* the program said nothing of it */
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_several_calls(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "first", 1, 2);
    put_response(&l, "429 Too Many Requests",
                 "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit\"}}");
    ask_active(&l, "second", 1, 2);
    line_answer(&l, "second");
    collector_step(c);
    ask_active(&l, "third", 1, 2);
    line_answer(&l, "third");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    int64_t calls = 0;
    assert_null(s->error);
    assert_int_equal(s->status_code, 200);
    assert_int_equal(s->tokens_input, 40);
    assert_int_equal(s->tokens_output, 28);
    assert_string_equal(answer_of(s), "third");
    assert_true(json_get_int(s->metadata, "calls", &calls));
    assert_int_equal(calls, 3);
    struct trace *t = trace_numbered(1);
    assert_null(t->error);
    trace_free(t);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_a_failed_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "first", 1, 2);
    put_response(&l, "500 Internal Server Error", "{\"error\":{\"message\":\"broken\"}}");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(span_numbered(2)->error, "broken");
    assert_int_equal(span_numbered(2)->status_code, 500);
    collector_free(c);
    ring_writer_discard(&w);
}

/* The span ends, its streaming cut short, and its connection lives on: it waits for the call. */
static void test_waits_for_its_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "slow", 1, 2);
    int n = make_answer(text, sizeof(text), "at last");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    end_all(&w);
    for (int i = 0; i < 200; i++) {
        collector_step(c);
        usleep(1000);
    }
    spans_read(&place, &spans); /* it is shown, and its call is not one of its own */
    assert_true(spans.count <= 1);
    assert_true(spans.count == 0 || spans.items[0]->end_time == 0);
    spans_free(&spans);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    line_call(&l, "another, without ids");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    assert_string_equal(answer_of(span_numbered(2)), "at last");
    assert_int_equal(span_numbered(2)->tokens_input, 20);
    assert_false(span_numbered(2)->partial);
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* A flush does not wait for the call as well: what is known is stored. */
static void test_flushed_while_it_waits(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "slow", 1, 2);
    end_all(&w);
    tell_flush(&w, 1, 0, 8);
    for (int i = 0; i < 50 && flushed_in(&w, 0) == 0; i++) /* sooner than a group is old */
        collector_step(c);
    assert_int_equal(flushed_in(&w, 0), 8);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_int_equal(span_numbered(2)->end_time, 0);
    assert_string_equal(span_numbered(2)->request_model, "gpt-4o");
    spans_free(&spans);
    line_answer(&l, "at last");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "at last");
    assert_true(span_numbered(2)->end_time != 0);
    collector_free(c);
    ring_writer_discard(&w);
}

/* ... but not for ever; when the call ends after all it makes no span. */
static void test_waits_only_so_long(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "endless", 1, 2);
    int n = make_answer(text, sizeof(text), "too late");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    end_all(&w);
    int64_t end = clock_boot_ns() + 5500 * NS_PER_MS;
    while (clock_boot_ns() < end) {
        collector_step(c);
        usleep(20000);
    }
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time != 0);
    assert_true(spans.items[0]->partial);
    assert_string_equal(spans.items[0]->request_model, "gpt-4o");
    spans_free(&spans);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    collector_free(c);
    ring_writer_discard(&w);
}

/* What runs is shown once: as the span that the program made. */
static void test_running(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    ask_active(&l, "still asking", 1, 2); /* its begin is read later */
    collector_step(c);
    begin_span(&w, WIRE_SPAN_LLM);
    for (int i = 0; i < 1300; i++) {
        collector_step(c);
        usleep(1000);
    }
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_int_equal(span_numbered(2)->end_time, 0);
    assert_string_equal(span_numbered(2)->request_model, "gpt-4o");
    spans_free(&spans);
    line_answer(&l, "done");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "done");
    assert_int_equal(span_numbered(2)->tokens_input, 20);
    collector_free(c);
    ring_writer_discard(&w);
}

/* The process dies with all of it open. */
static void test_its_process_dies(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        char text[4096];
        ring_make(&w, &place, NULL);
        begin_span(&w, WIRE_SPAN_LLM);
        line_open(&l, &w, 1);
        ask_active(&l, "cut off", 1, 2);
        int n = make_answer(text, sizeof(text), "half of it");
        line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    settle(c, 2000);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_true(s->partial);
    assert_non_null(s->error);
    assert_true(s->end_time != 0);
    assert_string_equal(s->request_model, "gpt-4o");
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fills_an_llm_span, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_streamed_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_program_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_its_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flushed_while_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_only_so_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_its_process_dies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
