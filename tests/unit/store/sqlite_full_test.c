/* A disk that is full: nothing is half stored, nothing acknowledged is lost, and the store works on
 * when there is room again. */
#include "sqlite_support.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* Batches until the first that is refused; returns how many traces were acknowledged. */
static uint64_t fill(struct sqlite_store *s, uint64_t first)
{
    uint64_t n = first;
    int err = ERR_OK;
    for (; err == ERR_OK && n < first + 100000; n += 50)
        err = try_traces(s->writer, n, 50, 3);
    if (err != ERR_FULL)
        fail_msg("%s: %s", err_str(err), backend_error(&backend_sqlite, s->writer));
    assert_true(backend_error(&backend_sqlite, s->writer)[0] != '\0');
    return n - 50;
}

static void check(struct sqlite_store *s, uint64_t traces)
{
    assert_int_equal(count_listed(s, (struct stored_filter){.project_id = text_of("p")}), traces);
    assert_int_equal(total_spans(s), (int64_t)traces * 3);
}

static void set_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_file_limit(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    put_traces(&s, 0, 50, 3);
    set_limit(3 << 20);
    uint64_t done = fill(&s, 50);
    check(&s, done);
    done = fill(&s, done); /* what the log had twice made some room */
    check(&s, done);
    set_limit(before.rlim_cur);
    put_traces(&s, done, 50, 3);
    check(&s, done + 50);
    close_sqlite(&s);
    s = open_sqlite(*state);
    check(&s, done + 50);
    close_sqlite(&s);
}

static void test_page_limit(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    put_traces(&s, 0, 50, 3);
    assert_int_equal(sqlite3_exec(s.writer->db, "PRAGMA max_page_count = 200", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t done = fill(&s, 50);
    check(&s, done);
    assert_int_equal(
        sqlite3_exec(s.writer->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL), SQLITE_OK);
    put_traces(&s, done, 50, 3);
    check(&s, done + 50);
    close_sqlite(&s);
}

/* Room that was given back by a purge is used again. */
static void test_purged_room(void **state)
{
    struct sqlite_store s = open_sqlite(*state);
    assert_int_equal(sqlite3_exec(s.writer->db, "PRAGMA max_page_count = 200", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t done = fill(&s, 0);
    int purged = 1;
    while (purged > 0)
        purged = backend_sqlite.purge(s.writer, T0 + (int64_t)done);
    assert_int_equal(purged, 0);
    check(&s, 0);
    put_traces(&s, done, 50, 3);
    check(&s, 50);
    close_sqlite(&s);
}

static void test_small_disk(void **state)
{
    char dir[300];
    snprintf(dir, sizeof(dir), "%s/small", (char *)*state);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=0700") != 0)
        skip(); /* only for root, and not in every container */
    struct sqlite_store s = open_sqlite(dir);
    uint64_t done = fill(&s, 0);
    check(&s, done);
    close_sqlite(&s);
    s = open_sqlite(dir);
    check(&s, done);
    assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_REMOUNT, "size=32m"),
                     0);
    put_traces(&s, done, 50, 3);
    check(&s, done + 50);
    close_sqlite(&s);
    assert_int_equal(umount(dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_file_limit), TEST(test_page_limit),
                                       TEST(test_purged_room), TEST(test_small_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
