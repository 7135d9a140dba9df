/* Every function's record, read back and compared field by field. */
#include "told.h"

static char trace_id[LLMT_TRACE_ID_SIZE], span_id[LLMT_SPAN_ID_SIZE], child_id[LLMT_SPAN_ID_SIZE];

static void client_is_announced_once(void **state)
{
    (void)state;
    llmt_client *client = llmt_client_new(&(llmt_client_options){
        .base_url = "https://t.example//", .api_key = "project-one", .project_id = "other"});
    assert_true(llmt_client_enabled(client));
    told_read();
    assert_int_equal(told_count, 0); /* nothing before there is something to tell */
    assert_int_equal(llmt_trace_end(llmt_trace_begin(client, "a", NULL)), LLMT_OK);
    assert_int_equal(llmt_trace_end(llmt_trace_begin(client, "b", NULL)), LLMT_OK);
    told_read();
    assert_int_equal(told_of_type(WIRE_CLIENT), 1);
    const struct told *m = told_nth(WIRE_CLIENT, 0);
    assert_ptr_equal(m, &told[0]);
    assert_told_text(m, WIRE_FIELD_URL, "https://t.example");
    assert_told_text(m, WIRE_FIELD_KEY, "project-one");
    assert_told_text(m, WIRE_FIELD_PROJECT_ID, "other");
    assert_told_ids(m, "", "", "");
    assert_true(m->head.client != 0);
    assert_int_equal(m->tid, (uint32_t)gettid());
    const uint32_t number = m->head.client;
    for (unsigned i = 0; i < told_count; i++)
        assert_int_equal(told[i].head.client, number);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    told_read();
    assert_int_equal(told_count, 1);
    assert_int_equal(told[0].type, WIRE_CLIENT_END);
    assert_int_equal(told[0].head.client, number);

    client = llmt_client_new(&(llmt_client_options){.api_key = "project-one"});
    llmt_trace_end(llmt_trace_begin(client, "c", NULL));
    llmt_client_close(client);
    told_read();
    assert_true(told_nth(WIRE_CLIENT, 0)->head.client != number);
    assert_told_text(told_nth(WIRE_CLIENT, 0), WIRE_FIELD_URL, "http://localhost:8001");
    assert_told_text(told_nth(WIRE_CLIENT, 0), WIRE_FIELD_PROJECT_ID, "one");
}

static void unused_client_tells_nothing(void **state)
{
    (void)state;
    assert_int_equal(llmt_client_close(told_client()), LLMT_OK);
    told_read();
    assert_int_equal(told_count, 0);
}

static void trace_with_everything(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    static const char *const tags[] = {"red", "", " \t", "green", NULL};
    llmt_trace *trace = llmt_trace_begin(client, "request",
                                         &(llmt_trace_options){.metadata = "{\"a\": 1}",
                                                               .tags = tags,
                                                               .user_id = "u1",
                                                               .session_id = "s1",
                                                               .project_id = "elsewhere"});
    assert_ptr_equal(llmt_trace_id(trace, trace_id), trace_id);
    assert_true(told_is_hex(trace_id, 32));
    assert_int_equal(llmt_trace_set_output(trace, "done"), LLMT_OK);
    assert_int_equal(llmt_trace_set_output(trace, ""), LLMT_OK);
    assert_int_equal(llmt_trace_set_output(trace, NULL), LLMT_OK);
    assert_int_equal(llmt_trace_set_metadata(trace, "{\"b\": 2}"), LLMT_OK);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    llmt_client_close(client);
    told_read();
    assert_int_equal(told_count, 6);
    const struct told *m = told_nth(WIRE_TRACE_BEGIN, 0);
    assert_told_ids(m, trace_id, "", "");
    assert_int_equal(m->head.flags, 0);
    assert_told_text(m, WIRE_FIELD_NAME, "request");
    assert_told_text(m, WIRE_FIELD_METADATA, "{\"a\": 1}");
    assert_told_text(m, WIRE_FIELD_USER_ID, "u1");
    assert_told_text(m, WIRE_FIELD_SESSION_ID, "s1");
    assert_told_text(m, WIRE_FIELD_PROJECT_ID, "elsewhere");
    assert_memory_equal(told_field_nth(m, WIRE_FIELD_TAG, 0)->data, "red", 3);
    assert_memory_equal(told_field_nth(m, WIRE_FIELD_TAG, 1)->data, "green", 5);
    assert_null(told_field_nth(m, WIRE_FIELD_TAG, 2));
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT, "done");
    assert_told_ids(told_nth(WIRE_SPAN_OUTPUT, 0), trace_id, "", "");
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 1), WIRE_FIELD_METADATA, "{\"b\": 2}");
    assert_told_ids(told_nth(WIRE_TRACE_END, 0), trace_id, "", "");
    assert_int_equal(told_nth(WIRE_TRACE_END, 0)->count, 0);
}

