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

/* A process without a wrapper, found long after its end; one of its calls was never answered. */
static void test_process_collected_late(void **state)
{
    (void)state;
    int64_t start, end, count;
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        ring_make(&w, &place, NULL);
        line_open(&l, &w, 1);
        line_call(&l, "answered");
        line_ask(&l, "never answered");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_process_behind_its_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_process_outlives_its_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_collected_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_process_collected_late, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
