/* Threads and processes that die in the middle of a record. */
#include "wire/reader_private.h"
#include "wire_help.h"

#define SECRET "bearer-of-a-secret"

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

struct seen {
    uint64_t records;
    uint64_t positions[4096];
};

static int see(void *user, const struct wire_record *head, const uint8_t *payload,
               uint64_t position)
{
    struct seen *s = user;
    (void)payload;
    if (head->type != WIRE_PROCESS)
        s->positions[s->records++ % 4096] = position;
    return 0;
}

static bool file_has(const char *path, const char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    char *all = malloc((size_t)size);
    assert_int_equal(pread(fd, all, (size_t)size, 0), size);
    close(fd);
    bool found = memmem(all, (size_t)size, text, strlen(text)) != NULL;
    free(all);
    return found;
}

/* Half a record behind what is committed, in a block that is held. */
static void stop_inside_record(struct ring_writer *w, uint32_t block)
{
    hold_block(w, block, own_tid());
    uint8_t *at = w->blocks + (size_t)block * RING_BLOCK_SIZE + w->table[block].committed;
    memcpy(at + sizeof(struct wire_record), SECRET, sizeof(SECRET));
}

static void put_secrets(struct ring_writer *w, int count)
{
    const struct wire_record head = {.type = WIRE_DATA_OUT, .conn = 1, .tid = own_tid()};
    const struct wire_piece piece = {SECRET, sizeof(SECRET)};
    for (int i = 0; i < count; i++)
        assert_int_equal(ring_writer_put(w, &head, &piece, 1), 0);
}

/* Starts a process that writes ten records, stops in the middle of the eleventh, and then waits or
 * becomes another program. path receives its ring's. */
static pid_t start_producer(char *path, const char *becomes)
{
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct ring_writer w;
        if (open_writer(&w, dir, 8 * MB) != 0)
            _exit(1);
        put_secrets(&w, 10);
        for (uint32_t i = 0; i < RING_BLOCKS_FIRST; i++)
            stop_inside_record(&w, i);
        if (write(pipes[1], w.path, sizeof(w.path)) != sizeof(w.path))
            _exit(2);
        if (becomes)
            execl(becomes, becomes, "30", (char *)NULL);
        pause();
        _exit(3);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], path, WRITER_PATH_MAX), WRITER_PATH_MAX);
    close(pipes[0]);
    return child;
}

static void read_and_drop(const char *path, struct ring_reader *r)
{
    static struct seen s;
    s.records = 0;
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 11);
    assert_int_equal(s.records, 10);
    assert_true(file_has(path, SECRET));
    assert_true(file_has(path, "exe=/test"));
    ring_reader_drop(r);
    assert_false(file_has(path, SECRET));
    assert_false(file_has(path, "exe=/test"));
    ring_reader_free(r);
}

static void killed_inside_record(void **state)
{
    (void)state;
    char path[WRITER_PATH_MAX];
    struct ring_reader *r;
    pid_t child = start_producer(path, NULL);
    assert_int_equal(ring_reader_new(&r, path), 0);
    assert_true(ring_reader_alive(r));
    kill(child, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_false(ring_reader_alive(r)); /* a zombie */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(ring_reader_alive(r));
    read_and_drop(path, r);
}

static void exec_inside_record(void **state)
{
    (void)state;
    char path[WRITER_PATH_MAX];
    struct ring_reader *r;
    pid_t child = start_producer(path, "/bin/sleep");
    assert_int_equal(ring_reader_new(&r, path), 0);
    /* The kernel tells the new program's stack, which is what counts, last of all. */
    for (int i = 0; i < 500 && ring_reader_alive(r); i++)
        usleep(10000);
    bool alive = ring_reader_alive(r);
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0); /* the process itself lives on */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_false(alive);
    read_and_drop(path, r);
}

static void *hold_for_ever(void *arg)
{
    struct ring_writer *w = arg;
    stop_inside_record(w, 1);
    atomic_store(&w->stop[0], 1);
    for (;;)
        pause();
    return NULL;
}

