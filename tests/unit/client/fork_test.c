/* Forked children: a ring of their own, clients told anew, inherited traces and spans as parents.
 */
#include "told.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <time.h>

static llmt_client *client;
static llmt_trace *trace;
static llmt_span *span;
static char trace_id[LLMT_TRACE_ID_SIZE], span_id[LLMT_SPAN_ID_SIZE];
static int pipe_ends[2];

/* Reads what a child's ring holds. */
static void read_child(pid_t child)
{
    struct ring_reader *reader = NULL;
    char path[400];
    told_clear();
    assert_true(told_find_ring(child, path, sizeof(path)));
    told_read_path(&reader, path);
    ring_reader_free(reader);
    unlink(path);
}

static pid_t run(int (*function)(void))
{
    const pid_t child = told_fork();
    if (child == 0)
        _exit(function());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return child;
}

static int begin(void **state)
{
    (void)state;
    client = told_client();
    trace = llmt_trace_begin(client, "t", NULL);
    span = llmt_span_begin(trace, "s", "agent", NULL);
    llmt_trace_id(trace, trace_id);
    llmt_span_id(span, span_id);
    told_read();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    assert_int_equal(llmt_span_end(span), LLMT_OK);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    told_read();
    return 0;
}

static int use_as_parents(void)
{
    char current[LLMT_TRACEPARENT_SIZE];
    if (!llmt_current_traceparent(current) || memcmp(current + 36, span_id, 16) != 0)
        return 1; /* still active */
    llmt_span *child = llmt_span_begin(span, "child", "tool", NULL);
    llmt_span *other = llmt_span_begin(trace, "other", "tool", NULL);
    if (llmt_span_set_output(child, "{}") != LLMT_OK || llmt_span_end(other) != LLMT_OK ||
        llmt_span_end(child) != LLMT_OK)
        return 2;
    llmt_trace *own = llmt_trace_begin(client, "own", NULL);
    return llmt_trace_end(own) == LLMT_OK ? 0 : 3;
}

static void child_uses_what_it_inherited(void **state)
{
    (void)state;
    const pid_t child = run(use_as_parents);
    read_child(child);
    assert_int_equal(told_of_type(WIRE_CLIENT), 1);
    assert_int_equal(told[0].type, WIRE_CLIENT);
    assert_int_equal(told[0].tid, (uint32_t)child);
    assert_told_text(&told[0], WIRE_FIELD_KEY, "project-test");
    char child_id[2 * WIRE_SPAN_ID_LEN + 1] = "";
    const struct told *m = told_nth(WIRE_SPAN_BEGIN, 0);
    told_hex(m->head.span_id, sizeof(m->head.span_id), child_id);
    assert_told_ids(m, trace_id, child_id, span_id);
    assert_int_equal(m->head.client, told[0].head.client);
    assert_int_equal(told_of_type(WIRE_SPAN_BEGIN), 2);
    assert_int_equal(told_of_type(WIRE_SPAN_END), 2);
    assert_int_equal(told_of_type(WIRE_TRACE_BEGIN), 1);
    assert_int_equal(told_of_type(WIRE_TRACE_END), 1);
    told_read();
    assert_int_equal(told_count, 0); /* nothing of it in the parent's */
}

static int end_what_is_inherited(void)
{
    char current[LLMT_TRACEPARENT_SIZE];
    if (llmt_span_set_output(span, "{}") != LLMT_EENDED ||
        llmt_span_set_error(span, "e") != LLMT_EENDED ||
        llmt_span_set_usage(span, 1, 1, 1) != LLMT_EENDED ||
        llmt_trace_set_output(trace, "x") != LLMT_EENDED)
        return 1;
    if (llmt_span_end(span) != LLMT_OK || llmt_span_end(span) != LLMT_EENDED ||
        llmt_span_begin(span, "late", "tool", NULL))
        return 2;
    if (!llmt_current_traceparent(current))
        return 3; /* the trace */
    if (llmt_trace_end(trace) != LLMT_OK || llmt_current_traceparent(current))
        return 4;
    return llmt_client_close(client) == LLMT_OK ? 0 : 5;
}

static void ending_in_a_child_ends_nothing(void **state)
{
    (void)state;
    const pid_t child = run(end_what_is_inherited);
    char path[400];
    if (told_find_ring(child, path, sizeof(path))) {
        read_child(child);
        assert_int_equal(told_count, 0);
    }
    assert_int_equal(llmt_span_set_output(span, "{}"), LLMT_OK); /* here it runs on */
    told_read();
    assert_int_equal(told_count, 1);
}

