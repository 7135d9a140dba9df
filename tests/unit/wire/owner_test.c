/* Who owns a ring: racing threads, forked children, children that share the memory, failures. */
#include "owner_help.h"

#define THREADS 32
#define ROUNDS  25

static pthread_barrier_t together;
static struct ring_writer *got[THREADS];

static void *first_record(void *argument)
{
    size_t which = (size_t)(uintptr_t)argument;
    pthread_barrier_wait(&together);
    got[which] = ring_now();
    return NULL;
}

/* However many are the first at once, one ring is made, and nothing of the others is left. */
static void racing_threads_share_one_ring(void **state)
{
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, first_record, (void *)(uintptr_t)i),
                             0);
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        struct ring_writer *ring = owner_ring_if_any(&owned.owner);
        assert_non_null(ring);
        int in_use = 0;
        for (size_t i = 0; i < OWNER_CANDIDATES; i++)
            in_use += owned.owner.candidates[i].taken != 0;
        assert_int_equal(in_use, 1);
        for (size_t i = 0; i < THREADS; i++)
            assert_true(got[i] == ring || got[i] == NULL); /* NULL: it would have had to wait */
        assert_int_equal(files_in(owner_dir, RING_NAME_PREFIX), 1);
        assert_int_equal(files_in(owner_dir, RING_TEMP_PREFIX), 0);
        assert_ptr_equal(ring_now(), ring);
        assert_int_equal(put_numbered(ring, 1, 1, (const uint8_t *)"x", 1), 0);
        owner_teardown(state);
        owner_setup(state);
    }
    pthread_barrier_destroy(&together);
}

static void *publish(void *argument)
{
    usleep(200);
    atomic_store(&owned.owner.ring, argument);
    return NULL;
}

/* More threads than can make rings wait for those that do, but not for ever. */
static void one_too_many_waits_a_moment(void **state)
{
    (void)state;
    pthread_t thread;
    for (size_t i = 0; i < OWNER_CANDIDATES; i++)
        owned.owner.candidates[i].taken = 1;
    assert_null(ring_now());
    assert_true(owned.owner.retry_at > told_now());
    for (int i = 0; i < 100; i++) {
        atomic_store(&owned.owner.ring, NULL);
        atomic_store(&owned.owner.retry_at, 0);
        struct ring_writer *ring = &owned.owner.candidates[3].writer;
        assert_int_equal(pthread_create(&thread, NULL, publish, ring), 0);
        struct ring_writer *seen = ring_now();
        assert_true(seen == ring || seen == NULL);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_ptr_equal(ring_now(), ring);
    }
    atomic_store(&owned.owner.ring, NULL);
}

struct seen {
    struct wire_process_info info;
    char texts[32768];
    size_t texts_len;
    int records;
    uint64_t sum;
};

static int see(void *user, const struct wire_record *head, const uint8_t *payload,
               uint64_t position)
{
    struct seen *s = user;
    (void)position;
    if (head->type != WIRE_PROCESS) {
        s->records++;
        s->sum += head->offset;
        return 0;
    }
    assert_in_range(head->length, sizeof(s->info), sizeof(s->info) + sizeof(s->texts));
    memcpy(&s->info, payload, sizeof(s->info));
    s->texts_len = head->length - sizeof(s->info);
    memcpy(s->texts, payload + sizeof(s->info), s->texts_len);
    return 0;
}

static void read_ring(const char *path, struct seen *s)
{
    struct ring_reader *r;
    memset(s, 0, sizeof(*s));
    assert_int_equal(ring_reader_new(&r, path), 0);
    assert_true(ring_reader_poll(r, SIZE_MAX, see, s) >= 0);
    ring_reader_free(r);
}

/* The value of a text in the process record; NULL: it is not there. */
static const char *text_of(const struct seen *s, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < s->texts_len; at += strlen(s->texts + at) + 1)
        if (strncmp(s->texts + at, name, len) == 0 && s->texts[at + len] == '=')
            return s->texts + at + len + 1;
    return NULL;
}

/* Runs in a forked child; what it finds wrong is its exit code. */
static int child_of_a_fork(const char *parents, char *path, size_t size)
{
    if (!owner_may_change(&owned.owner, owner_wiped) || owned.owner.pid != 0)
        return 1;
    if (!owner_is_mine(&owned.owner, owner_wiped) || owned.owner.pid != (uint32_t)getpid())
        return 2;
    if (owner_ring_if_any(&owned.owner) != NULL)
        return 3;
    struct ring_writer *ring = ring_now();
    if (ring == NULL || strcmp(ring->path, parents) == 0)
        return 4;
    for (uint64_t i = 100; i < 110; i++)
        if (put_numbered(ring, 2, i, (const uint8_t *)"child", 5) != 0)
            return 5;
    snprintf(path, size, "%s", ring->path);
    return 0;
}

