/* Traces and spans of the collector's store as the service tells them. */
#include "local_support.h"

static struct text hex_of(uint64_t n, size_t len, char *out)
{
    uint8_t id[TRACE_ID_LEN];
    id_of(n, id, len);
    return text_of(id_to_hex(id, len, out));
}

static void expect_text(struct text t, const char *expected)
{
    if (expected == NULL) {
        assert_null(t.at);
        return;
    }
    assert_non_null(t.at);
    assert_int_equal(t.len, strlen(expected));
    assert_memory_equal(t.at, expected, t.len);
}

static json *parse(struct text t)
{
    json *value = json_parse(t.at, t.len);
    assert_non_null(value);
    return value;
}

static void expect_json(struct text t, const json *expected)
{
    json *value = parse(t);
    char *a = json_print_new(value);
    char *b = json_print_new(expected);
    assert_string_equal(a, b);
    free(a);
    free(b);
    json_free(value);
}

static const char odd[] = "a \"quote\", a \\, a \n line, \xc3\xa9 and \xf0\x9f\x98\x80";

static struct span *full_span(void)
{
    struct span *s = make_span(1, 1);
    free(s->name);
    s->name = strdup(odd);
    s->end_time = s->start_time + 1234567890;
    s->provider = strdup("openai");
    s->operation = strdup("chat");
    s->stream = 1;
    s->chunk_count = 12;
    s->ttfc_ms = 10.5;
    s->ttft_ms = 20.25;
    s->tokens_cache_read = 4;
    s->cost_source = strdup("table");
    s->finish_reasons = json_parse("[\"stop\"]", 8);
    s->status_code = 200;
    s->error = strdup(odd);
    s->input_data = json_object();
    json_set_text(s->input_data, "messages", odd);
    s->output_data = json_object();
    json_set_text(s->output_data, "text", "yes");
    s->metadata = json_object();
    json_set_text(s->metadata, "mine", odd);
    json_set_int(s->metadata, "status_code", 7); /* the program's own word stands */
    s->process.pid = 77;
    s->process.argv = json_parse("[\"python3\",\"app.py\"]", 20);
    memset(s->parent_span_id, 0x5a, SPAN_ID_LEN);
    return s;
}

static struct span *expected; /* what the store was given */
static bool expect_content;
static int seen;

