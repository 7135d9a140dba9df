/* Totals and groups, histograms, purge. */
#include "backend_suite.h"

enum { HOUR = 3600 };                                 /* seconds */
static const int64_t hour0 = INT64_C(1767322800) * S; /* 2026-01-02T03:00:00 */

struct groups {
    struct stored_group all[64];
    size_t count;
};

static int note_group(void *user, const struct stored_group *g)
{
    struct groups *out = user;
    assert_true(out->count < 64);
    struct stored_group *to = &out->all[out->count++];
    *to = *g;
    if (g->model.at != NULL)
        to->model = suite_printf("%.*s", (int)g->model.len, g->model.at);
    if (g->user_id.at != NULL)
        to->user_id = suite_printf("%.*s", (int)g->user_id.len, g->user_id.at);
    if (g->session_id.at != NULL)
        to->session_id = suite_printf("%.*s", (int)g->session_id.len, g->session_id.at);
    return 0;
}

static void get_groups(struct stored_stats q, struct groups *out)
{
    out->count = 0;
    if (q.limit == 0)
        q.limit = 1000;
    int err = suite.ops->stats(suite.reader, &q, note_group, out);
    if (err != ERR_OK)
        fail_msg("stats: %s: %s", err_str(err), backend_error(suite.ops, suite.reader));
}

static bool near(double a, double b)
{
    return a - b < 1e-6 && b - a < 1e-6;
}

/* Sixty traces over three hours, each of two calls and a tool. */
static struct text make_stats(void)
{
    struct text p = suite_name("stats");
    for (int i = 0; i < 60; i++) {
        int64_t start = hour0 + i * 180 * S;
        struct text trace = suite_name("trace");
        struct text spans[3] = {suite_name("a"), suite_name("b"), suite_name("c")};
        struct stored_write w[7];
        w[0] = suite_create_trace(p, trace, start);
        w[0].trace.user_id = i % 4 == 3 ? (struct text){NULL, 0} : suite_printf("user %d", i % 4);
        w[0].trace.session_id = suite_printf("session %d", i / 10);
        for (int n = 0; n < 3; n++) {
            w[1 + 2 * n] = suite_create_span(p, trace, spans[n], start + n * S);
            w[1 + 2 * n].span.type = n == 2 ? SPAN_TOOL : SPAN_LLM;
            w[1 + 2 * n].span.cost_usd = n == 2 ? -1 : 0.25;
            if (n < 2)
                w[1 + 2 * n].span.model = text_of(n == 0 ? "small" : "asked for");
            w[2 + 2 * n] = suite_complete_span(p, spans[n], start + n * S + (100 + i) * MS);
            if (n == 1) {
                w[4].span.model = text_of("large");
                w[4].span.tokens_input = 100;
                w[4].span.tokens_output = 10;
                w[4].span.cost_usd = 0.5;
                w[4].span.ttft_ms = 20;
                if (i % 6 == 0)
                    w[4].span.error = text_of("no");
            }
        }
        suite_write(w, 7);
    }
    return p;
}

static void test_totals(void **state)
{
    (void)state;
    struct groups g;
    struct text p = make_stats();
    get_groups((struct stored_stats){.project_id = p}, &g);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.all[0].traces, 60);
    assert_int_equal(g.all[0].spans, 180);
    assert_int_equal(g.all[0].calls, 120);
    assert_int_equal(g.all[0].errors, 10);
    assert_int_equal(g.all[0].tokens_input, 6000);
    assert_int_equal(g.all[0].tokens_output, 600);
    assert_true(near(g.all[0].cost, 60 * 0.75));
    get_groups((struct stored_stats){.project_id = suite_name("empty")}, &g);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.all[0].traces, 0);
    assert_int_equal(g.all[0].spans, 0);
    assert_true(g.all[0].cost == 0);
    get_groups((struct stored_stats){.project_id = p,
                                     .from = hour0 + HOUR * S,
                                     .to = hour0 + 2 * HOUR * S},
               &g);
    assert_int_equal(g.all[0].traces, 20);
    assert_int_equal(g.all[0].spans, 60);
}

