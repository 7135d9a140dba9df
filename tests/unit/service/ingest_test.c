/* Batches: each line for itself, in order, whatever the others are. */
#include "unit/service/fake_store.h"

#include "json/json.h"

static size_t told;

void events_tell(struct service *s, enum service_event what, struct text project_id,
                 struct text trace_id, struct text span_id)
{
    (void)s;
    (void)what;
    (void)project_id;
    (void)trace_id;
    (void)span_id;
    told++;
}

static int begin(void **state)
{
    (void)state;
    fake_clear();
    told = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    request_end();
    return 0;
}

static const char *ingest(const char *body)
{
    return ask("POST", "/api/ingest", NULL, body, 64 << 20);
}

#define TRACE(id)                                                                                  \
    "{\"op\":\"create_trace\",\"trace_id\":\"" id "\",\"name\":\"n\",\"project_id\":\"p\"}"
#define SPAN(id)                                                                                   \
    "{\"op\":\"create_span\",\"trace_id\":\"t\",\"span_id\":\"" id                                 \
    "\",\"name\":\"n\",\"span_type\":\"llm\"}"
#define END_SPAN(id)  "{\"op\":\"complete_span\",\"span_id\":\"" id "\"}"
#define END_TRACE(id) "{\"op\":\"complete_trace\",\"trace_id\":\"" id "\"}"

static void test_all_in_order(void **state)
{
    static const enum stored_op ops[] = {STORED_CREATE_TRACE, STORED_CREATE_SPAN,
                                         STORED_COMPLETE_SPAN, STORED_COMPLETE_TRACE};
    static const char *const bodies[] = {
        TRACE("t") "\n" SPAN("s") "\n" END_SPAN("s") "\n" END_TRACE("t") "\n",
        TRACE("t") "\r\n\r\n" SPAN("s") "\n \t\n" END_SPAN("s") "\n\n" END_TRACE("t"),
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(ingest(bodies[i]), "{\"accepted\":4,\"rejected\":[]}");
        assert_int_equal(request.status, 200);
        assert_int_equal(request.write_count, 4);
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(request.writes[k]->op, ops[k]);
            assert_true(fake_is(request.writes[k]->project_id, text_of("p")));
        }
        assert_true(fake_is(request.writes[1]->span.trace_id, text_of("t")));
        assert_true(request.writes[2]->span.end_time > 0);
    }
    assert_int_equal(fake.write_calls, 2);
    assert_int_equal(told, 2 * 3); /* the fake store does not know the completed span's trace */
}

static void test_a_wrong_line_rejects_itself(void **state)
{
    (void)state;
    fake.results[1] = ERR_NOENT; /* the second of those that reach the store */
    fake.results[2] = ERR_DENIED;
    fake.results[3] = ERR_NOENT;
    const char *said =
        ingest("not json\n" TRACE("t") "\n{\"op\":\"create_trace\"}\n" END_SPAN("a") "\n" END_SPAN(
            "b") "\n[]\n" END_TRACE("c") "\n" END_TRACE("t") "\n"
                                                             "{\"op\":\"create_trace\",\"trace_"
                                                             "id\":\"x\",\"name\":\"n\",\"project_"
                                                             "id\":\"q\"}\n"
                                                             "\xff\n");
    assert_string_equal(
        said, "{\"accepted\":2,\"rejected\":["
              "{\"line\":1,\"detail\":\"JSON decode error\"},"
              "{\"line\":3,\"detail\":\"trace_id: Field required\"},"
              "{\"line\":4,\"detail\":\"Span not found\"},"
              "{\"line\":5,\"detail\":\"the span belongs to a trace of another project\"},"
              "{\"line\":6,\"detail\":\"Input should be a valid dictionary or object to extract "
              "fields from\"},"
              "{\"line\":7,\"detail\":\"Trace not found\"},"
              "{\"line\":9,\"detail\":\"project_id is not the project of the API key\"},"
              "{\"line\":10,\"detail\":\"JSON decode error\"}]}");
    assert_int_equal(request.status, 200);
    assert_int_equal(told, 2);
}

static void test_what_the_store_cannot_hold(void **state)
{
    (void)state;
    fake.results[0] = ERR_BAD;
    const char *said = ingest(TRACE("t") "\n" END_TRACE("u"));
    assert_string_equal(said, "{\"accepted\":1,\"rejected\":[{\"line\":1,\"detail\":\"The store "
                              "cannot hold what was sent; sending it again changes nothing\"}]}");
    assert_int_equal(request.status, 200);
}

static void test_nothing_for_the_store(void **state)
{
    (void)state;
    assert_string_equal(ingest(""), "{\"accepted\":0,\"rejected\":[]}");
    assert_string_equal(ingest("\n\n \n"), "{\"accepted\":0,\"rejected\":[]}");
    assert_string_equal(ingest("x"),
                        "{\"accepted\":0,\"rejected\":[{\"line\":1,\"detail\":\"JSON decode "
                        "error\"}]}");
    assert_int_equal(fake.write_calls, 0);
    fake.error = ERR_FULL;
    ingest(TRACE("t"));
    assert_int_equal(request.status, 507);
    assert_int_equal(told, 0);
}

static void test_a_line_keeps_nothing_of_the_one_before(void **state)
{
    (void)state;
    ingest("{\"op\":\"create_span\",\"trace_id\":\"t\",\"span_id\":\"a\",\"name\":\"n\","
           "\"span_type\":\"llm\",\"model\":\"m\",\"tokens_input\":5,\"cost_usd\":1,"
           "\"metadata\":{\"ttft_ms\":7},\"parent_span_id\":7}\n" SPAN("b"));
    assert_int_equal(request.write_count, 1);
    const struct stored_span *span = &request.writes[0]->span;
    assert_true(fake_is(span->span_id, text_of("b")));
    assert_null(span->model.at);
    assert_null(span->metadata.at);
    assert_int_equal(span->tokens_input, SPAN_UNKNOWN);
    assert_true(span->cost_usd < 0 && span->ttft_ms < 0);
}

static void test_many(void **state)
{
    static const char line[] = TRACE("t") "\n";
    const size_t len = sizeof(line) - 1, most = 50000;
    char *body = malloc((most + 1) * len + 1);
    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i <= most; i++)
        memcpy(body + i * len, line, len + 1);
    ingest(body);
    assert_int_equal(request.status, 413);
    assert_int_equal(fake.write_calls, 0);
    body[most * len] = '\0';
    assert_string_equal(ingest(body), "{\"accepted\":50000,\"rejected\":[]}");
    /* Blank lines are no lines, and rejected ones are told however many they are. */
    memset(body, '\n', most * len);
    assert_string_equal(ingest(body), "{\"accepted\":0,\"rejected\":[]}");
    for (size_t i = 0; i < most; i++)
        memcpy(body + 2 * i, "x\n", 3);
    const char *said = ingest(body);
    assert_int_equal(request.status, 200);
    json *parsed = json_parse(said, strlen(said));
    assert_int_equal(json_length(json_get(parsed, "rejected")), most);
    int64_t last = 0;
    assert_true(json_get_int(json_at(json_get(parsed, "rejected"), most - 1), "line", &last));
    assert_int_equal(last, most);
    json_free(parsed);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_in_order, begin, end),
        cmocka_unit_test_setup_teardown(test_a_wrong_line_rejects_itself, begin, end),
        cmocka_unit_test_setup_teardown(test_what_the_store_cannot_hold, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_for_the_store, begin, end),
        cmocka_unit_test_setup_teardown(test_a_line_keeps_nothing_of_the_one_before, begin, end),
        cmocka_unit_test_setup_teardown(test_many, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