static void a_forked_child_makes_its_own(void **state)
{
    (void)state;
    static struct seen mine, childs;
    assert_true(owner_wiped);
    struct ring_writer *ring = ring_now();
    assert_non_null(ring);
    assert_int_equal(put_numbered(ring, 1, 1, (const uint8_t *)"before", 6), 0);
    char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(path != MAP_FAILED);
    char parents[WRITER_PATH_MAX]; /* the ring itself is out of the child's sight */
    memcpy(parents, ring->path, sizeof(parents));
    pid_t child = fork();
    if (child == 0)
        _exit(child_of_a_fork(parents, path, 4096));
    assert_child_well(child);
    assert_ptr_equal(ring_now(), ring);
    assert_int_equal(put_numbered(ring, 1, 2, (const uint8_t *)"after", 5), 0);
    read_ring(ring->path, &mine);
    read_ring(path, &childs);
    assert_int_equal(mine.records, 2);
    assert_int_equal(mine.sum, 3);
    assert_int_equal(childs.records, 10);
    assert_int_equal(childs.sum, 1045);
    assert_int_equal(mine.info.pid, getpid());
    assert_int_equal(childs.info.pid, child);
    assert_int_equal(childs.info.ppid, getpid());
    assert_int_equal(munmap(path, 4096), 0);
}

