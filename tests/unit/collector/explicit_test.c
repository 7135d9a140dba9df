/* What programs say of traces and spans by hand, and what the store makes of it. */
#include "by_hand.h"

static void test_whole(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, "http://127.0.0.1:9/", "project-demo");
    struct message m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_NAME, "chat");
    message_text(&m, WIRE_FIELD_TAG, "a");
    message_text(&m, WIRE_FIELD_TAG, "b");
    message_text(&m, WIRE_FIELD_USER_ID, "ann");
    message_text(&m, WIRE_FIELD_SESSION_ID, "s1");
    message_text(&m, WIRE_FIELD_METADATA, "{\"k\":1}");
    message_put(&w, &m, WIRE_TRACE_BEGIN);
    m = message_of(1, 1, 2);
    m.head.span_type = WIRE_SPAN_TOOL;
    message_text(&m, WIRE_FIELD_NAME, "look up");
    message_text(&m, WIRE_FIELD_INPUT, "{\"q\":\"x\"}");
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_LLM);
    m = message_of(1, 1, 3);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"a\":[1,2]}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 12);
    message_figure(&m, WIRE_FIELD_TOKENS_OUTPUT, 3);
    message_cost(&m, 0.5);
    message_text(&m, WIRE_FIELD_MODEL, "gpt-4o");
    message_put(&w, &m, WIRE_SPAN_OUTPUT);
    tell_span_end(&w, 1, 1, 3);
    tell_fields(1, 2, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "it broke");
    tell_span_end(&w, 1, 1, 2);
    m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_OUTPUT, "done");
    message_put(&w, &m, WIRE_TRACE_END);
    settle(c, 100);
    const struct span *s = the_span(3);
    assert_non_null(s);
    assert_int_equal(s->type, SPAN_LLM);
    assert_string_equal(s->name, "span-3");
    assert_string_equal(s->model, "gpt-4o");
    assert_int_equal(s->tokens_input, 12);
    assert_int_equal(s->tokens_output, 3);
    assert_int_equal(json_length(json_get(s->output_data, "a")), 2);
    assert_true(s->end_time >= s->start_time);
    assert_int_equal(s->parent_span_id[0], 2);
    assert_null(s->capture_route);
    assert_int_equal(s->process.pid, getpid());
    s = the_span(2);
    assert_int_equal(s->type, SPAN_TOOL);
    assert_string_equal(s->error, "it broke");
    assert_string_equal(json_get_text(s->input_data, "q"), "x");
    struct trace *t = the_trace(1);
    assert_non_null(t);
    assert_string_equal(t->name, "chat");
    assert_string_equal(t->project_id, "demo");
    assert_string_equal(t->user_id, "ann");
    assert_string_equal(t->session_id, "s1");
    assert_string_equal(t->output, "done");
    assert_string_equal(t->error, "it broke");
    assert_int_equal(json_length(t->tags), 2);
    assert_int_equal(t->span_count, 2);
    assert_int_equal(t->tokens_input, 12);
    assert_true(t->total_cost == 0.5);
    assert_true(t->end_time > 0);
    trace_free(t);
    collector_free(c);
}

/* The end, the output and the begin, read in that order. */
static void test_any_order(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"from\":\"end\"}");
    put_later(&m, WIRE_SPAN_END, 4000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"from\":\"output\"}");
    message_text(&m, WIRE_FIELD_ERROR, "late");
    put_later(&m, WIRE_SPAN_OUTPUT, 3000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_ERROR, "early");
    message_text(&m, WIRE_FIELD_METADATA, "{\"a\":1,\"b\":1}");
    put_later(&m, WIRE_SPAN_ERROR, 2000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_NAME, "the span");
    message_text(&m, WIRE_FIELD_METADATA, "{\"b\":0,\"c\":0}");
    put_later(&m, WIRE_SPAN_BEGIN, 1000);
    settle(c, 100);
    const struct span *s = the_span(2);
    assert_non_null(s);
    assert_string_equal(s->name, "the span");
    assert_string_equal(json_get_text(s->output_data, "from"), "end");
    assert_string_equal(s->error, "late");
    char *metadata = json_print_new(s->metadata);
    assert_string_equal(metadata, "{\"a\":1,\"b\":1,\"c\":0}");
    free(metadata);
    assert_true(s->end_time > s->start_time);
    assert_false(s->partial);
    collector_free(c);
}

/* A span that ended stays as it is, whatever is said of it then. */
static void test_first_end_wins(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    struct message m = message_of(1, 0, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"end\":2}");
    put_later(&m, WIRE_SPAN_END, 9000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"end\":1}");
    put_later(&m, WIRE_SPAN_END, 5000);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_ERROR, "before");
    put_later(&m, WIRE_SPAN_ERROR, 4000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_ERROR, "after");
    put_later(&m, WIRE_SPAN_ERROR, 7000);
    settle(c, 100);
    tell_fields(1, 2, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "much later");
    tell_span_end(&w, 1, 1, 2);
    settle(c, 400);
    const struct span *s = the_span(2);
    int64_t n = 0;
    assert_true(json_get_int(s->output_data, "end", &n));
    assert_int_equal(n, 1);
    assert_string_equal(s->error, "before");
    assert_int_equal(spans.count, 1);
    for (int i = 0; i < 100 && status_count("late_messages") < 2; i++)
        settle(c, 20);
    assert_true(status_count("late_messages") >= 2);
    collector_free(c);
}

