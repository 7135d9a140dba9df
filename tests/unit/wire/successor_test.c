/* Collectors that die in the middle of something: nothing released is repeated, nothing unreleased
 * is missing, and no block is lost to the writers. */
#include <sys/ptrace.h>

#include "wire/reader_private.h"
#include "wire_help.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    make_dir(dir, sizeof(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_dir(dir);
    return 0;
}

/* What the collectors of the next test leave to each other and to their judge. */
enum { UNTOUCHED, RELEASING, RELEASED };
#define RECORDS 60000u
struct judged {
    _Atomic uint8_t fate[RECORDS];
    _Atomic uint32_t repeated, collectors;
    uint32_t batch[RECORDS];
    uint64_t positions[RECORDS];
    uint32_t count, written;
    uint8_t again[RECORDS];
};

static int judge(void *user, const struct wire_record *head, const uint8_t *payload,
                 uint64_t position)
{
    struct judged *j = user;
    if (head->type == WIRE_PROCESS)
        return 0;
    if (!payload_matches(payload, head->length, 1, head->offset) || head->offset >= RECORDS)
        abort();
    if (atomic_load(&j->fate[head->offset]) == RELEASED)
        atomic_fetch_add(&j->repeated, 1);
    j->again[head->offset] = 1;
    j->batch[j->count] = (uint32_t)head->offset;
    j->positions[j->count++] = position;
    return 0;
}

/* Releases a part of what it gets, in an order of its own, until it is killed. */
static void collect(struct judged *j, const char *path, unsigned seed)
{
    struct ring_reader *r;
    if (ring_reader_new(&r, path) != 0)
        _exit(1);
    j->count = 0;
    uint32_t from = 0;
    for (;;) {
        if (ring_reader_poll(r, MB / 32, judge, j) < 0)
            _exit(2);
        bool chosen[RECORDS] = {false};
        for (uint32_t i = from; i < j->count; i++) {
            chosen[i] = rand_r(&seed) % 8 != 0;
            if (!chosen[i])
                continue;
            atomic_store(&j->fate[j->batch[i]], RELEASING);
            ring_reader_release(r, j->positions[i]);
        }
        ring_reader_reclaim(r);
        for (uint32_t i = from; i < j->count; i++)
            if (chosen[i])
                atomic_store(&j->fate[j->batch[i]], RELEASED);
        from = j->count;
    }
}

/* What the last collector finds: all that was not released, nothing that was. */
static void check_last(struct judged *j, const char *path)
{
    struct ring_reader *r;
    struct ring_counters counters;
    memset(j->again, 0, sizeof(j->again));
    j->count = 0;
    assert_int_equal(ring_reader_new(&r, path), 0);
    assert_true(ring_reader_poll(r, SIZE_MAX, judge, j) >= 0);
    uint32_t missing = 0;
    for (uint32_t i = 0; i < RECORDS; i++)
        missing += i < j->written && j->fate[i] == UNTOUCHED && !j->again[i];
    ring_reader_counters(r, &counters);
    assert_int_equal(missing, 0);
    assert_int_equal(j->repeated, 0);
    assert_int_equal(counters.corrupt_blocks, 0);
    /* It can give everything back. */
    for (uint32_t i = 0; i < j->count; i++)
        ring_reader_release(r, j->positions[i]);
    for (uint32_t i = 0; i < r->blocks; i++)
        r->views[i].changed -= NS_PER_SEC;
    ring_reader_reclaim(r);
    ring_reader_counters(r, &counters);
    assert_int_equal(counters.blocks_used, 1); /* the process record's */
    ring_reader_free(r);
}

static void check_usable(struct ring_writer *w)
{
    for (uint32_t i = 0; i < atomic_load(&w->header->blocks_reserved); i++) {
        uint64_t state = atomic_load(&w->table[i].state);
        assert_true(state == RING_IDLE || (state & 0xff) == RING_HOLE);
        if (i > 0)
            assert_int_equal(w->table[i].committed, 0);
    }
}

static struct judged *new_judged(void)
{
    struct judged *j =
        mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(j, MAP_FAILED);
    return j;
}

