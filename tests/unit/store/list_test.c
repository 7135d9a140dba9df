/* Pages of the list of traces, its filters, and retention. */
#include "support.h"

static void begin(struct store *s)
{
    assert_int_equal(store_begin(s), ERR_OK);
}

static void commit(struct store *s)
{
    assert_int_equal(store_commit(s), ERR_OK);
}

static int64_t new_destination(struct store *s, const char *url)
{
    struct destination d = {.kind = (char *)"service", .url = (char *)url};
    int64_t id;
    assert_int_equal(store_destination(s, &d, NULL, &id), ERR_OK);
    return id;
}

static struct store_totals totals_of(struct store *s)
{
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    return totals;
}

struct page {
    int64_t rows;
    int64_t last_start;
};

static int check_row(void *user, const struct trace_row *row)
{
    struct page *p = user;
    assert_true(row->trace->start_time < p->last_start);
    p->last_start = row->trace->start_time;
    p->rows++;
    return 0;
}

static void put_traces(struct store *s, uint64_t from, uint64_t count)
{
    begin(s);
    for (uint64_t n = from; n < from + count; n++)
        put_trace(s, n, NULL, 0);
    commit(s);
}

/* Newer traces come in between pages: each old one is seen once. */
static void test_paging(void **state)
{
    enum { TRACES = 10000, LIMIT = 333 };
    struct store *s = open_store(*state);
    struct store *reader = open_store(*state);
    put_traces(s, 0, TRACES);
    struct page p = {.last_start = INT64_MAX};
    char *cursor = NULL;
    int pages = 0;
    do {
        struct trace_query q = {.limit = LIMIT, .cursor = cursor};
        char *next;
        assert_int_equal(store_list_traces(reader, &q, check_row, &p, &next), ERR_OK);
        free(cursor);
        cursor = next;
        put_traces(s, TRACES + (uint64_t)pages * 10, 10);
        pages++;
    } while (cursor != NULL);
    assert_int_equal(p.rows, TRACES);
    assert_int_equal(pages, (TRACES + LIMIT - 1) / LIMIT);
    static const char *const bad[] = {"",      "x",    "1",
                                      "1.2.3", "1.2x", "99999999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct trace_query q = {.limit = 1, .cursor = bad[i]};
        char *next;
        assert_int_equal(store_list_traces(reader, &q, check_row, &p, &next), ERR_BAD);
    }
    store_close(s);
    store_close(reader);
}

/* The same start for all: the row decides. */
static int count_row(void *user, const struct trace_row *row)
{
    (void)row;
    ++*(int *)user;
    return 0;
}

static void test_paging_of_equal_times(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    for (uint64_t n = 0; n < 25; n++) {
        struct trace *t = make_trace(n);
        t->start_time = T0;
        assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
        trace_free(t);
    }
    commit(s);
    int rows = 0;
    char *cursor = NULL;
    for (int page = 0; page < 5; page++) {
        struct trace_query q = {.limit = 5, .cursor = cursor};
        char *next;
        assert_int_equal(store_list_traces(s, &q, count_row, &rows, &next), ERR_OK);
        free(cursor);
        cursor = next;
        assert_int_equal(rows, 5 * (page + 1));
        assert_int_equal(cursor == NULL, page == 4); /* no empty page after the last one */
    }
    store_close(s);
}

static int keep_row(void *user, const struct trace_row *row)
{
    struct trace_row *out = user;
    out->models = row->models;
    out->errors = row->errors;
    out->running = row->running;
    free(out->model);
    out->model = row->model == NULL ? NULL : strdup(row->model);
    return 0;
}

static void put_model(struct store *s, uint64_t n, const char *model, bool ended, const char *error)
{
    struct span *span = make_span(1, n);
    free(span->model);
    span->model = strdup(model);
    span->end_time = ended ? span->start_time + 1 : 0;
    span->error = error == NULL ? NULL : strdup(error);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    span_free(span);
}