/* A trace that begins in one hour and goes on in the next. */
static void test_hour_bounds(void **state)
{
    (void)state;
    struct groups g;
    struct text p = suite_name("bounds");
    struct text trace = suite_name("trace");
    int64_t start = hour0 + (HOUR - 60) * S;
    struct stored_write w[3] = {
        suite_create_trace(p, trace, start),
        suite_create_span(p, trace, suite_name("first"), start),
        suite_create_span(p, trace, suite_name("second"), start + 120 * S),
    };
    w[0].trace.user_id = text_of("ada");
    suite_write(w, 3);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_HOUR}, &g);
    assert_int_equal(g.count, suite.options.span_hours ? 2 : 1);
    assert_int_equal(g.all[0].time, hour0);
    assert_int_equal(g.all[0].traces, 1);
    assert_int_equal(g.all[0].spans, suite.options.span_hours ? 1 : 2);
    if (suite.options.span_hours) {
        assert_int_equal(g.all[1].time, hour0 + HOUR * S);
        assert_int_equal(g.all[1].traces, 0);
        assert_int_equal(g.all[1].spans, 1);
    }
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_USER}, &g);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.all[0].spans, 2);
    get_groups(
        (struct stored_stats){.project_id = p, .group_by = GROUP_USER, .from = hour0 + HOUR * S},
        &g);
    assert_int_equal(g.count, 0);
    if (!suite.options.span_hours)
        return;
    /* A part of an hour is the whole of it, for all alike. */
    get_groups((struct stored_stats){.project_id = p, .from = start + S, .to = start + 2 * S}, &g);
    assert_int_equal(g.all[0].traces, 1);
    assert_int_equal(g.all[0].spans, 1);
    get_groups(
        (struct stored_stats){
            .project_id = p, .group_by = GROUP_USER, .from = start + S, .to = start + 2 * S},
        &g);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.all[0].traces, 1);
}

/* Sums end at what JSON readers keep. */
static void test_large_figures(void **state)
{
    (void)state;
    struct groups g;
    struct stored_trace t;
    struct text p = suite_name("large");
    struct text trace = suite_name("trace");
    struct stored_write w[5] = {suite_create_trace(p, trace, hour0)};
    w[0].trace.user_id = text_of("ada");
    for (int i = 1; i < 5; i++) {
        w[i] = suite_create_span(p, trace, suite_name("span"), hour0 + i);
        w[i].span.type = SPAN_LLM;
        w[i].span.tokens_input = FIGURE_MAX;
        w[i].span.tokens_output = i;
    }
    suite_write(w, 5);
    assert_int_equal(suite_get_trace(p, trace, &t), ERR_OK);
    assert_int_equal(t.tokens_input, FIGURE_MAX);
    assert_int_equal(t.tokens_output, 10);
    static const unsigned by[] = {0, GROUP_USER, GROUP_HOUR};
    for (size_t i = 0; i < 3; i++) {
        get_groups((struct stored_stats){.project_id = p, .group_by = by[i]}, &g);
        assert_int_equal(g.count, 1);
        assert_int_equal(g.all[0].tokens_input, FIGURE_MAX);
        assert_int_equal(g.all[0].tokens_output, 10);
    }
}

static const struct stored_group *with_model(const struct groups *g, const char *model)
{
    for (size_t i = 0; i < g->count; i++)
        if (text_is(g->all[i].model, model))
            return &g->all[i];
    fail_msg("no group of that model");
    return NULL;
}

static void test_by_model(void **state)
{
    (void)state;
    struct groups g;
    struct text p = make_stats();
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_MODEL}, &g);
    assert_int_equal(g.count, 3); /* small, large, and the tools without one */
    const struct stored_group *large = with_model(&g, "large");
    assert_int_equal(large->traces, SPAN_UNKNOWN);
    assert_int_equal(large->spans, 60);
    assert_int_equal(large->calls, 60);
    assert_int_equal(large->errors, 10);
    assert_int_equal(large->tokens_input, 6000);
    assert_true(near(large->cost, 30));
    assert_true(large->latency_p50_ms > 129 * 0.97 && large->latency_p50_ms < 130 * 1.03);
    assert_true(large->latency_p95_ms > 156 * 0.97 && large->latency_p95_ms < 157 * 1.03);
    assert_true(large->ttft_p50_ms > 19.4 && large->ttft_p50_ms < 20.6);
    const struct stored_group *small = with_model(&g, "small");
    assert_int_equal(small->tokens_input, SPAN_UNKNOWN);
    assert_true(near(small->cost, 15));
    assert_true(small->ttft_p50_ms < 0);
    const struct stored_group *tools = with_model(&g, NULL);
    assert_int_equal(tools->spans, 60);
    assert_int_equal(tools->calls, 0);
    assert_true(tools->latency_p50_ms < 0);
}

