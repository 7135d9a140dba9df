/* Which directory is used, and which are refused. */
#include <sys/vfs.h>

#include "wire_help.h"

static char disk[64], memory[64], out[256];

static int setup(void **state)
{
    (void)state;
    make_dir(memory, sizeof(memory));
    snprintf(disk, sizeof(disk), "/var/tmp/wire-test-XXXXXX");
    return mkdtemp(disk) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    remove_dir(memory);
    remove_dir(disk);
    return 0;
}

static const char *in(const char *parent, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", parent, name);
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static bool on_memory(const char *path)
{
    struct statfs system;
    return statfs(path, &system) == 0 && system.f_type == 0x01021994;
}

static int use(const char *tracer, const char *xdg)
{
    return wire_runtime_dir(tracer, xdg, out, sizeof(out));
}

static void named_directory_is_made(void **state)
{
    (void)state;
    assert_int_equal(use(in(memory, "named"), "/ignored"), 0);
    assert_string_equal(out, in(memory, "named"));
    assert_int_equal(mode_of(out), 0700);
    assert_int_equal(use(in(memory, "named///"), NULL), 0);
    assert_string_equal(out, in(memory, "named"));
    /* A disk, named on purpose. */
    assert_int_equal(use(in(disk, "named"), NULL), 0);
    assert_string_equal(out, in(disk, "named"));
}

static void xdg_directory_is_used(void **state)
{
    (void)state;
    if (!on_memory(memory))
        skip();
    assert_int_equal(use(NULL, memory), 0);
    assert_string_equal(out, in(memory, "llm-tracer"));
    assert_int_equal(mode_of(out), 0700);
    assert_int_equal(use("", memory), 0);
    assert_string_equal(out, in(memory, "llm-tracer"));
}

/* An XDG directory on a disk is passed over, and nothing is left there. */
static void disk_is_not_used_unasked(void **state)
{
    (void)state;
    char expected[64];
    if (on_memory(disk))
        skip();
    snprintf(expected, sizeof(expected), "/dev/shm/llm-tracer-%d", (int)geteuid());
    const bool was_there = access(expected, F_OK) == 0;
    int result = use(NULL, disk);
    if (on_memory("/dev/shm")) {
        assert_int_equal(result, 0);
        assert_string_equal(out, expected);
    } else {
        assert_true(result < 0);
    }
    assert_int_equal(access(in(disk, "llm-tracer"), F_OK), -1);
    if (!was_there)
        (void)rmdir(expected);
}

static void others_directories_are_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in(memory, "open"), 0755), 0);
    assert_int_equal(chmod(in(memory, "open"), 0750), 0);
    assert_int_equal(use(in(memory, "open"), NULL), -EPERM);
    assert_int_equal(mkdir(in(memory, "real"), 0700), 0);
    char target[512];
    snprintf(target, sizeof(target), "%s", in(memory, "real"));
    assert_int_equal(symlink(target, in(memory, "link")), 0);
    assert_int_equal(use(in(memory, "link"), NULL), -ENOTDIR);
    assert_int_equal(use(in(memory, "link/"), NULL), -ENOTDIR);
    int fd = open(in(memory, "file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(use(in(memory, "file"), NULL), -ENOTDIR);
    assert_int_equal(use("relative/path", NULL), -EINVAL);
    assert_int_equal(use(in(memory, "no/such/parent"), NULL), -ENOENT);
    if (geteuid() == 0) {
        assert_int_equal(mkdir(in(memory, "theirs"), 0700), 0);
        assert_int_equal(chown(in(memory, "theirs"), 12345, 12345), 0);
        assert_int_equal(use(in(memory, "theirs"), NULL), -EPERM);
    }
}

static void small_room_is_an_error(void **state)
{
    (void)state;
    char small[8];
    assert_int_equal(wire_runtime_dir(memory, NULL, small, sizeof(small)), -ENAMETOOLONG);
    assert_int_equal(wire_runtime_dir(memory, NULL, small, 0), -ENAMETOOLONG);
}

/* Whatever the umask, the ring's file and directory are for its owner alone. */
static void umask_does_not_matter(void **state)
{
    (void)state;
    struct ring_writer w;
    mode_t before = umask(0);
    assert_int_equal(use(in(memory, "umask"), NULL), 0);
    assert_int_equal(mode_of(out), 0700);
    assert_int_equal(open_writer(&w, out, 8 * MB), 0);
    assert_int_equal(mode_of(w.path), 0600);
    assert_int_equal(mode_of(in(out, DOORBELL_NAME)), 0600);
    ring_writer_discard(&w);
    umask(0377);
    assert_int_equal(open_writer(&w, out, 8 * MB), 0);
    assert_int_equal(mode_of(w.path), 0600);
    ring_writer_discard(&w);
    assert_int_equal(access(w.path, F_OK), -1);
    umask(before);
}

static void abandoned_files_are_swept(void **state)
{
    (void)state;
    assert_int_equal(use(in(memory, "swept"), NULL), 0);
    char path[300];
    snprintf(path, sizeof(path), "%s/%s1-ab", out, RING_TEMP_PREFIX);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(ring_dir_sweep(out), 0); /* its maker may still be at it */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(ring_dir_sweep("/nonexistent"), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_directory_is_made),        cmocka_unit_test(xdg_directory_is_used),
        cmocka_unit_test(disk_is_not_used_unasked),       cmocka_unit_test(small_room_is_an_error),
        cmocka_unit_test(others_directories_are_refused), cmocka_unit_test(umask_does_not_matter),
        cmocka_unit_test(abandoned_files_are_swept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