/* What lies behind the owner on its last page is somebody else's. */
static void a_fork_empties_nothing_else(void **state)
{
    (void)state;
    const size_t size = sizeof(struct ring_owner) + OWNER_PAGE;
    char *pages =
        mmap(NULL, size + OWNER_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    struct ring_owner *o = (struct ring_owner *)(void *)pages;
    char *behind = pages + sizeof(*o);
    assert_true(owner_init(o, o, sizeof(*o)));
    for (size_t i = 0; i < OWNER_CANDIDATES; i++)
        o->candidates[i].taken = 1;
    *behind = 'x';
    pid_t child = fork();
    if (child == 0) {
        int taken = 0;
        for (size_t i = 0; i < OWNER_CANDIDATES; i++)
            taken += o->candidates[i].taken != 0;
        _exit(*behind != 'x' || taken != 0 || o->pid != 0);
    }
    assert_child_well(child);
    assert_int_equal(munmap(pages, size + OWNER_PAGE), 0);
}

/* On a kernel that cannot empty the memory, a forked child keeps off its parent's ring. */
static void an_old_kernel_gives_a_child_nothing(void **state)
{
    (void)state;
    assert_non_null(ring_now());
    assert_int_equal(madvise(&owned, sizeof(owned), 19 /* MADV_KEEPONFORK */), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(owner_is_mine(&owned.owner, false) || owner_may_change(&owned.owner, false));
    assert_child_well(child);
    assert_true(owner_is_mine(&owned.owner, false));
    atomic_store(&owned.owner.pid, 0); /* before owner_init */
    assert_false(owner_is_mine(&owned.owner, false));
    assert_false(owner_may_change(&owned.owner, false));
    void *odd = (char *)&owned + 1;
    assert_false(owner_init(&owned.owner, odd, sizeof(owned))); /* the kernel refuses */
}

struct answers {
    bool mine, may_change;
};

/* Beside its parent in one memory: no sanitizer knows its stack. */
__attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"))) static int
child_in_our_memory(void *user)
{
    struct answers *a = user;
    a->may_change = owner_may_change(&owned.owner, owner_wiped);
    a->mine = owner_is_mine(&owned.owner, owner_wiped);
    return 0;
}

static struct answers ask_in_our_memory(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    struct answers a = {true, true};
    pid_t child =
        clone(child_in_our_memory, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &a);
    assert_child_well(child);
    return a;
}

static void a_child_in_our_memory_changes_nothing(void **state)
{
    (void)state;
    if (UNDER_TSAN)
        skip(); /* it takes every clone for a fork */
    struct ring_writer *ring = ring_now();
    assert_non_null(ring);
    struct answers a = ask_in_our_memory();
    assert_false(a.mine);
    assert_false(a.may_change);
    assert_true(owner_is_mine(&owned.owner, owner_wiped));
    assert_ptr_equal(ring_now(), ring);
    assert_int_equal(put_numbered(ring, 1, 1, (const uint8_t *)"x", 1), 0);
}

/* Nothing is tried for five seconds after a failure; then it goes on by itself. */
static void a_failure_is_tried_again_later(void **state)
{
    (void)state;
    char place[100];
    snprintf(place, sizeof(place), "%s/later", owner_dir);
    owner_settings[OWNER_RUNTIME_DIR] = place;
    assert_int_equal(close(open(place, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    uint64_t now = told_now();
    assert_null(owner_ring(&owned.owner, &owner_host, now));
    for (size_t i = 0; i < OWNER_CANDIDATES; i++)
        assert_int_equal(owned.owner.candidates[i].taken, 0);
    assert_int_equal(unlink(place), 0);
    assert_null(owner_ring(&owned.owner, &owner_host, now + 5 * SECOND - 1));
    assert_int_equal(access(place, F_OK), -1);
    assert_non_null(owner_ring(&owned.owner, &owner_host, now + 5 * SECOND));
    assert_int_equal(files_in(place, RING_NAME_PREFIX), 1);
}

static uint64_t size_with(const char *megabytes)
{
    struct stat status;
    owner_settings[OWNER_RING_MAX_MB] = megabytes;
    struct ring_writer *ring = ring_now();
    assert_non_null(ring);
    assert_int_equal(stat(ring->path, &status), 0);
    ring_writer_discard(ring);
    memset(&owned, 0, sizeof(owned));
    owner_wiped = owner_init(&owned.owner, &owned, sizeof(owned));
    return (uint64_t)status.st_size;
}

/* The file system's free share bounds all of them alike. */
static void the_size_is_the_settings(void **state)
{
    (void)state;
    const uint64_t standard = size_with("64");
    assert_int_equal(size_with("2"), ring_file_size(ring_blocks_within(2 * MB)));
    assert_int_equal(size_with(NULL), standard);
    assert_int_equal(size_with("0"), standard);
    assert_int_equal(size_with("many"), standard);
    assert_true(standard > 4 * MB && standard <= 64 * MB);
    assert_true(size_with("99999999999999999999") <= 1024 * MB);
}

static void the_process_tells_of_itself(void **state)
{
    (void)state;
    static struct seen s;
    static char long_text[OWNER_TEXT + 1];
    char link[4096], cwd[4096];
    memset(long_text, 'x', sizeof(long_text) - 1);
    owner_settings[OWNER_URL] = "http://localhost:8000";
    owner_settings[OWNER_PROJECT] = "";
    owner_settings[OWNER_KEY] = long_text;
    owner_settings[OWNER_MAX_CONTENT] = "17";
    uint64_t start, stack;
    own_stat(&start, &stack);
    struct ring_writer *ring = ring_now();
    assert_non_null(ring);
    read_ring(ring->path, &s);
    assert_string_equal(text_of(&s, "url"), "http://localhost:8000");
    assert_string_equal(text_of(&s, "project"), "");
    assert_string_equal(text_of(&s, "max_content"), "17");
    assert_null(text_of(&s, "key")); /* left out, not cut */
    assert_null(text_of(&s, "data_dir"));
    ssize_t len = readlink("/proc/self/exe", link, sizeof(link) - 1);
    link[len > 0 ? len : 0] = '\0';
    assert_string_equal(text_of(&s, "exe"), link);
    assert_string_equal(text_of(&s, "argv0"), program_invocation_name);
    assert_string_equal(text_of(&s, "cwd"), getcwd(cwd, sizeof(cwd)));
    struct wire_process_info expected = own_info();
    assert_int_equal(s.info.pid, expected.pid);
    assert_int_equal(s.info.ppid, getppid());
    assert_int_equal(s.info.uid, expected.uid);
    assert_int_equal(s.info.pid_ns, expected.pid_ns);
    assert_int_equal(s.info.start_ticks, start);
    assert_int_equal(s.info.exec_nonce, stack);
    assert_int_equal(s.info.wall_time - s.info.boot_time, 7 * SECOND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, owner_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(racing_threads_share_one_ring),       TEST(one_too_many_waits_a_moment),
        TEST(a_forked_child_makes_its_own),        TEST(a_fork_empties_nothing_else),
        TEST(an_old_kernel_gives_a_child_nothing), TEST(a_child_in_our_memory_changes_nothing),
        TEST(a_failure_is_tried_again_later),      TEST(the_size_is_the_settings),
        TEST(the_process_tells_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
