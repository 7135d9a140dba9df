/* What a collector wants to remember of traces and spans made by hand. */
#include <sqlite3.h>

#include "support.h"

static const int64_t to[] = {3, 17};

static void exec_sql(const char *dir, const char *sql)
{
    char path[256];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/traces.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

/* A span that runs, with a state, of ring "r". */
static void put_running(struct store *s, uint64_t n, const char *state)
{
    struct span *span = make_span(1, n);
    span->state = state != NULL ? strdup(state) : NULL;
    span->ring_id = "r";
    assert_int_equal(store_put_span(s, span, to, 2), ERR_OK);
    span_free(span);
}

static struct store *fill(const char *dir)
{
    struct store *s = open_store(dir);
    struct trace *t = make_trace(1);
    t->state = strdup("of the trace");
    t->ring_id = "r";
    t->metadata = json_object();
    json_set_int(t->metadata, "kept", 1);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_trace(s, t, to, 2), ERR_OK);
    put_running(s, 1, "first");
    put_running(s, 2, NULL);
    assert_int_equal(store_commit(s), ERR_OK);
    trace_free(t);
    return s;
}

static struct span *find_span(struct store *s, uint64_t n, struct store_owner *owner)
{
    uint8_t id[SPAN_ID_LEN];
    struct span *span;
    id_of(n, id, sizeof(id));
    assert_int_equal(store_find_kept_span(s, id, &span, owner), ERR_OK);
    return span;
}

static void expect_span(struct store *s, uint64_t n, const char *state)
{
    struct store_owner owner;
    struct span *span = find_span(s, n, &owner);
    if (state == NULL)
        assert_null(span->state);
    else
        assert_string_equal(span->state, state);
    if (span->end_time == 0) {
        assert_string_equal(owner.ring_id, "r");
        assert_int_equal(owner.destination_count, 2);
        assert_int_equal(owner.destinations[1], 17);
    }
    free(owner.ring_id);
    span_free(span);
}

static void test_span(void **state)
{
    struct store *s = fill(*state);
    expect_span(s, 1, "first");
    expect_span(s, 2, NULL);
    assert_int_equal(store_begin(s), ERR_OK);
    put_running(s, 1, "second");
    expect_span(s, 1, "second"); /* inside the transaction, too */
    assert_int_equal(store_commit(s), ERR_OK);
    store_close(s);
    s = open_store(*state);
    expect_span(s, 1, "second");
    assert_int_equal(store_begin(s), ERR_OK);
    put_span(s, 1, 1, true, to, 2);
    assert_int_equal(store_commit(s), ERR_OK);
    expect_span(s, 1, NULL); /* nothing has to be remembered of what has ended */
    uint8_t unknown[SPAN_ID_LEN] = {1};
    struct span *none;
    struct store_owner owner;
    assert_int_equal(store_find_kept_span(s, unknown, &none, &owner), ERR_NOENT);
    assert_null(none);
    assert_null(owner.ring_id);
    store_close(s);
}

static void test_trace(void **state)
{
    struct store *s = fill(*state);
    struct trace *t = make_trace(1);
    struct trace *found;
    struct store_owner owner;
    assert_int_equal(store_begin(s), ERR_OK); /* nothing new of the state: it stays */
    assert_int_equal(store_put_trace(s, t, to, 2), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    assert_int_equal(store_find_kept_trace(s, t->trace_id, &found, &owner), ERR_OK);
    assert_string_equal(found->state, "of the trace");
    assert_string_equal(found->name, "trace 1");
    assert_string_equal(owner.ring_id, "r");
    assert_int_equal(owner.destination_count, 2);
    free(owner.ring_id);
    trace_free(found);
    t->trace_id[0] ^= 1;
    assert_int_equal(store_find_kept_trace(s, t->trace_id, &found, &owner), ERR_NOENT);
    trace_free(t);
    store_close(s);
}

/* What a process leaves is told apart: spans by hand were not ended, calls were cut off. */
static void test_abandoned(void **state)
{
    struct store *s = fill(*state);
    struct store_owner owner;
    struct trace *t = make_trace(1);
    struct trace *found;
    assert_int_equal(store_abandon(s, "r", T0 + NS, "process ended"), ERR_OK);
    struct span *span = find_span(s, 1, &owner);
    assert_string_equal(span->error, STORE_NOT_ENDED);
    assert_string_equal(span->error_type, STORE_NOT_ENDED_TYPE);
    assert_true(span->partial && span->end_time == T0 + NS);
    span_free(span);
    free(owner.ring_id);
    span = find_span(s, 2, &owner);
    assert_string_equal(span->error, "process ended");
    assert_null(span->error_type);
    span_free(span);
    free(owner.ring_id);
    assert_int_equal(store_get_trace(s, t->trace_id, &found), ERR_OK);
    assert_string_equal(json_get_text(found->metadata, STORE_ENDED_BY), STORE_ENDED_BY_EXIT);
    assert_non_null(json_get(found->metadata, "kept"));
    assert_string_equal(found->error, STORE_NOT_ENDED); /* its span's */
    assert_int_equal(found->end_time, T0 + NS);
    trace_free(found);
    trace_free(t);
    store_close(s);
}

/* A file of the format before is brought up to date, with what is in it. */
static void test_older_format(void **state)
{
    struct store *s = fill(*state);
    store_close(s);
    exec_sql(*state, "ALTER TABLE span DROP COLUMN state; ALTER TABLE trace DROP COLUMN state;"
                     "PRAGMA user_version = 1");
    s = open_store(*state);
    expect_span(s, 1, NULL);
    assert_int_equal(store_begin(s), ERR_OK);
    put_running(s, 1, "again");
    put_running(s, 3, "new");
    assert_int_equal(store_commit(s), ERR_OK);
    expect_span(s, 1, "again");
    expect_span(s, 3, "new");
    store_close(s);
}

/* A trace that was left fails for that alone, but one of captured calls just ends. */
static void test_left_trace(void **state)
{
    struct store *s = open_store(*state);
    struct trace *found;
    assert_int_equal(store_begin(s), ERR_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        struct trace *t = make_trace(n);
        t->state = n == 1 ? strdup("by hand") : NULL;
        t->ring_id = "r";
        assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
        trace_free(t);
    }
    assert_int_equal(store_commit(s), ERR_OK);
    assert_int_equal(store_abandon(s, "r", T0 + NS, "process ended"), ERR_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        uint8_t id[TRACE_ID_LEN];
        id_of(n, id, sizeof(id));
        assert_int_equal(store_get_trace(s, id, &found), ERR_OK);
        assert_int_equal(found->end_time, T0 + NS);
        if (n == 1)
            assert_string_equal(found->error, STORE_TRACE_LEFT);
        else
            assert_null(found->error);
        trace_free(found);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_span, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_trace, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_abandoned, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_left_trace, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_older_format, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
