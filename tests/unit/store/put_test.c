/* Putting, completing, totals, reading back. */
#include "support.h"

#include "store/backend.h"
#include "store/db.h"

static struct trace *get_trace(struct store *s, uint64_t n)
{
    uint8_t id[TRACE_ID_LEN];
    struct trace *t;
    id_of(n, id, TRACE_ID_LEN);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    return t;
}

static struct span *get_span(struct store *s, uint64_t trace, uint64_t n)
{
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN];
    struct span *span;
    id_of(trace, trace_id, TRACE_ID_LEN);
    id_of(n, span_id, SPAN_ID_LEN);
    assert_int_equal(store_get_span(s, trace_id, span_id, &span), ERR_OK);
    return span;
}

static int64_t outbox_count(struct store *s)
{
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    return totals.outbox;
}

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
    assert_int_equal(store_destination(s, &d, "project-x", &id), ERR_OK);
    return id;
}

static void test_put_and_get(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    put_trace(s, 1, NULL, 0);
    put_span(s, 1, 1, false, NULL, 0);
    commit(s);
    struct span *span = get_span(s, 1, 1);
    assert_string_equal(span->name, "chat gpt-4o");
    assert_int_equal(span->start_time, T0 + 1000); /* to the nanosecond */
    assert_int_equal(span->end_time, 0);
    span_free(span);
    struct trace *t = get_trace(s, 1);
    assert_string_equal(t->name, "trace 1");
    assert_int_equal(t->span_count, 1);
    assert_int_equal(t->tokens_input, 10);
    trace_free(t);
    store_close(s);
}

/* Put, completed, put again in each state: counted once, queued once. */
static void test_idempotent(void **state)
{
    struct store *s = open_store(*state);
    int64_t to = new_destination(s, "http://a");
    for (int round = 0; round < 3; round++) {
        begin(s);
        put_trace(s, 1, &to, 1);
        put_span(s, 1, 1, false, &to, 1);
        put_span(s, 1, 1, false, &to, 1);
        if (round > 0) {
            put_span(s, 1, 1, true, &to, 1);
            put_span(s, 1, 1, true, &to, 1);
            put_span(s, 1, 1, false, &to, 1); /* never runs again */
        }
        commit(s);
        assert_int_equal(outbox_count(s), round == 0 ? 2 : 3);
        struct trace *t = get_trace(s, 1);
        assert_int_equal(t->span_count, 1);
        assert_int_equal(t->tokens_input, 10);
        assert_int_equal(t->tokens_output, 5);
        assert_true(t->total_cost > 0.49 && t->total_cost < 0.51);
        trace_free(t);
        struct span *span = get_span(s, 1, 1);
        assert_int_equal(span->end_time != 0, round > 0);
        span_free(span);
    }
    store_close(s);
}

/* Figures that calls below count are taken out of the totals, whenever that is known. */
static void test_totals_without_uncounted(void **state)
{
    struct store *s = open_store(*state);
    for (uint64_t from = 0; from < 3; from++) { /* known: at first, while it runs, at the end */
        struct span *span = make_span(from, 2 * from);
        begin(s);
        put_trace(s, from, NULL, 0);
        put_span(s, from, 2 * from + 1, true, NULL, 0);
        for (uint64_t now = 0; now < 3; now++) {
            span->uncounted = now >= from;
            span->end_time = now == 2 ? span->start_time + 1 : 0;
            assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
            struct trace *t = get_trace(s, from);
            int times = span->uncounted ? 1 : 2;
            assert_int_equal(t->tokens_input, times * 10);
            assert_int_equal(t->tokens_output, times * 5);
            assert_true(t->total_cost > times * 0.5 - 0.01 && t->total_cost < times * 0.5 + 0.01);
            trace_free(t);
        }
        commit(s);
        span_free(span);
        span = get_span(s, from, 2 * from);
        assert_int_equal(span->tokens_input, 10);
        assert_true(span->uncounted);
        span_free(span);
    }
    store_close(s);
}

