/* Every endpoint but batches and events: what it asks the store, what it answers. */
#include "unit/service/fake_store.h"

#include "base/clock.h"
#include "json/json.h"

static struct {
    enum service_event what;
    char trace[64], span[64];
    size_t count;
} told;

void events_tell(struct service *s, enum service_event what, struct text project_id,
                 struct text trace_id, struct text span_id)
{
    assert_ptr_equal(s, &fake_service);
    assert_true(fake_is(project_id, text_of("p")));
    told.what = what;
    snprintf(told.trace, sizeof(told.trace), "%.*s", (int)trace_id.len, trace_id.at);
    snprintf(told.span, sizeof(told.span), "%.*s", (int)span_id.len,
             span_id.at == NULL ? "" : span_id.at);
    told.count++;
}

static int begin(void **state)
{
    (void)state;
    fake_clear();
    memset(&told, 0, sizeof(told));
    return 0;
}

static int end(void **state)
{
    (void)state;
    request_end();
    return 0;
}

static void assert_said(const char *said, const char *part)
{
    if (strstr(said, part) == NULL)
        fail_msg("%s is not in %s", part, said);
}

static const struct stored_trace a_trace = {
    .trace_id = {"t1", 2},
    .name = {"na\"me", 5},
    .project_id = {"p", 1},
    .start_time = INT64_C(1767323045678901234),
    .end_time = INT64_C(1767323047000001000),
    .metadata = {"{\"a\":{\"b\":[1]}}", 15},
    .tags = {"[\"x\"]", 5},
    .user_id = {"u", 1},
    .session_id = {"s", 1},
    .output = {"li\nne", 5},
    .span_count = 3,
    .total_cost = 0.1 + 0.2,
    .calls = 2,
    .errors = 1,
    .tokens_input = 10,
    .tokens_output = 0,
    .tokens_cache_read = SPAN_UNKNOWN,
    .ttft_ms = 12.5,
    .model = {"m", 1},
    .models = 1,
    .error = {"late", 4},
};
static const char a_trace_printed[] =
    "{\"trace_id\":\"t1\",\"name\":\"na\\\"me\",\"project_id\":\"p\","
    "\"start_time\":\"2026-01-02T03:04:05.678901+00:00\","
    "\"end_time\":\"2026-01-02T03:04:07.000001+00:00\",\"duration_ms\":1321,"
    "\"metadata\":{\"a\":{\"b\":[1]}},\"tags\":[\"x\"],\"user_id\":\"u\",\"session_id\":\"s\","
    "\"output\":\"li\\nne\",\"span_count\":3,\"total_cost\":0.30000000000000004,"
    "\"status\":\"error\",\"error\":\"late\",\"model\":\"m\",\"models\":1,\"calls\":2,\"errors\":1,"
    "\"running\":0,\"tokens_input\":10,\"tokens_output\":0,\"tokens_cache_read\":null,"
    "\"ttft_ms\":12.5}";
static const struct stored_trace new_trace = {
    .trace_id = {"t2", 2},
    .name = {"n", 1},
    .project_id = {"p", 1},
    .start_time = INT64_C(1767323045678901234),
    .tokens_input = SPAN_UNKNOWN,
    .tokens_output = SPAN_UNKNOWN,
    .tokens_cache_read = SPAN_UNKNOWN,
    .ttft_ms = -1,
};
static const char new_trace_printed[] =
    "{\"trace_id\":\"t2\",\"name\":\"n\",\"project_id\":\"p\","
    "\"start_time\":\"2026-01-02T03:04:05.678901+00:00\",\"end_time\":null,\"duration_ms\":null,"
    "\"metadata\":null,\"tags\":null,\"user_id\":null,\"session_id\":null,\"output\":null,"
    "\"span_count\":0,\"total_cost\":0,\"status\":\"running\",\"error\":null,\"model\":null,"
    "\"models\":0,\"calls\":0,\"errors\":0,\"running\":0,\"tokens_input\":null,"
    "\"tokens_output\":null,\"tokens_cache_read\":null,\"ttft_ms\":null}";