/* What a process leaves open is ended with it, and marked. */
static void test_left_open(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    int64_t before = clock_wall_ns();
    pid_t pid = fork();
    if (pid == 0) {
        begin_all();
        tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
        tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
        tell_fields(1, 3, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "its own");
        tell_span(&w, 1, 1, 4, 2, WIRE_SPAN_CHAIN);
        tell_span_end(&w, 1, 1, 4);
        tell_fields(1, 9, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{}"); /* its begin was lost */
        usleep(300000);
        _exit(0);
    }
    settle(c, 200);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    settle(c, 800);
    assert_int_equal(count_files(&place, "ring-"), 0);
    const struct span *s = the_span(2);
    assert_true(s->partial);
    assert_string_equal(s->error, STORE_NOT_ENDED);
    assert_string_equal(s->error_type, STORE_NOT_ENDED_TYPE);
    assert_in_range(s->end_time, before, clock_wall_ns());
    s = the_span(3);
    assert_true(s->partial);
    assert_string_equal(s->error, "its own");
    s = the_span(4);
    assert_false(s->partial);
    assert_null(s->error);
    assert_null(the_span(9));
    assert_int_equal(status_count("lost_messages"), 1);
    struct trace *t = the_trace(1);
    assert_true(t->end_time > before);
    assert_string_equal(json_get_text(t->metadata, "ended_by"), "process exit");
    trace_free(t);
    assert_true(collector_idle(c));
    collector_free(c);
}

/* A trace that its process did not end failed, though all of its spans are well. */
static void test_trace_left_open(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    pid_t pid = fork();
    if (pid == 0) {
        begin_all();
        tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_TOOL);
        tell_span_end(&w, 1, 1, 2);
        tell_trace(&w, 1, 2, "with an error of its own");
        tell_span(&w, 1, 2, 3, 0, WIRE_SPAN_TOOL);
        struct message m = message_of(1, 2, 3);
        message_text(&m, WIRE_FIELD_ERROR, "its own");
        message_put(&w, &m, WIRE_SPAN_END);
        tell_trace(&w, 1, 3, "ended");
        tell_trace_end(&w, 1, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 50 && (i == 0 || count_files(&place, "ring-") > 0); i++)
        settle(c, 100);
    struct trace *t = the_trace(1);
    assert_true(t->end_time > 0);
    assert_string_equal(t->error, STORE_TRACE_LEFT);
    assert_string_equal(json_get_text(t->metadata, "ended_by"), "process exit");
    trace_free(t);
    t = the_trace(2);
    assert_string_equal(t->error, "its own");
    assert_string_equal(json_get_text(t->metadata, "ended_by"), "process exit");
    trace_free(t);
    t = the_trace(3);
    assert_true(t->end_time > 0);
    assert_null(t->error);
    trace_free(t);
    collector_free(c);
}

/* No prompts or answers where they are not wanted. */
static void test_content_policy(void **state)
{
    (void)state;
    static const char *const texts[] = {"content=metadata", NULL};
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    tell_trace(&w, 1, 1, "trace");
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_INPUT, "{\"secret\":1}");
    message_text(&m, WIRE_FIELD_METADATA, "{\"kept\":1}");
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"secret\":1}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 5);
    message_put(&w, &m, WIRE_SPAN_END);
    m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_OUTPUT, "secret");
    message_put(&w, &m, WIRE_TRACE_END);
    settle(c, 100);
    const struct span *s = the_span(2);
    assert_null(s->input_data);
    assert_null(s->output_data);
    assert_non_null(json_get(s->metadata, "kept"));
    assert_int_equal(s->tokens_input, 5);
    struct trace *t = the_trace(1);
    assert_null(t->output);
    trace_free(t);
    collector_free(c);
}

/* Texts over their limits say so. */
static void test_cut_marks(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, name);
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_NAME, name);
    message_text(&m, WIRE_FIELD_MODEL, name);
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_MODEL, "short");
    message_put(&w, &m, WIRE_SPAN_END);
    tell_trace_end(&w, 1, 1);
    settle(c, 100);
    const struct span *s = the_span(2);
    int64_t before = 0;
    assert_int_equal(strlen(s->name), 255);
    assert_true(json_get_int(json_get(s->metadata, "truncated"), "name", &before));
    assert_int_equal(before, 399);
    assert_null(json_path(s->metadata, "truncated.model")); /* it was replaced */
    struct trace *t = the_trace(1);
    assert_true(json_get_int(json_get(t->metadata, "truncated"), "name", &before));
    trace_free(t);
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_end_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_marks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
