/* The full-text index of the service's store, step by step: its thread is ended first. */
#include "sqlite_support.h"

static size_t found(struct sqlite_store *s, const char *words)
{
    return count_listed(s, (struct stored_filter){.project_id = text_of("p"), .q = text_of(words)});
}

static int64_t query(struct sqlite_store *s, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(s->reader->db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return value;
}

static void index_all(struct sqlite_store *s)
{
    int more = 1;
    while (more == 1)
        more = search_index_step(&s->backend->index);
    assert_int_equal(more, 0);
}

static void complete(struct sqlite_store *s, const char *span, const char *output)
{
    struct stored_write w = {.op = STORED_COMPLETE_SPAN,
                             .project_id = text_of("p"),
                             .span = {.span_id = text_of(span),
                                      .end_time = T0 + NS,
                                      .output_data = text_of(output),
                                      .tokens_input = SPAN_UNKNOWN,
                                      .tokens_output = SPAN_UNKNOWN,
                                      .tokens_cache_read = SPAN_UNKNOWN,
                                      .cost_usd = -1,
                                      .ttft_ms = -1}};
    struct stored_write *one = &w;
    assert_int_equal(backend_sqlite.write(s->writer, &one, 1), ERR_OK);
    assert_int_equal(w.result, ERR_OK);
}

/* A span is found before it is indexed, while it runs, and after; changed, by what it says now. */
static void test_one_span(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    put_traces(&s, 0, 3, 2);
    assert_int_equal(found(&s, "word1 part2"), 1);
    index_all(&s);
    assert_int_equal(query(&s, "SELECT count(*) FROM search.later"), 9); /* all of it runs */
    assert_int_equal(found(&s, "word1 part2"), 1);
    complete(&s, "span-1-2", "{\"t\":\"walrus\"}");
    assert_int_equal(found(&s, "walrus"), 1);
    index_all(&s);
    assert_int_equal(query(&s, "SELECT count(*) FROM search.later"), 8);
    assert_int_equal(query(&s, "SELECT sum(documents) FROM search.part"), 1);
    assert_int_equal(found(&s, "walrus part2"), 1);
    complete(&s, "span-1-2", "{\"t\":\"seal\"}");
    for (int i = 0; i < 2; i++) { /* before the index knows of it, and after */
        assert_int_equal(found(&s, "walrus"), 0);
        assert_int_equal(found(&s, "seal word1"), 1);
        index_all(&s);
    }
    assert_int_equal(query(&s, "SELECT count(*) FROM search.restated"), 1);
    put_traces(&s, 10, 1, 0); /* the next write takes away what was done */
    assert_int_equal(query(&s, "SELECT count(*) FROM again"), 0);
    close_sqlite(&s);
}

/* What never ends does not wait for ever; it may still end. */
static void test_forced(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    for (uint64_t n = 0; n < 4; n++)
        put_traces(&s, n * 500, 500, 1);
    index_all(&s);
    assert_true(query(&s, "SELECT count(*) FROM search.later WHERE kind = 1") <= SEARCH_LATER_MAX);
    assert_int_equal(found(&s, "common"), 2000);
    assert_int_equal(found(&s, "word3"), 1);
    complete(&s, "span-3-1", "{\"t\":\"walrus\"}");
    assert_int_equal(found(&s, "walrus"), 1);
    index_all(&s);
    assert_int_equal(found(&s, "walrus"), 1);
    assert_int_equal(found(&s, "xylophone"), 0);
    close_sqlite(&s);
}

/* Parts of which no trace is left go, and what is purged is not found. */
static void test_purged(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    put_traces(&s, 0, 60, 1);
    for (uint64_t n = 0; n < 60; n++) {
        char span[32];
        snprintf(span, sizeof(span), "span-%" PRIu64 "-1", n);
        complete(&s, span, "{\"t\":\"done\"}");
    }
    index_all(&s);
    assert_int_equal(query(&s, "SELECT count(*) FROM search.part"), 1);
    assert_int_equal(found(&s, "done"), 60);
    while (backend_sqlite.purge(s.writer, T0 + 20) > 0)
        ;
    assert_int_equal(found(&s, "done"), 40);
    while (backend_sqlite.purge(s.writer, T0 + NS) > 0)
        ;
    assert_int_equal(found(&s, "done"), 0);
    index_all(&s);
    assert_int_equal(query(&s, "SELECT count(*) FROM search.part"), 0);
    assert_int_equal(query(&s, "SELECT count(*) FROM search.later"), 0);
    assert_int_equal(query(&s, "SELECT count(*) FROM rollup"), 0);
    put_traces(&s, 1000, 5, 1);
    assert_int_equal(found(&s, "common"), 5);
    close_sqlite(&s);
}

static int64_t lag(struct sqlite_store *s)
{
    struct search_index *x = &s->backend->index;
    pthread_mutex_lock(&x->lock);
    int64_t rows = x->committed - x->done;
    pthread_mutex_unlock(&x->lock);
    return rows;
}

/* Rows that were purged before the index came to them are not waited for. */
static void test_purged_unseen(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    put_traces(&s, 0, 4000, 2);
    assert_int_equal(lag(&s), 12000);
    while (backend_sqlite.purge(s.writer, T0 + NS) > 0)
        ;
    index_all(&s);
    assert_int_equal(lag(&s), 0);
    put_traces(&s, 5000, 10, 1);
    assert_int_equal(lag(&s), 20);
    index_all(&s);
    complete(&s, "span-5005-1", "{\"t\":\"walrus\"}");
    index_all(&s);
    assert_int_equal(found(&s, "walrus"), 1);
    close_sqlite(&s);
}

/* Writers that are far ahead go on, and the index comes near again. */
static void test_far_ahead(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    for (uint64_t n = 0; n < 5; n++)
        put_traces(&s, n * 4000, 4000, 1);
    assert_true(lag(&s) > SEARCH_LAG_MAX);
    s.backend->index.stop = false;
    assert_int_equal(search_index_start(&s.backend->index), ERR_OK);
    for (uint64_t n = 20000; n < 20200 && lag(&s) > SEARCH_LAG_MAX; n++)
        put_traces(&s, n, 1, 1);
    assert_true(lag(&s) <= SEARCH_LAG_MAX);
    assert_int_equal(found(&s, "word19999"), 1);
    close_sqlite(&s);
}

/* A word that is everywhere, asked for with a filter that seldom matches, and the other way round:
 * every way of searching gives the same. */
static void search_with(void **state, const struct search_limits *limits, int64_t parts)
{
    enum { TRACES = 6000 };
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    s.backend->index.limits = *limits;
    for (uint64_t n = 0; n < TRACES; n += 1000) {
        put_traces(&s, n, 1000, 1);
        if (n == 4000)
            complete(&s, "span-4321-1", "{\"t\":\"walrus\"}");
        index_all(&s);
    }
    assert_true(query(&s, "SELECT count(*) FROM search.part") >= parts);
    struct stored_filter f = {.project_id = text_of("p"), .q = text_of("common")};
    assert_int_equal(count_listed(&s, f), TRACES);
    f.name = text_of("name 4321");
    assert_int_equal(count_listed(&s, f), 1);
    f.q = text_of("common walrus");
    assert_int_equal(count_listed(&s, f), 1);
    f.name = text_of("name 777");
    assert_int_equal(count_listed(&s, f), 0);
    f.name = (struct text){NULL, 0};
    assert_int_equal(count_listed(&s, f), 1);
    f.q = text_of("common");
    f.project_id = text_of("another");
    assert_int_equal(count_listed(&s, f), 0);
    close_sqlite(&s);
}

static void test_common_word(void **state)
{
    search_with(state, &(struct search_limits){1 << 20, 1 << 20, 1000}, 1);
}

static void test_parts(void **state)
{
    search_with(state, &(struct search_limits){1000, 500, 10}, 3);
}

static void test_probes(void **state)
{
    search_with(state, &(struct search_limits){1000, 1, 1000000}, 3);
}

/* Ids are found in memory, in segments and after both were made anew. */
static void test_segments(void **state)
{
    enum { TRACES = 40000 };
    struct sqlite_store s = open_sqlite(*state);
    settle_index(&s);
    for (uint64_t n = 0; n < TRACES; n += 4000)
        put_traces(&s, n, 4000, 1);
    assert_int_equal(query(&s, "SELECT count(*) FROM id_segment"), 2);
    for (int round = 0; round < 2; round++) {
        for (uint64_t n = 0; n < TRACES; n += 1999) {
            char id[32];
            size_t count = 0;
            snprintf(id, sizeof(id), "trace-%" PRIu64, n);
            assert_int_equal(
                backend_sqlite.trace(s.reader, text_of("p"), text_of(id), count_one, &count),
                ERR_OK);
            snprintf(id, sizeof(id), "trace-%" PRIu64, n + TRACES);
            assert_int_equal(
                backend_sqlite.trace(s.reader, text_of("p"), text_of(id), count_one, &count),
                ERR_NOENT);
            put_traces(&s, n, 1, 1); /* there already */
        }
        assert_int_equal(total_spans(&s), TRACES);
        close_sqlite(&s);
        s = open_sqlite(*state);
        settle_index(&s);
    }
    while (backend_sqlite.purge(s.writer, T0 + 2 * TRACES) > 0)
        ;
    assert_int_equal(query(&s, "SELECT count(*) FROM id_segment"), 0);
    assert_int_equal(query(&s, "SELECT count(*) FROM id_chunk"), 0);
    close_sqlite(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_span),      TEST(test_forced),    TEST(test_purged),
        TEST(test_purged_unseen), TEST(test_far_ahead), TEST(test_common_word),
        TEST(test_parts),         TEST(test_probes),    TEST(test_segments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