static void test_list_row_and_filters(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    put_trace(s, 1, NULL, 0);
    put_trace(s, 2, NULL, 0);
    put_model(s, 1, "gpt-4o", false, NULL);
    put_model(s, 1, "gpt-4o-2024-08-06", true, NULL); /* what answered counts, once */
    put_model(s, 2, "claude-sonnet", true, "overloaded");
    put_model(s, 3, "gpt-4o-2024-08-06", true, NULL);
    put_model(s, 4, "gpt-4o", false, NULL);
    commit(s);
    struct trace_row row = {0};
    char *next;
    struct trace_query q = {.limit = 10, .model = "CLAUDE"};
    assert_int_equal(store_list_traces(s, &q, keep_row, &row, &next), ERR_OK);
    assert_string_equal(row.model, "gpt-4o-2024-08-06");
    assert_int_equal(row.models, 2);
    assert_int_equal(row.errors, 1);
    assert_int_equal(row.running, 1);
    free(row.model);
    static const struct {
        struct trace_query q;
        int rows;
    } cases[] = {
        {{.limit = 10}, 2},
        {{.limit = 10, .name = "ACE 2"}, 1},
        {{.limit = 10, .name = "%"}, 0},
        {{.limit = 10, .model = "gpt-5"}, 0},
        {{.limit = 10, .from = T0 + 2000}, 1},
        {{.limit = 10, .to = T0 + 1000}, 1},
        {{.limit = 10, .from = T0 + 3000}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int rows = 0;
        assert_int_equal(store_list_traces(s, &cases[i].q, count_row, &rows, &next), ERR_OK);
        assert_int_equal(rows, cases[i].rows);
        assert_null(next);
    }
    store_close(s);
}

/* Ended traces of ten spans each. */
static void put_ended(struct store *s, uint64_t from, uint64_t count, const int64_t *to, size_t n)
{
    begin(s);
    for (uint64_t i = from; i < from + count; i++) {
        struct trace *t = make_trace(i);
        t->end_time = t->start_time + 500;
        assert_int_equal(store_put_trace(s, t, to, n), ERR_OK);
        trace_free(t);
        for (uint64_t k = 0; k < 10; k++) {
            struct span *span = make_span(i, i * 10 + k);
            span->start_time = T0 + (int64_t)i * 1000;
            span->end_time = span->start_time + 500;
            span->input_data = json_string("0123456789012345678901234567890123456789");
            assert_int_equal(store_put_span(s, span, to, n), ERR_OK);
            span_free(span);
        }
    }
    commit(s);
}

static int64_t purge_all(struct store *s, int64_t older_than, int64_t max_bytes)
{
    int steps = 0;
    int done;
    while ((done = store_purge(s, older_than, max_bytes)) > 0)
        assert_true(++steps < 1000);
    assert_int_equal(done, 0);
    return totals_of(s).purged_traces;
}

static bool has_trace(struct store *s, uint64_t n)
{
    uint8_t id[TRACE_ID_LEN];
    struct trace *t;
    id_of(n, id, TRACE_ID_LEN);
    int err = store_get_trace(s, id, &t);
    trace_free(t);
    return err == ERR_OK;
}

static void test_purge_by_age(void **state)
{
    struct store *s = open_store(*state);
    int64_t a = new_destination(s, "http://a");
    put_ended(s, 0, 200, NULL, 0);
    put_ended(s, 200, 10, &a, 1); /* not delivered */
    put_ended(s, 210, 200, NULL, 0);
    assert_int_equal(purge_all(s, T0 + 300 * 1000, 0), 290);
    assert_false(has_trace(s, 0));
    assert_false(has_trace(s, 299));
    assert_true(has_trace(s, 205));
    assert_true(has_trace(s, 300));
    assert_int_equal(totals_of(s).spans, 120 * 10);
    struct outbox_entry e[512];
    int count = store_outbox_next(s, a, 0, e, 512);
    assert_int_equal(count, 10 * (2 + 20));
    for (int i = 0; i < count; i++)
        assert_int_equal(store_outbox_done(s, e[i].seq), ERR_OK);
    assert_int_equal(purge_all(s, T0 + 300 * 1000, 0), 300);
    /* Put again, it is new. */
    put_ended(s, 0, 1, NULL, 0);
    assert_true(has_trace(s, 0));
    store_close(s);
}

/* A process that lives longer than the time to keep: its first spans go, it stays. */
static void test_purge_of_a_long_trace(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    put_trace(s, 0, NULL, 0);
    for (uint64_t n = 0; n < 5000; n++)
        put_span(s, 0, n, true, NULL, 0);
    commit(s);
    purge_all(s, T0 + 3000 * 1000, 0);
    assert_true(has_trace(s, 0));
    uint8_t trace[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN];
    struct span *span;
    id_of(0, trace, TRACE_ID_LEN);
    id_of(2999, span_id, SPAN_ID_LEN);
    assert_int_equal(store_get_span(s, trace, span_id, &span), ERR_NOENT);
    id_of(3000, span_id, SPAN_ID_LEN);
    assert_int_equal(store_get_span(s, trace, span_id, &span), ERR_OK);
    span_free(span);
    store_close(s);
}

static void test_purge_by_size(void **state)
{
    enum { MB = 1 << 20 };
    struct store *s = open_store(*state);
    int64_t a = new_destination(s, "http://a");
    put_ended(s, 0, 300, &a, 1);
    put_ended(s, 300, 1500, NULL, 0);
    begin(s);
    put_trace(s, 5000, NULL, 0); /* runs */
    put_span(s, 5000, 60000, false, NULL, 0);
    commit(s);
    int64_t before = totals_of(s).bytes;
    assert_true(before > 6 * MB);
    purge_all(s, 0, 4 * MB);
    struct store_totals t = totals_of(s);
    assert_true(t.purged_traces > 300);
    assert_true(has_trace(s, 0)); /* not delivered: kept */
    assert_true(has_trace(s, 5000));
    assert_false(has_trace(s, 300));
    assert_true(has_trace(s, 1799));
    purge_all(s, 0, MB); /* cannot be met otherwise */
    assert_false(has_trace(s, 0));
    assert_true(totals_of(s).outbox < t.outbox);
    struct outbox_entry e[16];
    int count = store_outbox_next(s, a, 0, e, 16);
    for (int i = 0; i < count; i++) {
        struct trace *trace;
        assert_int_equal(store_get_trace(s, e[i].trace_id, &trace), ERR_OK);
        trace_free(trace);
    }
    store_close(s);
    s = open_store(*state);
    assert_true(totals_of(s).bytes < 2 * MB); /* the file itself is smaller */
    store_close(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        CASE(test_paging),       CASE(test_paging_of_equal_times), CASE(test_list_row_and_filters),
        CASE(test_purge_by_age), CASE(test_purge_of_a_long_trace), CASE(test_purge_by_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
