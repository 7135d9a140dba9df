/* What processes tell of themselves: destinations, content, secrets, runs, data directories. */
#include <fcntl.h>
#include <sys/stat.h>

#include "synthetic.h"

static struct place place;
static struct spans spans;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    place_remove(&place);
    return 0;
}

/* A process that makes one call and ends. */
static void process_with(const char *const *texts, const char *question)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        ring_make(&w, &place, texts);
        line_open(&l, &w, 1);
        line_call(&l, question);
        line_close(&l);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

struct found {
    int64_t waiting[2];
};

static int look_at(void *user, const struct delivery_state *state)
{
    struct found *f = user;
    for (int i = 0; i < 2; i++) {
        const char *project = i == 0 ? "one" : "two";
        if (strcmp(state->destination.project_id, project) != 0)
            continue;
        f->waiting[i] = state->waiting;
        assert_non_null(strstr(state->destination.url, i == 0 ? ":9/a" : ":9/b"));
    }
    return 0;
}

static void test_two_destinations(void **state)
{
    (void)state;
    static const char *const one[] = {"url=http://127.0.0.1:9/a/", "key=project-one", NULL};
    static const char *const two[] = {"url=http://127.0.0.1:9/b", "key=KEYOFTWO", "project=two",
                                      NULL};
    struct found found = {{0, 0}};
    struct store *s;
    struct collector *c = start_collector(&place);
    process_with(one, "a");
    process_with(two, "b");
    process_with(NULL, "local only");
    settle(c, 700);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_delivery(s, look_at, &found) >= 0);
    store_close(s);
    assert_int_equal(found.waiting[0], 4); /* trace and span, each new and ended */
    assert_int_equal(found.waiting[1], 4);
    collector_free(c);
}

static bool found_by_grep(const char *text)
{
    char command[512];
    snprintf(command, sizeof(command), "grep -rqa --exclude=keys -e '%s' %s", text, place.root);
    return system(command) == 0;
}

static void test_no_secret_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {"argv0=curl",
                                        "argv1=-H",
                                        "argv2=Authorization: Bearer ARGVSECRET1",
                                        "argv3=--api-key",
                                        "argv4=ARGVSECRET2",
                                        "run_name=curl --token=ARGVSECRET3",
                                        "run_trace=0123456789abcdef0123456789abcdef",
                                        "key=project-TRACERKEY",
                                        NULL};
    struct collector *c = start_collector(&place);
    process_with(texts, "hello");
    assert_true(found_by_grep("SECRETSECRET")); /* it is in the ring, until that was read */
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    static const char *const secrets[] = {"SECRETSECRET", "COOKIESECRET", "ARGVSECRET1",
                                          "ARGVSECRET2", "ARGVSECRET3"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        assert_false(found_by_grep(secrets[i]));
    collector_free(c);
}

/* A living process's ring keeps nothing of calls that are stored, either. */
static void test_no_secret_stays_in_a_living_ring(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 0; i < 50; i++)
        line_call(&l, "hello");
    for (int i = 0; i < 40 && (i < 10 || found_by_grep("SECRETSECRET")); i++)
        settle(c, 60);
    assert_false(found_by_grep("SECRETSECRET"));
    assert_false(found_by_grep("COOKIESECRET"));
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_metadata_only(void **state)
{
    (void)state;
    static const char *const texts[] = {"content=metadata",
                                        "argv0=llm",
                                        "argv1=PROMPTTEXT of the user",
                                        "run_name=llm PROMPTTEXT",
                                        "run_trace=0123456789abcdef0123456789abcdef",
                                        NULL};
    struct collector *c = start_collector(&place);
    process_with(texts, "PROMPTTEXT again");
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_null(spans.items[0]->input_data);
    assert_null(spans.items[0]->output_data);
    assert_int_equal(spans.items[0]->tokens_input, 20);
    assert_false(found_by_grep("PROMPTTEXT"));
    collector_free(c);
}

static void test_own_data_directory(void **state)
{
    (void)state;
    char other[128], text[160];
    snprintf(other, sizeof(other), "%s/other", place.root);
    snprintf(text, sizeof(text), "data_dir=%s", other);
    assert_int_equal(mkdir(other, 0700), 0);
    const char *const texts[] = {text, NULL};
    struct collector *c = start_collector(&place);
    process_with(NULL, "ours");
    process_with(texts, "theirs");
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    spans_free(&spans);
    strcpy(place.data, other);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    collector_free(c);
}

static size_t notice_count(const char *part)
{
    size_t count = 0;
    json *status = collector_status_read(place.runtime);
    assert_null(json_get_text(status, "store_error"));
    for (json *e = json_first(json_get(status, "notices")); e != NULL; e = json_next(e))
        count += strstr(json_text(e), part) != NULL;
    json_free(status);
    return count;
}

