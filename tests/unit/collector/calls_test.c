/* Rings to stored spans: whole calls, interleavings, gaps, ends. */
#include "synthetic.h"

static struct place place;
static struct spans spans;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    place_remove(&place);
    return 0;
}

static void test_a_call_becomes_a_span(void **state)
{
    (void)state;
    static const char *const texts[] = {"exe=/usr/bin/app", "argv0=app", "argv1=--fast", NULL};
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    line_open(&l, &w, 1);
    line_call(&l, "hello");
    line_close(&l);
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = spans.items[0];
    assert_string_equal(s->provider, "openai");
    assert_string_equal(s->request_model, "gpt-4o");
    assert_string_equal(s->response_model, "gpt-4o-2024-08-06");
    assert_int_equal(s->tokens_input, 20);
    assert_int_equal(s->tokens_output, 14);
    assert_int_equal(s->status_code, 200);
    assert_false(s->partial);
    assert_null(s->error);
    assert_string_equal(s->capture_route, "openssl");
    assert_string_equal(s->process.exe, "/usr/bin/app");
    assert_int_equal(s->process.pid, getpid());
    assert_true(s->end_time >= s->start_time && s->start_time > 0);
    assert_true(llabs(s->start_time - clock_wall_ns()) < 60 * NS_PER_SEC);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Kept-alive: many calls on one connection, several connections mixed, a byte a record. */
static void test_interleaved(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l[8];
    char text[4096], question[32];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    for (uint64_t i = 0; i < 8; i++)
        line_open(&l[i], &w, i + 1);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 8; i++) {
            snprintf(question, sizeof(question), "q%d", i);
            line_ask(&l[i], question);
        }
        for (int i = 7; i >= 0; i--) {
            snprintf(question, sizeof(question), "a%d.%d", i, round);
            int n = make_answer(text, sizeof(text), question);
            for (int at = 0; at < n; at++)
                line_put(&l[i], WIRE_DATA_IN, text + at, 1);
        }
        collector_step(c);
    }
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 40);
    for (size_t i = 0; i < spans.count; i++) {
        json *q = json_path(spans.items[i]->input_data, "messages.0.parts.0.content");
        json *a = json_path(spans.items[i]->output_data, "messages.0.parts.0.content");
        assert_non_null(json_text(q));
        assert_non_null(json_text(a));
        assert_int_equal(json_text(q)[1], json_text(a)[1]);
        assert_false(spans.items[i]->partial);
    }
    collector_free(c);
    ring_writer_discard(&w);
}

/* Records of one stream in another order than written, as two blocks give them. */
static void test_out_of_order(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_ask(&l, "order");
    int n = make_answer(text, sizeof(text), "in order after all");
    int third = n / 3;
    const int order[] = {2, 0, 1};
    for (int k = 0; k < 3; k++) {
        int from = order[k] * third;
        int len = order[k] == 2 ? n - from : third;
        l.offset[1] = (uint64_t)from;
        line_put(&l, WIRE_DATA_IN, text + from, (size_t)len);
        collector_step(c);
    }
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_false(spans.items[0]->partial);
    assert_int_equal(spans.items[0]->dropped_bytes, 0);
    assert_string_equal(
        json_text(json_path(spans.items[0]->output_data, "messages.0.parts.0.content")),
        "in order after all");
    collector_free(c);
    ring_writer_discard(&w);
}

/* More calls of a connection in one poll than a client would ever pipeline, all requests read
 * before the first answer, as blocks may give them. */
static void test_many_in_one_poll(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 0; i < 200; i++)
        line_ask(&l, "asked before any answer");
    for (int i = 0; i < 200; i++)
        line_answer(&l, "answered");
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 200);
    for (size_t i = 0; i < spans.count; i++) {
        assert_int_equal(spans.items[i]->tokens_output, 14);
        assert_int_equal(spans.items[i]->dropped_bytes, 0);
    }
    collector_free(c);
    ring_writer_discard(&w);
}

static int check_order(void *user, const struct delivery_state *state)
{
    *(int64_t *)user = state->destination.id;
    return 0;
}