static const struct stored_span a_span = {
    .span_id = {"s1", 2},
    .trace_id = {"t1", 2},
    .parent_span_id = {"s0", 2},
    .name = {"n", 1},
    .type = SPAN_EMBEDDING,
    .start_time = INT64_C(1767323045000000000),
    .end_time = INT64_C(1767323044000000000), /* a clock was set back */
    .input_data = {"{}", 2},
    .output_data = {"{\"x\":1}", 7},
    .model = {"m", 1},
    .tokens_input = 0,
    .tokens_output = SPAN_UNKNOWN,
    .cost_usd = 0.000125,
    .error = {"e", 1},
};
static const char a_span_printed[] =
    "{\"span_id\":\"s1\",\"trace_id\":\"t1\",\"parent_span_id\":\"s0\",\"name\":\"n\","
    "\"span_type\":\"embedding\",\"start_time\":\"2026-01-02T03:04:05.000000+00:00\","
    "\"end_time\":\"2026-01-02T03:04:04.000000+00:00\",\"duration_ms\":0,\"input_data\":{},"
    "\"output_data\":{\"x\":1},\"metadata\":null,\"model\":\"m\",\"tokens_input\":0,"
    "\"tokens_output\":null,\"cost_usd\":0.000125,\"error\":\"e\"}";

/* ---- Writes */

static void test_create_trace(void **state)
{
    (void)state;
    assert_string_equal(call("POST", "/api/traces", NULL,
                             "{\"name\":\"n\",\"project_id\":\"p\",\"trace_id\":\"mine\"}"),
                        "{\"trace_id\":\"mine\",\"status\":\"created\"}");
    assert_int_equal(request.status, 200);
    assert_int_equal(fake.writes, 1);
    assert_true(request.writes[0]->trace.start_time > 0);
    assert_true(fake_is(request.writes[0]->project_id, text_of("p")));
    assert_int_equal(told.count, 1);
    assert_int_equal(told.what, EVENT_TRACE);
    assert_string_equal(told.trace, "mine");
    /* One that is there already changes nothing, so nothing is told. */
    fake.existed = true;
    call("POST", "/api/traces", NULL, "{\"name\":\"n\",\"project_id\":\"p\"}");
    assert_int_equal(request.status, 200);
    assert_int_equal(told.count, 1);
}

static void test_refused_writes_do_not_reach_the_store(void **state)
{
    (void)state;
    call("POST", "/api/traces", NULL, "{\"name\":\"n\",\"project_id\":\"another\"}");
    assert_int_equal(request.status, 403);
    call("POST", "/api/traces", NULL, "{\"name\":\"n\",\"project_id\":\"p \"}");
    assert_int_equal(request.status, 422); /* judged before it is compared */
    assert_said(call("POST", "/api/traces/{}/spans", "t", "{\"name\":\"n\"}"),
                "[\"body\",\"span_type\"]");
    assert_int_equal(request.status, 422);
    assert_said(call("PATCH", "/api/spans/{}/complete", "s", "[]"), "[\"body\"]");
    assert_said(call("PATCH", "/api/traces/{}/complete", "t", "{\"output\":5}"), "\"output\"");
    fake_ops.read_only = true;
    for (const struct route *route = service_routes; route->method != NULL; route++) {
        if (route->work == ROUTE_WRITE) {
            call(route->method, route->path, "x", "{}");
            assert_int_equal(request.status, 403);
        }
    }
    assert_int_equal(fake.write_calls, 0);
    assert_int_equal(told.count, 0);
}

static void test_spans_and_completes(void **state)
{
    (void)state;
    assert_string_equal(call("POST", "/api/traces/{}/spans", "t1",
                             "{\"name\":\"n\",\"span_type\":\"llm\",\"span_id\":\"mine\","
                             "\"trace_id\":\"is not looked at\"}"),
                        "{\"span_id\":\"mine\",\"status\":\"created\"}");
    assert_true(fake_is(request.writes[0]->span.trace_id, text_of("t1")));
    assert_int_equal(told.what, EVENT_SPAN);
    assert_string_equal(told.trace, "t1");
    assert_string_equal(told.span, "mine");
    assert_string_equal(call("PATCH", "/api/spans/{}/complete", "s 1", "{}"),
                        "{\"span_id\":\"s 1\",\"status\":\"completed\"}");
    assert_true(request.writes[0]->span.end_time > 0);
    assert_int_equal(told.count, 1); /* the store does not know its trace */
    fake.trace_of_span = "t9";
    call("PATCH", "/api/spans/{}/complete", "s1", "{}");
    assert_int_equal(told.count, 2);
    assert_string_equal(told.trace, "t9");
    assert_string_equal(call("PATCH", "/api/traces/{}/complete", "t1", "{}"),
                        "{\"trace_id\":\"t1\",\"status\":\"completed\"}");
    assert_int_equal(told.what, EVENT_TRACE);
}

