/* Putting and reading back. */
#include "support.h"

static void test_put_and_get(void **state)
{
    struct store *s = open_store(*state);
    assert_int_equal(store_begin(s), ERR_OK);
    put_trace(s, 1, NULL, 0);
    put_span(s, 1, 1, false, NULL, 0);
    assert_int_equal(store_commit(s), ERR_OK);
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN];
    id_of(1, trace_id, TRACE_ID_LEN);
    id_of(1, span_id, SPAN_ID_LEN);
    struct span *span;
    assert_int_equal(store_get_span(s, trace_id, span_id, &span), ERR_OK);
    assert_string_equal(span->name, "chat gpt-4o");
    assert_int_equal(span->start_time, T0 + 1000); /* to the nanosecond */
    assert_int_equal(span->end_time, 0);
    span_free(span);
    struct trace *t;
    assert_int_equal(store_get_trace(s, trace_id, &t), ERR_OK);
    assert_string_equal(t->name, "trace 1");
    assert_int_equal(t->span_count, 1);
    assert_int_equal(t->tokens_input, 10);
    trace_free(t);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_get, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
