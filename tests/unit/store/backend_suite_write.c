/* The four writes, and what is read back of them. */
#include "backend_suite.h"

/* Everything that can be told of a trace and a span comes back as it was. */
static void test_fields(void **state)
{
    (void)state;
    struct text p = suite_name("fields");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct stored_write w[2] = {suite_create_trace(p, trace, T0),
                                suite_create_span(p, trace, span, T0 + MS)};
    w[0].trace.name = text_of("Grüße, 世界 \xf0\x9f\x8c\x8d \" \\ \n");
    w[0].trace.metadata =
        text_of("{\"a\":{\"b\":[1,2.5,null,true,\"x\"]},\"big\":9007199254740993}");
    w[0].trace.tags = text_of("[\"one\",\"zwei \\\"2\\\"\",\"\\u00fc\"]");
    w[0].trace.user_id = text_of("user/1");
    w[0].trace.session_id = text_of("session 1");
    w[1].span.parent_span_id = text_of("the parent");
    w[1].span.name = text_of("chat gpt-4o");
    w[1].span.type = SPAN_TOOL;
    w[1].span.input_data =
        text_of("{\"messages\":[{\"role\":\"user\",\"content\":\"h\\u0000i\"}]}");
    w[1].span.output_data = text_of("{}");
    w[1].span.metadata = text_of("{\"ttft_ms\":12.5}");
    w[1].span.model = text_of("gpt-4o");
    w[1].span.tokens_input = 0;
    w[1].span.tokens_output = INT64_C(5000000000);
    w[1].span.cost_usd = 0.1 + 0.2;
    w[1].span.error = text_of("it failed\nbadly");
    w[1].span.tokens_cache_read = 7;
    w[1].span.ttft_ms = 12.5;
    w[1].span.end_time = T0 + 3 * MS;
    suite_write(w, 2);

    struct stored_trace t;
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_true(text_equal(t.trace_id, trace));
    assert_true(text_equal(t.project_id, p));
    assert_true(text_equal(t.name, w[0].trace.name));
    assert_int_equal(t.start_time, T0);
    assert_int_equal(t.end_time, 0);
    assert_true(text_is(t.user_id, "user/1"));
    assert_true(text_is(t.session_id, "session 1"));
    assert_null(t.output.at);
    assert_int_equal(t.span_count, 1);
    assert_int_equal(t.errors, 1);
    assert_int_equal(t.calls, 0);
    assert_int_equal(t.running, 0);
    assert_true(text_is(t.error, "it failed\nbadly"));
    assert_true(text_is(t.model, "gpt-4o"));
    assert_int_equal(t.models, 1);

    struct stored_span s;
    assert_int_equal(suite_get_span(p, span, &s), ERR_OK);
    assert_true(text_equal(s.span_id, span));
    assert_true(text_equal(s.trace_id, trace));
    assert_true(text_is(s.parent_span_id, "the parent"));
    assert_true(text_is(s.name, "chat gpt-4o"));
    assert_int_equal(s.type, SPAN_TOOL);
    assert_int_equal(s.start_time, T0 + MS);
    assert_int_equal(s.end_time, T0 + 3 * MS);
    assert_true(text_is(s.output_data, "{}"));
    assert_true(text_is(s.model, "gpt-4o"));
    assert_int_equal(s.tokens_input, 0);
    assert_int_equal(s.tokens_output, INT64_C(5000000000));
    assert_int_equal(s.tokens_cache_read, 7);
    assert_true(s.cost_usd > 0.2999999 && s.cost_usd < 0.3000001);
    assert_true(s.ttft_ms == 12.5);
    assert_true(text_is(s.error, "it failed\nbadly"));
}

