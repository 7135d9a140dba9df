/* Writers that are killed; readers beside a writer. */
#include "sqlite_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 10, TRACES = 5, SPANS = 3 };

/* Writes batch after batch, each number through the pipe when it was acknowledged. */
static void write_until_killed(const char *dir, int acknowledge, uint64_t first)
{
    struct backend *b;
    struct backend_session *s;
    char *notice;
    struct backend_settings settings = {.data_dir = dir};
    if (backend_sqlite.open(&b, &settings, &notice) != ERR_OK ||
        backend_sqlite.session_new(b, true, &s) != ERR_OK)
        _exit(1);
    for (uint64_t batch = first;; batch++) {
        if (try_traces(s, batch * TRACES, TRACES, SPANS) != ERR_OK)
            _exit(2);
        if (write(acknowledge, &batch, sizeof(batch)) != sizeof(batch))
            _exit(3);
        if (batch % 16 == 15 && backend_sqlite.purge(s, T0 + (int64_t)(batch * TRACES / 2)) < 0)
            _exit(4);
    }
}

/* The last batch that was acknowledged; *killed: it was not the writer's own end. */
static uint64_t run_and_kill(const char *dir, uint64_t first, int batches)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(dir, ends[1], first);
    }
    close(ends[1]);
    uint64_t last = first;
    uint64_t batch;
    for (int i = 0; i < batches && read(ends[0], &batch, sizeof(batch)) == sizeof(batch); i++)
        last = batch;
    usleep((useconds_t)(rand() % 4000)); /* somewhere in the middle of another */
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &batch, sizeof(batch)) == sizeof(batch))
        last = batch;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("the writer ended with %d", WEXITSTATUS(status));
    return last;
}

struct seen {
    size_t count;
    int64_t last_start;
};

/* Newest first, each time once, each with all its spans. */
static int check_trace(void *user, const struct stored_trace *t)
{
    struct seen *seen = user;
    if (seen->count > 0)
        assert_int_equal(t->start_time, seen->last_start - 1);
    assert_int_equal(t->span_count, SPANS);
    assert_int_equal(t->running, SPANS);
    assert_true(t->total_cost == 0.5 * SPANS);
    seen->last_start = t->start_time;
    seen->count++;
    return 0;
}

static void check_store(const char *dir, uint64_t last)
{
    struct sqlite_store s = open_sqlite(dir);
    struct seen seen = {0, 0};
    struct stored_filter f = {.project_id = text_of("p"), .limit = 1000};
    char *cursor = NULL;
    int64_t newest = 0;
    do {
        char *next = NULL;
        f.cursor = text_of(cursor);
        assert_int_equal(backend_sqlite.list(s.reader, &f, check_trace, &seen, &next), ERR_OK);
        if (newest == 0)
            newest = seen.last_start + (int64_t)seen.count - 1;
        free(cursor);
        cursor = next;
    } while (cursor != NULL);
    /* What was acknowledged is there, and batches are whole. */
    assert_true(newest >= T0 + (int64_t)((last + 1) * TRACES) - 1);
    assert_int_equal((newest + 1 - T0) % TRACES, 0);
    assert_int_equal(total_spans(&s) >= (int64_t)seen.count * SPANS, 1);
    while (backend_sqlite.purge(s.writer, seen.last_start) > 0) /* what a killed step left */
        ;
    assert_int_equal(total_spans(&s), (int64_t)seen.count * SPANS);
    settle_index(&s);
    assert_int_equal(count_listed(&s, (struct stored_filter){.project_id = text_of("p"),
                                                             .q = text_of("common part2")}),
                     seen.count);
    close_sqlite(&s);
}

static void test_kill(void **state)
{
    uint64_t next = 0;
    srand(11);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t last = run_and_kill(*state, next, 3 + rand() % 40);
        check_store(*state, last);
        next = last > 2 ? last - 2 : 0; /* what was not answered comes again */
        next = next * TRACES < (last * TRACES) / 2 ? last : next; /* but not what was purged */
    }
}

struct reading {
    struct sqlite_store *s;
    _Atomic int *stop;
};

static int count_span(void *user, const struct stored_span *span)
{
    (void)span;
    ++*(int *)user;
    return 0;
}

/* A trace is never seen with a part of its batch. */
static void *read_on(void *user)
{
    struct reading *r = user;
    struct backend_session *session;
    assert_int_equal(backend_sqlite.session_new(r->s->backend, false, &session), ERR_OK);
    while (!*r->stop) {
        struct seen seen = {0, 0};
        struct stored_filter f = {.project_id = text_of("p"), .limit = 20};
        char *cursor = NULL;
        int spans = 0;
        f.q = rand() % 2 == 0 ? text_of("common") : (struct text){NULL, 0};
        assert_int_equal(backend_sqlite.list(session, &f, check_trace, &seen, &cursor), ERR_OK);
        free(cursor);
        int err = backend_sqlite.spans(session, text_of("p"), text_of("trace-77"), true, count_span,
                                       &spans);
        assert_true(err == ERR_NOENT || (err == ERR_OK && spans == SPANS));
    }
    backend_sqlite.session_free(session);
    return NULL;
}

static void test_readers(void **state)
{
    _Atomic int stop = 0;
    pthread_t threads[3];
    struct sqlite_store s = open_sqlite(*state);
    struct reading r = {&s, &stop};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
    for (uint64_t batch = 0; batch < 300; batch++)
        put_traces(&s, batch * TRACES, TRACES, SPANS);
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(total_spans(&s), 300 * TRACES * SPANS);
    close_sqlite(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_kill), TEST(test_readers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
