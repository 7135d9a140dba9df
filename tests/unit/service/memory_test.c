/* Whichever allocation fails: a request is done whole or answered with 503, and nothing leaks. */
#include "unit/service/fake_store.h"

static long fail_at = -1, allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return ++allocations == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_realloc(old, size);
}

static struct buf body, answer; /* made before anything fails */

/* As ask(), with what the server has made already. */
static int ask_once(const char *method, const char *path)
{
    const struct route *route = route_of(method, path);
    request = (struct request){.service = &fake_service,
                               .backend = &fake_ops,
                               .route = route,
                               .ids = {text_of("t1")},
                               .project_id = text_of("p"),
                               .content_type = "",
                               .body = body,
                               .answer = answer};
    struct backend_session *session = (struct backend_session *)&fake;
    if (route->prepare != NULL)
        route->prepare(&request);
    if (request.status == 0 && route->work == ROUTE_WRITE)
        request.write_result = fake_ops.write(session, request.writes, request.write_count);
    if (request.status == 0)
        route->answer(&request, session);
    const int status = request.status;
    if (request.release != NULL)
        request.release(&request);
    buf_release(&request.answer);
    request = (struct request){0};
    return status;
}

/* Lets every allocation fail once; true status without a failure. */
static void ask_with_failures(const char *method, const char *path, const char *text, int status)
{
    buf_init(&body, 1 << 20);
    buf_init(&answer, 1 << 20);
    assert_int_equal(buf_append_str(&body, text), ERR_OK);
    long count = 1;
    for (fail_at = 1; fail_at <= count; fail_at++) {
        allocations = 0;
        const int got = ask_once(method, path);
        count = allocations >= fail_at ? fail_at + 1 : count;
        if (got != status && got != 503)
            fail_msg("%s %s: %d when allocation %ld fails", method, path, got, fail_at);
        if (allocations < fail_at)
            break;
    }
    assert_true(fail_at > 1);
    fail_at = -1;
    assert_int_equal(ask_once(method, path), status);
    buf_release(&body);
}

static const char span[] = "{\"name\":\"n\\u00e4\",\"span_type\":\"llm\",\"input_data\":{\"a\":\n["
                           "NaN,{\"b\":\"\\u0000\"}]},"
                           "\"metadata\":{\"x\":\r1},\"error\":\"\\n\"}";

static void test_writes(void **state)
{
    (void)state;
    ask_with_failures("POST", "/api/traces",
                      "{\"name\":\"\\t\",\"project_id\":\"p\",\"tags\":[\"\\u00e4\",\"b\"]}", 200);
    ask_with_failures("POST", "/api/traces/{}/spans", span, 200);
    ask_with_failures("PATCH", "/api/traces/{}/complete", "{\"output\":\"a\\nb\"}", 200);
    ask_with_failures("POST", "/api/traces", "{\"name\":\"\",\"tags\":[1,2]}", 422);
}

static void test_batches(void **state)
{
    (void)state;
    ask_with_failures("POST", "/api/ingest",
                      "{\"op\":\"create_trace\",\"trace_id\":\"t\",\"name\":\"\\n\",\"project_id\":"
                      "\"p\",\"tags\":[\"a\"]}\nwrong\n"
                      "{\"op\":\"create_span\",\"trace_id\":\"t\",\"span_id\":\"s\",\"name\":\"n\","
                      "\"span_type\":\"llm\",\"metadata\":{\"a\":\t\r[NaN]}}\n"
                      "{\"op\":\"complete_span\",\"span_id\":\"s\"}\n",
                      200);
    ask_with_failures("POST", "/api/ingest", "wrong\n{}\n", 200);
}

static void test_reads(void **state)
{
    static const struct stored_trace trace = {
        .trace_id = {"t1", 2}, .name = {"n\"", 2}, .project_id = {"p", 1}, .start_time = 1};
    static const struct stored_span one = {.span_id = {"t1", 2}, .name = {"n", 1}};
    static const struct stored_group group = {.traces = 1};
    (void)state;
    fake.traces = &trace;
    fake.trace_count = 1;
    fake.spans = &one;
    fake.span_count = 1;
    fake.groups = &group;
    fake.group_count = 1;
    ask_with_failures("GET", "/api/traces", "", 200);
    ask_with_failures("GET", "/api/traces/{}", "", 200);
    ask_with_failures("GET", "/api/spans/{}", "", 200);
    ask_with_failures("GET", "/api/stats", "", 200);
    ask_with_failures("GET", "/health", "", 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