static void test_totals_take_what_came_later(void **state)
{
    struct store *s = open_store(*state);
    struct span *span = make_span(1, 1);
    span->tokens_input = span->tokens_output = SPAN_UNKNOWN;
    span->cost_usd = SPAN_UNKNOWN;
    begin(s);
    put_trace(s, 1, NULL, 0);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    struct trace *t = get_trace(s, 1); /* inside the transaction too */
    assert_int_equal(t->tokens_input, SPAN_UNKNOWN);
    assert_true(t->total_cost < 0);
    trace_free(t);
    commit(s);
    span->tokens_input = 7;
    span->end_time = span->start_time + 1;
    span->error = strdup("broken");
    begin(s);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    put_span(s, 1, 2, true, NULL, 0);
    commit(s);
    t = get_trace(s, 1);
    assert_int_equal(t->span_count, 2);
    assert_int_equal(t->tokens_input, 17);
    assert_int_equal(t->tokens_output, 5);
    assert_string_equal(t->error, "broken");
    trace_free(t);
    span_free(span);
    store_close(s);
}

/* What a captured answer claims may be anything. */
static void test_totals_of_huge_figures(void **state)
{
    struct store *s = open_store(*state);
    struct span *span = make_span(1, 1);
    span->end_time = span->start_time + 1;
    begin(s);
    put_trace(s, 1, NULL, 0);
    for (uint8_t i = 0; i < 2; i++) {
        span->span_id[0] = (uint8_t)(100 + i);
        span->tokens_input = i == 0 ? INT64_MAX : 1;
        assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    }
    commit(s);
    struct trace *t = get_trace(s, 1);
    assert_int_equal(t->tokens_input, FIGURE_MAX);
    trace_free(t);
    span_free(span);
    store_close(s);
}

/* A second handle completes what the first began, also after the ids went to the index. */
static void test_complete_by_another_handle(void **state)
{
    struct store *a = open_store(*state);
    struct store *b = open_store(*state);
    begin(a);
    put_trace(a, 1, NULL, 0);
    put_span(a, 1, 1, false, NULL, 0);
    commit(a);
    begin(b);
    put_span(b, 1, 1, true, NULL, 0);
    put_span(b, 1, 2, true, NULL, 0);
    commit(b);
    begin(a);
    put_span(a, 1, 2, true, NULL, 0);
    put_span(a, 1, 3, true, NULL, 0);
    commit(a);
    struct trace *t = get_trace(b, 1);
    assert_int_equal(t->span_count, 3);
    assert_int_equal(t->tokens_input, 30);
    trace_free(t);
    store_close(a);
    store_close(b);
}

/* Enough rows for several segments of the index; then every id is known to an old and a new handle,
 * nothing is put twice, and a stranger is not found. */
static void test_index(void **state)
{
    enum { SPANS = 40000, TRACES = SPANS / 2 };
    struct store *old = open_store(*state);
    struct store *s = open_store(*state);
    int indexed = 0;
    for (uint64_t n = 0; n < SPANS; n++) {
        if (n % 2000 == 0)
            begin(s);
        put_span(s, n / 2, n, n % 100 != 7, NULL, 0);
        if (n % 2000 == 1999) {
            commit(s);
            int done = store_index_step(s);
            assert_true(done >= 0);
            indexed += done;
        }
    }
    assert_true(indexed > SPANS / 2);
    store_close(s);
    s = open_store(*state);
    struct store *both[] = {old, s};
    for (int h = 0; h < 2; h++) {
        begin(both[h]);
        for (uint64_t n = 0; n < SPANS; n += 97)
            put_span(both[h], n / 2, n, true, NULL, 0);
        commit(both[h]);
    }
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.spans, SPANS);
    assert_int_equal(totals.traces, TRACES);
    for (uint64_t n = 0; n < SPANS; n += 1013) {
        struct span *span = get_span(old, n / 2, n);
        assert_int_equal(span->start_time, T0 + (int64_t)n * 1000);
        span_free(span);
        char hex[TRACE_ID_HEX];
        uint8_t id[TRACE_ID_LEN];
        id_of(n / 2, id, TRACE_ID_LEN);
        hex[0] = '\0';
        id_to_hex(id, TRACE_ID_LEN, hex);
        hex[14] = '\0';
        struct trace *t;
        assert_int_equal(store_find_trace(s, hex, &t), ERR_OK);
        assert_memory_equal(t->trace_id, id, TRACE_ID_LEN);
        trace_free(t);
    }
    uint8_t stranger[SPAN_ID_LEN];
    id_of(SPANS + 1, stranger, SPAN_ID_LEN);
    struct span *none;
    assert_int_equal(store_get_span(s, NULL, stranger, &none), ERR_NOENT);
    store_close(old);
    store_close(s);
}

