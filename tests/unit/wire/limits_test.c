/* Little memory: small and full file systems, RLIMIT_FSIZE. The program around the writer must
 * never get a SIGBUS or a SIGXFSZ; what found no room is counted. */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>

#include "wire/reader_private.h"
#include "wire_help.h"

#define RINGS 16

static int count_bytes(void *user, const struct wire_record *head, const uint8_t *payload,
                       uint64_t position)
{
    uint64_t *bytes = user;
    (void)payload;
    (void)position;
    if (head->type == WIRE_DATA_OUT)
        *bytes += head->length;
    return 0;
}

static uint64_t delivered(const char *path, struct ring_counters *counters)
{
    struct ring_reader *r;
    uint64_t bytes = 0;
    assert_int_equal(ring_reader_new(&r, path), 0);
    assert_true(ring_reader_poll(r, SIZE_MAX, count_bytes, &bytes) > 0);
    ring_reader_counters(r, counters);
    ring_reader_free(r);
    return bytes;
}

static uint64_t put_lots(struct ring_writer *w, uint8_t *data, size_t size)
{
    const struct wire_record head = {.type = WIRE_DATA_OUT, .conn = 1, .tid = own_tid()};
    return ring_writer_put_data(w, &head, NULL, data, size);
}

/* Runs a part of a test in a child, so that a signal or a mount is its own. */
static void in_child(void (*part)(const char *dir), bool mounted)
{
    char dir[64];
    int status = 0;
    make_dir(dir, sizeof(dir));
    pid_t child = fork();
    if (child == 0) {
        if (mounted && (unshare(CLONE_NEWNS) != 0 ||
                        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                        mount("tmpfs", dir, "tmpfs", 0, "size=64m,mode=0700") != 0)) {
            print_message("SKIPPED: cannot mount a tmpfs: %s\n", strerror(errno));
            _exit(77);
        }
        part(dir);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    remove_dir(dir);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    if (WIFSIGNALED(status))
        print_error("ended by signal %d\n", WTERMSIG(status));
    assert_int_equal(status, 0);
}

/* assert_* would longjmp into the parent's copy of the runner: a child just ends. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void fill_up(const char *dir, const char *name)
{
    char path[128];
    static uint8_t page[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    memset(page, 1, sizeof(page));
    while (write(fd, page, sizeof(page)) > 0)
        continue;
    MUST(errno == ENOSPC);
    close(fd);
}

static void sixteen_rings(const char *dir)
{
    static struct ring_writer rings[RINGS];
    struct ring_counters counters;
    struct statfs system;
    uint8_t *data = calloc(1, 16 * MB);
    for (int i = 0; i < RINGS; i++)
        MUST(open_writer(&rings[i], dir, 64 * MB) == 0);
    uint64_t kept = 0;
    for (int i = 0; i < RINGS; i++) {
        uint64_t lost = put_lots(&rings[i], data, 16 * MB);
        MUST(lost > 0);
        uint64_t got = delivered(rings[i].path, &counters);
        MUST(got + lost == 16 * MB);
        MUST(got > 100000);
        MUST(counters.lost_bytes == lost);
        kept += got;
    }
    MUST(statfs(dir, &system) == 0);
    print_message("%d rings hold %" PRIu64 " KB, %" PRIu64 " KB are left\n", RINGS, kept / 1024,
                  (uint64_t)system.f_bavail * (uint64_t)system.f_bsize / 1024);
    MUST((uint64_t)system.f_bavail * (uint64_t)system.f_bsize > 12 * MB); /* the program's */
    MUST(kept > 32 * MB);
}

static void sixteen_rings_in_64_mb(void **state)
{
    (void)state;
    in_child(sixteen_rings, true);
}

static void full_file_system(const char *dir)
{
    static struct ring_writer w, other;
    struct ring_counters counters;
    uint8_t *data = calloc(1, 8 * MB);
    MUST(open_writer(&w, dir, 64 * MB) == 0);
    fill_up(dir, "filler");
    MUST(open_writer(&other, dir, 64 * MB) == -ENOSPC);
    MUST(put_numbered(&other, 1, 1, data, 8) == -EBADF);
    uint64_t lost = put_lots(&w, data, 8 * MB);
    uint64_t got = delivered(w.path, &counters);
    MUST(got + lost == 8 * MB && got > UINT64_C(195000) && got < UINT64_C(262144));
    for (int i = 0; i < 1000; i++)
        MUST(put_numbered(&w, 1, 1, data, 5000) == -ENOBUFS);

    /* Room in the file system, and the collector gave blocks back: it goes on. */
    char path[128];
    snprintf(path, sizeof(path), "%s/filler", dir);
    MUST(unlink(path) == 0);
    struct ring_reader *r;
    uint64_t bytes = 0;
    MUST(ring_reader_new(&r, w.path) == 0);
    MUST(ring_reader_poll(r, SIZE_MAX, count_bytes, &bytes) > 0);
    ring_reader_drop(r);
    MUST(put_lots(&w, data, 1 * MB) == 0);

    /* Blocks that were taken out are not written to when the file system is full again. */
    bytes = 0;
    MUST(ring_reader_poll(r, SIZE_MAX, count_bytes, &bytes) > 0);
    MUST(bytes == 1 * MB);
    ring_reader_drop(r);
    struct statfs before, after;
    MUST(statfs(dir, &before) == 0);
    for (uint32_t i = 0; i < r->blocks; i++)
        r->views[i].changed -= 10 * NS_PER_SEC;
    ring_reader_reclaim(r);
    MUST(statfs(dir, &after) == 0);
    MUST(after.f_bavail > before.f_bavail + 128);
    ring_reader_counters(r, &counters);
    MUST(counters.blocks_reserved == RING_BLOCKS_FIRST);
    fill_up(dir, "filler");
    lost = put_lots(&w, data, 1 * MB);
    MUST(lost > 700000 && lost < 800000);
}

