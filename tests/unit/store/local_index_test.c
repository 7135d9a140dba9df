/* The index beside the collector's store: searches, what runs, what is dropped, a store that is
 * replaced, an index that is damaged or cannot be written. */
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "local_support.h"

static struct stored_filter search(const char *words)
{
    return (struct stored_filter){.q = text_of(words)};
}

static struct span *speaking_span(uint64_t trace, uint64_t n, const char *input, const char *output)
{
    struct span *s = make_span(trace, n);
    s->end_time = s->start_time + NS_PER_MS;
    s->input_data = json_object();
    json_set_text(s->input_data, "question", input);
    s->output_data = json_object();
    json_set_text(s->output_data, "answer", output);
    return s;
}

static void test_search(void **state)
{
    struct store *s = open_store(*state);
    struct trace *t = named_trace(1, "first", 1, 1000);
    t->output = strdup("A granite summary");
    put_named(s, t);
    put_a_span(s, speaking_span(1, 1, "Where is the \xc3\x89lephant?", "in the \"kitchen\"\nnow"));
    struct span *failed = speaking_span(1, 2, "nothing", "else");
    failed->error = strdup("Timeout while reading");
    put_a_span(s, failed);
    put_named(s, named_trace(2, "second", 2, 0));
    struct span *running = speaking_span(2, 3, "an elephant walks", "marble");
    running->end_time = 0;
    put_a_span(s, running);
    struct look l = look_open(*state);
    for (int i = 0; i < 2; i++) { /* read directly, and then from the index */
        await_list(&l, search("\xc3\xa9lephant"), "first ");
        expect_list(&l, search("KITCHEN now"), "first ");
        expect_list(&l, search("granite"), "first ");
        expect_list(&l, search("timeout"), "first ");
        expect_list(&l, search("elephant"), "second ");
        expect_list(&l, search("marble walks"), "second ");
        expect_list(&l, search("gpt"), "second first ");
        expect_list(&l, search("kitchen timeout"), ""); /* of two spans */
        expect_list(&l, search("question"), "");        /* a name of a field */
        expect_list(&l, search("\" ' * ( OR"), "");
        expect_list(&l, search("..."), "second first "); /* no word at all */
        usleep(400000);
    }
    running = speaking_span(2, 3, "an elephant walks", "basalt"); /* it says something else now */
    running->end_time = 0;
    put_a_span(s, running);
    await_list(&l, search("basalt"), "second ");
    expect_list(&l, search("marble"), "");
    put_a_span(s, speaking_span(2, 3, "an elephant walks", "obsidian")); /* and ends */
    await_list(&l, search("obsidian"), "second ");
    expect_list(&l, search("basalt"), "");
    usleep(400000);
    expect_list(&l, search("obsidian"), "second ");
    look_close(&l);
    store_close(s);
}

/* What is told of a trace while one looks: its figures, its status, its texts. */
static void test_follows(void **state)
{
    struct look l = look_open(*state);
    struct store *s = open_store(*state);
    put_named(s, named_trace(1, "live", 1, 0));
    await_list(&l, (struct stored_filter){.status = STORED_RUNNING}, "live ");
    struct span *span = speaking_span(1, 1, "q", "a");
    span->end_time = 0;
    span->cost_usd = 0.25;
    put_a_span(s, span);
    await_list(&l, (struct stored_filter){.sort = SORT_COST}, "live ");
    span = speaking_span(1, 1, "q", "a");
    span->ttft_ms = 30;
    span->error = strdup("late");
    put_a_span(s, span);
    struct trace *t = named_trace(1, "live", 1, 700);
    t->user_id = strdup("eve");
    put_named(s, t);
    await_list(&l,
               (struct stored_filter){
                   .status = STORED_ERROR, .user_id = text_of("eve"), .min_duration_ms = 700},
               "live ");
    expect_list(&l, (struct stored_filter){.status = STORED_RUNNING}, "");
    t = named_trace(1, "renamed", 1, 900); /* it is told more when it has ended */
    put_named(s, t);
    await_list(&l, (struct stored_filter){.name = text_of("renamed"), .min_duration_ms = 900},
               "renamed ");
    expect_list(&l, search("renamed"), "renamed ");
    t = named_trace(1, "Caf\xc3\x89 One", 1, 900);
    put_named(s, t);
    await_list(&l, (struct stored_filter){.name = text_of("f\xc3\xa9 oNE")}, "Caf\xc3\x89 One ");
    expect_list(&l, (struct stored_filter){.name = text_of("e on")}, "");
    expect_list(&l, (struct stored_filter){.name = text_of("NE")}, "Caf\xc3\x89 One ");
    expect_list(&l, (struct stored_filter){.name = text_of("ne ")}, "");
    look_close(&l);
    store_close(s);
}

