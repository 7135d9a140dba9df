/* A store that refuses: nothing that was read is lost, it is said once, and everything is there
 * when the store works again. A full disk is played by RLIMIT_FSIZE. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

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

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void steps(struct collector *c, int ms)
{
    for (int i = 0; i < ms; i++) {
        collector_step(c);
        usleep(1000);
    }
}

static void host(int calls)
{
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 0; i < calls; i++)
        line_call(&l, "kept through trouble");
    _exit(0);
}

static void run_host(int calls)
{
    pid_t pid = fork();
    if (pid == 0) {
        limit_files(RLIM_INFINITY);
        host(calls);
    }
    waitpid(pid, NULL, 0);
}

static void test_full_disk(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct collector *c = start_collector(&place);
    run_host(10);
    settle(c, 700);
    limit_files(1 << 16);
    run_host(300);
    steps(c, 1300);
    limit_files(RLIM_INFINITY); /* the status file itself fits either way */
    json *status = collector_status_read(place.runtime);
    assert_non_null(json_get_text(status, "store_error"));
    int64_t waiting = 0;
    assert_true(json_get_int(status, "waiting_spans", &waiting));
    assert_true(waiting > 0);
    json_free(status);
    steps(c, 1500); /* its backoff */
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 310);
    steps(c, 1000);
    status = collector_status_read(place.runtime);
    assert_null(json_get_text(status, "store_error"));
    json_free(status);
    assert_int_equal(count_files(&place, "ring-"), 0);
    collector_free(c);
}

/* No store can be opened at all; then it can. */
static void test_no_store(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof(path), "%s/gone", place.root);
    assert_int_equal(rename(place.data, path), 0);
    int fd = open(place.data, O_CREAT | O_WRONLY, 0600); /* a file where the folder should be */
    assert_true(fd >= 0);
    close(fd);
    struct collector *c = start_collector(&place);
    run_host(20);
    steps(c, 300);
    assert_int_equal(collector_flush(c), ERR_IO);
    assert_false(collector_idle(c));
    assert_int_equal(unlink(place.data), 0);
    assert_int_equal(rename(path, place.data), 0);
    steps(c, 1200);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 20);
    collector_free(c);
}

/* A database that is no database: it is moved aside, said, and a new one is begun. */
static void test_corrupt_store(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof(command), "head -c 100000 /dev/zero | tr '\\0' x >%s/traces.db",
             place.data);
    assert_int_equal(system(command), 0);
    struct collector *c = start_collector(&place);
    run_host(5);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 5);
    steps(c, 1000);
    json *status = collector_status_read(place.runtime);
    assert_int_equal(json_length(json_get(status, "notices")), 1);
    json_free(status);
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupt_store, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