static void spans_nest(void **state)
{
    (void)state;
    static const char *const types[] = {"llm",       "tool",      "agent", "function",
                                        "retrieval", "embedding", "chain", "other"};
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, NULL, NULL);
    llmt_trace_id(trace, trace_id);
    for (int i = 0; i < 8; i++) {
        llmt_span *span = llmt_span_begin(trace, "outer", types[i],
                                          &(llmt_span_options){.input = "{\"q\": \"?\"}",
                                                               .metadata = "{\"m\": true}",
                                                               .model = "gpt-4o"});
        llmt_span *child = llmt_span_begin(span, "", types[7 - i], NULL);
        llmt_span_id(span, span_id);
        llmt_span_id(child, child_id);
        char of_child[LLMT_TRACE_ID_SIZE];
        assert_string_equal(llmt_span_trace_id(child, of_child), trace_id);
        assert_true(told_is_hex(span_id, 16) && told_is_hex(child_id, 16));
        assert_int_equal(llmt_span_end(child), LLMT_OK);
        assert_int_equal(llmt_span_end(span), LLMT_OK);
        told_read();
        const struct told *m = told_nth(WIRE_SPAN_BEGIN, 0);
        assert_told_ids(m, trace_id, span_id, "");
        assert_int_equal(m->head.span_type, i);
        assert_told_text(m, WIRE_FIELD_NAME, "outer");
        assert_told_text(m, WIRE_FIELD_INPUT, "{\"q\": \"?\"}");
        assert_told_text(m, WIRE_FIELD_METADATA, "{\"m\": true}");
        assert_told_text(m, WIRE_FIELD_MODEL, "gpt-4o");
        m = told_nth(WIRE_SPAN_BEGIN, 1);
        assert_told_ids(m, trace_id, child_id, span_id);
        assert_int_equal(m->head.span_type, 7 - i);
        assert_told_text(m, WIRE_FIELD_NAME, "unnamed");
        assert_int_equal(m->count, 1);
        assert_told_ids(told_nth(WIRE_SPAN_END, 0), trace_id, child_id, "");
        assert_told_ids(told_nth(WIRE_SPAN_END, 1), trace_id, span_id, "");
    }
    llmt_trace_end(trace);
    llmt_client_close(client);
}

