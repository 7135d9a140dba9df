/* Totals over the collector's store, by time, model, user and session; and of a store that is not
 * there yet. */
#include "local_support.h"

struct groups {
    char text[16384];
};

static void add_number(struct groups *g, const char *name, int64_t value)
{
    size_t at = strlen(g->text);
    snprintf(g->text + at, sizeof(g->text) - at, " %s=%" PRId64, name, value);
}

static int add_group(void *user, const struct stored_group *s)
{
    struct groups *g = user;
    const struct text names[] = {s->model, s->user_id, s->session_id};
    for (int i = 0; i < 3; i++)
        snprintf(g->text + strlen(g->text), 64, "%.*s", (int)names[i].len,
                 names[i].at == NULL ? "" : names[i].at);
    add_number(g, "t", s->time == 0 ? 0 : (s->time - T0) / (3600 * NS));
    add_number(g, "traces", s->traces);
    add_number(g, "spans", s->spans);
    add_number(g, "calls", s->calls);
    add_number(g, "errors", s->errors);
    add_number(g, "in", s->tokens_input);
    add_number(g, "out", s->tokens_output);
    add_number(g, "cache", s->tokens_cache_read);
    add_number(g, "cost", (int64_t)(s->cost * 10));
    add_number(g, "p50", (int64_t)(s->latency_p50_ms / 100 + 0.5));
    add_number(g, "p95", (int64_t)(s->latency_p95_ms / 100 + 0.5));
    add_number(g, "ttft", (int64_t)(s->ttft_p50_ms + 0.5));
    strcat(g->text, ";");
    return 0;
}

/* Three traces: two of ann an hour apart, one of nobody two days later. */
static void put_for_stats(const char *dir)
{
    static const int64_t hours[] = {0, 1, 48};
    struct store *s = open_store(dir);
    for (uint64_t n = 0; n < 3; n++) {
        struct trace *t = named_trace(n, "t", hours[n] * 3600, 5000);
        if (n < 2) {
            t->user_id = strdup("ann");
            t->session_id = strdup(n == 0 ? "one" : "two");
        }
        put_named(s, t);
        for (uint64_t i = 0; i < 10; i++) {
            struct span *span = make_span(n, n * 10 + i);
            span->start_time = T0 + hours[n] * 3600 * NS + (int64_t)i;
            span->end_time = span->start_time + (int64_t)(i + 1) * 100 * NS_PER_MS;
            span->ttft_ms = 50;
            span->tokens_cache_read = i == 0 ? 7 : SPAN_UNKNOWN;
            if (i == 9) {
                span->type = SPAN_TOOL;
                free(span->model);
                span->model = NULL;
                span->error = strdup("x");
                span->tokens_input = span->tokens_output = SPAN_UNKNOWN;
                span->cost_usd = -1;
            }
            put_a_span(s, span);
        }
    }
    store_close(s);
}

static void expect_stats(struct look *l, struct stored_stats q, const char *wanted)
{
    struct groups g = {""};
    q.limit = 100;
    assert_int_equal(backend_local.stats(l->session, &q, add_group, &g), ERR_OK);
    assert_string_equal(g.text, wanted);
}

#define ONE_OF_ANN "calls=9 errors=1 in=90 out=45 cache=7 cost=45 p50=5 p95=9 ttft=50;"
#define OF_NOBODY  "calls=9 errors=1 in=90 out=45 cache=7 cost=45 p50=0 p95=0 ttft=0;"
#define ALL        "calls=27 errors=3 in=270 out=135 cache=21 cost=135 p50=5 p95=9 ttft=50;"
#define OF_MODEL   "calls=9 errors=0 in=90 out=45 cache=7 cost=45 p50=5 p95=9 ttft=50;"
#define OF_NONE    "calls=0 errors=1 in=-1 out=-1 cache=-1 cost=-10 p50=0 p95=0 ttft=0;"

