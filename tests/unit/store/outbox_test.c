/* The outbox, pages of the list, retention. */
#include "support.h"

#include "base/clock.h"

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

static void test_order(void **state)
{
    struct store *s = open_store(*state);
    struct store *exporter = open_store(*state);
    int64_t to[2] = {new_destination(s, "http://a"), new_destination(s, "http://b")};
    begin(s);
    put_trace(s, 1, to, 2);
    put_span(s, 1, 1, false, to, 2);
    put_span(s, 1, 2, true, to, 1);
    put_span(s, 1, 1, true, to, 2);
    struct trace *t = make_trace(1);
    t->end_time = T0 + NS;
    assert_int_equal(store_put_trace(s, t, to, 2), ERR_OK);
    assert_int_equal(store_put_trace(s, t, to, 2), ERR_OK);
    trace_free(t);
    commit(s);
    static const struct {
        enum outbox_op op;
        uint64_t span;
    } expected[] = {{OUTBOX_TRACE_BEGIN, 0}, {OUTBOX_SPAN_BEGIN, 1}, {OUTBOX_SPAN_BEGIN, 2},
                    {OUTBOX_SPAN_END, 2},    {OUTBOX_SPAN_END, 1},   {OUTBOX_TRACE_END, 0}};
    struct outbox_entry e[16];
    assert_int_equal(store_outbox_next(exporter, to[0], 0, e, 16), 6);
    for (size_t i = 0; i < 6; i++) {
        uint8_t id[SPAN_ID_LEN] = {0};
        if (expected[i].span != 0)
            id_of(expected[i].span, id, SPAN_ID_LEN);
        assert_int_equal(e[i].op, expected[i].op);
        assert_memory_equal(e[i].span_id, id, SPAN_ID_LEN);
        assert_true(i == 0 || e[i].seq > e[i - 1].seq);
    }
    struct outbox_entry other[16];
    assert_int_equal(store_outbox_next(exporter, to[1], 0, other, 16), 4);
    int64_t waiting[4];
    assert_int_equal(store_outbox_destinations(exporter, waiting, 4), 2);
    int64_t first = -1, last = -1;
    assert_int_equal(store_outbox_bounds(s, to[0], &first, &last), ERR_OK);
    assert_true(first == e[0].seq && last == e[5].seq);
    assert_int_equal(store_outbox_bounds(s, to[0] + to[1] + 100, &first, &last), ERR_OK);
    assert_true(first == 0 && last == 0);
    /* In parts, delivered, failed, refused. */
    assert_int_equal(store_outbox_next(exporter, to[0], 0, other, 2), 2);
    assert_int_equal(store_outbox_next(exporter, to[0], other[1].seq, other, 2), 2);
    assert_int_equal(other[0].seq, e[2].seq);
    assert_int_equal(store_outbox_failed(exporter, e[0].seq, "refused connection"), ERR_OK);
    assert_int_equal(store_outbox_next(exporter, to[0], 0, other, 1), 1);
    assert_int_equal(other[0].attempts, 1);
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < 5; i++)
            assert_int_equal(store_outbox_done(exporter, e[i].seq), ERR_OK);
    assert_int_equal(store_outbox_bounds(s, to[0], &first, &last), ERR_OK);
    assert_true(first == e[5].seq && last == e[5].seq);
    assert_int_equal(store_outbox_reject(exporter, e[5].seq, "422"), ERR_OK);
    assert_int_equal(store_outbox_bounds(s, to[0], &first, &last), ERR_OK);
    assert_true(first == 0 && last == 0);
    assert_int_equal(store_outbox_next(exporter, to[0], 0, other, 16), 0);
    assert_int_equal(store_outbox_destinations(exporter, waiting, 4), 1);
    assert_int_equal(waiting[0], to[1]);
    assert_int_equal(totals_of(s).outbox, 4);
    assert_int_equal(totals_of(s).outbox_oldest, T0 + 1000);
    /* Nothing of it comes back when the same is put again. */
    begin(s);
    put_trace(s, 1, to, 2);
    put_span(s, 1, 1, true, to, 2);
    commit(s);
    assert_int_equal(totals_of(s).outbox, 4);
    store_close(s);
    store_close(exporter);
}

static int check_delivery(void *user, const struct delivery_state *state)
{
    int64_t *seen = user;
    if (++*seen == 1) {
        assert_int_equal(state->delivered, 1);
        assert_int_equal(state->rejected, 1);
        assert_int_equal(state->waiting, 1);
        assert_string_equal(state->last_error, "401 wrong key");
        assert_true(state->last_error_time > 0 && state->last_success_time > 0);
        assert_string_equal(state->destination.url, "http://a");
    } else {
        assert_int_equal(state->waiting, 0);
        assert_null(state->last_error);
    }
    return 0;
}