static void settings_of_a_span(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
    llmt_trace_id(trace, trace_id);
    llmt_span_id(span, span_id);
    told_read();
    assert_int_equal(llmt_span_set_input(span, "[1]"), LLMT_OK);
    assert_int_equal(llmt_span_set_output(span, "\"x\""), LLMT_OK);
    assert_int_equal(llmt_span_set_metadata(span, "{}"), LLMT_OK);
    assert_int_equal(llmt_span_set_model(span, "m"), LLMT_OK);
    assert_int_equal(llmt_span_set_usage(span, 12, 3, 0.25), LLMT_OK);
    assert_int_equal(llmt_span_set_usage(span, LLMT_UNKNOWN, 4, LLMT_UNKNOWN), LLMT_OK);
    assert_int_equal(llmt_span_set_usage(span, LLMT_UNKNOWN, LLMT_UNKNOWN, LLMT_UNKNOWN), LLMT_OK);
    assert_int_equal(llmt_span_set_usage_details(span, 1, 2, 0), LLMT_OK);
    assert_int_equal(llmt_span_set_error(span, "refused"), LLMT_OK);
    assert_int_equal(llmt_span_set_error(span, NULL), LLMT_OK);
    assert_int_equal(llmt_span_set_errorf(span, "code %d: %s", 7, "no"), LLMT_OK);
    told_read();
    static const uint16_t names[] = {WIRE_FIELD_INPUT, WIRE_FIELD_OUTPUT, WIRE_FIELD_METADATA,
                                     WIRE_FIELD_MODEL};
    static const char *const texts[] = {"[1]", "\"x\"", "{}", "m"};
    for (unsigned i = 0; i < 4; i++) {
        assert_told_text(told_nth(WIRE_SPAN_OUTPUT, i), names[i], texts[i]);
        assert_int_equal(told_nth(WIRE_SPAN_OUTPUT, i)->count, 1);
        assert_told_ids(told_nth(WIRE_SPAN_OUTPUT, i), trace_id, span_id, "");
    }
    const struct told *m = told_nth(WIRE_SPAN_OUTPUT, 4);
    assert_told_integer(m, WIRE_FIELD_TOKENS_INPUT, 12);
    assert_told_integer(m, WIRE_FIELD_TOKENS_OUTPUT, 3);
    assert_told_number(m, WIRE_FIELD_COST, 0.25);
    m = told_nth(WIRE_SPAN_OUTPUT, 5);
    assert_int_equal(m->count, 1);
    assert_told_integer(m, WIRE_FIELD_TOKENS_OUTPUT, 4);
    m = told_nth(WIRE_SPAN_OUTPUT, 6);
    assert_told_integer(m, WIRE_FIELD_TOKENS_CACHE_READ, 1);
    assert_told_integer(m, WIRE_FIELD_TOKENS_CACHE_WRITE, 2);
    assert_told_integer(m, WIRE_FIELD_TOKENS_REASONING, 0);
    assert_int_equal(told_of_type(WIRE_SPAN_OUTPUT), 7);
    assert_told_text(told_nth(WIRE_SPAN_ERROR, 0), WIRE_FIELD_ERROR, "refused");
    assert_told_text(told_nth(WIRE_SPAN_ERROR, 1), WIRE_FIELD_ERROR, "error");
    assert_told_text(told_nth(WIRE_SPAN_ERROR, 2), WIRE_FIELD_ERROR, "code 7: no");
    llmt_span_end(span);
    llmt_trace_end(trace);
    llmt_client_close(client);
    told_read();
}

static void joined_trace(void **state)
{
    (void)state;
    static const char header[] = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01";
    llmt_client *client = told_client();
    llmt_trace *trace =
        llmt_trace_begin(client, "served", &(llmt_trace_options){.traceparent = header});
    llmt_span *span = llmt_span_begin(trace, "s", "chain", NULL);
    llmt_trace_id(trace, trace_id);
    llmt_span_id(span, span_id);
    assert_string_equal(trace_id, "0123456789abcdef0123456789abcdef");
    llmt_span_end(span);
    char current[LLMT_TRACEPARENT_SIZE];
    assert_string_equal(llmt_current_traceparent(current), header);
    llmt_trace_end(trace);
    told_read();
    const struct told *m = told_nth(WIRE_TRACE_BEGIN, 0);
    assert_told_ids(m, trace_id, "", "00f067aa0ba902b7");
    assert_int_equal(m->head.flags, WIRE_API_JOINED);
    assert_told_ids(told_nth(WIRE_SPAN_BEGIN, 0), trace_id, span_id, "00f067aa0ba902b7");
    assert_told_ids(told_nth(WIRE_TRACE_END, 0), trace_id, "", "");
    assert_int_equal(told_nth(WIRE_TRACE_END, 0)->head.flags, WIRE_API_JOINED);
    llmt_client_close(client);
    told_read();
}

