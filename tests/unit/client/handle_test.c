/* Every function with NULL, with what was ended or closed, with nonsense, and with a disabled
 * client. */
#include "told.h"

#include "client/slots.h"

static char id[LLMT_TRACE_ID_SIZE], header[LLMT_TRACEPARENT_SIZE];

/* What every function makes of these handles; expected: its result. */
static void assert_all_refuse(llmt_client *client, llmt_trace *trace, llmt_span *span, int expected)
{
    const llmt_pair pair = LLMT_INT("a", 1);
    assert_null(llmt_trace_begin(client, "t", NULL));
    assert_null(llmt_trace_span_begin(trace, "s", "llm", NULL));
    assert_null(llmt_span_span_begin(span, "s", "llm", NULL));
    assert_int_equal(llmt_trace_set_output(trace, "x"), expected);
    assert_int_equal(llmt_trace_set_metadata(trace, "{}"), expected);
    assert_int_equal(llmt_trace_end(trace), expected);
    assert_int_equal(llmt_span_set_input(span, "{}"), expected);
    assert_int_equal(llmt_span_set_output(span, "{}"), expected);
    assert_int_equal(llmt_span_set_metadata(span, "{}"), expected);
    assert_int_equal(llmt_span_set_model(span, "m"), expected);
    assert_int_equal(llmt_span_set_usage(span, 1, 2, 3), expected);
    assert_int_equal(llmt_span_set_usage_details(span, 1, 2, 3), expected);
    assert_int_equal(llmt_span_set_error(span, "e"), expected);
    assert_int_equal(llmt_span_set_errorf(span, "%d", 1), expected);
    assert_int_equal(llmt_span_set_output_pairs(span, &pair, 1), expected);
    assert_int_equal(llmt_span_end(span), expected);
    assert_int_equal(llmt_span_attach(span), expected);
    assert_int_equal(llmt_span_detach(span), expected);
    assert_int_equal(llmt_trace_attach(trace), expected);
    assert_int_equal(llmt_trace_detach(trace), expected);
    assert_string_equal(llmt_trace_id(trace, id), "");
    assert_string_equal(llmt_span_id(span, id), "");
    assert_string_equal(llmt_span_trace_id(span, id), "");
    assert_null(llmt_span_traceparent(span, header));
    assert_string_equal(header, "");
    assert_int_equal(llmt_flush(client, 0), expected);
    assert_false(llmt_client_enabled(client));
    assert_int_equal(llmt_client_get(client, 'u', id, sizeof(id)), 0);
    assert_string_equal(id, "");
    assert_int_equal(llmt_create_trace(client, "t", NULL, id), expected);
    assert_int_equal(llmt_create_span(client, "ab", "t", "llm", NULL, id), expected);
    assert_int_equal(llmt_complete_trace(client, "ab", NULL), expected);
    assert_int_equal(llmt_complete_span(client, "ab", NULL, NULL, 1, 1, 1), expected);
    assert_int_equal(llmt_client_close(client), expected);
}