static void test_absent(void **state)
{
    (void)state;
    struct text p = suite_name("absent");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct stored_write w[2] = {suite_create_trace(p, trace, T0),
                                suite_create_span(p, trace, span, T0)};
    suite_write(w, 2);
    struct stored_trace t;
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_null(t.user_id.at);
    assert_null(t.session_id.at);
    assert_null(t.output.at);
    assert_null(t.model.at);
    assert_null(t.error.at);
    assert_int_equal(t.models, 0);
    assert_int_equal(t.tokens_input, SPAN_UNKNOWN);
    assert_int_equal(t.tokens_output, SPAN_UNKNOWN);
    assert_true(t.ttft_ms < 0);
    assert_true(t.total_cost == 0);
    assert_int_equal(t.running, 1);
    assert_int_equal(t.calls, 1);
    struct stored_span s;
    assert_int_equal(suite_get_span(p, span, &s), ERR_OK);
    assert_null(s.parent_span_id.at);
    assert_null(s.model.at);
    assert_null(s.error.at);
    assert_int_equal(s.end_time, 0);
    assert_int_equal(s.tokens_input, SPAN_UNKNOWN);
    assert_true(s.cost_usd < 0);
    assert_true(s.ttft_ms < 0);
}

/* A create of what is there changes nothing; a complete counts once, however often it comes. */
static void test_repeated(void **state)
{
    (void)state;
    struct text p = suite_name("repeated");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct stored_write w = suite_create_trace(p, trace, T0);
    assert_int_equal(suite_write_one(w), ERR_OK);
    w.trace.name = text_of("another name");
    struct stored_write *one = &w;
    assert_int_equal(suite.ops->write(suite.writer, &one, 1), ERR_OK);
    assert_int_equal(w.result, ERR_OK);
    assert_true(w.existed);
    struct stored_write create = suite_create_span(p, trace, span, T0);
    create.span.cost_usd = 1;
    create.span.tokens_input = 10;
    assert_int_equal(suite_write_one(create), ERR_OK);
    create.span.cost_usd = 100;
    one = &create;
    assert_int_equal(suite.ops->write(suite.writer, &one, 1), ERR_OK);
    assert_true(create.existed);
    struct stored_trace t;
    for (int i = 0; i < 3; i++) {
        struct stored_write c = suite_complete_span(p, span, T0 + (5 + i) * MS);
        c.span.cost_usd = 2.5;
        c.span.tokens_output = 4 + i;
        c.span.output_data = i == 2 ? text_of("{}") : text_of("{\"a\":1}");
        assert_int_equal(suite_write_one(c), ERR_OK);
    }
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_true(text_is(t.name, "a trace"));
    assert_int_equal(t.span_count, 1);
    assert_true(t.total_cost > 2.4999 && t.total_cost < 2.5001);
    assert_int_equal(t.tokens_input, 10);
    assert_int_equal(t.tokens_output, 6);
    assert_int_equal(t.running, 0);
    struct stored_span s;
    assert_int_equal(suite_get_span(p, span, &s), ERR_OK);
    assert_int_equal(s.end_time, T0 + 5 * MS); /* the first end stays */
    assert_true(text_is(s.output_data, "{}")); /* {} overwrites */
    assert_int_equal(s.tokens_input, 10);      /* what is absent stays */
}

static void test_complete_trace(void **state)
{
    (void)state;
    struct text p = suite_name("complete");
    struct text trace = suite_name("trace");
    assert_int_equal(suite_write_one(suite_create_trace(p, trace, T0)), ERR_OK);
    struct stored_write w = suite_complete_trace(p, trace, T0 + S);
    w.trace.output = text_of("the answer");
    assert_int_equal(suite_write_one(w), ERR_OK);
    w = suite_complete_trace(p, trace, T0 + 2 * S);
    w.trace.metadata = text_of("{\"error\":\"it broke\"}");
    assert_int_equal(suite_write_one(w), ERR_OK);
    struct stored_trace t;
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.end_time, T0 + S);
    assert_true(text_is(t.output, "the answer"));
    assert_true(text_is(t.error, "it broke"));
    assert_int_equal(t.errors, 0);
    assert_int_equal(stored_trace_status(&t), STORED_ERROR);
}

