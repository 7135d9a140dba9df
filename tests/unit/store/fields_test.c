/* Every field of a trace and of a span, in and out again. */
#include "support.h"

static json *parsed(const char *text)
{
    json *value = json_parse(text, strlen(text));
    assert_non_null(value);
    return value;
}

static void assert_json(const json *value, const char *text)
{
    char *printed = json_print_new(value);
    assert_string_equal(printed, text);
    free(printed);
}

static void put_one(struct store *s, const struct trace *t)
{
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
}

static struct trace *get_one(struct store *s, const uint8_t *id)
{
    struct trace *t;
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    return t;
}

static void test_trace(void **state)
{
    struct store *s = open_store(*state);
    struct trace *t = make_trace(1);
    t->project_id = strdup("p");
    t->metadata = parsed("{\"a\":[1,\"\xc3\xa9\"]}");
    t->tags = parsed("[\"x\",\"y\"]");
    t->user_id = strdup("u");
    t->session_id = strdup("s");
    t->output = strdup("done");
    put_one(s, t);
    struct trace *later = trace_new(); /* what is set wins, the rest stays */
    memcpy(later->trace_id, t->trace_id, TRACE_ID_LEN);
    later->user_id = strdup("u2");
    later->start_time = t->start_time + 5;
    later->end_time = t->start_time + 1000;
    later->error = strdup("first");
    put_one(s, later);
    free(later->error);
    later->error = strdup("second");
    later->end_time = 0;
    put_one(s, later);
    struct trace *back = get_one(s, t->trace_id);
    assert_string_equal(back->name, "trace 1");
    assert_string_equal(back->project_id, "p");
    assert_json(back->metadata, "{\"a\":[1,\"\xc3\xa9\"]}");
    assert_json(back->tags, "[\"x\",\"y\"]");
    assert_string_equal(back->user_id, "u2");
    assert_string_equal(back->session_id, "s");
    assert_string_equal(back->output, "done");
    assert_string_equal(back->error, "first");
    assert_int_equal(back->start_time, t->start_time);
    assert_int_equal(back->end_time, t->start_time + 1000);
    assert_int_equal(back->span_count, 0);
    assert_int_equal(back->tokens_output, SPAN_UNKNOWN);
    assert_true(back->total_cost < 0);
    trace_free(back);
    trace_free(later);
    trace_free(t);
    store_close(s);
}

static char *print(const struct span *span)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(span_print(span, &out), ERR_OK);
    return buf_take(&out);
}

static int print_each(void *user, const struct span *span)
{
    *(char **)user = print(span);
    return 0;
}

static void test_span(void **state)
{
    struct store *s = open_store(*state);
    struct span *span = make_span(1, 1);
    id_of(9, span->parent_span_id, SPAN_ID_LEN);
    span->end_time = span->start_time + 1234567891;
    span->error = strdup("a \"quoted\"\nline \xff");
    span->finish_reasons = parsed("[\"stop\"]");
    span->input_data = parsed("{\"messages\":[{\"role\":\"user\"}]}");
    span->output_data = parsed("{\"n\":9007199254740993}");
    span->metadata = parsed("{}");
    span->process.pid = 3;
    span->process.argv = parsed("[\"python\",\"app.py\"]");
    span->capture_route = strdup("openssl");
    span->stream = 0;
    span->status_code = 503;
    char *text = print(span);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    struct span *back;
    assert_int_equal(store_get_span(s, span->trace_id, span->span_id, &back), ERR_OK);
    char *again = print(back);
    assert_string_equal(again, text);
    assert_int_equal(back->end_time, span->end_time); /* nanoseconds, too */
    free(again);
    assert_int_equal(store_each_span(s, span->trace_id, print_each, &again), ERR_OK);
    assert_string_equal(again, text);
    uint8_t other[TRACE_ID_LEN];
    id_of(2, other, TRACE_ID_LEN);
    struct span *none;
    assert_int_equal(store_get_span(s, other, span->span_id, &none), ERR_NOENT);
    assert_null(none);
    /* Its trace was made for it. */
    struct trace *t = get_one(s, span->trace_id);
    assert_string_equal(t->name, "chat gpt-4o");
    assert_int_equal(t->start_time, span->start_time);
    trace_free(t);
    free(again);
    free(text);
    span_free(back);
    span_free(span);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trace, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_span, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
