/* A transaction with more rows than memory holds ids of: each is still found for the price of one,
 * and none is forgotten. */
#include <sqlite3.h>

#include "store/db.h"
#include "support.h"

#define ROWS 400000

/* What reading the rows after the index has cost so far, in steps of SQLite's machine. */
static int tail_steps(struct store *s, enum statement which)
{
    return s->statements[which] != NULL
               ? sqlite3_stmt_status(s->statements[which], SQLITE_STMTSTATUS_VM_STEP, 0)
               : 0;
}

static void check_steps(struct store *s, enum statement which, uint64_t rows)
{
    if (tail_steps(s, which) > (int)rows * 20 + 10000)
        fail_msg("%d steps at row %" PRIu64, tail_steps(s, which), rows);
}

static void check_span(struct store *s, uint64_t n)
{
    uint8_t id[SPAN_ID_LEN];
    struct span *span;
    struct store_owner owner;
    id_of(n, id, sizeof(id));
    assert_int_equal(store_find_kept_span(s, id, &span, &owner), ERR_OK);
    assert_int_equal(span->start_time, T0 + (int64_t)n * 1000);
    span_free(span);
    free(owner.ring_id);
}

static void test_spans(void **state)
{
    struct store *s = open_store(*state);
    struct store_totals totals;
    struct span *span = make_span(1, 1);
    assert_int_equal(store_begin(s), ERR_OK);
    put_trace(s, 1, NULL, 0);
    for (uint64_t n = 1; n <= ROWS; n++) {
        id_of(n, span->span_id, SPAN_ID_LEN);
        span->start_time = T0 + (int64_t)n * 1000;
        span->end_time = span->start_time + 1;
        assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
        if (n % 50 == 0)
            check_steps(s, SPAN_TAIL, n);
        if (n % 1000 == 7) { /* the same again, and one of long ago */
            assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
            put_span(s, 1, n / 2 + 1, true, NULL, 0);
        }
    }
    assert_true(s->ids[IDS_SPAN].recent.count <= (size_t)1 << 18);
    assert_int_equal(store_commit(s), ERR_OK);
    for (uint64_t n = 1; n <= ROWS; n += 997)
        check_span(s, n);
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.spans, ROWS);
    span_free(span);
    store_close(s);
    s = open_store(*state); /* one that knows nothing of it */
    for (uint64_t n = 1; n <= ROWS; n += 9973)
        check_span(s, n);
    store_close(s);
}

static void test_traces(void **state)
{
    struct store *s = open_store(*state);
    struct store_totals totals;
    struct trace *t = make_trace(1);
    assert_int_equal(store_begin(s), ERR_OK);
    for (uint64_t n = 1; n <= ROWS; n++) {
        id_of(n, t->trace_id, TRACE_ID_LEN);
        assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
        if (n % 50 == 0)
            check_steps(s, TRACE_TAIL, n);
    }
    assert_int_equal(store_commit(s), ERR_OK);
    trace_free(t);
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.traces, ROWS);
    for (uint64_t n = 1; n <= ROWS; n += 997) {
        uint8_t id[TRACE_ID_LEN];
        id_of(n, id, sizeof(id));
        assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
        trace_free(t);
    }
    store_close(s);
}

/* What a transaction indexed goes with it when it is rolled back. */
static void test_rolled_back(void **state)
{
    struct store *s = open_store(*state);
    struct store_totals totals;
    struct span *span = make_span(1, 1);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(store_begin(s), ERR_OK);
        for (uint64_t n = 1; n <= DB_TAIL_MAX + 1000; n++) {
            id_of(n, span->span_id, SPAN_ID_LEN);
            span->start_time = T0 + (int64_t)n * 1000;
            span->end_time = span->start_time + 1;
            assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
        }
        if (turn == 0)
            store_rollback(s);
        else
            assert_int_equal(store_commit(s), ERR_OK);
    }
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.spans, DB_TAIL_MAX + 1000);
    check_span(s, 1);
    check_span(s, (uint64_t)DB_TAIL_MAX + 1000);
    span_free(span);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spans, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_traces, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_rolled_back, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