static void test_what_the_store_refuses(void **state)
{
    static const struct {
        int error, result, status;
    } cases[] = {{ERR_OK, ERR_NOENT, 404}, {ERR_OK, ERR_DENIED, 403}, {ERR_FULL, ERR_OK, 507},
                 {ERR_BUSY, ERR_OK, 503},  {ERR_IO, ERR_OK, 503},     {ERR_OK, ERR_FULL, 507},
                 {ERR_OK, ERR_BAD, 422}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_clear();
        fake.error = cases[i].error;
        fake.results[0] = cases[i].result;
        call("PATCH", "/api/spans/{}/complete", "s", "{}");
        assert_int_equal(request.status, cases[i].status);
    }
    assert_int_equal(told.count, 0);
}

/* ---- Reads */

static void test_list(void **state)
{
    const struct stored_trace two[] = {a_trace, new_trace};
    char expected[4096];
    (void)state;
    assert_string_equal(call("GET", "/api/traces", NULL, NULL),
                        "{\"traces\":[],\"next_cursor\":null,\"has_more\":false,\"count\":0}");
    assert_int_equal(fake.filter.limit, 50);
    assert_true(fake_is(fake.filter.project_id, text_of("p")));
    fake.traces = two;
    fake.trace_count = 2;
    fake.next_cursor = "c\"2";
    snprintf(expected, sizeof(expected),
             "{\"traces\":[%s,%s],\"next_cursor\":\"c\\\"2\",\"has_more\":true,\"count\":2}",
             a_trace_printed, new_trace_printed);
    assert_string_equal(call("GET", "/api/traces", NULL, NULL), expected);
    assert_int_equal(request.status, 200);
    set_query("content", "false");
    const char *said = call("GET", "/api/traces", NULL, NULL);
    assert_said(said, "\"duration_ms\":1321,\"metadata\":null,\"tags\":[\"x\"]");
    assert_said(said, "\"output\":null");
    query[0] = NULL;
    fake.error = ERR_IO;
    call("GET", "/api/traces", NULL, NULL);
    assert_int_equal(request.status, 503);
    fake.error = ERR_BAD;
    set_query("cursor", "x");
    assert_said(call("GET", "/api/traces", NULL, NULL), "[\"query\",\"cursor\"]");
    assert_int_equal(request.status, 422);
}

static void test_filters(void **state)
{
    (void)state;
    set_query("limit", "7");
    set_query("cursor", "c");
    set_query("tags", "a,b");
    set_query("status", "error");
    set_query("sort", "ttft");
    set_query("order", "asc");
    set_query("q", "two words");
    call("GET", "/api/traces", NULL, NULL);
    assert_int_equal(request.status, 200);
    const struct stored_filter *f = &fake.filter;
    assert_int_equal(f->limit, 7);
    assert_true(fake_is(f->cursor, text_of("c")));
    assert_int_equal(f->tag_count, 2);
    assert_int_equal(f->status, STORED_ERROR);
    assert_int_equal(f->sort, SORT_TTFT);
    assert_true(f->ascending);
    assert_true(fake_is(f->q, text_of("two words")));
    query[0] = NULL;
    set_query("from", "2026-01-02T03:04:05Z");
    set_query("to", "2026-01-02T03:04:06Z");
    set_query("min_duration_ms", "250");
    set_query("name", "n");
    set_query("model", "m");
    set_query("user_id", "u");
    set_query("session_id", "s");
    call("GET", "/api/traces", NULL, NULL);
    assert_int_equal(f->from, INT64_C(1767323045) * NS_PER_SEC);
    assert_int_equal(f->to - f->from, NS_PER_SEC);
    assert_int_equal(f->min_duration_ms, 250);
    assert_true(fake_is(f->name, text_of("n")) && fake_is(f->model, text_of("m")) &&
                fake_is(f->user_id, text_of("u")) && fake_is(f->session_id, text_of("s")));
    assert_int_equal(f->status, STORED_ANY);
    assert_int_equal(f->sort, SORT_START);
    assert_false(f->ascending);
    query[0] = NULL;
    set_query("status", "x");
    set_query("limit", "0");
    set_query("from", "yesterday");
    const char *said = call("GET", "/api/traces", NULL, NULL);
    assert_int_equal(request.status, 422);
    assert_said(said, "[\"query\",\"limit\"]");
    assert_said(said, "[\"query\",\"status\"]");
    assert_said(said, "[\"query\",\"from\"]");
}

