/* Files that are damaged, foreign, newer, replaced; a full disk; keys; where the data lies. */
#include "support.h"

#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/db.h"

static char *in(const char *dir, const char *name)
{
    static char path[2][512];
    static int which;
    which ^= 1;
    snprintf(path[which], sizeof(path[which]), "%s/%s", dir, name);
    return path[which];
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void exec_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int open_fails(const char *dir, enum store_mode mode, const char *says)
{
    struct store *s;
    char *notice;
    int err = store_open(&s, dir, mode, &notice);
    assert_null(s);
    assert_non_null(notice);
    if (strstr(notice, says) == NULL)
        fail_msg("'%s' does not say '%s'", notice, says);
    free(notice);
    return err;
}

static size_t count_files(const char *dir, const char *pattern)
{
    glob_t g;
    size_t n = glob(in(dir, pattern), 0, NULL, &g) == 0 ? g.gl_pathc : 0;
    globfree(&g);
    return n;
}

static void fill(struct store *s, uint64_t from, uint64_t count)
{
    assert_int_equal(store_begin(s), ERR_OK);
    for (uint64_t n = from; n < from + count; n++)
        put_span(s, n / 10, n, true, NULL, 0);
    assert_int_equal(store_commit(s), ERR_OK);
}

static int64_t span_count(struct store *s)
{
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    return totals.spans;
}

static void test_missing(void **state)
{
    assert_int_equal(open_fails(*state, STORE_READ, "nothing is stored"), ERR_NOENT);
    write_file(in(*state, "traces.db"), ""); /* a writer is just making it */
    assert_int_equal(open_fails(*state, STORE_READ, "nothing is stored"), ERR_NOENT);
}

static void test_foreign(void **state)
{
    char *path = in(*state, "traces.db");
    exec_sql(path, "CREATE TABLE mine(x); INSERT INTO mine VALUES(1)");
    assert_int_equal(open_fails(*state, STORE_WRITE, "another program"), ERR_DENIED);
    assert_int_equal(open_fails(*state, STORE_READ, "another program"), ERR_DENIED);
    exec_sql(path, "PRAGMA application_id = 77; INSERT INTO mine VALUES(2)");
    assert_int_equal(open_fails(*state, STORE_WRITE, "another program"), ERR_DENIED);
}

static void test_newer(void **state)
{
    struct store *s = open_store(*state);
    fill(s, 0, 10);
    store_close(s);
    exec_sql(in(*state, "traces.db"), "PRAGMA user_version = 99");
    assert_int_equal(open_fails(*state, STORE_WRITE, "newer"), ERR_VERSION);
    assert_int_equal(open_fails(*state, STORE_READ, "newer"), ERR_VERSION);
    exec_sql(in(*state, "traces.db"), "PRAGMA user_version = 2");
    s = open_store(*state);
    assert_int_equal(span_count(s), 10);
    store_close(s);
}

static void overwrite_pages(const char *path, off_t from, off_t to, unsigned seed)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    srand(seed);
    for (off_t at = from; at < to; at += 4) {
        int noise = rand();
        assert_int_equal(pwrite(fd, &noise, 4, at), 4);
    }
    close(fd);
}

static void test_corrupt_at_open(void **state)
{
    struct stat st;
    for (unsigned round = 0; round < 3; round++) {
        struct store *s = open_store(*state);
        fill(s, 0, 500);
        store_close(s);
        assert_int_equal(stat(in(*state, "traces.db"), &st), 0);
        off_t from = round == 0 ? 0 : (off_t)round * 16384;
        overwrite_pages(in(*state, "traces.db"), from, st.st_size, round);
        char *notice;
        assert_int_equal(store_open(&s, *state, STORE_WRITE, &notice), ERR_OK);
        assert_non_null(notice);
        assert_non_null(strstr(notice, ".corrupt-"));
        free(notice);
        assert_int_equal(span_count(s), 0);
        fill(s, 0, 5);
        store_close(s);
        s = open_store(*state);
        assert_int_equal(span_count(s), 5);
        store_close(s);
        assert_int_equal(count_files(*state, "traces.db.corrupt-*[Z0-9]"), round + 1);
        assert_int_equal(unlink(in(*state, "traces.db")), 0);
    }
    glob_t g;
    assert_int_equal(glob(in(*state, "traces.db.corrupt-*[Z0-9]"), 0, NULL, &g), 0);
    struct stat aside;
    assert_int_equal(stat(g.gl_pathv[0], &aside), 0);
    assert_int_equal(aside.st_size, st.st_size); /* kept whole */
    globfree(&g);
}

/* Damage that shows only while the store is in use: the writer begins anew and goes on; the
 * destinations it made keep their ids. */