static void full_file_system_kills_nobody(void **state)
{
    (void)state;
    in_child(full_file_system, true);
}

static void limit_files(uint64_t bytes)
{
    const struct rlimit limit = {bytes, bytes};
    MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void file_limit(const char *dir)
{
    static struct ring_writer w;
    struct ring_counters counters;
    struct stat status;
    uint8_t *data = calloc(1, 4 * MB);
    limit_files(1 * MB);
    MUST(open_writer(&w, dir, 64 * MB) == 0);
    MUST(stat(w.path, &status) == 0 && (uint64_t)status.st_size <= 1 * MB);
    uint64_t lost = put_lots(&w, data, 4 * MB);
    MUST(delivered(w.path, &counters) + lost == 4 * MB && lost < 4 * MB - 700000);
}

static void tiny_file_limit(const char *dir)
{
    static struct ring_writer w;
    limit_files(100000);
    MUST(open_writer(&w, dir, 64 * MB) == -ENOSPC);
    limit_files(0);
    MUST(open_writer(&w, dir, 64 * MB) == -ENOSPC);
}

static void lowered_file_limit(const char *dir)
{
    static struct ring_writer w;
    uint8_t *data = calloc(1, 4 * MB);
    MUST(open_writer(&w, dir, 64 * MB) == 0);
    limit_files(0);
    MUST(put_lots(&w, data, 4 * MB) < 4 * MB);
}

/* Address space for a small ring only. */
static void little_address_space(const char *dir)
{
    static struct ring_writer w;
    uint8_t *data = calloc(1, 1 * MB);
    char line[256] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    MUST(f && fgets(line, sizeof(line), f));
    const uint64_t used = strtoull(line, NULL, 10) * 4096;
    const struct rlimit limit = {used + 12 * MB, used + 12 * MB};
    if (UNDER_SANITIZER)
        return; /* its shadow memory alone is beyond any limit */
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    MUST(open_writer(&w, dir, 64 * MB) == 0);
    MUST(w.mapped_bytes < 12 * MB && w.blocks_max > 32);
    MUST(put_lots(&w, data, 1 * MB) == 0);
}

/* mlockall(MCL_FUTURE) fills mappings at once: not ours, whose holes are not reserved. */
static void locked_memory(const char *dir)
{
    static struct ring_writer w;
    struct stat status;
    if (UNDER_SANITIZER)
        return; /* its shadow memory would be locked too */
    if (mlockall(MCL_FUTURE) != 0) {
        print_message("SKIPPED: mlockall: %s\n", strerror(errno));
        return;
    }
    MUST(open_writer(&w, dir, 64 * MB) == 0);
    MUST(stat(w.path, &status) == 0);
    MUST((uint64_t)status.st_size > 32 * MB && (uint64_t)status.st_blocks * 512 < 1 * MB);
}

static void limits_kill_nobody(void **state)
{
    (void)state;
    in_child(file_limit, false);
    in_child(tiny_file_limit, false);
    in_child(lowered_file_limit, false);
    in_child(little_address_space, false);
    in_child(locked_memory, false);
}

/* No descriptor stays open, not even after growing; nothing appears in a core dump's maps. */
static void no_descriptor_is_kept(void **state)
{
    (void)state;
    struct ring_writer w;
    char dir[64];
    uint8_t *data = calloc(1, 2 * MB);
    make_dir(dir, sizeof(dir));
    int before = dup(0);
    close(before);
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(put_lots(&w, data, 2 * MB), 0);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    ring_writer_discard(&w);
    free(data);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_rings_in_64_mb),
        cmocka_unit_test(full_file_system_kills_nobody),
        cmocka_unit_test(limits_kill_nobody),
        cmocka_unit_test(no_descriptor_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