static int check_span(void *user, const struct stored_span *s)
{
    char hex[TRACE_ID_HEX];
    (void)user;
    seen++;
    expect_text(s->span_id, id_to_hex(expected->span_id, SPAN_ID_LEN, hex));
    expect_text(s->trace_id, id_to_hex(expected->trace_id, TRACE_ID_LEN, hex));
    if (id_is_zero(expected->parent_span_id, SPAN_ID_LEN))
        expect_text(s->parent_span_id, NULL);
    else
        expect_text(s->parent_span_id, id_to_hex(expected->parent_span_id, SPAN_ID_LEN, hex));
    expect_text(s->name, expected->name);
    expect_text(s->model, expected->model);
    expect_text(s->error, expected->error);
    assert_int_equal(s->type, expected->type);
    assert_int_equal(s->start_time, expected->start_time);
    assert_int_equal(s->end_time, expected->end_time);
    const struct span_figures counted = span_counted(expected);
    assert_int_equal(s->tokens_input, counted.tokens_input);
    assert_int_equal(s->tokens_output, counted.tokens_output);
    assert_true(s->cost_usd - counted.cost_usd < 1e-9 && counted.cost_usd - s->cost_usd < 1e-9);
    assert_int_equal(s->tokens_cache_read, expected->tokens_cache_read);
    assert_true(s->ttft_ms - expected->ttft_ms < 1e-9 && expected->ttft_ms - s->ttft_ms < 1e-9);
    if (expect_content && expected->input_data != NULL) {
        expect_json(s->input_data, expected->input_data);
        expect_json(s->output_data, expected->output_data);
    } else {
        assert_null(s->input_data.at);
        assert_null(s->output_data.at);
    }
    /* The names that an exporter sends to a service. */
    json *told = parse(s->metadata);
    json *wanted = span_metadata(expected, true);
    assert_int_equal(json_length(told), json_length(wanted));
    for (const json *e = json_first(wanted); e != NULL; e = json_next(e)) {
        char *a = json_print_new(e);
        char *b = json_print_new(json_get(told, json_key(e)));
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    json_free(told);
    json_free(wanted);
    return 0;
}

static void check_all_ways(const char *dir)
{
    char hex[TRACE_ID_HEX];
    const struct text any = {0};
    struct store *store = open_store(dir);
    struct span *copy = span_copy(expected);
    put_a_span(store, copy);
    store_close(store);
    struct look l = look_open(dir);
    seen = 0;
    for (int content = 0; content <= 1; content++) {
        expect_content = content != 0;
        assert_int_equal(backend_local.spans(l.session, any, hex_of(1, TRACE_ID_LEN, hex),
                                             expect_content, check_span, NULL),
                         ERR_OK);
    }
    assert_int_equal(
        backend_local.span(l.session, any, hex_of(1, SPAN_ID_LEN, hex), check_span, NULL), ERR_OK);
    assert_int_equal(seen, 3);
    look_close(&l);
    span_free(expected);
}

static void test_span(void **state)
{
    expected = full_span();
    check_all_ways(*state);
}

static void test_plain_span(void **state)
{
    expected = make_span(1, 1);
    check_all_ways(*state);
}

/* Its figures are those of the calls below it: a service would add them once more. */
static void test_uncounted_span(void **state)
{
    expected = full_span();
    expected->uncounted = true;
    check_all_ways(*state);
}

/* ---- traces */

static struct stored_trace copied;

static int copy_trace(void *user, const struct stored_trace *t)
{
    (void)user;
    copied = *t;
    seen++;
    expect_text(t->name, "whole");
    expect_text(t->project_id, "project");
    expect_text(t->user_id, "user");
    expect_text(t->session_id, "session");
    expect_text(t->output, odd);
    expect_text(t->error, "broken");
    expect_text(t->tags, "[\"a\",\"b\"]");
    expect_text(t->metadata, "{\"k\":1}");
    expect_text(t->model, "gpt-4o");
    return 0;
}

static void put_whole(const char *dir)
{
    struct store *s = open_store(dir);
    struct trace *t = named_trace(1, "whole", 0, 5000);
    t->project_id = strdup("project");
    t->user_id = strdup("user");
    t->session_id = strdup("session");
    t->output = strdup(odd);
    t->tags = json_parse("[\"a\",\"b\"]", 9);
    t->metadata = json_parse("{\"k\":1}", 7);
    put_named(s, t);
    for (uint64_t n = 1; n <= 4; n++) {
        struct span *span = make_span(1, n);
        span->end_time = n == 4 ? 0 : span->start_time + (int64_t)n * 100 * NS_PER_MS;
        span->tokens_cache_read = n == 2 ? SPAN_UNKNOWN : 3;
        span->ttft_ms = n == 1 ? -1 : (double)n;
        if (n == 2)
            span->error = strdup("broken");
        if (n == 3) {
            span->type = SPAN_TOOL;
            free(span->model);
            span->model = NULL;
        }
        if (n == 4) {
            free(span->model);
            span->model = strdup("o3");
        }
        put_a_span(s, span);
    }
    store_close(s);
}

static void check_figures(void)
{
    assert_int_equal(copied.start_time, T0);
    assert_int_equal(copied.end_time, T0 + 5000 * NS_PER_MS);
    assert_int_equal(copied.span_count, 4);
    assert_int_equal(copied.calls, 3);
    assert_int_equal(copied.errors, 1);
    assert_int_equal(copied.running, 1);
    assert_int_equal(copied.tokens_input, 40);
    assert_int_equal(copied.tokens_output, 20);
    assert_int_equal(copied.tokens_cache_read, 9);
    assert_true(copied.total_cost > 1.99 && copied.total_cost < 2.01);
    assert_true(copied.ttft_ms > 1.99 && copied.ttft_ms < 2.01);
    assert_int_equal(copied.models, 1); /* of calls that ended */
}

static void test_trace(void **state)
{
    char hex[TRACE_ID_HEX];
    char *next;
    put_whole(*state);
    struct look l = look_open(*state);
    seen = 0;
    const struct text id = hex_of(1, TRACE_ID_LEN, hex);
    const struct text own = text_of("project");
    assert_int_equal(backend_local.trace(l.session, own, id, copy_trace, NULL), ERR_OK);
    check_figures();
    for (int i = 0; i < 2; i++) { /* before the index has it, and behind it */
        const struct stored_filter f = {.limit = 1, .q = i == 0 ? (struct text){0} : own};
        copied = (struct stored_trace){0};
        (void)backend_local.list(l.session, &f, copy_trace, NULL, &next);
        if (i == 0)
            check_figures();
    }
    const struct text other = text_of("other");
    assert_int_equal(backend_local.trace(l.session, other, id, copy_trace, NULL), ERR_NOENT);
    assert_int_equal(backend_local.spans(l.session, other, id, true, check_span, NULL), ERR_NOENT);
    assert_int_equal(
        backend_local.span(l.session, other, hex_of(1, SPAN_ID_LEN, hex), check_span, NULL),
        ERR_NOENT);
    look_close(&l);
}

static void test_unknown_ids(void **state)
{
    static const char *const ids[] = {"",
                                      "1",
                                      "zz",
                                      "00000000000000000000000000000000",
                                      "0000000000000000",
                                      "0000000000000000000000000000000g",
                                      "000000000000000000000000000000000000000000000000000000000"};
    const struct text any = {0};
    put_whole(*state);
    struct look l = look_open(*state);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct text id = text_of(ids[i]);
        assert_int_equal(backend_local.trace(l.session, any, id, copy_trace, NULL), ERR_NOENT);
        assert_int_equal(backend_local.spans(l.session, any, id, true, check_span, NULL),
                         ERR_NOENT);
        assert_int_equal(backend_local.span(l.session, any, id, check_span, NULL), ERR_NOENT);
    }
    look_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_span, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_plain_span, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_uncounted_span, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_trace, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_unknown_ids, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