/* Ids that share their first half, as some makers' do, and differ in it by nothing. */
static void test_prefixes(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    for (int i = 0; i < 20000; i++) {
        struct trace *t = make_trace((uint64_t)i);
        memset(t->trace_id, 0xab, 8);
        memset(t->trace_id + 8, 0, 8);
        t->trace_id[14] = (uint8_t)(i >> 8);
        t->trace_id[15] = (uint8_t)i;
        assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
        trace_free(t);
    }
    put_trace(s, 1000000, NULL, 0);
    commit(s);
    for (int round = 0; round < 2; round++) {
        struct trace *t;
        assert_int_equal(store_find_trace(s, "abab", &t), ERR_EXIST);
        assert_int_equal(store_find_trace(s, "ABABABABABABABAB00000000000042", &t), ERR_EXIST);
        assert_int_equal(store_find_trace(s, "abababababababab0000000000004242", &t), ERR_OK);
        trace_free(t);
        assert_int_equal(store_find_trace(s, "abababababababab0000000000004e2", &t), ERR_NOENT);
        assert_int_equal(store_find_trace(s, "abababababababab0000000000004e1", &t), ERR_EXIST);
        assert_int_equal(store_find_trace(s, "abac", &t), ERR_NOENT);
        assert_int_equal(store_find_trace(s, "aba", &t), ERR_BAD);
        assert_int_equal(store_find_trace(s, "abxy", &t), ERR_BAD);
        char hex[TRACE_ID_HEX];
        uint8_t id[TRACE_ID_LEN];
        id_of(1000000, id, TRACE_ID_LEN);
        id_to_hex(id, TRACE_ID_LEN, hex)[5] = '\0';
        assert_int_equal(store_find_trace(s, hex, &t), ERR_OK);
        assert_memory_equal(t->trace_id, id, TRACE_ID_LEN);
        trace_free(t);
        if (round == 0)
            assert_true(store_index_step(s) > 0);
    }
    store_close(s);
}

static void test_rollback(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    put_trace(s, 1, NULL, 0);
    put_span(s, 1, 1, true, NULL, 0);
    store_rollback(s);
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.spans, 0);
    begin(s);
    put_trace(s, 1, NULL, 0);
    put_span(s, 1, 1, true, NULL, 0);
    commit(s);
    struct trace *t = get_trace(s, 1);
    assert_int_equal(t->span_count, 1);
    trace_free(t);
    assert_int_equal(store_put_trace(s, NULL, NULL, 0), ERR_BAD); /* outside a transaction */
    assert_int_equal(store_commit(s), ERR_BAD);
    store_close(s);
}

static void test_large_document(void **state)
{
    struct store *s = open_store(*state);
    size_t len = (size_t)8 << 20;
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    text[len] = '\0';
    struct span *span = make_span(1, 1);
    span->output_data = json_object();
    json_set_text(span->output_data, "text", text);
    begin(s);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    put_span(s, 1, 2, true, NULL, 0);
    commit(s);
    struct span *back = get_span(s, 1, 1);
    assert_string_equal(json_get_text(back->output_data, "text"), text);
    span_free(back);
    span_free(span);
    free(text);
    store_close(s);
}