/* Nothing is told, found or changed across projects. */
static void test_projects(void **state)
{
    (void)state;
    struct text a = suite_name("mine");
    struct text b = suite_name("yours");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct text own = suite_name("own");
    struct stored_write w[3] = {suite_create_trace(a, trace, T0),
                                suite_create_span(a, trace, span, T0),
                                suite_create_trace(b, own, T0)};
    suite_write(w, 3);
    assert_int_equal(suite_write_one(suite_create_trace(b, trace, T0)), ERR_NOENT);
    assert_int_equal(suite_write_one(suite_create_span(b, trace, suite_name("s"), T0)), ERR_NOENT);
    assert_int_equal(suite_write_one(suite_create_span(b, own, span, T0)), ERR_NOENT);
    assert_int_equal(suite_write_one(suite_complete_trace(b, trace, T0 + S)), ERR_NOENT);
    assert_int_equal(suite_write_one(suite_complete_span(b, span, T0 + S)), ERR_DENIED);
    struct stored_trace t;
    struct stored_span s;
    assert_int_equal(suite_get_trace(b, trace, &t), ERR_NOENT);
    assert_int_equal(suite_get_span(b, span, &s), ERR_NOENT);
    assert_int_equal(suite_get_trace(a, trace, &t), ERR_OK);
    assert_int_equal(t.end_time, 0);
    assert_int_equal(t.span_count, 1);
    assert_int_equal(suite_get_span(a, span, &s), ERR_OK);
    assert_int_equal(s.end_time, 0);
    suite_expect((struct stored_filter){.project_id = a}, &trace, 1);
    suite_expect((struct stored_filter){.project_id = b}, &own, 1);
    suite_expect((struct stored_filter){.project_id = suite_name("nobody")}, NULL, 0);
    /* Without a project every one is seen. */
    assert_int_equal(suite_get_trace((struct text){NULL, 0}, trace, &t), ERR_OK);
    assert_int_equal(suite_get_span((struct text){NULL, 0}, span, &s), ERR_OK);
}

static void test_unknown(void **state)
{
    (void)state;
    struct text p = suite_name("unknown");
    struct stored_trace t;
    struct stored_span s;
    assert_int_equal(suite_write_one(suite_create_span(p, suite_name("t"), suite_name("s"), T0)),
                     ERR_NOENT);
    assert_int_equal(suite_write_one(suite_complete_span(p, suite_name("s"), T0)), ERR_NOENT);
    assert_int_equal(suite_write_one(suite_complete_trace(p, suite_name("t"), T0)), ERR_NOENT);
    assert_int_equal(suite_get_trace(p, suite_name("t"), &t), ERR_NOENT);
    assert_int_equal(suite_get_span(p, suite_name("s"), &s), ERR_NOENT);
    assert_int_equal(suite_get_trace(p, text_of("' OR 1=1 --"), &t), ERR_NOENT);
}

/* What is refused does not keep the rest of its batch from being done. */
static void test_batch(void **state)
{
    (void)state;
    struct text p = suite_name("batch");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct text none = suite_name("none");
    struct stored_write w[] = {
        suite_complete_span(p, none, T0),
        suite_create_trace(p, trace, T0),
        suite_create_span(p, none, suite_name("s"), T0),
        suite_create_span(p, trace, span, T0),
        suite_create_span(p, trace, span, T0), /* twice in one batch */
        suite_complete_span(p, span, T0 + S),
        suite_complete_trace(p, trace, T0 + S),
        suite_complete_trace(p, none, T0 + S),
    };
    static const int expected[] = {ERR_NOENT, ERR_OK, ERR_NOENT, ERR_OK,
                                   ERR_OK,    ERR_OK, ERR_OK,    ERR_NOENT};
    struct stored_write *all[8];
    for (size_t i = 0; i < 8; i++)
        all[i] = &w[i];
    assert_int_equal(suite.ops->write(suite.writer, all, 8), ERR_OK);
    for (size_t i = 0; i < 8; i++)
        if (w[i].result != expected[i])
            fail_msg("write %zu: %s", i, err_str(w[i].result));
    assert_true(w[4].existed);
    assert_false(w[3].existed);
    struct stored_trace t;
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.span_count, 1);
    assert_int_equal(t.running, 0);
    assert_int_equal(t.end_time, T0 + S);
}