static void test_corrupt_while_running(void **state)
{
    struct store *s = open_store(*state);
    struct destination d = {.kind = (char *)"service", .url = (char *)"http://a"};
    int64_t id;
    assert_int_equal(store_destination(s, &d, "k", &id), ERR_OK);
    fill(s, 0, 500);
    exec_sql(in(*state, "traces.db"), "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_db_release_memory(s->db);
    assert_int_equal(sqlite3_exec(s->db, "PRAGMA shrink_memory", NULL, NULL, NULL), SQLITE_OK);
    struct stat st;
    assert_int_equal(stat(in(*state, "traces.db"), &st), 0);
    overwrite_pages(in(*state, "traces.db"), 16384, st.st_size, 1);
    int failures = 0;
    for (uint64_t n = 1000; n < 1010; n++) {
        int err = store_begin(s);
        struct span *span = make_span(1, n);
        if (err == ERR_OK)
            err = store_put_span(s, span, &id, 1);
        span_free(span);
        if (err == ERR_OK)
            err = store_commit(s);
        else
            store_rollback(s);
        failures += err != ERR_OK;
    }
    assert_true(failures <= 1);
    assert_int_equal(count_files(*state, "traces.db.corrupt-*[Z0-9]"), 1);
    assert_true(span_count(s) >= 9);
    char *key;
    assert_int_equal(store_destination_get(s, id, &d, &key), ERR_OK);
    assert_string_equal(d.url, "http://a");
    assert_string_equal(key, "k");
    destination_release(&d);
    free(key);
    store_close(s);
}

/* Someone cleared the data directory under a collector that runs. */
static void test_removed_while_running(void **state)
{
    struct store *s = open_store(*state);
    fill(s, 0, 10);
    unlink(in(*state, "traces.db"));
    unlink(in(*state, "traces.db-wal"));
    unlink(in(*state, "traces.db-shm"));
    fill(s, 10, 7);
    struct store *reader = open_store(*state);
    assert_int_equal(span_count(reader), 7);
    store_close(reader);
    store_close(s);
}

/* Puts until it fails, in groups of 50; then with more room goes on. Everything acknowledged is
 * there. Returns how many groups went in before it was full. */
static int fill_until_full(struct store *s)
{
    struct span *span = make_span(1, 0);
    span->input_data = json_object();
    char text[2001];
    memset(text, 'x', 2000);
    text[2000] = '\0';
    json_set_text(span->input_data, "text", text);
    span->end_time = span->start_time + 1;
    int groups = 0;
    int err = ERR_OK;
    while (err == ERR_OK && groups < 100) {
        err = store_begin(s);
        for (uint64_t i = 0; i < 50 && err == ERR_OK; i++) {
            id_of((uint64_t)groups * 50 + i, span->span_id, SPAN_ID_LEN);
            err = store_put_span(s, span, NULL, 0);
        }
        int committed = store_commit(s);
        if (err == ERR_OK)
            err = committed;
        else
            assert_int_not_equal(committed, ERR_OK);
        groups += err == ERR_OK;
    }
    span_free(span);
    assert_int_equal(err, ERR_IO);
    assert_true(strlen(store_error(s)) > 0);
    return groups;
}

/* A mount namespace; without being root, inside a user namespace where we are. */
static bool own_mounts(void)
{
    unsigned uid = getuid();
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    char map[32];
    snprintf(map, sizeof(map), "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    return true;
}

static int full_file_system(const char *dir)
{
    if (!own_mounts())
        return 77;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=2m") != 0)
        return 77;
    struct store *s = open_store(dir);
    int groups = fill_until_full(s);
    assert_true(groups > 0 && groups < 40);
    assert_int_equal(span_count(s), groups * 50);
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    fill(s, 100000, 500);
    assert_int_equal(span_count(s), groups * 50 + 500);
    store_close(s);
    s = open_store(dir);
    assert_int_equal(span_count(s), groups * 50 + 500);
    store_close(s);
    return 0;
}

/* Runs it in a process of its own, since it changes mounts; it returns 77 when that is not allowed
 * here. A failed assertion ends the process with another code. */
static void run_apart(int (*body)(const char *dir), const char *dir)
{
    pid_t child = fork();
    if (child == 0)
        _exit(body(dir));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* test_full_quota does the same by a limit where no mount namespace is to be had. */
static void test_full_file_system(void **state)
{
    run_apart(full_file_system, *state);
}

static int read_only_file_system(const char *dir)
{
    if (!own_mounts() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=32m") != 0)
        return 77;
    struct store *s = open_store(dir);
    fill(s, 0, 100);
    store_close(s);
    if (mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=32m") != 0)
        return 77;
    char *notice;
    assert_int_equal(store_open(&s, dir, STORE_READ, &notice), ERR_OK);
    assert_int_equal(span_count(s), 100);
    assert_int_equal(store_begin(s), ERR_DENIED);
    store_close(s);
    assert_int_equal(open_fails(dir, STORE_WRITE, "traces.db"), ERR_IO);
    setenv("TRACER_DATA_DIR", dir, 1);
    char out[512];
    bool fallback;
    assert_int_equal(store_data_dir("/tmp", out, sizeof(out), &fallback), ERR_OK);
    assert_true(fallback);
    return 0;
}

static void test_read_only_file_system(void **state)
{
    run_apart(read_only_file_system, *state);
}

static void test_full_quota(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct store *s = open_store(*state);
    struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int groups = fill_until_full(s);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_true(groups > 0 && groups < 40);
    assert_int_equal(span_count(s), groups * 50);
    fill(s, 100000, 500);
    assert_int_equal(span_count(s), groups * 50 + 500);
    store_close(s);
}

static bool holds(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    static char data[1 << 20];
    size_t len = fread(data, 1, sizeof(data), f);
    fclose(f);
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void test_keys(void **state)
{
    static const char secret[] = "project-sEcReT-0123456789";
    struct store *s = open_store(*state);
    struct destination a = {
        .kind = (char *)"service", .url = (char *)"http://a", .project_id = (char *)"p"};
    struct destination b = a;
    b.content = true;
    int64_t first, again, second;
    assert_int_equal(store_destination(s, &a, "project-old", &first), ERR_OK);
    assert_int_equal(store_destination(s, &b, "project-b", &second), ERR_OK);
    assert_int_equal(store_destination(s, &a, secret, &again), ERR_OK);
    assert_int_equal(first, again);
    assert_int_not_equal(first, second);
    assert_int_equal(store_destination(s, &a, NULL, &again), ERR_OK); /* leaves the key */
    assert_int_equal(store_destination(s, &a, "two\nlines", &again), ERR_BAD);
    struct destination got;
    char *key;
    assert_int_equal(store_destination_get(s, first, &got, &key), ERR_OK);
    assert_string_equal(key, secret);
    assert_string_equal(got.project_id, "p");
    assert_false(got.content);
    destination_release(&got);
    free(key);
    assert_int_equal(store_destination_get(s, 99, &got, &key), ERR_NOENT);
    char expected[128];
    snprintf(expected, sizeof(expected), "%d\t%s\n", (int)first, secret);
    assert_true(holds(in(*state, "keys"), expected));
    assert_false(holds(in(*state, "keys"), "project-old"));
    struct stat st;
    assert_int_equal(stat(in(*state, "keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in(*state, "traces.db"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in(*state, "traces.db-wal"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(holds(in(*state, "traces.db"), secret));
    assert_false(holds(in(*state, "traces.db-wal"), secret));
    assert_int_equal(count_files(*state, "keys*"), 1);
    store_close(s);
    assert_false(holds(in(*state, "traces.db"), secret));
}

static void test_data_dir(void **state)
{
    char out[512];
    bool fallback;
    char *runtime = strdup(in(*state, "run"));
    char *named = strdup(in(*state, "a/b/c"));
    setenv("TRACER_DATA_DIR", named, 1);
    assert_int_equal(store_data_dir(runtime, out, sizeof(out), &fallback), ERR_OK);
    assert_string_equal(out, named);
    assert_false(fallback);
    struct stat st;
    assert_int_equal(stat(named, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(store_data_dir(runtime, out, 4, &fallback), ERR_RANGE);
    unsetenv("TRACER_DATA_DIR");
    setenv("XDG_DATA_HOME", in(*state, "data"), 1);
    assert_int_equal(store_data_dir(runtime, out, sizeof(out), &fallback), ERR_OK);
    assert_string_equal(out, in(*state, "data/llm-tracer"));
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", in(*state, "home"), 1);
    assert_int_equal(store_data_dir(runtime, out, sizeof(out), &fallback), ERR_OK);
    assert_string_equal(out, in(*state, "home/.local/share/llm-tracer"));
    assert_false(fallback);
    setenv("HOME", "/proc/nowhere", 1); /* cannot be made, by anyone */
    assert_int_equal(store_data_dir(runtime, out, sizeof(out), &fallback), ERR_OK);
    assert_string_equal(out, runtime);
    assert_true(fallback);
    unsetenv("HOME");
    unsetenv("XDG_DATA_HOME");
    assert_int_equal(store_data_dir(runtime, out, sizeof(out), &fallback), ERR_OK);
    assert_true(fallback);
    free(runtime);
    free(named);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        CASE(test_missing),
        CASE(test_foreign),
        CASE(test_newer),
        CASE(test_corrupt_at_open),
        CASE(test_corrupt_while_running),
        CASE(test_removed_while_running),
        CASE(test_full_file_system),
        CASE(test_full_quota),
        CASE(test_read_only_file_system),
        CASE(test_keys),
        CASE(test_data_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