/* A parent that was closed before the fork: the child still tells whose span it is. */
static void closed_client_is_told_anew(void **state)
{
    (void)state;
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    const uint32_t number = (told_read(), told_nth(WIRE_CLIENT_END, 0)->head.client);
    const pid_t child = told_fork();
    if (child == 0)
        _exit(llmt_span_end(llmt_span_begin(span, "child", "tool", NULL)) == LLMT_OK ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    read_child(child);
    assert_int_equal(told[0].type, WIRE_CLIENT);
    assert_int_equal(told[0].head.client, number);
    assert_told_text(&told[0], WIRE_FIELD_KEY, "project-test");
    assert_int_equal(told_nth(WIRE_SPAN_BEGIN, 0)->head.client, number);
    client = told_client();
}

static int tell_ids(void)
{
    char ids[8][LLMT_SPAN_ID_SIZE];
    for (int i = 0; i < 8; i++)
        llmt_create_span(client, trace_id, "s", "llm", NULL, ids[i]);
    return write(pipe_ends[1], ids, sizeof(ids)) == (ssize_t)sizeof(ids) ? 0 : 1;
}

static void children_make_ids_of_their_own(void **state)
{
    (void)state;
    char ids[40][LLMT_SPAN_ID_SIZE];
    assert_int_equal(pipe(pipe_ends), 0);
    for (int i = 0; i < 4; i++) {
        char path[400];
        assert_true(told_find_ring(run(tell_ids), path, sizeof(path)));
        assert_int_equal(read(pipe_ends[0], ids[8 * i], 8 * sizeof(ids[0])), 8 * sizeof(ids[0]));
    }
    for (int i = 32; i < 40; i++)
        llmt_create_span(client, trace_id, "s", "llm", NULL, ids[i]);
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static int fork_again(void)
{
    llmt_span *child = llmt_span_begin(span, "child", "chain", NULL);
    const pid_t grandchild = told_fork();
    if (grandchild == 0) {
        llmt_span *leaf = llmt_span_begin(child, "leaf", "tool", NULL);
        const bool good = llmt_span_set_output(child, "{}") == LLMT_EENDED &&
                          llmt_span_set_output(leaf, "{}") == LLMT_OK &&
                          llmt_span_end(leaf) == LLMT_OK;
        _exit(good ? 0 : 1);
    }
    int status = 1;
    return grandchild > 0 && waitpid(grandchild, &status, 0) == grandchild && status == 0 &&
                   llmt_span_end(child) == LLMT_OK
               ? 0
               : 1;
}

static void grandchildren_too(void **state)
{
    (void)state;
    (void)run(fork_again);
}

/* Others begin and end while this thread forks: no child hangs or crashes. */
static _Atomic bool stop;

static void *busy(void *arg)
{
    (void)arg;
    for (unsigned i = 1; !stop; i++) {
        const struct timespec pause = {0, 200000};
        if (i % 16 == 0)
            nanosleep(&pause, NULL);
        llmt_span *s = llmt_span_begin(trace, "busy", "llm", NULL);
        llmt_span_set_output(s, "{}");
        llmt_span_end(s);
    }
    return NULL;
}

static void forks_amid_others(void **state)
{
    (void)state;
    pthread_t threads[2];
    stop = false;
    told_discarding = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, busy, NULL), 0);
    for (int i = 0; i < 20; i++) {
        const pid_t child = run(use_as_parents);
        char path[400];
        assert_true(told_find_ring(child, path, sizeof(path)));
        unlink(path);
        told_read();
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    told_read();
    told_discarding = false;
}

/* As on a kernel that cannot empty memory at a fork (before 4.14). */
static bool refuse_wiping(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 18 /* MADV_WIPEONFORK */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 22 /* EINVAL */),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int without_wiping(void)
{
    if (!refuse_wiping())
        return 77;
    client = told_client();
    trace = llmt_trace_begin(client, "t", NULL);
    span = llmt_span_begin(trace, "s", "llm", NULL);
    const pid_t child = told_fork();
    if (child == 0) {
        /* Nothing is recorded, and nothing of the parent's is touched. */
        llmt_span *own = llmt_span_begin(span, "child", "llm", NULL);
        const bool good = own && llmt_span_set_output(own, "{}") == LLMT_ENOBUFS &&
                          llmt_span_set_output(span, "{}") == LLMT_EENDED &&
                          llmt_span_end(own) == LLMT_ENOBUFS && llmt_span_end(span) == LLMT_OK &&
                          llmt_flush(client, 60000) == LLMT_ETIMEDOUT;
        _exit(good ? 0 : 1);
    }
    int status = 1;
    if (waitpid(child, &status, 0) != child || status != 0)
        return 1;
    if (llmt_span_set_output(span, "{}") != LLMT_OK || llmt_span_end(span) != LLMT_OK)
        return 2;
    told_read();
    return told_of_type(WIRE_SPAN_BEGIN) == 1 && told_of_type(WIRE_CLIENT) == 1 ? 0 : 3;
}

static void old_kernels_children_record_nothing(void **state)
{
    (void)state;
    const int result = in_child(without_wiping);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_kernels_children_record_nothing), /* before there is a client */
        CASE(child_uses_what_it_inherited),
        CASE(ending_in_a_child_ends_nothing),
        CASE(closed_client_is_told_anew),
        CASE(children_make_ids_of_their_own),
        CASE(grandchildren_too),
        CASE(forks_amid_others),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
