/* When traces begin and end, and what is told of calls that run. */
#include "synthetic.h"

#define RUN "0123456789abcdef0123456789abcdef"

static const char *const of_run[] = {"run_trace=" RUN, "run_name=sh demo", NULL};
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

/* A process that makes one call, waits, and ends without a word. */
static pid_t process_begin(const char *const *texts, useconds_t wait)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        ring_make(&w, &place, texts);
        line_open(&l, &w, 1);
        line_call(&l, "hello");
        usleep(wait);
        _exit(0);
    }
    return pid;
}

static void process_whole(const char *const *texts)
{
    waitpid(process_begin(texts, 0), NULL, 0);
}

/* The times of the only trace of that id, or of the first span's (NULL). */
static void trace_times(const char *hex, int64_t *start, int64_t *end, int64_t *count)
{
    uint8_t id[TRACE_ID_LEN];
    struct trace *t = NULL;
    struct store *s;
    if (hex != NULL) {
        assert_int_equal(id_from_hex(hex, TRACE_ID_LEN, id), ERR_OK);
    } else {
        spans_free(&spans);
        spans_read(&place, &spans);
        assert_true(spans.count > 0);
        memcpy(id, spans.items[0]->trace_id, TRACE_ID_LEN);
    }
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    *start = t->start_time;
    *end = t->end_time;
    *count = t->span_count;
    trace_free(t);
    store_close(s);
}

static void wait_answer(struct collector *c)
{
    for (int i = 0; i < 400 && !run_mark_answered(place.runtime, RUN); i++)
        settle(c, 5);
    assert_true(run_mark_answered(place.runtime, RUN));
}

/* A process of the run appears when its wrapper is gone: its end is the trace's. */
static void test_process_behind_its_run(void **state)
{
    (void)state;
    int64_t start, first, second, count;
    struct collector *c = start_collector(&place);
    int mark = run_mark_begin(place.runtime, RUN);
    process_whole(of_run);
    run_mark_end(mark, RUN_MARK_STORED);
    wait_answer(c);
    run_mark_close(mark, place.runtime, RUN);
    settle(c, 300);
    trace_times(RUN, &start, &first, &count);
    assert_int_equal(count, 1);
    assert_true(first > 0);
    int64_t before = clock_wall_ns();
    process_whole(of_run);
    settle(c, 600);
    trace_times(RUN, &start, &second, &count);
    assert_int_equal(count, 2);
    assert_true(second >= before);
    assert_true(second < clock_wall_ns());
    assert_true(collector_idle(c));
    collector_free(c);
}

/* The command left a process behind, as a daemon does: the trace ends with that. */
static void test_process_outlives_its_run(void **state)
{
    (void)state;
    int64_t start, end, count;
    struct collector *c = start_collector(&place);
    int mark = run_mark_begin(place.runtime, RUN);
    pid_t pid = process_begin(of_run, 900000);
    settle(c, 100);
    run_mark_end(mark, RUN_MARK_STORED);
    wait_answer(c);
    trace_times(RUN, &start, &end, &count);
    assert_int_equal(count, 1);
    assert_int_equal(end, 0);
    waitpid(pid, NULL, 0);
    settle(c, 600);
    trace_times(RUN, &start, &end, &count);
    assert_true(end > 0);
    run_mark_close(mark, place.runtime, RUN);
    collector_free(c);
}

/* Nobody collected while the run lived: it ends all the same, when it did. */
static void test_run_collected_late(void **state)
{
    (void)state;
    int64_t start, end, count;
    process_whole(of_run);
    int64_t after = clock_wall_ns();
    usleep(700000);
    struct collector *c = start_collector(&place);
    settle(c, 600);
    trace_times(RUN, &start, &end, &count);
    assert_int_equal(count, 1);
    assert_in_range(end, start, after);
    assert_true(collector_idle(c));
    collector_free(c);
}

/* A process without a wrapper, found long after its end; one of its calls was answered by half. */
static void test_process_collected_late(void **state)
{
    (void)state;
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":";
    int64_t start, end, count;
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        ring_make(&w, &place, NULL);
        line_open(&l, &w, 1);
        line_call(&l, "answered");
        line_ask(&l, "half answered");
        line_put(&l, WIRE_DATA_IN, half, sizeof(half) - 1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    int64_t after = clock_wall_ns();
    usleep(700000);
    struct collector *c = start_collector(&place);
    settle(c, 600);
    trace_times(NULL, &start, &end, &count);
    assert_int_equal(count, 2);
    assert_in_range(end, start, after);
    for (size_t i = 0; i < spans.count; i++)
        assert_in_range(spans.items[i]->end_time, spans.items[i]->start_time, after);
    collector_free(c);
}

static void put_chunk(struct line *l, const char *text)
{
    char data[512], chunk[600];
    int n =
        snprintf(data, sizeof(data),
                 "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o\","
                 "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
                 text);
    n = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", (unsigned)n, data);
    line_put(l, WIRE_DATA_IN, chunk, (size_t)n);
}

/* The span as the store has it: still running, with so many chunks and that text. */
static void expect_running(int64_t chunks, const char *text)
{
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = spans.items[0];
    assert_int_equal(s->end_time, 0);
    assert_int_equal(s->chunk_count, chunks);
    assert_true(s->ttft_ms >= 0);
    const char *said = json_text(json_path(s->output_data, "messages.0.parts.0.content"));
    assert_non_null(said);
    assert_string_equal(said, text);
}

static int count_waiting(void *user, const struct delivery_state *state)
{
    *(int64_t *)user += state->waiting;
    return 0;
}

static int64_t outbox_count(void)
{
    int64_t waiting = 0;
    struct store *s;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_delivery(s, count_waiting, &waiting) >= 0);
    store_close(s);
    return waiting;
}

/* A stream shows how far it has come, at most once a second, and only in the store. */
static void test_running_span_moves(void **state)
{
    (void)state;
    static const char *const texts[] = {"url=http://127.0.0.1:9", "key=project-x", NULL};
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    line_open(&l, &w, 1);
    int n = make_request(text, sizeof(text), "count", true);
    line_put(&l, WIRE_DATA_OUT, text, (size_t)n);
    line_put(&l, WIRE_DATA_IN, head, sizeof(head) - 1);
    put_chunk(&l, "one");
    settle(c, 250);
    expect_running(1, "one");
    put_chunk(&l, ", two");
    settle(c, 300);
    expect_running(1, "one"); /* not yet */
    put_chunk(&l, ", three");
    settle(c, 900);
    expect_running(3, "one, two, three");
    assert_int_equal(outbox_count(), 2); /* the trace and the span, each new */
    line_put(&l, WIRE_DATA_IN, done, sizeof(done) - 1);
    settle(c, 250);
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time > 0);
    assert_false(spans.items[0]->partial);
    assert_int_equal(outbox_count(), 3);
    collector_free(c);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_process_behind_its_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_process_outlives_its_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_collected_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_process_collected_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running_span_moves, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