static void malformed_traceparents(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",
        "00-0123456789ABCDEF0123456789abcdef-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-0123456789abcdef0123456789abcdef-0000000000000000-01",
        "ff-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01",
        "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01-x",
        "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-0",
        "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-0g",
        "0g-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01",
        "00_0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01",
    };
    llmt_client *client = told_client();
    told_forget_warnings();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        llmt_trace *trace =
            llmt_trace_begin(client, "t", &(llmt_trace_options){.traceparent = bad[i]});
        llmt_trace_id(trace, trace_id);
        assert_true(told_is_hex(trace_id, 32));
        assert_string_not_equal(trace_id, "0123456789abcdef0123456789abcdef");
        llmt_trace_end(trace);
    }
    assert_int_equal(told_warning_count, 1);
    assert_non_null(strstr(told_warnings, "traceparent"));
    static const char later[] = "cc-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01-more";
    llmt_trace *trace = llmt_trace_begin(client, "t", &(llmt_trace_options){.traceparent = later});
    assert_string_equal(llmt_trace_id(trace, trace_id), "0123456789abcdef0123456789abcdef");
    llmt_trace_end(trace);
    llmt_client_close(client);
    told_read();
}

static void by_id(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    assert_int_equal(
        llmt_create_trace(client, "t", &(llmt_trace_options){.user_id = "u"}, trace_id), LLMT_OK);
    assert_int_equal(llmt_create_span(client, trace_id, "s", "agent", NULL, span_id), LLMT_OK);
    char dashed[40];
    snprintf(dashed, sizeof(dashed), "%.8s-%.4s-%.4s-%.4s-%s", trace_id, trace_id + 8,
             trace_id + 12, trace_id + 16, trace_id + 20);
    assert_int_equal(llmt_create_span(client, dashed, "c", "tool",
                                      &(llmt_span_options){.parent_span_id = span_id}, child_id),
                     LLMT_OK);
    char traceparent[LLMT_TRACEPARENT_SIZE];
    assert_null(llmt_current_traceparent(traceparent)); /* nothing is made active */
    assert_int_equal(llmt_complete_span(client, child_id, "{\"o\": 1}", "bad", 1, 2, 0.5), LLMT_OK);
    assert_int_equal(llmt_complete_span(client, span_id, NULL, "", -1, -1, -1), LLMT_OK);
    assert_int_equal(llmt_complete_trace(client, trace_id, "out"), LLMT_OK);
    told_read();
    assert_told_ids(told_nth(WIRE_TRACE_BEGIN, 0), trace_id, "", "");
    assert_told_text(told_nth(WIRE_TRACE_BEGIN, 0), WIRE_FIELD_USER_ID, "u");
    assert_told_ids(told_nth(WIRE_SPAN_BEGIN, 0), trace_id, span_id, "");
    assert_told_ids(told_nth(WIRE_SPAN_BEGIN, 1), trace_id, child_id, span_id);
    const struct told *m = told_nth(WIRE_SPAN_END, 0);
    assert_told_ids(m, "", child_id, "");
    assert_told_text(m, WIRE_FIELD_OUTPUT, "{\"o\": 1}");
    assert_told_text(m, WIRE_FIELD_ERROR, "bad");
    assert_told_integer(m, WIRE_FIELD_TOKENS_INPUT, 1);
    assert_told_integer(m, WIRE_FIELD_TOKENS_OUTPUT, 2);
    assert_told_number(m, WIRE_FIELD_COST, 0.5);
    assert_int_equal(told_nth(WIRE_SPAN_END, 1)->count, 0); /* "": no error */
    assert_told_text(told_nth(WIRE_TRACE_END, 0), WIRE_FIELD_OUTPUT, "out");
    assert_told_ids(told_nth(WIRE_TRACE_END, 0), trace_id, "", "");
    llmt_client_close(client);
    told_read();
}