/* A trace that got a later span ends again; the same end, or an earlier one, is no news. */
/* An llm span made by hand goes out when its input is known: no service takes it later. */
static void test_input_to_come(void **state)
{
    static const struct {
        enum span_type type;
        const char *state, *input;
        int running; /* entries while it runs */
    } cases[] = {{SPAN_LLM, "{}", NULL, 0},
                 {SPAN_LLM, "{}", "{\"q\":1}", 1},
                 {SPAN_LLM, NULL, NULL, 1},
                 {SPAN_TOOL, "{}", NULL, 1}};
    struct store *s = open_store(*state);
    int64_t to = new_destination(s, "http://a");
    begin(s);
    put_trace(s, 1, &to, 1);
    commit(s);
    for (uint64_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outbox_entry e[16];
        struct span *span = make_span(1, i + 1);
        int before = store_outbox_next(s, to, 0, e, 16);
        span->type = cases[i].type;
        span->state = cases[i].state != NULL ? strdup(cases[i].state) : NULL;
        json_free(span->input_data);
        span->input_data =
            cases[i].input != NULL ? json_parse(cases[i].input, strlen(cases[i].input)) : NULL;
        begin(s);
        assert_int_equal(store_put_span(s, span, &to, 1), ERR_OK);
        commit(s);
        assert_int_equal(store_outbox_next(s, to, 0, e, 16), before + cases[i].running);
        span->end_time = span->start_time + NS;
        begin(s);
        assert_int_equal(store_put_span(s, span, &to, 1), ERR_OK);
        commit(s);
        int after = store_outbox_next(s, to, 0, e, 16);
        assert_int_equal(e[after - 1].op, OUTBOX_SPAN_END);
        assert_true(cases[i].running == 1 || e[after - 2].op == OUTBOX_SPAN_BEGIN);
        span_free(span);
    }
    store_close(s);
}

static void test_trace_ends_later(void **state)
{
    struct store *s = open_store(*state);
    int64_t to = new_destination(s, "http://a");
    static const struct {
        int64_t end, stored;
        int entries;
    } steps[] = {{2 * NS, 2 * NS, 2}, {2 * NS, 2 * NS, 2}, {NS, 2 * NS, 2}, {3 * NS, 3 * NS, 3}};
    begin(s);
    put_trace(s, 1, &to, 1);
    commit(s);
    struct trace *t = make_trace(1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct trace *stored = NULL;
        struct outbox_entry e[8];
        begin(s);
        t->end_time = T0 + steps[i].end;
        assert_int_equal(store_put_trace(s, t, &to, 1), ERR_OK);
        commit(s);
        assert_int_equal(store_get_trace(s, t->trace_id, &stored), ERR_OK);
        assert_int_equal(stored->end_time, T0 + steps[i].stored);
        trace_free(stored);
        assert_int_equal(store_outbox_next(s, to, 0, e, 8), steps[i].entries);
        assert_int_equal(e[steps[i].entries - 1].op, OUTBOX_TRACE_END);
    }
    trace_free(t);
    store_close(s);
}

static void test_delivery_state(void **state)
{
    struct store *s = open_store(*state);
    int64_t a = new_destination(s, "http://a");
    (void)new_destination(s, "http://b");
    begin(s);
    put_trace(s, 1, &a, 1);
    put_span(s, 1, 1, true, &a, 1);
    commit(s);
    struct outbox_entry e[3];
    assert_int_equal(store_outbox_next(s, a, 0, e, 3), 3);
    begin(s); /* an exporter may group, too */
    assert_int_equal(store_outbox_done(s, e[0].seq), ERR_OK);
    assert_int_equal(store_outbox_reject(s, e[1].seq, "422"), ERR_OK);
    commit(s);
    assert_int_equal(store_delivery_note(s, a, "401 wrong key"), ERR_OK);
    int64_t seen = 0;
    assert_int_equal(store_each_delivery(s, check_delivery, &seen), ERR_OK);
    assert_int_equal(seen, 2);
    assert_int_equal(store_remote_put(s, a, "00ff", "their-id"), ERR_OK);
    char *remote = store_remote_get(s, a, "00ff");
    assert_string_equal(remote, "their-id");
    free(remote);
    assert_null(store_remote_get(s, a + 1, "00ff"));
    store_close(s);
}

/* Sequence numbers never come twice, also when the last entries are gone and the store reopened. */
static void test_seq_is_never_reused(void **state)
{
    int64_t last = 0;
    for (uint64_t n = 0; n < 5; n++) {
        struct store *s = open_store(*state);
        int64_t a = new_destination(s, "http://a");
        begin(s);
        put_span(s, n, n, true, &a, 1);
        commit(s);
        struct outbox_entry e[8];
        int count = store_outbox_next(s, a, 0, e, 8);
        assert_int_equal(count, 3);
        assert_true(e[0].seq > last);
        for (int i = 0; i < count; i++)
            assert_int_equal(store_outbox_done(s, e[i].seq), ERR_OK);
        last = e[count - 1].seq;
        store_close(s);
    }
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
        CASE(test_order),
        CASE(test_input_to_come),
        CASE(test_trace_ends_later),
        CASE(test_delivery_state),
        CASE(test_seq_is_never_reused),
        CASE(test_paging),
        CASE(test_paging_of_equal_times),
        CASE(test_list_row_and_filters),
        CASE(test_purge_by_age),
        CASE(test_purge_of_a_long_trace),
        CASE(test_purge_by_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
