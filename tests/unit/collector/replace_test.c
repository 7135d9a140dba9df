/* A collector that is killed at any moment is replaced by one that goes on: finished spans are all
 * there, each once. */
#include <signal.h>

#include "synthetic.h"

#define CALLS       600
#define CONNECTIONS 6

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

/* A collector of its own process, as `llm-tracer collect` runs it. */
static pid_t spawn_collector(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct collector *c = NULL;
    struct collector_options o = {
        .runtime_dir = place.runtime, .data_dir = place.data, .foreground = true};
    if (collector_new(&c, &o) != ERR_OK)
        _exit(3);
    collector_run(c);
    _exit(0);
}

static void host(unsigned seed)
{
    struct ring_writer w = {0};
    struct line l[CONNECTIONS];
    char question[64];
    ring_make(&w, &place, NULL);
    for (uint64_t i = 0; i < CONNECTIONS; i++)
        line_open(&l[i], &w, i + 1);
    for (int i = 0; i < CALLS; i++) {
        struct line *one = &l[i % CONNECTIONS];
        snprintf(question, sizeof(question), "question %d", i);
        line_ask(one, question);
        if (rand_r(&seed) % 8 == 0)
            usleep((useconds_t)(rand_r(&seed) % 3000));
        snprintf(question, sizeof(question), "answer %d", i);
        line_answer(one, question);
        if (rand_r(&seed) % 100 == 0) { /* connections end and begin, too */
            line_close(one);
            line_open(one, &w, (uint64_t)i + 1000);
        }
        usleep((useconds_t)(rand_r(&seed) % 1500));
    }
    _exit(0);
}

static void check_all(void)
{
    static int seen[CALLS];
    memset(seen, 0, sizeof(seen));
    spans_read(&place, &spans);
    for (size_t i = 0; i < spans.count; i++) {
        const struct span *s = spans.items[i];
        int number = -1, answer = -2;
        const char *q = json_text(json_path(s->input_data, "messages.0.parts.0.content"));
        const char *a = json_text(json_path(s->output_data, "messages.0.parts.0.content"));
        assert_non_null(q);
        assert_non_null(a);
        assert_int_equal(sscanf(q, "question %d", &number), 1);
        assert_int_equal(sscanf(a, "answer %d", &answer), 1);
        assert_int_equal(number, answer);
        assert_true(s->end_time > 0);
        assert_false(s->partial);
        assert_in_range(number, 0, CALLS - 1);
        assert_int_equal(seen[number]++, 0);
    }
    assert_int_equal(spans.count, CALLS);
}

static void test_killed_again_and_again(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    pid_t program = fork();
    if (program == 0)
        host(seed);
    int status = 0, kills = 0;
    pid_t collector = spawn_collector();
    while (waitpid(program, &status, WNOHANG) == 0) {
        usleep((useconds_t)(rand_r(&seed) % 150000));
        kill(collector, SIGKILL);
        waitpid(collector, NULL, 0);
        collector = spawn_collector();
        kills++;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    kill(collector, SIGKILL);
    waitpid(collector, NULL, 0);
    struct collector *c = start_collector(&place);
    settle(c, 3000);
    assert_int_equal(count_files(&place, "ring-"), 0);
    collector_free(c);
    print_message("%d kills\n", kills);
    assert_true(kills >= 3);
    check_all();
}

/* An exchange that was open when the collector died is told whole by the next one. */
static void test_open_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    pid_t collector = spawn_collector();
    line_call(&l, "before");
    int n = make_answer(text, sizeof(text), "around");
    line_ask(&l, "around");
    line_put(&l, WIRE_DATA_IN, text, 100);
    usleep(1500000); /* long enough for the connection to be known to the store */
    kill(collector, SIGKILL);
    waitpid(collector, NULL, 0);
    line_put(&l, WIRE_DATA_IN, text + 100, (size_t)n - 100);
    line_call(&l, "after");
    struct collector *c = start_collector(&place);
    settle(c, 800);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(spans.items[i]->tokens_output, 14);
        assert_false(spans.items[i]->partial);
        assert_true(spans.items[i]->end_time > 0);
        assert_string_equal(spans.items[i]->capture_route, "openssl");
    }
    collector_free(c);
    ring_writer_discard(&w);
}

/* SIGTERM: what is finished is stored, what is open is left to the next collector. */
static void test_handed_over(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    struct collector *c = start_collector(&place);
    line_call(&l, "first");
    line_ask(&l, "second");
    collector_step(c);
    collector_free(c);
    c = start_collector(&place);
    line_answer(&l, "second");
    settle(c, 800);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_false(spans.items[i]->partial);
        assert_int_equal(spans.items[i]->tokens_output, 14);
    }
    collector_free(c);
    ring_writer_discard(&w);
}

/* A ring whose file is gone with its collector (a reboot): what it left running is ended. */
static void test_lost_ring(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    struct collector *c = start_collector(&place);
    line_ask(&l, "never answered");
    settle(c, 350);
    collector_free(c);
    ring_writer_discard(&w);
    c = start_collector(&place);
    settle(c, 100);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time > 0);
    assert_true(spans.items[0]->partial);
    assert_string_equal(spans.items[0]->error, "process ended");
    collector_free(c);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place), *other = NULL;
    struct collector_options o = {.runtime_dir = place.runtime, .data_dir = place.data};
    assert_int_equal(collector_new(&other, &o), ERR_BUSY);
    assert_int_equal(collector_running(place.runtime), getpid());
    collector_free(c);
    assert_int_equal(collector_running(place.runtime), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