static void null_is_accepted(void **state)
{
    (void)state;
    assert_all_refuse(NULL, NULL, NULL, LLMT_EINVAL);
    assert_string_equal(llmt_trace_id(NULL, NULL), "");
    assert_string_equal(llmt_span_id(NULL, NULL), "");
    assert_string_equal(llmt_span_trace_id(NULL, NULL), "");
    assert_null(llmt_current_traceparent(NULL));
    assert_null(llmt_span_traceparent(NULL, NULL));
    assert_int_equal(llmt_create_trace(NULL, NULL, NULL, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_create_span(NULL, NULL, NULL, NULL, NULL, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_activate(NULL, NULL), LLMT_OK);
}

static void null_texts_are_accepted(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, NULL, NULL);
    llmt_span *span = llmt_span_begin(trace, NULL, NULL, NULL);
    assert_non_null(span);
    assert_int_equal(llmt_trace_set_metadata(trace, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_input(span, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_output(span, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_metadata(span, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_model(span, NULL), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_model(span, ""), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_output_pairs(span, NULL, 1), LLMT_EINVAL);
    assert_int_equal(llmt_span_set_output_pairs(span, NULL, 0), LLMT_OK);
    assert_int_equal(llmt_create_trace(client, NULL, NULL, NULL), LLMT_OK);
    assert_int_equal(llmt_client_get(client, 'k', NULL, 0), strlen("project-test"));
    char small[5];
    assert_int_equal(llmt_client_get(client, 'k', small, sizeof(small)), strlen("project-test"));
    assert_string_equal(small, "proj");
    assert_int_equal(llmt_client_get(client, '?', small, sizeof(small)), 0);
    llmt_span_end(span);
    llmt_trace_end(trace);
    llmt_client_close(client);
    told_read();
    assert_int_equal(told_nth(WIRE_SPAN_BEGIN, 0)->head.span_type, WIRE_SPAN_OTHER);
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT, "{}");
}

static void what_ended_does_nothing(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
    assert_int_equal(llmt_span_end(span), LLMT_OK);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    told_read();
    assert_all_refuse(client, trace, span, LLMT_EENDED);
    told_read();
    assert_int_equal(told_count, 0);
    /* The slots are used anew, and the old handles do not name what lies in them now. */
    llmt_client *second = told_client();
    llmt_trace *again = llmt_trace_begin(second, "t", NULL);
    llmt_span *other = llmt_span_begin(again, "s", "llm", NULL);
    assert_ptr_not_equal(second, client);
    assert_ptr_not_equal(again, trace);
    assert_ptr_not_equal(other, span);
    told_read();
    assert_all_refuse(client, trace, span, LLMT_EENDED);
    told_read();
    assert_int_equal(told_count, 0);
    assert_int_equal(llmt_span_end(other), LLMT_OK);
    assert_int_equal(llmt_trace_end(again), LLMT_OK);
    assert_int_equal(llmt_client_close(second), LLMT_OK);
    told_read();
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const uint64_t words[] = {1,
                                     UINT64_MAX,
                                     UINT64_C(0x7fff00001000),
                                     UINT64_C(1) << 63,
                                     UINT64_C(0x9000000010000001),
                                     UINT64_C(0xa000000010000100),
                                     UINT64_C(0xb00000001fffffff),
                                     UINT64_C(0xb000000000000001)};
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        void *word = (void *)(uintptr_t)words[i];
        if (word == client || word == trace)
            continue;
        assert_all_refuse(word, word, word, LLMT_EENDED);
    }
    /* One kind for another. */
    assert_all_refuse((void *)trace, (void *)client, (void *)trace, LLMT_EENDED);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    told_read();
}

static void order_of_ends_is_free(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *parent = llmt_span_begin(trace, "p", "chain", NULL);
    llmt_span *child = llmt_span_begin(parent, "c", "tool", NULL);
    char parent_id[LLMT_SPAN_ID_SIZE], child_id[LLMT_SPAN_ID_SIZE];
    char trace_id[LLMT_TRACE_ID_SIZE];
    llmt_trace_id(trace, trace_id);
    llmt_span_id(parent, parent_id);
    llmt_span_id(child, child_id);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_int_equal(llmt_span_end(parent), LLMT_OK);
    assert_null(llmt_span_begin(parent, "late", "tool", NULL));
    assert_null(llmt_span_begin(trace, "late", "tool", NULL));
    llmt_span *grandchild = llmt_span_begin(child, "g", "tool", NULL);
    assert_non_null(grandchild);
    assert_int_equal(llmt_span_set_output(child, "{\"late\": true}"), LLMT_OK);
    assert_int_equal(llmt_span_end(child), LLMT_OK);
    assert_int_equal(llmt_span_end(grandchild), LLMT_OK);
    told_read();
    assert_told_ids(told_nth(WIRE_SPAN_BEGIN, 1), trace_id, child_id, parent_id);
    assert_int_equal(told_of_type(WIRE_SPAN_BEGIN), 3);
    assert_int_equal(told_of_type(WIRE_SPAN_END), 3);
    assert_int_equal(told_of_type(WIRE_CLIENT), 1); /* closed, but known here */
    assert_told_ids(told_nth(WIRE_SPAN_END, 1), trace_id, child_id, "");
}

static int disabled(void)
{
    static const char *const words[] = {"false", "0", "No", "OFF"};
    told_forget_warnings();
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        setenv("TRACING_ENABLED", words[i], 1);
        llmt_client *client =
            llmt_client_new(&(llmt_client_options){.on_warning = told_warn, .user = told_warnings});
        assert_non_null(client);
        assert_false(llmt_client_enabled(client));
        assert_int_equal(llmt_client_get(client, 'u', NULL, 0), strlen("http://localhost:8001"));
        assert_null(llmt_trace_begin(client, "t", NULL));
        assert_int_equal(llmt_last_error(), LLMT_EDISABLED);
        strcpy(id, "unset");
        assert_int_equal(llmt_create_trace(client, "t", NULL, id), LLMT_EDISABLED);
        assert_string_equal(id, "");
        strcpy(id, "unset");
        assert_int_equal(llmt_create_span(client, "ab", "s", "llm", NULL, id), LLMT_EDISABLED);
        assert_string_equal(id, "");
        assert_int_equal(llmt_complete_trace(client, "ab", NULL), LLMT_EDISABLED);
        assert_int_equal(llmt_complete_span(client, "ab", NULL, NULL, 1, 1, 1), LLMT_EDISABLED);
        assert_int_equal(llmt_flush(client, -1), LLMT_EDISABLED);
        assert_int_equal(llmt_client_close(client), LLMT_OK);
        assert_int_equal(llmt_client_close(client), LLMT_EENDED);
    }
    char path[400];
    return (int)told_warning_count + told_find_ring(getpid(), path, sizeof(path));
}

static void disabled_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(disabled), 0);
    setenv("TRACING_ENABLED", "true", 1);
    llmt_client *client = told_client();
    assert_true(llmt_client_enabled(client));
    llmt_client_close(client);
    unsetenv("TRACING_ENABLED");
}