/* What programs name and cannot be: their spans go to the collector's own, which is said once. */
static void test_data_directory_that_is_none(void **state)
{
    (void)state;
    char file[128], text[160];
    snprintf(file, sizeof(file), "%s/file", place.root);
    snprintf(text, sizeof(text), "data_dir=%s/below", file);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    const char *const below[] = {text, NULL};
    const char *const nowhere[] = {"data_dir=/proc/nonexist", NULL};
    struct collector *c = start_collector(&place);
    process_with(nowhere, "one");
    process_with(nowhere, "two");
    process_with(below, "three");
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    for (int i = 0; i < 1500 && notice_count("/file/below") == 0; i++) {
        collector_step(c);
        usleep(1000);
    }
    assert_int_equal(notice_count("/file/below"), 1);
    assert_int_equal(notice_count("/proc/nonexist"), 1);
    assert_int_equal(notice_count(place.data), 2);
    assert_int_equal(count_files(&place, "ring-"), 0);
    collector_free(c);
}

/* The folder can be written, the store in it cannot yet: it is waited for. */
static void test_data_directory_in_trouble(void **state)
{
    (void)state;
    char other[128], store[160], text[160];
    snprintf(other, sizeof(other), "%s/other", place.root);
    snprintf(store, sizeof(store), "%s/traces.db", other);
    snprintf(text, sizeof(text), "data_dir=%s", other);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(mkdir(store, 0700), 0);
    const char *const texts[] = {text, NULL};
    struct collector *c = start_collector(&place);
    process_with(texts, "theirs");
    for (int i = 0; i < 300; i++) {
        collector_step(c);
        usleep(1000);
    }
    assert_int_equal(count_files(&place, "ring-"), 1);
    assert_int_equal(rmdir(store), 0);
    for (int i = 0; i < 5000 && (i % 20 > 0 || count_files(&place, "ring-") > 0); i++) {
        collector_step(c);
        usleep(1000);
    }
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 0);
    strcpy(place.data, other);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    collector_free(c);
}

/* A run's trace holds the spans of all its processes and ends when the wrapper says so. */
static void test_run(void **state)
{
    (void)state;
    static const char hex[] = "0123456789abcdef0123456789abcdef";
    static const char *const texts[] = {"run_trace=0123456789abcdef0123456789abcdef",
                                        "run_name=sh demo", NULL};
    uint8_t id[TRACE_ID_LEN];
    struct trace *t = NULL;
    struct store *s;
    struct collector *c = start_collector(&place);
    int mark = run_mark_begin(place.runtime, hex);
    assert_true(mark >= 0);
    process_with(texts, "a");
    settle(c, 300);
    process_with(texts, "b");
    settle(c, 300);
    assert_int_equal(id_from_hex(hex, TRACE_ID_LEN, id), ERR_OK);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    assert_int_equal(t->end_time, 0);
    assert_int_equal(t->span_count, 2);
    assert_string_equal(t->name, "sh demo");
    trace_free(t);
    assert_false(collector_idle(c));
    run_mark_end(mark, RUN_MARK_STORED);
    for (int i = 0; i < 200 && !run_mark_answered(place.runtime, hex); i++)
        settle(c, 5);
    assert_true(run_mark_answered(place.runtime, hex));
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    assert_true(t->end_time > 0);
    trace_free(t);
    store_close(s);
    settle(c, 50);
    assert_true(collector_idle(c));
    run_mark_close(mark, place.runtime, hex);
    collector_free(c);
}

/* The wrapper is killed: its lock is free, and that ends the run too, even for a collector that saw
 * none of its calls. */
static void test_run_of_a_killed_wrapper(void **state)
{
    (void)state;
    static const char hex[] = "0123456789abcdef0123456789abcdef";
    static const char *const texts[] = {"run_trace=0123456789abcdef0123456789abcdef", NULL};
    uint8_t id[TRACE_ID_LEN];
    struct trace *t = NULL;
    struct store *s;
    struct collector *c = start_collector(&place);
    int mark = run_mark_begin(place.runtime, hex);
    process_with(texts, "a");
    settle(c, 300);
    collector_free(c);
    close(mark);
    c = start_collector(&place);
    settle(c, 300);
    assert_true(run_mark_answered(place.runtime, hex));
    assert_int_equal(id_from_hex(hex, TRACE_ID_LEN, id), ERR_OK);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    assert_true(t->end_time > 0);
    trace_free(t);
    store_close(s);
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_destinations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_secret_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_secret_stays_in_a_living_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metadata_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_data_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_directory_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_directory_in_trouble, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_of_a_killed_wrapper, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
