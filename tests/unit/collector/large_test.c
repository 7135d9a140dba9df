/* More spans at once than a commit takes: they go into the store in several, the collector looks at
 * its other work between them, and what is promised of a commit holds for all of them. */
#include "messages.h"

#define RING_SIZE ((size_t)256 << 20)
#define SPANS     300000
#define FEWER     80000
#define A_COMMIT  40000 /* more spans than one round puts */
#define STEPS_MAX 2000

static struct place place;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

static void tell(struct ring_writer *w, struct message *m, int n, enum wire_type type)
{
    uint32_t id = (uint32_t)n + 1;
    memcpy(m->head.span_id, &id, sizeof(id));
    message_put(w, m, type);
}

static void tell_spans(struct ring_writer *w, int count, bool ended)
{
    static struct message begin, end;
    begin = end = message_of(1, 1, 9);
    message_text(&begin, WIRE_FIELD_NAME, "span");
    for (int n = 0; n < count; n++) {
        tell(w, &begin, n, WIRE_SPAN_BEGIN);
        if (ended)
            tell(w, &end, n, WIRE_SPAN_END);
    }
    assert_int_equal(atomic_load(&w->header->lost_records), 0);
}

/* A process that is gone before the collector looks. */
static void run_program(int count, bool ended)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        ring_make_large(&w, &place, NULL, RING_SIZE);
        tell_trace(&w, 1, 1, "trace");
        tell_spans(&w, count, ended);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int64_t stored(void)
{
    struct store *s;
    struct store_totals totals;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    store_close(s);
    return totals.spans;
}

/* Until `enough` spans are stored, or the ring is gone. */
static void collect(struct collector *c, int64_t enough)
{
    int64_t before = stored();
    for (int i = 0; i < STEPS_MAX && before < enough && count_files(&place, "ring-") > 0; i++) {
        collector_step(c);
        int64_t now = stored();
        if (now - before > A_COMMIT)
            fail_msg("%lld spans with one round", (long long)(now - before));
        before = now;
    }
}

struct counts {
    int running, ended, marked;
};

static int count_span(void *user, const struct span *s)
{
    struct counts *n = user;
    n->running += s->end_time == 0;
    n->marked += s->end_time != 0 && s->error != NULL && strcmp(s->error, STORE_NOT_ENDED) == 0;
    n->ended += s->end_time != 0 && s->error == NULL;
    return 0;
}

static struct counts count_all(void)
{
    struct counts n = {0};
    struct store *s;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_span(s, NULL, count_span, &n) >= 0);
    store_close(s);
    return n;
}

static void collect_all(struct collector *c)
{
    for (int i = 0; i < 100 && count_files(&place, "ring-") > 0; i++) {
        collect(c, INT64_MAX);
        settle(c, 20);
    }
    assert_int_equal(count_files(&place, "ring-"), 0);
}

/* The collector ends in between, as on SIGTERM; the next one goes on with the same ring. */
static void test_ended(void **state)
{
    (void)state;
    run_program(SPANS, true);
    struct collector *c = start_collector(&place);
    collect(c, 1);
    collector_stop(c);
    collector_run(c);
    collector_free(c);
    assert_in_range(stored(), 1, 2 * A_COMMIT);
    assert_int_equal(count_files(&place, "ring-"), 1);
    c = start_collector(&place);
    collect_all(c);
    struct counts n = count_all();
    assert_int_equal(n.ended, SPANS);
    assert_int_equal(n.running + n.marked, 0);
    assert_true(collector_idle(c));
    collector_free(c);
}

static void test_left_open(void **state)
{
    (void)state;
    run_program(FEWER, false);
    struct collector *c = start_collector(&place);
    collect_all(c);
    struct counts n = count_all();
    assert_int_equal(n.marked, FEWER);
    assert_int_equal(n.running + n.ended, 0);
    collector_free(c);
}

/* A flush is answered once all that was said before it is stored, in however many commits. */
static void flush_after(bool ended)
{
    struct ring_writer w = {0};
    struct collector *c = start_collector(&place);
    ring_make_large(&w, &place, NULL, RING_SIZE);
    tell_client(&w, 1, NULL, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_spans(&w, FEWER, ended);
    tell_flush(&w, 1, 0, 7);
    for (int i = 0; i < STEPS_MAX && flushed_in(&w, 0) == 0; i++) {
        int64_t before = stored();
        collector_step(c);
        int64_t now = stored();
        if (now - before > A_COMMIT)
            fail_msg("%lld spans with one round", (long long)(now - before));
    }
    assert_int_equal(flushed_in(&w, 0), 7);
    struct counts n = count_all();
    assert_int_equal(n.ended, ended ? FEWER : 0);
    assert_int_equal(n.running, ended ? 0 : FEWER);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_flush(void **state)
{
    (void)state;
    flush_after(true);
}

static void test_flush_running(void **state)
{
    (void)state;
    flush_after(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_running, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
