/* The outbox. */
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

/* A trace that got a later span ends again; the same end, or an earlier one, is no news. */
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

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        CASE(test_order),          CASE(test_input_to_come),       CASE(test_trace_ends_later),
        CASE(test_delivery_state), CASE(test_seq_is_never_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