/* More traces than one look takes, of which few have spans, are all there before the index is. */
static void test_many_without_spans(void **state)
{
    enum { TRACES = 9000, SPANS_AT = 4500 };
    struct store *s = open_store(*state);
    assert_int_equal(store_begin(s), ERR_OK);
    for (uint64_t n = 0; n < TRACES; n++) {
        struct trace *t = named_trace(n, "t", (int64_t)n, 1000);
        assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
        trace_free(t);
    }
    assert_int_equal(store_commit(s), ERR_OK);
    put_a_span(s, speaking_span(SPANS_AT, 1, "q", "a"));
    put_a_span(s, speaking_span(TRACES - 1, 2, "q", "a"));
    struct look l = look_open(*state);
    static struct names names;
    list_all(&l, (struct stored_filter){.limit = 1000, .sort = SORT_DURATION}, &names);
    assert_int_equal(names.count, TRACES);
    put_named(s, named_trace(TRACES, "late", 0, 2000));
    await_list(&l, (struct stored_filter){.min_duration_ms = 2000}, "late ");
    look_close(&l);
    store_close(s);
}

/* ---- what is dropped */

/* Whether the index has the word anywhere, in any of its files. */
static bool index_holds(const char *dir, const char *word)
{
    static const char *const files[] = {"ui-index.db", "ui-index.db-wal"};
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            continue;
        static char bytes[16 << 20];
        size_t n = fread(bytes, 1, sizeof(bytes), f);
        found = found || memmem(bytes, n, word, strlen(word)) != NULL;
        fclose(f);
    }
    return found;
}

static void await_no_word(const char *dir, const char *word)
{
    for (int i = 0; i < 500 && index_holds(dir, word); i++)
        usleep(20000);
    assert_false(index_holds(dir, word));
}

static void test_purge(void **state)
{
    struct store *s = open_store(*state);
    for (uint64_t n = 0; n < 30; n++) {
        char name[32];
        snprintf(name, sizeof(name), "t%" PRIu64, n);
        put_named(s, named_trace(n, name, (int64_t)n * 60, 1000));
        put_a_span(s, speaking_span(n, n, "porphyry", "zirconium"));
    }
    struct look l = look_open(*state);
    struct names names;
    list_all(&l, (struct stored_filter){.limit = 100, .q = text_of("zirconium")}, &names);
    assert_int_equal(names.count, 30);
    for (int i = 0; i < 200 && !index_holds(*state, "zirconium"); i++)
        usleep(20000);
    assert_true(index_holds(*state, "zirconium"));
    while (store_purge(s, T0 + 20 * 60 * NS, 0) > 0)
        ;
    list_all(&l, (struct stored_filter){.limit = 100, .q = text_of("zirconium")}, &names);
    assert_int_equal(names.count, 10);
    list_all(&l, (struct stored_filter){.limit = 3, .sort = SORT_COST}, &names);
    assert_int_equal(names.count, 10);
    while (store_purge(s, T0 + 1000000 * NS, 0) > 0)
        ;
    expect_list(&l, search("zirconium"), "");
    expect_list(&l, (struct stored_filter){.sort = SORT_DURATION}, "");
    usleep(1000000);
    look_close(&l); /* takes the log into the file */
    await_no_word(*state, "zirconium");
    await_no_word(*state, "porphyry");
    store_close(s);
}

static bool index_exists(const char *dir)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/ui-index.db", dir);
    return access(path, F_OK) == 0;
}

/* What the collector does after a purge when nobody looks. */
static void test_dropped(void **state)
{
    char path[256];
    struct store *s = open_store(*state);
    for (uint64_t n = 0; n < 2; n++) {
        put_named(s, named_trace(n, "t", (int64_t)n * 60, 1000));
        put_a_span(s, speaking_span(n, n, "feldspar", "x"));
    }
    struct look l = look_open(*state);
    expect_list(&l, search("feldspar"), "t t ");
    look_close(&l);
    store_drop_index(s);
    assert_true(index_exists(*state)); /* used just now */
    snprintf(path, sizeof(path), "%s/ui-index.db", (char *)*state);
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    l = look_open(*state);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    store_drop_index(s);
    assert_true(index_exists(*state)); /* in use */
    look_close(&l);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    store_drop_index(s);
    assert_false(index_exists(*state));
    l = look_open(*state);
    expect_list(&l, search("feldspar"), "t t ");
    look_close(&l);
    while (store_purge(s, T0 + 1000000 * NS, 0) > 0)
        ;
    store_drop_index(s); /* the store is empty: at once */
    assert_false(index_exists(*state));
    store_close(s);
}