static int note_order(void *user, const struct span *span)
{
    int64_t *last = user;
    assert_true(span->start_time >= *last);
    *last = span->start_time;
    return 0;
}

static int stop_at_once(void *user, const struct span *span)
{
    (void)span;
    ++*(int *)user;
    return 42;
}

static void test_each_span(void **state)
{
    struct store *s = open_store(*state);
    begin(s);
    for (uint64_t n = 50; n > 0; n--)
        put_span(s, n % 2, n, true, NULL, 0);
    commit(s);
    uint8_t id[TRACE_ID_LEN];
    id_of(1, id, TRACE_ID_LEN);
    int64_t last = 0;
    assert_int_equal(store_each_span(s, id, note_order, &last), ERR_OK);
    assert_int_equal(last, T0 + 49000);
    int seen = 0;
    assert_int_equal(store_each_span(s, NULL, stop_at_once, &seen), 42);
    assert_int_equal(seen, 1);
    id_of(77, id, TRACE_ID_LEN);
    assert_int_equal(store_each_span(s, id, note_order, &last), ERR_NOENT);
    store_close(s);
}

/* A collector died: its successor ends what the ring's process left running, and tells those who
 * heard of the begin. */
static void test_abandon(void **state)
{
    struct store *s = open_store(*state);
    int64_t to = new_destination(s, "http://a");
    begin(s);
    struct trace *t = make_trace(1);
    t->ring_id = "ring-a";
    assert_int_equal(store_put_trace(s, t, &to, 1), ERR_OK);
    trace_free(t);
    for (uint64_t n = 1; n <= 4; n++) {
        struct span *span = make_span(1, n);
        span->ring_id = n == 4 ? "ring-b" : "ring-a";
        span->end_time = n == 3 ? span->start_time + 1 : 0;
        assert_int_equal(store_put_span(s, span, &to, n == 2 ? 0 : 1), ERR_OK);
        span_free(span);
    }
    commit(s);
    assert_int_equal(outbox_count(s), 1 + 1 + 2 + 1);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(store_abandon(s, "ring-a", T0 + NS, "the process ended"), ERR_OK);
        assert_int_equal(outbox_count(s), 5 + 2); /* span 1 and the trace */
        struct span *span = get_span(s, 1, 1);
        assert_true(span->partial);
        assert_string_equal(span->error, "the process ended");
        assert_int_equal(span->end_time, T0 + NS);
        span_free(span);
        span = get_span(s, 1, 3);
        assert_false(span->partial);
        span_free(span);
        span = get_span(s, 1, 4);
        assert_int_equal(span->end_time, 0);
        span_free(span);
        t = get_trace(s, 1);
        assert_int_equal(t->end_time, T0 + NS);
        trace_free(t);
    }
    assert_int_equal(store_abandon(s, "ring-unknown", T0, "x"), ERR_OK);
    store_close(s);
}

static void test_rings(void **state)
{
    struct store *s = open_store(*state);
    assert_null(store_ring_get(s, "r"));
    assert_int_equal(store_ring_put(s, "r", "{\"pid\":1}"), ERR_OK);
    assert_int_equal(store_ring_put(s, "r", "{\"pid\":2}"), ERR_OK);
    char *info = store_ring_get(s, "r");
    assert_string_equal(info, "{\"pid\":2}");
    free(info);
    assert_int_equal(store_ring_forget(s, "r"), ERR_OK);
    assert_null(store_ring_get(s, "r"));
    store_close(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        CASE(test_put_and_get),
        CASE(test_idempotent),
        CASE(test_totals_without_uncounted),
        CASE(test_totals_take_what_came_later),
        CASE(test_totals_of_huge_figures),
        CASE(test_complete_by_another_handle),
        CASE(test_index),
        CASE(test_prefixes),
        CASE(test_rollback),
        CASE(test_large_document),
        CASE(test_each_span),
        CASE(test_abandon),
        CASE(test_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