static void check_stats(struct look *l)
{
    expect_stats(l, (struct stored_stats){0}, " t=0 traces=3 spans=30 " ALL);
    expect_stats(l, (struct stored_stats){.to = T0 + 3600 * NS / 2},
                 " t=0 traces=1 spans=10 " ONE_OF_ANN);
    expect_stats(l, (struct stored_stats){.group_by = GROUP_MODEL},
                 " t=0 traces=-1 spans=3 calls=0 errors=3 in=-1 out=-1 cache=-1 cost=-10 p50=0"
                 " p95=0 ttft=0;gpt-4o t=0 traces=-1 spans=27 calls=27 errors=0 in=270 out=135"
                 " cache=21 cost=135 p50=5 p95=9 ttft=50;");
    /* T0 is four minutes past three. */
    expect_stats(l, (struct stored_stats){.group_by = GROUP_DAY},
                 " t=-3 traces=2 spans=20 calls=18 errors=2 in=180 out=90 cache=14 cost=90 p50=5"
                 " p95=9 ttft=50; t=44 traces=1 spans=10 " ONE_OF_ANN);
    expect_stats(l, (struct stored_stats){.group_by = GROUP_HOUR | GROUP_MODEL},
                 " t=0 traces=-1 spans=1 " OF_NONE "gpt-4o t=0 traces=-1 spans=9 " OF_MODEL
                 " t=0 traces=-1 spans=1 " OF_NONE "gpt-4o t=0 traces=-1 spans=9 " OF_MODEL
                 " t=47 traces=-1 spans=1 " OF_NONE "gpt-4o t=47 traces=-1 spans=9 " OF_MODEL);
    expect_stats(l, (struct stored_stats){.group_by = GROUP_USER},
                 " t=0 traces=1 spans=10 " OF_NOBODY
                 "ann t=0 traces=2 spans=20 calls=18 errors=2 in=180 out=90 cache=14 cost=90 p50=5"
                 " p95=9 ttft=50;");
    expect_stats(l, (struct stored_stats){.group_by = GROUP_SESSION, .user_id = text_of("ann")},
                 "two t=0 traces=1 spans=10 " ONE_OF_ANN "one t=0 traces=1 spans=10 " ONE_OF_ANN);
    expect_stats(l, (struct stored_stats){.project_id = text_of("nobody's")},
                 " t=0 traces=0 spans=0 calls=0 errors=0 in=-1 out=-1 cache=-1 cost=-10 p50=0 p95=0"
                 " ttft=0;");
}

static void test_stats(void **state)
{
    put_for_stats(*state);
    struct look l = look_open(*state);
    check_stats(&l);
    usleep(600000); /* now from totals of whole hours, which are made meanwhile */
    check_stats(&l);
    look_close(&l);
}

/* Parts of an hour are the whole of it, for spans and traces alike. T0 is 03:04. */
static void check_parts_of_hours(struct look *l)
{
    const int64_t minute = 60 * NS;
    const struct stored_stats all = {.from = T0 + 30 * minute, .to = T0 + 55 * minute};
    for (unsigned by = 0; by <= GROUP_SESSION; by = by == 0 ? GROUP_DAY : by * 2) {
        struct stored_stats q = all;
        q.group_by = by;
        struct groups g = {""};
        q.limit = 100;
        assert_int_equal(backend_local.stats(l->session, &q, add_group, &g), ERR_OK);
        assert_non_null(strstr(g.text, " traces=1 spans=10 " ONE_OF_ANN));
        assert_null(strchr(strchr(g.text, ';') + 1, ';'));
    }
    struct stored_stats q = all;
    q.to = T0 + 55 * minute + 50 * NS; /* before 04:00 */
    expect_stats(l, q, " t=0 traces=1 spans=10 " ONE_OF_ANN);
    q.to = T0 + 56 * minute; /* behind it */
    expect_stats(l, q,
                 " t=0 traces=2 spans=20 calls=18 errors=2 in=180 out=90 cache=14 cost=90"
                 " p50=5 p95=9 ttft=50;");
    q.from = T0 + 56 * minute;
    expect_stats(l, q, " t=0 traces=1 spans=10 " ONE_OF_ANN);
}

static void test_parts_of_hours(void **state)
{
    put_for_stats(*state);
    struct look l = look_open(*state);
    check_parts_of_hours(&l);
    look_close(&l);
}