/* A cancelled thread takes nothing but its block with it, and the collector gets that one back. */
static void cancelled_inside_record(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    pthread_t thread;
    static struct seen s;
    s.records = 0;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    put_secrets(&w, 10);
    assert_int_equal(pthread_create(&thread, NULL, hold_for_ever, &w), 0);
    while (!atomic_load(&w.stop[0]))
        sched_yield();
    put_secrets(&w, 10);
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 21);
    r->views[1].changed -= 2 * NS_PER_SEC;
    ring_reader_reclaim(r);
    assert_int_equal(RING_STATE(w.table[1].state), RING_HELD); /* it lives */
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    put_secrets(&w, 10);
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 10);
    for (uint64_t i = 0; i < s.records; i++)
        ring_reader_release(r, s.positions[i]);
    /* The join ends before the kernel has forgotten the thread. */
    for (int i = 0; i < 200 && w.table[1].state != RING_IDLE; i++) {
        usleep(10000);
        r->views[1].changed -= 2 * NS_PER_SEC;
        ring_reader_reclaim(r);
    }
    assert_int_equal(w.table[1].state, RING_IDLE);
    assert_int_equal(w.table[1].committed, 0);
    for (uint32_t i = 0; i < RING_BLOCKS_FIRST; i++)
        r->views[i].changed -= 2 * NS_PER_SEC;
    ring_reader_reclaim(r);
    assert_false(file_has(w.path, SECRET));
    assert_true(file_has(w.path, "exe=/test"));
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* A holder in another PID namespace may only be stopped: its block is left to it. */
static void foreign_holder_is_left_alone(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    w.header->pid_ns ^= 1;
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    assert_true(ring_reader_alive(r)); /* it wrote lately */
    hold_block(&w, 2, 0x7fffffff);
    ring_reader_reclaim(r);
    r->views[2].changed -= 3600 * NS_PER_SEC;
    ring_reader_reclaim(r);
    assert_int_equal(RING_STATE(w.table[2].state), RING_HELD);
    r->alive_seen -= 3601 * NS_PER_SEC;
    assert_false(ring_reader_alive(r));
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* A claim that a dead collector left on a block that it may have taken out. */
static void left_claim_is_resolved(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct seen s;
    static uint8_t data[600000];
    s.records = 0;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    const struct wire_record head = {.type = WIRE_DATA_OUT, .conn = 1, .tid = own_tid()};
    assert_int_equal(ring_writer_put_data(&w, &head, NULL, data, sizeof(data)), 0);
    const uint32_t last = atomic_load(&w.header->blocks_reserved) - 1;
    for (uint32_t i = 0; i <= last; i++)
        if (atomic_load(&w.table[i].state) == RING_IDLE)
            atomic_fetch_or(&w.table[i].state, RING_CLAIM);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    assert_true(ring_reader_poll(r, SIZE_MAX, see, &s) > 0);
    for (uint64_t i = 0; i < s.records; i++)
        ring_reader_release(r, s.positions[i]);
    ring_reader_reclaim(r);
    for (uint32_t i = 0; i <= last; i++)
        assert_true(w.table[i].state == RING_IDLE || (w.table[i].state & 0xff) == RING_HOLE);
    assert_int_equal(w.table[last].state & 0xff, RING_HOLE);
    assert_int_equal(ring_writer_put_data(&w, &head, NULL, data, sizeof(data)), 0);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* A forked child has no part of its parent's ring. */
static void fork_maps_nothing(void **state)
{
    (void)state;
    struct ring_writer w;
    int status = 0;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    pid_t child = fork();
    if (child == 0) {
        char line[600];
        FILE *maps = fopen("/proc/self/maps", "re");
        while (maps && fgets(line, sizeof(line), maps))
            if (strstr(line, dir))
                _exit(1);
        _exit(maps ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_inside_record),    cmocka_unit_test(exec_inside_record),
        cmocka_unit_test(cancelled_inside_record), cmocka_unit_test(foreign_holder_is_left_alone),
        cmocka_unit_test(left_claim_is_resolved),  cmocka_unit_test(fork_maps_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
