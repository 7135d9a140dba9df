/* Writers that are killed, and writers at the same time. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

enum { GROUP = 40, ROUNDS = 12 };

/* Puts groups from `first` on, a number through the pipe after each commit, until it is killed.
 * Every second span is begun in one group and completed in the next. */
static void write_until_killed(const char *dir, int acknowledge, uint64_t first, int64_t to)
{
    struct store *s = open_store(dir);
    for (uint64_t group = first;; group++) {
        if (store_begin(s) != ERR_OK)
            _exit(1);
        for (uint64_t n = group * GROUP; n < (group + 1) * GROUP; n++) {
            put_span(s, n / 100, n, n % 2 == 0, &to, 1);
            if (n % 2 == 1 && n > GROUP)
                put_span(s, (n - GROUP) / 100, n - GROUP, true, &to, 1);
        }
        if (store_commit(s) != ERR_OK || store_index_step(s) < 0)
            _exit(1);
        if (write(acknowledge, &group, sizeof(group)) != sizeof(group))
            _exit(1);
    }
}

/* Lets a writer run for some groups, kills it; returns the last group it said was stored. */
static uint64_t run_and_kill(const char *dir, uint64_t first, int64_t to, int groups)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(dir, ends[1], first, to);
    }
    close(ends[1]);
    uint64_t last = first;
    uint64_t group;
    for (int i = 0; i < groups && read(ends[0], &group, sizeof(group)) == sizeof(group); i++)
        last = group;
    usleep((useconds_t)(rand() % 3000)); /* somewhere in the middle of the next one */
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &group, sizeof(group)) == sizeof(group))
        last = group;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return last;
}

struct seen {
    uint8_t *count; /* by number */
    uint64_t max;
    uint64_t total;
};

static struct seen seen;

static int note_span(void *user, const struct span *span)
{
    (void)user;
    uint64_t n = (uint64_t)(span->start_time - T0) / 1000;
    assert_true(n < seen.max);
    seen.count[n]++;
    seen.total++;
    return 0;
}

static int64_t count_outbox(struct store *s, int64_t to)
{
    struct outbox_entry e[256];
    int64_t after = 0;
    int64_t total = 0;
    int count;
    while ((count = store_outbox_next(s, to, after, e, 256)) > 0) {
        assert_true(e[0].seq > after);
        after = e[count - 1].seq;
        total += count;
    }
    return total;
}

static void test_kill(void **state)
{
    struct store *s = open_store(*state);
    struct destination d = {.kind = (char *)"service", .url = (char *)"http://a"};
    int64_t to;
    assert_int_equal(store_destination(s, &d, NULL, &to), ERR_OK);
    store_close(s);
    uint64_t next = 0;
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t last = run_and_kill(*state, next, to, 5 + rand() % 30);
        char *notice;
        enum store_mode mode = round % 2 == 0 ? STORE_READ : STORE_WRITE; /* who finds it first */
        assert_int_equal(store_open(&s, *state, mode, &notice), ERR_OK);
        assert_null(notice);
        seen.max = (last + 3) * GROUP;
        seen.count = calloc(seen.max, 1);
        seen.total = 0;
        assert_int_equal(store_each_span(s, NULL, note_span, NULL), ERR_OK);
        for (uint64_t n = 0; n < (last + 1) * GROUP; n++)
            assert_int_equal(seen.count[n], 1); /* acknowledged: there, once */
        assert_true(seen.total % GROUP == 0);   /* the group in the middle: whole or not at all */
        struct store_totals totals;
        assert_int_equal(store_totals(s, &totals), ERR_OK);
        assert_int_equal(totals.spans, seen.total);
        free(seen.count);
        store_close(s);
        next = last > 2 ? last - 2 : 0; /* a successor does some of it again */
    }
    s = open_store(*state);
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    int64_t running = GROUP / 2 + 1; /* of the last group, and span 1 to GROUP's first odd ones */
    int64_t queued = count_outbox(s, to);
    assert_true(queued <= totals.traces + 2 * totals.spans);
    assert_true(queued >= totals.traces + 2 * (totals.spans - running - GROUP));
    assert_int_equal(queued, totals.outbox);
    store_close(s);
}

/* Both put the same thousand and a thousand of their own, into one trace. */
static void put_share(const char *dir, uint64_t own)
{
    struct store *s = open_store(dir);
    for (uint64_t at = 0; at < 1000; at += 20) {
        int err = store_begin(s);
        if (err != ERR_OK)
            fail_msg("%s: %s", err_str(err), store_error(s));
        for (uint64_t n = at; n < at + 20; n++) {
            put_span(s, 1, n, n % 3 != 0, NULL, 0);
            put_span(s, 1, own + n, true, NULL, 0);
            put_span(s, 1, n, true, NULL, 0);
        }
        assert_int_equal(store_commit(s), ERR_OK);
    }
    store_close(s);
}

static void test_two_writers(void **state)
{
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            put_share(*state, 10000 * (uint64_t)(i + 1));
            _exit(0);
        }
    }
    struct store *reader;
    char *notice = NULL;
    int err;
    do /* a reader beside them */
        err = store_open(&reader, *state, STORE_READ, &notice);
    while (err == ERR_NOENT && (free(notice), usleep(1000), true));
    assert_int_equal(err, ERR_OK);
    free(notice);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    uint8_t id[TRACE_ID_LEN];
    struct trace *t;
    id_of(1, id, TRACE_ID_LEN);
    assert_int_equal(store_get_trace(reader, id, &t), ERR_OK);
    assert_int_equal(t->span_count, 3000);
    assert_int_equal(t->tokens_input, 30000);
    trace_free(t);
    seen = (struct seen){.count = calloc(30000, 1), .max = 30000};
    assert_int_equal(store_each_span(reader, id, note_span, NULL), ERR_OK);
    assert_int_equal(seen.total, 3000);
    for (size_t n = 0; n < seen.max; n++)
        assert_true(seen.count[n] <= 1);
    free(seen.count);
    store_close(reader);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {CASE(test_kill), CASE(test_two_writers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