static void errors_have_sentences(void **state)
{
    (void)state;
    for (int error = 1; error >= -12; error--) {
        assert_non_null(llmt_strerror(error));
        assert_true(strlen(llmt_strerror(error)) > 5);
    }
    assert_string_not_equal(llmt_strerror(LLMT_EJSON), llmt_strerror(LLMT_ETYPE));
    assert_string_equal(llmt_strerror(-10), llmt_strerror(1));
    assert_int_equal(llmt_version(), LLMT_VERSION_NUMBER);
}

static void *other_thread(void *arg)
{
    *(int *)arg = llmt_last_error();
    return NULL;
}

/* Functions that return a handle leave the error behind. */
static void last_error_tells(void **state)
{
    (void)state;
    pthread_t thread;
    int elsewhere = -1;
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    assert_int_equal(llmt_last_error(), LLMT_OK);
    llmt_span *span = llmt_span_begin(trace, "s", "poem", NULL);
    assert_non_null(span);
    assert_int_equal(llmt_last_error(), LLMT_ETYPE);
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &elsewhere), 0);
    pthread_join(thread, NULL);
    assert_int_equal(elsewhere, LLMT_OK);
    llmt_span_end(llmt_span_begin(span, "s", "llm", &(llmt_span_options){.input = "{"}));
    assert_int_equal(llmt_last_error(), LLMT_EJSON);
    llmt_span_end(llmt_span_begin(span, "s", "llm", NULL));
    assert_int_equal(llmt_last_error(), LLMT_OK);
    llmt_span_end(span);
    assert_null(llmt_span_begin(span, "s", "llm", NULL));
    assert_int_equal(llmt_last_error(), LLMT_EENDED);
    assert_null(llmt_span_begin((llmt_trace *)NULL, "s", "llm", NULL));
    assert_int_equal(llmt_last_error(), LLMT_EINVAL);
    llmt_trace_end(trace);
    llmt_client_close(client);
    assert_null(llmt_trace_begin(client, "t", NULL));
    assert_int_equal(llmt_last_error(), LLMT_EENDED);
}

/* --- the tables behind ------------------------------------------------------------------------ */

static void slots_are_limited_and_come_back(void **state)
{
    (void)state;
    static struct slot_table table = {.slot_size = SLOT_LINE, .chunks_max = 2};
    static uint32_t taken[2 * SLOT_CHUNK];
    struct slot *slot;
    unsigned count = 0;
    while ((taken[count] = slot_take(&table, 7, &slot)) != 0)
        count++;
    assert_int_equal(count, 2 * (SLOT_CHUNK - 1));
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(taken[i], taken[j]);
    assert_int_equal(slot_take(&table, 8, &slot), 0);
    struct slot *last = slot_at(&table, taken[count - 1]);
    const uint64_t before = slot_generation(atomic_load(&last->state));
    slot_give(&table, taken[count - 1], last);
    assert_int_equal(slot_take(&table, 8, &slot), 0); /* it went back to where it came from */
    assert_int_equal(slot_take(&table, 7 + SLOT_SHARDS, &slot), taken[count - 1]);
    assert_int_equal(slot_generation(atomic_load(&slot->state)), before + 1);
    assert_null(slot_at(&table, 0));
    assert_null(slot_at(&table, SLOT_CHUNK));
    assert_null(slot_at(&table, UINT32_MAX));
    assert_null(slot_at(&table, 2 * SLOT_CHUNK + 1));
}

static void worn_out_slot_is_not_used_again(void **state)
{
    (void)state;
    static struct slot_table table = {.slot_size = SLOT_LINE, .chunks_max = 1};
    struct slot *slot, *other;
    const uint32_t index = slot_take(&table, 0, &slot);
    atomic_store(&slot->state, slot_state(UINT32_MAX, 0));
    slot_give(&table, index, slot);
    assert_int_not_equal(slot_take(&table, 0, &other), index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disabled_does_nothing),
        cmocka_unit_test(last_error_tells),
        cmocka_unit_test(null_is_accepted),
        cmocka_unit_test(null_texts_are_accepted),
        cmocka_unit_test(what_ended_does_nothing),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(order_of_ends_is_free),
        cmocka_unit_test(errors_have_sentences),
        cmocka_unit_test(slots_are_limited_and_come_back),
        cmocka_unit_test(worn_out_slot_is_not_used_again),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