/* A call is begun with the model that was asked for and ends with the one that answered. */
static void test_model_changes(void **state)
{
    (void)state;
    struct text p = suite_name("models");
    struct text trace = suite_name("trace");
    struct text spans[2] = {suite_name("a"), suite_name("b")};
    assert_int_equal(suite_write_one(suite_create_trace(p, trace, T0)), ERR_OK);
    for (int i = 0; i < 2; i++) {
        struct stored_write w = suite_create_span(p, trace, spans[i], T0 + i * MS);
        w.span.model = text_of("gpt-4o");
        assert_int_equal(suite_write_one(w), ERR_OK);
    }
    struct stored_trace t;
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.models, 1);
    struct stored_write w = suite_complete_span(p, spans[0], T0 + S);
    w.span.model = text_of("gpt-4o-2024-08-06");
    w.span.ttft_ms = 40;
    assert_int_equal(suite_write_one(w), ERR_OK);
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.models, 2);
    assert_true(text_is(t.model, "gpt-4o-2024-08-06"));
    w.span.span_id = spans[1];
    w.span.ttft_ms = 10;
    assert_int_equal(suite_write_one(w), ERR_OK);
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.models, 1);
    assert_true(t.ttft_ms == 40); /* of the call that started first */
}

struct order {
    int64_t last;
    size_t count;
    bool content;
};

static int check_order(void *user, const struct stored_span *span)
{
    struct order *o = user;
    assert_true(span->start_time >= o->last);
    assert_int_equal(span->input_data.at != NULL, o->content);
    assert_true(text_is(span->metadata, "{\"k\":1}"));
    o->last = span->start_time;
    o->count++;
    return 0;
}

static int stop(void *user, const struct stored_span *span)
{
    (void)span;
    ++*(int *)user;
    return 7;
}

static void test_spans(void **state)
{
    (void)state;
    struct text p = suite_name("spans");
    struct text trace = suite_name("trace");
    enum { COUNT = 60 };
    struct stored_write w[COUNT + 1];
    w[0] = suite_create_trace(p, trace, T0);
    for (int i = 0; i < COUNT; i++) {
        w[i + 1] = suite_create_span(p, trace, suite_name("span"), T0 + i * 37 % COUNT * MS);
        w[i + 1].span.input_data = text_of("{\"x\":\"y\"}");
        w[i + 1].span.metadata = text_of("{\"k\":1}");
    }
    suite_write(w, COUNT + 1);
    for (int content = 0; content < 2; content++) {
        struct order o = {.content = content == 1};
        assert_int_equal(suite.ops->spans(suite.reader, p, trace, content == 1, check_order, &o),
                         ERR_OK);
        assert_int_equal(o.count, COUNT);
    }
    int called = 0;
    assert_int_equal(suite.ops->spans(suite.reader, p, trace, true, stop, &called), 7);
    assert_int_equal(called, 1);
    struct order none = {0};
    assert_int_equal(
        suite.ops->spans(suite.reader, suite_name("other"), trace, true, check_order, &none),
        ERR_NOENT);
}

/* Content of the size that every store has to hold. */
static void test_large(void **state)
{
    (void)state;
    struct text p = suite_name("large");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    size_t len = 250000;
    char *big = malloc(len + 16);
    assert_non_null(big);
    size_t at = (size_t)sprintf(big, "{\"text\":\"");
    for (; at < len; at++)
        big[at] = (char)('a' + at % 26);
    memcpy(big + at, "\"}", 3);
    struct stored_write w[2] = {suite_create_trace(p, trace, T0),
                                suite_create_span(p, trace, span, T0)};
    w[1].span.input_data = text_of(big);
    suite_write(w, 2);
    struct stored_span s;
    assert_int_equal(suite_get_span(p, span, &s), ERR_OK);
    assert_true(text_is(s.input_data, big));
    free(big);
}

const struct CMUnitTest suite_write_tests[] = {
    cmocka_unit_test(test_fields),   cmocka_unit_test(test_absent),
    cmocka_unit_test(test_repeated), cmocka_unit_test(test_complete_trace),
    cmocka_unit_test(test_projects), cmocka_unit_test(test_unknown),
    cmocka_unit_test(test_batch),    cmocka_unit_test(test_model_changes),
    cmocka_unit_test(test_spans),    cmocka_unit_test(test_large),
};
const size_t suite_write_test_count = sizeof(suite_write_tests) / sizeof(suite_write_tests[0]);