/* What is delivered keeps the order of the calls, whatever the order of their records. */
static void test_delivered_in_order(void **state)
{
    (void)state;
    static const char *const texts[] = {"url=http://127.0.0.1:9", "key=project-one", NULL};
    struct ring_writer w = {0};
    struct line l[10];
    struct outbox_entry entries[64];
    struct store *s;
    int64_t destination = 0, last = 0;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    for (uint64_t i = 0; i < 10; i++) {
        line_open(&l[i], &w, i + 1);
        line_ask(&l[i], "in order");
        usleep(1000);
    }
    for (int i = 9; i >= 0; i--)
        line_answer(&l[i], "fine");
    settle(c, 200);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_delivery(s, check_order, &destination) >= 0);
    int count = store_outbox_next(s, destination, 0, entries, 64);
    assert_int_equal(count, 21); /* the trace; each span new and ended */
    for (int i = 0; i < count; i++) {
        struct span *span = NULL;
        if (entries[i].op != OUTBOX_SPAN_BEGIN)
            continue;
        assert_int_equal(store_get_span(s, entries[i].trace_id, entries[i].span_id, &span), ERR_OK);
        assert_true(span->start_time > last);
        last = span->start_time;
        span_free(span);
    }
    store_close(s);
    collector_free(c);
    ring_writer_discard(&w);
}

/* A loss that the writer counted is a gap at once; the next call is whole again. */
static void test_counted_gap(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_ask(&l, "first");
    int n = make_answer(text, sizeof(text), "0123456789012345678901234567890123456789");
    char *digits = strstr(text, "0123456789");
    size_t before = (size_t)(digits - text) + 5;
    line_put(&l, WIRE_DATA_IN, text, before);
    l.offset[1] += 10;
    l.lost[1] += 10;
    line_put(&l, WIRE_DATA_IN, text + before + 10, (size_t)n - before - 10);
    line_call(&l, "second");
    settle(c, 300); /* less than a record that nobody counted is waited for */
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    assert_true(spans.items[0]->dropped_bytes >= 10);
    assert_int_equal(spans.items[1]->dropped_bytes, 0);
    assert_int_equal(spans.items[1]->tokens_output, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* One that nobody counted: its writer died. It is waited for, then skipped. */
static void test_uncounted_gap(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_ask(&l, "first");
    line_answer(&l, "complete");
    l.offset[0] += 400;
    line_ask(&l, "second");
    line_answer(&l, "after the gap");
    settle(c, 50);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    spans_free(&spans);
    settle(c, 900);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    collector_free(c);
    ring_writer_discard(&w);
}

static void child_in_a_stream(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    static const char event[] =
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}"
        "\n\n";
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    int n = make_request(text, sizeof(text), "stream", true);
    line_put(&l, WIRE_DATA_OUT, text, (size_t)n);
    line_put(&l, WIRE_DATA_IN, head, sizeof(head) - 1);
    for (int i = 0; i < 3; i++) {
        n = snprintf(text, sizeof(text), "%zx\r\n%s\r\n", sizeof(event) - 1, event);
        line_put(&l, WIRE_DATA_IN, text, (size_t)n);
    }
    kill(getpid(), SIGKILL);
}

static void test_killed_in_a_stream(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    pid_t pid = fork();
    if (pid == 0)
        child_in_a_stream();
    waitpid(pid, NULL, 0);
    settle(c, 1000);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->partial);
    assert_string_equal(spans.items[0]->error, "process ended");
    assert_string_equal(
        json_text(json_path(spans.items[0]->output_data, "messages.0.parts.0.content")),
        "word word word ");
    assert_int_equal(count_files(&place, "ring-"), 0);
    assert_true(collector_idle(c));
    collector_free(c);
}

/* Long calls are in the store as running, and only once. */
static void test_running(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_ask(&l, "slow");
    settle(c, 350);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_int_equal(spans.items[0]->end_time, 0);
    assert_non_null(json_path(spans.items[0]->input_data, "messages.0"));
    spans_free(&spans);
    line_answer(&l, "at last");
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time > 0);
    assert_non_null(json_path(spans.items[0]->input_data, "messages.0"));
    assert_int_equal(spans.items[0]->tokens_input, 20);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_http2_is_counted(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    int64_t count = 0;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    for (uint64_t i = 1; i <= 3; i++)
        line_open_as(&l, &w, i, WIRE_PROTO_HTTP2, "api.anthropic.com");
    for (int i = 0; i < 100; i++) {
        collector_step(c);
        usleep(12000);
    }
    json *status = collector_status_read(place.runtime);
    assert_non_null(status);
    assert_true(json_int(json_get(json_get(status, "http2"), "api.anthropic.com"), &count));
    assert_int_equal(count, 3);
    json_free(status);
    collector_free(c);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_call_becomes_a_span, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interleaved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_in_one_poll, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counted_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uncounted_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_in_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http2_is_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