static void test_trace_and_span(void **state)
{
    const struct stored_span two[] = {a_span, a_span};
    char expected[4096];
    (void)state;
    fake.traces = &a_trace;
    fake.trace_count = 1;
    fake.spans = two;
    fake.span_count = 2;
    snprintf(expected, sizeof(expected), "{\"trace\":%s,\"spans\":[%s,%s],\"span_count\":2}",
             a_trace_printed, a_span_printed, a_span_printed);
    assert_string_equal(call("GET", "/api/traces/{}", "t1", NULL), expected);
    assert_true(fake.content);
    set_query("content", "false");
    assert_string_equal(call("GET", "/api/traces/{}", "t1", NULL), expected);
    assert_false(fake.content);
    query[0] = NULL;
    set_query("content", "perhaps");
    call("GET", "/api/traces/{}", "t1", NULL);
    assert_int_equal(request.status, 422);
    query[0] = NULL;
    call("GET", "/api/traces/{}", "another", NULL);
    assert_int_equal(request.status, 404);
    snprintf(expected, sizeof(expected), "{\"span\":%s}", a_span_printed);
    assert_string_equal(call("GET", "/api/spans/{}", "s1", NULL), expected);
    call("GET", "/api/spans/{}", "another", NULL);
    assert_int_equal(request.status, 404);
    fake.error = ERR_CORRUPT;
    call("GET", "/api/spans/{}", "s1", NULL);
    assert_int_equal(request.status, 503);
    call("GET", "/api/traces/{}", "t1", NULL);
    assert_int_equal(request.status, 503);
}

static void test_an_answer_that_is_too_large(void **state)
{
    const struct stored_span many[] = {a_span, a_span, a_span, a_span};
    (void)state;
    fake.traces = &a_trace;
    fake.trace_count = 1;
    fake.spans = many;
    fake.span_count = 4;
    const size_t whole = strlen(call("GET", "/api/traces/{}", "t1", NULL));
    for (size_t max = 100; max <= whole; max++) { /* wherever it ends */
        ask("GET", "/api/traces/{}", "t1", NULL, max);
        assert_int_equal(request.status, max < whole ? 413 : 200);
    }
}

/* ---- Totals */

static void test_stats(void **state)
{
    const struct stored_group g = {
        .model = {"m", 1},
        .time = INT64_C(1767312000) * NS_PER_SEC,
        .traces = SPAN_UNKNOWN,
        .spans = 4,
        .calls = 3,
        .errors = 1,
        .tokens_input = 100,
        .tokens_output = SPAN_UNKNOWN,
        .tokens_cache_read = 5,
        .cost = 1.5,
        .latency_p50_ms = 20,
        .latency_p95_ms = 30.25,
        .ttft_p50_ms = -1,
        .ttft_p95_ms = -1,
        .first_time = INT64_C(1767312000) * NS_PER_SEC,
        .last_time = INT64_C(1767312001) * NS_PER_SEC,
    };
    static const char figures[] =
        "\"traces\":null,\"spans\":4,\"calls\":3,\"errors\":1,\"tokens_input\":100,"
        "\"tokens_output\":null,\"tokens_cache_read\":5,\"cost\":1.5,\"latency_p50_ms\":20,"
        "\"latency_p95_ms\":30.25,\"ttft_p50_ms\":null,\"ttft_p95_ms\":null";
    char expected[2048];
    (void)state;
    assert_string_equal(
        call("GET", "/api/stats", NULL, NULL),
        "{\"total_traces\":0,\"total_spans\":0,\"total_tokens\":0,\"total_cost\":0}");
    fake.groups = &g;
    fake.group_count = 1;
    assert_string_equal(
        call("GET", "/api/stats", NULL, NULL),
        "{\"total_traces\":0,\"total_spans\":4,\"total_tokens\":100,\"total_cost\":1.5}");
    assert_int_equal(fake.stats.group_by, 0);
    set_query("group_by", "day,model");
    set_query("from", "2026-01-02T03:04:05Z");
    set_query("to", "2026-01-02T03:04:05Z");
    set_query("limit", "3");
    snprintf(expected, sizeof(expected),
             "{\"total_traces\":0,\"total_spans\":4,\"total_tokens\":100,\"total_cost\":1.5,"
             "\"whole\":{%s},\"groups\":[{\"model\":\"m\","
             "\"time\":\"2026-01-02T00:00:00.000000+00:00\",%s,"
             "\"first_time\":\"2026-01-02T00:00:00.000000+00:00\","
             "\"last_time\":\"2026-01-02T00:00:01.000000+00:00\"}]}",
             figures, figures);
    assert_string_equal(call("GET", "/api/stats", NULL, NULL), expected);
    assert_int_equal(fake.stats.group_by, GROUP_DAY | GROUP_MODEL);
    assert_int_equal(fake.stats.limit, 3);
    /* Whole hours around what was asked for. */
    assert_int_equal(fake.stats.from, INT64_C(1767322800) * NS_PER_SEC);
    assert_int_equal(fake.stats.to, INT64_C(1767326400) * NS_PER_SEC);
}