/* A damaged store is moved aside and begun anew while one looks. */
static void test_replaced(void **state)
{
    char path[256];
    char other[280];
    struct store *s = open_store(*state);
    put_named(s, named_trace(1, "old", 1, 1000));
    put_a_span(s, speaking_span(1, 1, "manganese", "x"));
    struct look l = look_open(*state);
    expect_list(&l, search("manganese"), "old ");
    usleep(400000);
    store_close(s);
    snprintf(path, sizeof(path), "%s/traces.db", (char *)*state);
    snprintf(other, sizeof(other), "%s.aside", path);
    assert_int_equal(rename(path, other), 0);
    s = open_store(*state);
    put_named(s, named_trace(2, "new", 2, 1000));
    put_a_span(s, speaking_span(2, 2, "tungsten", "x"));
    await_list(&l, (struct stored_filter){.sort = SORT_DURATION}, "new ");
    await_list(&l, search("tungsten"), "new ");
    expect_list(&l, search("manganese"), "");
    store_close(s);
    look_close(&l);
    await_no_word(*state, "manganese");
}

/* ---- its file */

static void put_some(const char *dir)
{
    struct store *s = open_store(dir);
    put_named(s, named_trace(1, "one", 1, 1000));
    put_a_span(s, speaking_span(1, 1, "cadmium", "x"));
    store_close(s);
}

static void check_some(const char *dir)
{
    struct look l = look_open(dir);
    await_list(&l, search("cadmium"), "one ");
    await_list(&l, (struct stored_filter){.sort = SORT_TTFT}, "one ");
    look_close(&l);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (int i = 0; i < 200; i++)
        fputs(text, f);
    fclose(f);
}

static void test_file(void **state)
{
    char path[256];
    struct stat st;
    put_some(*state);
    check_some(*state);
    snprintf(path, sizeof(path), "%s/ui-index.db", (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    check_some(*state); /* as it was left */
    write_file(*state, "ui-index.db", "this is no database at all, and that is no harm. ");
    check_some(*state);
    assert_int_equal(truncate(path, 5000), 0);
    check_some(*state);
    assert_int_equal(unlink(path), 0);
    check_some(*state);
}

/* Where it cannot be written, it lies in memory. */
static void test_memory(void **state)
{
    char path[256];
    put_some(*state);
    snprintf(path, sizeof(path), "%s/ui-index.db", (char *)*state);
    assert_int_equal(mkdir(path, 0700), 0);
    check_some(*state);
}

static void test_foreign(void **state)
{
    char path[256];
    char *notice;
    sqlite3 *db;
    struct backend *b;
    put_some(*state);
    snprintf(path, sizeof(path), "%s/ui-index.db", (char *)*state);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    const struct backend_settings settings = {.data_dir = *state};
    assert_int_equal(backend_local.open(&b, &settings, &notice), ERR_DENIED);
    assert_non_null(notice);
    free(notice);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO theirs VALUES(1)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Two programs that look at once. */
static void test_two(void **state)
{
    put_some(*state);
    struct look a = look_open(*state);
    struct look b = look_open(*state);
    await_list(&a, search("cadmium"), "one ");
    await_list(&b, search("cadmium"), "one ");
    struct store *s = open_store(*state);
    put_named(s, named_trace(2, "two", 2, 1000));
    put_a_span(s, speaking_span(2, 2, "cadmium", "y"));
    await_list(&a, search("cadmium"), "two one ");
    await_list(&b, search("cadmium"), "two one ");
    store_close(s);
    look_close(&a);
    await_list(&b, (struct stored_filter){.sort = SORT_COST}, "two one ");
    look_close(&b);
}

/* ---- many at once */

static atomic_bool enough;

static void *look_on(void *user)
{
    struct look l = {.backend = user};
    assert_int_equal(backend_local.session_new(l.backend, false, &l.session), ERR_OK);
    for (int i = 0; !atomic_load(&enough); i++) {
        struct stored_filter f = {.limit = 20, .sort = (enum stored_sort)(i % SORT_TTFT)};
        struct names names = {0};
        char *next = NULL;
        if (i % 3 == 0)
            f.q = text_of("sulphur");
        int err = backend_local.list(l.session, &f, names_add, &names, &next);
        assert_true(err == ERR_OK || err == ERR_BUSY);
        free(next);
    }
    backend_local.session_free(l.session);
    return NULL;
}

static void test_threads(void **state)
{
    enum { THREADS = 3, TRACES = 300 };
    pthread_t threads[THREADS];
    struct store *s = open_store(*state);
    struct look l = look_open(*state);
    atomic_store(&enough, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_on, l.backend), 0);
    for (uint64_t n = 0; n < TRACES; n++) {
        put_named(s, named_trace(n, "t", (int64_t)n, 1000));
        put_a_span(s, speaking_span(n, n, "sulphur", "x"));
        if (n % 100 == 99)
            (void)store_purge(s, T0 + (int64_t)(n / 2) * NS, 0);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct names names;
    list_all(&l, (struct stored_filter){.limit = 50, .q = text_of("sulphur")}, &names);
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal((int64_t)names.count, totals.traces);
    look_close(&l);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_search, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_follows, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_many_without_spans, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_purge, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_dropped, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_replaced, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_file, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_memory, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_foreign, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_two, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_threads, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
