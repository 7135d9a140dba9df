/* The service's file: made, brought up to date, refused. */
#include "sqlite_support.h"

#include <fcntl.h>
#include <sys/stat.h>

static void run_sql(const char *dir, const char *file, const char *sql)
{
    char path[300];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static int open_err(const char *dir, char *said, size_t size)
{
    struct backend *b = NULL;
    char *notice = NULL;
    struct backend_settings settings = {.data_dir = dir};
    int err = backend_sqlite.open(&b, &settings, &notice);
    snprintf(said, size, "%s", notice == NULL ? "" : notice);
    free(notice);
    if (err == ERR_OK)
        backend_sqlite.close(b);
    return err;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

/* Refused with a sentence, and every byte left as it was. */
static void expect_refused(const char *dir, int expected, const char *part)
{
    char path[300];
    char said[600];
    size_t before_len;
    size_t after_len;
    snprintf(path, sizeof(path), "%s/service.db", dir);
    char *before = read_file(path, &before_len);
    assert_int_equal(open_err(dir, said, sizeof(said)), expected);
    if (strstr(said, part) == NULL || strstr(said, path) == NULL)
        fail_msg("said: %s", said);
    char *after = read_file(path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
}

static void test_private(void **state)
{
    static const char *const files[] = {"service.db", "service.db.lock", "service-search.db"};
    struct stat st;
    char dir[300];
    char path[400];
    snprintf(dir, sizeof(dir), "%s/a/b", (char *)*state);
    struct sqlite_store s = open_sqlite(dir);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    close_sqlite(&s);
}

static void test_foreign(void **state)
{
    run_sql(*state, "service.db", "CREATE TABLE theirs(a); INSERT INTO theirs VALUES(1)");
    expect_refused(*state, ERR_DENIED, "another program");
}

static void test_other_application(void **state)
{
    run_sql(*state, "service.db", "PRAGMA application_id = 42; PRAGMA user_version = 1;");
    expect_refused(*state, ERR_DENIED, "another program");
}

static void test_newer(void **state)
{
    char said[600];
    assert_int_equal(open_err(*state, said, sizeof(said)), ERR_OK);
    run_sql(*state, "service.db", "PRAGMA user_version = 1000");
    expect_refused(*state, ERR_VERSION, "newer llm-tracer");
}

static void test_no_database(void **state)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/service.db", (char *)*state);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 5000; i++)
        fputs("this is no database ", f);
    fclose(f);
    expect_refused(*state, ERR_CORRUPT, "left as it is");
}

static void test_damaged(void **state)
{
    char path[300];
    struct sqlite_store s = open_sqlite(*state);
    put_traces(&s, 0, 200, 3);
    close_sqlite(&s);
    snprintf(path, sizeof(path), "%s/service.db", (char *)*state);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    char garbage[8192];
    memset(garbage, 0x5a, sizeof(garbage));
    for (int page = 1; page < 12; page++)
        assert_int_equal(pwrite(fd, garbage, sizeof(garbage), page * 8192), sizeof(garbage));
    close(fd);
    expect_refused(*state, ERR_CORRUPT, "damaged");
}

/* Tables that are not those of the version that the file says it has. */
static void test_other_tables(void **state)
{
    static const char *const changes[] = {"ALTER TABLE span RENAME COLUMN failed TO failure",
                                          "DROP INDEX span_trace", "DROP TABLE again"};
    for (size_t i = 0; i < 3; i++) {
        char dir[300];
        char said[600];
        snprintf(dir, sizeof(dir), "%s/%zu", (char *)*state, i);
        assert_int_equal(open_err(dir, said, sizeof(said)), ERR_OK);
        run_sql(dir, "service.db", changes[i]);
        expect_refused(dir, ERR_CORRUPT, "does not hold together");
    }
    char dir[300];
    char said[600];
    snprintf(dir, sizeof(dir), "%s/older", (char *)*state);
    assert_int_equal(open_err(dir, said, sizeof(said)), ERR_OK);
    run_sql(dir, "service.db",
            "DROP INDEX rollup_key; DROP INDEX rollup_latest; PRAGMA user_version = 1;"
            "ALTER TABLE span ADD COLUMN more");
    assert_int_equal(open_err(dir, said, sizeof(said)), ERR_CORRUPT);
}

/* A second server is told, and the first goes on. */
static void test_in_use(void **state)
{
    char said[600];
    struct sqlite_store s = open_sqlite(*state);
    assert_int_equal(open_err(*state, said, sizeof(said)), ERR_BUSY);
    assert_non_null(strstr(said, "in use"));
    put_traces(&s, 0, 1, 1);
    close_sqlite(&s);
    assert_int_equal(open_err(*state, said, sizeof(said)), ERR_OK);
}

static void test_no_folder(void **state)
{
    char dir[300];
    char said[600];
    snprintf(dir, sizeof(dir), "%s/file", (char *)*state);
    fclose(fopen(dir, "w"));
    assert_int_equal(open_err(dir, said, sizeof(said)), ERR_IO);
    assert_true(said[0] != '\0');
}

/* Memory is made anew from the file: pages, ids, totals and words are as before. */
static void test_reopened(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    put_traces(&s, 0, 300, 3);
    close_sqlite(&s);
    for (int round = 0; round < 2; round++) {
        s = open_sqlite(*state);
        assert_int_equal(count_listed(&s, (struct stored_filter){.project_id = text_of("p")}), 300);
        assert_int_equal(count_listed(&s, (struct stored_filter){.project_id = text_of("p"),
                                                                 .q = text_of("word17")}),
                         1);
        assert_int_equal(count_listed(&s, (struct stored_filter){.project_id = text_of("p"),
                                                                 .status = STORED_RUNNING}),
                         300);
        put_traces(&s, 0, 300, 3); /* all of it exists */
        assert_int_equal(total_spans(&s), 900);
        close_sqlite(&s);
    }
}

/* The search index may be lost, damaged or another store's: it is made anew. */
static void test_index_lost(void **state)
{
    char path[300];
    struct sqlite_store s = open_sqlite(*state);
    put_traces(&s, 0, 50, 2);
    for (int round = 0; round < 3; round++) {
        settle_index(&s);
        assert_int_equal(count_listed(&s, (struct stored_filter){.q = text_of("common")}), 50);
        assert_int_equal(count_listed(&s, (struct stored_filter){.q = text_of("word7")}), 1);
        close_sqlite(&s);
        snprintf(path, sizeof(path), "%s/service-search.db", (char *)*state);
        if (round == 0)
            assert_int_equal(unlink(path), 0);
        else if (round == 1)
            assert_int_equal(truncate(path, 5000), 0);
        else
            run_sql(*state, "service-search.db", "UPDATE about SET seed = 1");
        s = open_sqlite(*state);
    }
    settle_index(&s);
    assert_int_equal(count_listed(&s, (struct stored_filter){.q = text_of("word7")}), 1);
    close_sqlite(&s);
}

/* A file of that name which is not ours is left alone. */
static void test_index_foreign(void **state)
{
    char path[400];
    char said[600];
    for (int round = 0; round < 2; round++) {
        char dir[300];
        snprintf(dir, sizeof(dir), "%s/%d", (char *)*state, round);
        assert_int_equal(open_err(dir, said, sizeof(said)), ERR_OK);
        snprintf(path, sizeof(path), "%s/service-search.db", dir);
        assert_int_equal(unlink(path), 0);
        if (round == 0)
            run_sql(dir, "service-search.db", "CREATE TABLE theirs(a)");
        FILE *f = fopen(path, "a");
        assert_non_null(f);
        fputs("notes", f);
        fclose(f);
        size_t before = 0;
        size_t after = 0;
        free(read_file(path, &before));
        assert_int_equal(open_err(dir, said, sizeof(said)), ERR_DENIED);
        assert_non_null(strstr(said, "no search index"));
        free(read_file(path, &after));
        assert_int_equal(before, after);
    }
}

/* ---- Each version of the file is brought up to the present one. */

static const char version_1[] =
#include "sqlite_version_1.inc"
    ;

static int64_t version_of(const char *dir)
{
    char path[300];
    sqlite3 *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof(path), "%s/service.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t version = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return version;
}

static void test_version_1(void **state)
{
    assert_int_equal(sql_schema_version, 2); /* a new one: add its fixture and test */
    run_sql(*state, "service.db", version_1);
    struct sqlite_store s = open_sqlite(*state);
    assert_int_equal(count_listed(&s, (struct stored_filter){.project_id = text_of("p")}), 1);
    assert_int_equal(count_listed(&s, (struct stored_filter){.q = text_of("elbe hello")}), 1);
    assert_int_equal(total_spans(&s), 1);
    put_traces(&s, 10, 2, 2);
    assert_int_equal(total_spans(&s), 5);
    close_sqlite(&s);
    assert_int_equal(version_of(*state), sql_schema_version);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_private),      TEST(test_foreign),     TEST(test_other_application),
        TEST(test_newer),        TEST(test_no_database), TEST(test_damaged),
        TEST(test_other_tables), TEST(test_in_use),      TEST(test_no_folder),
        TEST(test_reopened),     TEST(test_index_lost),  TEST(test_index_foreign),
        TEST(test_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