static void test_by_time(void **state)
{
    (void)state;
    struct groups g;
    struct text p = make_stats();
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_HOUR}, &g);
    assert_int_equal(g.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g.all[i].time, hour0 + i * HOUR * S);
        assert_int_equal(g.all[i].traces, 20);
        assert_int_equal(g.all[i].spans, 60);
    }
    assert_int_equal(g.all[0].first_time, hour0);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_DAY}, &g);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.all[0].time, hour0 - 3 * HOUR * S);
    assert_int_equal(g.all[0].traces, 60);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_HOUR | GROUP_MODEL}, &g);
    assert_int_equal(g.count, 9);
    get_groups((struct stored_stats){.project_id = p,
                                     .group_by = GROUP_DAY | GROUP_MODEL,
                                     .from = hour0 + 2 * HOUR * S},
               &g);
    assert_int_equal(g.count, 3);
    assert_int_equal(with_model(&g, "large")->spans, 20);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_HOUR, .limit = 2}, &g);
    assert_int_equal(g.count, 2);
}

static void test_by_user(void **state)
{
    (void)state;
    struct groups g;
    struct text p = make_stats();
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_USER}, &g);
    assert_int_equal(g.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(g.all[i].traces, 15);
        assert_int_equal(g.all[i].spans, 45);
        assert_int_equal(g.all[i].calls, 30);
        assert_true(near(g.all[i].cost, 15 * 0.75));
        if (i > 0)
            assert_true(g.all[i].last_time <= g.all[i - 1].last_time);
    }
    assert_null(g.all[0].user_id.at); /* the last trace is of nobody */
    assert_true(text_is(g.all[1].user_id, "user 2"));
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_SESSION}, &g);
    assert_int_equal(g.count, 6);
    assert_true(text_is(g.all[0].session_id, "session 5"));
    assert_int_equal(g.all[0].traces, 10);
    assert_int_equal(g.all[0].first_time, hour0 + 50 * 180 * S);
    assert_int_equal(g.all[0].last_time, hour0 + 59 * 180 * S);
    get_groups(
        (struct stored_stats){
            .project_id = p, .group_by = GROUP_SESSION, .user_id = text_of("user 1"), .limit = 4},
        &g);
    assert_int_equal(g.count, 4);
    assert_true(g.all[0].traces == 2 || g.all[0].traces == 3);
}

static void test_purge(void **state)
{
    (void)state;
    struct groups g;
    struct suite_ids left;
    if (!suite.options.purges)
        skip();
    struct text p = make_stats();
    int done;
    int steps = 0;
    int64_t older = hour0 + 30 * 180 * S;
    while ((done = suite.ops->purge(suite.writer, older)) > 0)
        assert_true(++steps < 1000);
    assert_int_equal(done, 0);
    suite_list((struct stored_filter){.project_id = p, .limit = 50}, &left);
    assert_int_equal(left.count, 30);
    suite_ids_release(&left);
    get_groups((struct stored_stats){.project_id = p}, &g);
    assert_int_equal(g.all[0].traces, 30);
    assert_int_equal(g.all[0].spans, 90);
    assert_int_equal(g.all[0].calls, 60);
    assert_int_equal(g.all[0].errors, 5);
    assert_int_equal(g.all[0].tokens_input, 3000);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_MODEL}, &g);
    assert_int_equal(with_model(&g, "large")->spans, 30);
    get_groups((struct stored_stats){.project_id = p, .group_by = GROUP_SESSION}, &g);
    assert_int_equal(g.count, 3);
    /* An id that was purged is free again. */
    struct text trace = suite_name("again");
    struct text span = suite_name("again span");
    for (int i = 0; i < 2; i++) {
        struct stored_write w[2] = {suite_create_trace(p, trace, hour0 + i * HOUR * S),
                                    suite_create_span(p, trace, span, hour0 + i * HOUR * S)};
        suite_write(w, 2);
        assert_false(w[0].existed);
        assert_false(w[1].existed);
        while (i == 0 && suite.ops->purge(suite.writer, hour0 + 60 * S) > 0)
            ;
    }
}

const struct CMUnitTest suite_stats_tests[] = {
    cmocka_unit_test(test_totals),        cmocka_unit_test(test_hour_bounds),
    cmocka_unit_test(test_large_figures), cmocka_unit_test(test_by_model),
    cmocka_unit_test(test_by_time),       cmocka_unit_test(test_by_user),
    cmocka_unit_test(test_purge),
};
const size_t suite_stats_test_count = sizeof(suite_stats_tests) / sizeof(suite_stats_tests[0]);