static void test_stats_of_sessions(void **state)
{
    const struct stored_group nobody = {.traces = 2};
    (void)state;
    fake.groups = &nobody;
    fake.group_count = 1;
    set_query("group_by", "session");
    set_query("user_id", "u");
    set_query("from", "2026-01-02T03:04:05Z");
    assert_said(call("GET", "/api/stats", NULL, NULL), "\"groups\":[{\"session_id\":null,");
    assert_true(fake_is(fake.stats.user_id, text_of("u")));
    assert_int_equal(fake.stats.from, INT64_C(1767323045) * NS_PER_SEC);
    query[0] = NULL;
    set_query("group_by", "colour");
    set_query("limit", "10001");
    const char *said = call("GET", "/api/stats", NULL, NULL);
    assert_int_equal(request.status, 422);
    assert_said(said, "[\"query\",\"group_by\"]");
    assert_said(said, "[\"query\",\"limit\"]");
    query[0] = NULL;
    fake.error = ERR_IO;
    call("GET", "/api/stats", NULL, NULL);
    assert_int_equal(request.status, 503);
}

static void test_health(void **state)
{
    (void)state;
    const char *said = call("GET", "/health", NULL, NULL);
    assert_int_equal(request.status, 200);
    assert_said(said, "{\"status\":\"healthy\",\"service\":\"LLM Tracer\",\"version\":\"");
    assert_said(said, "\"features\":[\"client-ids\",\"client-times\",\"ingest\",\"filters\","
                      "\"events\"],\"storage\":\"sqlite\",\"timestamp\":\"20");
    assert_said(said, "\"auth\":true,\"read_only\":false}");
    assert_true(route_of("GET", "/health")->open);
    /* The store is looked at once a second, whoever asks. */
    const size_t reads = fake.reads;
    for (size_t i = 0; i < 100; i++)
        call("GET", "/health", NULL, NULL);
    assert_int_equal(request.status, 200);
    assert_true(fake.reads - reads < 50);
    fake.error = ERR_IO;
    fake_service.health_until = 0;
    said = call("GET", "/health", NULL, NULL);
    assert_int_equal(request.status, 503);
    assert_said(said, "\"status\":\"unhealthy\"");
    json *parsed = json_parse(said, strlen(said));
    assert_non_null(parsed);
    json_free(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_trace, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_writes_do_not_reach_the_store, begin, end),
        cmocka_unit_test_setup_teardown(test_spans_and_completes, begin, end),
        cmocka_unit_test_setup_teardown(test_what_the_store_refuses, begin, end),
        cmocka_unit_test_setup_teardown(test_list, begin, end),
        cmocka_unit_test_setup_teardown(test_filters, begin, end),
        cmocka_unit_test_setup_teardown(test_trace_and_span, begin, end),
        cmocka_unit_test_setup_teardown(test_an_answer_that_is_too_large, begin, end),
        cmocka_unit_test_setup_teardown(test_stats, begin, end),
        cmocka_unit_test_setup_teardown(test_stats_of_sessions, begin, end),
        cmocka_unit_test_setup_teardown(test_health, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