#define NOTHING " spans=0 calls=0 errors=0 in=-1 out=-1 cache=-1 cost=-10 p50=0 p95=0 ttft=0;"

static void test_traces_without_spans(void **state)
{
    static const int64_t hours[] = {0, 1, 1, 48};
    struct store *s = open_store(*state);
    for (uint64_t n = 0; n < 4; n++) {
        struct trace *t = named_trace(n, "t", hours[n] * 3600, 5000);
        if (n == 3)
            t->project_id = strdup("mine");
        put_named(s, t);
    }
    struct look l = look_open(*state);
    expect_stats(&l, (struct stored_stats){0}, " t=0 traces=4" NOTHING);
    expect_stats(&l, (struct stored_stats){.group_by = GROUP_DAY},
                 " t=-3 traces=3" NOTHING " t=44 traces=1" NOTHING);
    expect_stats(&l, (struct stored_stats){.group_by = GROUP_HOUR},
                 " t=0 traces=1" NOTHING " t=0 traces=2" NOTHING " t=47 traces=1" NOTHING);
    expect_stats(
        &l,
        (struct stored_stats){.group_by = GROUP_HOUR, .from = T0 + 3600 * NS, .to = T0 + 7200 * NS},
        " t=0 traces=2" NOTHING);
    expect_stats(&l, (struct stored_stats){.group_by = GROUP_HOUR, .project_id = text_of("mine")},
                 " t=47 traces=1" NOTHING);
    expect_stats(&l, (struct stored_stats){.group_by = GROUP_MODEL}, "");
    look_close(&l);
    store_close(s);
}

/* What a provider answers is anybody's: its sums end, and nothing else goes wrong. */
static void test_huge_figures(void **state)
{
    struct store *s = open_store(*state);
    for (uint64_t n = 0; n < 4; n++) {
        struct trace *t = named_trace(n / 2, "t", 0, 5000);
        t->user_id = strdup("ann");
        put_named(s, t);
        struct span *span = make_span(n / 2, n);
        span->end_time = span->start_time + 100 * NS_PER_MS;
        span->tokens_input = n % 2 == 0 ? INT64_MAX : SPAN_UNKNOWN;
        span->tokens_cache_read = INT64_MAX;
        put_a_span(s, span);
    }
    struct look l = look_open(*state);
    for (unsigned by = 0; by <= GROUP_USER; by = by == 0 ? GROUP_MODEL : by * 2) {
        const struct stored_stats q = {.group_by = by, .limit = 10};
        struct groups g = {""};
        assert_int_equal(backend_local.stats(l.session, &q, add_group, &g), ERR_OK);
        assert_non_null(strstr(g.text, " in=9007199254740992 "));
        assert_non_null(strstr(g.text, " cache=9007199254740992 "));
    }
    look_close(&l);
    store_close(s);
}

static void test_nothing(void **state)
{
    const struct text id = text_of("0123456789abcdef0123456789abcdef");
    struct look l = look_open(*state);
    expect_list(&l, (struct stored_filter){0}, "");
    expect_list(&l, (struct stored_filter){.q = text_of("word"), .sort = SORT_TTFT}, "");
    assert_int_equal(backend_local.trace(l.session, (struct text){0}, id, names_add, NULL),
                     ERR_NOENT);
    expect_stats(&l, (struct stored_stats){0},
                 " t=0 traces=0 spans=0 calls=0 errors=0 in=-1 out=-1 cache=-1 cost=-10 p50=0 p95=0"
                 " ttft=0;");
    expect_stats(&l, (struct stored_stats){.group_by = GROUP_USER}, "");
    int64_t before = backend_local.changes(l.session);
    put_for_stats(*state); /* the first call of all */
    assert_int_not_equal(backend_local.changes(l.session), before);
    await_list(&l, (struct stored_filter){.user_id = text_of("ann")}, "t t ");
    assert_int_equal(backend_local.write(l.session, NULL, 0), ERR_UNSUPPORTED);
    look_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stats, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_parts_of_hours, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_traces_without_spans, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_huge_figures, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_nothing, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