static void collector_killed_and_replaced(void **state)
{
    (void)state;
    struct ring_writer w;
    struct judged *j = new_judged();
    assert_int_equal(open_writer(&w, dir, 32 * MB), 0);
    uint8_t payload[400];
    uint64_t next = 0;
    for (unsigned round = 0; next < RECORDS; round++) {
        pid_t child = fork();
        if (child == 0)
            collect(j, w.path, round);
        int64_t end = clock_boot_ns() + (int64_t)(round * 7 % 20 + 3) * NS_PER_MS / 5;
        while (clock_boot_ns() < end && next < RECORDS) {
            uint32_t length = (uint32_t)(next * 31 % sizeof(payload));
            fill_payload(payload, length, 1, next);
            if (put_numbered(&w, 1, next, payload, length) == 0)
                next++;
            if (next % 100 == 0)
                usleep(200);
        }
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0); /* it still runs */
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        j->collectors = round + 1;
    }
    j->written = RECORDS;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < RECORDS; i++)
        kept += j->fate[i] == UNTOUCHED;
    print_message("%u collectors, %u records left to the last\n", j->collectors, kept);
    assert_true(j->collectors > 3);
    check_last(j, w.path);
    check_usable(&w);
    ring_writer_discard(&w);
    munmap(j, sizeof(*j));
}

/* Records in several blocks: some of which can be given back, some not. */
static void write_some(struct ring_writer *w, struct judged *j)
{
    uint8_t payload[1000];
    for (uint64_t i = 0; i < 700; i++) {
        uint32_t length = (uint32_t)(i * 31 % sizeof(payload));
        fill_payload(payload, length, 1, i);
        assert_int_equal(put_numbered(w, 1, i, payload, length), 0);
    }
    j->written = 700;
}

static void release_some(struct judged *j, struct ring_reader *r, uint32_t every)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < j->count; i++) {
            uint32_t which = j->batch[i];
            if (every && which > 150 && which < 450 && which % every == 0)
                continue;
            if (pass == 0) {
                if (j->fate[which] == UNTOUCHED)
                    j->fate[which] = RELEASING;
                ring_reader_release(r, j->positions[i]);
            } else {
                j->fate[which] = RELEASED;
            }
        }
        if (pass == 0)
            ring_reader_reclaim(r);
    }
}

static void collect_once(struct judged *j, const char *path)
{
    struct ring_reader *r;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    if (ring_reader_new(&r, path) != 0 || ring_reader_poll(r, SIZE_MAX, judge, j) < 0)
        _exit(1);
    release_some(j, r, 5);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < r->blocks; i++)
            r->views[i].changed -= 10 * NS_PER_SEC;
        ring_reader_reclaim(r);
    }
    release_some(j, r, 0);
    for (uint32_t i = 0; i < r->blocks; i++)
        r->views[i].changed -= 10 * NS_PER_SEC;
    ring_reader_reclaim(r);
    _exit(0);
}

/* Lets a collector make `calls` entries to or exits from system calls, then kills it. Returns
 * whether it was still running; -1 when it may not be traced. */
static int run_calls(struct judged *j, const char *path, int calls)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        collect_once(j, path);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status))
        return -1;
    for (int i = 0; i < calls && WIFSTOPPED(status); i++) {
        if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) != 0)
            break;
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return 0;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return 1;
}

/* A collector killed before and after each one of its system calls. */
static void collector_killed_at_every_call(void **state)
{
    (void)state;
    struct ring_writer w;
    struct judged *j = new_judged();
    int running = 1, calls = 0;
    for (; running == 1; calls += UNDER_TSAN ? 5 : 1) {
        memset(j, 0, sizeof(*j));
        assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
        write_some(&w, j);
        running = run_calls(j, w.path, calls);
        if (running >= 0) {
            check_last(j, w.path);
            check_usable(&w);
        }
        ring_writer_discard(&w);
    }
    munmap(j, sizeof(*j));
    if (running < 0) {
        print_message("SKIPPED: a child may not be traced\n");
        skip();
    }
    print_message("killed at places up to call %d\n", calls / 2);
    assert_true(calls > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collector_killed_and_replaced),
        cmocka_unit_test(collector_killed_at_every_call),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