static void by_id_in_trouble(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    told_forget_warnings();
    strcpy(span_id, "unset");
    assert_int_equal(llmt_create_span(client, "12", "s", "llm", NULL, span_id), LLMT_EINVAL);
    assert_string_equal(span_id, "");
    assert_int_equal(llmt_create_span(client, NULL, "s", "llm", NULL, span_id), LLMT_EINVAL);
    assert_int_equal(llmt_create_trace(client, "t", NULL, trace_id), LLMT_OK);
    assert_int_equal(llmt_create_span(client, trace_id, "s", "llm",
                                      &(llmt_span_options){.parent_span_id = "xyz"}, span_id),
                     LLMT_EINVAL);
    assert_int_equal(llmt_complete_trace(client, "0", NULL), LLMT_EINVAL);
    assert_int_equal(llmt_complete_span(client, "0", NULL, NULL, -1, -1, -1), LLMT_EINVAL);
    assert_int_equal(llmt_complete_span(client, NULL, NULL, NULL, -1, -1, -1), LLMT_EINVAL);
    told_read();
    assert_int_equal(told_count, 2); /* the client, the trace */
    assert_int_equal(llmt_create_span(client, trace_id, "s", "poem", NULL, span_id), LLMT_ETYPE);
    assert_true(told_is_hex(span_id, 16));
    assert_int_equal(llmt_create_span(client, trace_id, "s", "llm",
                                      &(llmt_span_options){.input = "{", .metadata = "[]"},
                                      child_id),
                     LLMT_EJSON);
    assert_true(told_is_hex(child_id, 16));
    assert_int_equal(llmt_complete_span(client, span_id, NULL, NULL, -2, 5, 1), LLMT_ERANGE);
    assert_int_equal(llmt_complete_span(client, child_id, "nonsense", NULL, 1, 2, 3), LLMT_EJSON);
    told_read();
    assert_int_equal(told_nth(WIRE_SPAN_BEGIN, 0)->head.span_type, WIRE_SPAN_OTHER);
    assert_int_equal(told_field(told_nth(WIRE_SPAN_BEGIN, 1), WIRE_FIELD_INPUT)->flags,
                     WIRE_FIELD_TEXT);
    assert_int_equal(told_field(told_nth(WIRE_SPAN_BEGIN, 1), WIRE_FIELD_METADATA)->flags,
                     WIRE_FIELD_TEXT);
    assert_int_equal(told_nth(WIRE_SPAN_END, 0)->count, 0);
    assert_int_equal(told_nth(WIRE_SPAN_END, 1)->count, 4);
    assert_int_equal(told_warning_count, 3); /* type, JSON, number */
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    assert_int_equal(llmt_create_trace(client, "t", NULL, trace_id), LLMT_EENDED);
    assert_string_equal(trace_id, "");
    assert_int_equal(llmt_create_trace(NULL, "t", NULL, trace_id), LLMT_EINVAL);
    told_read();
}

static void ids_differ(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    static char seen[200][LLMT_SPAN_ID_SIZE];
    llmt_create_trace(client, "t", NULL, trace_id);
    for (int i = 0; i < 200; i++) {
        llmt_create_span(client, trace_id, "s", "llm", NULL, seen[i]);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    llmt_client_close(client);
    told_read();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_is_announced_once), cmocka_unit_test(unused_client_tells_nothing),
        cmocka_unit_test(trace_with_everything),    cmocka_unit_test(spans_nest),
        cmocka_unit_test(settings_of_a_span),       cmocka_unit_test(joined_trace),
        cmocka_unit_test(malformed_traceparents),   cmocka_unit_test(by_id),
        cmocka_unit_test(by_id_in_trouble),         cmocka_unit_test(ids_differ),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
