/* Hosts and machines at their limits: no room, no rights, no collector, other runtimes. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "wire/reader.h"

/* --- the collector ---------------------------------------------------------------------------- */

/* Tells what it was started with; the last line says that the file is complete. */
static const char collector[] =
    "#!/bin/sh\n"
    "out=\"$TRACER_DATA_DIR/told-$$\"\n"
    "{ echo \"arguments: $*\"; env | sort; ls -l /proc/$$/fd; grep ^Sig /proc/self/status\n"
    "echo \"pid: $$\"; cut -d' ' -f4-6 /proc/$$/stat; echo \"cwd: $(pwd)\"; umask; ulimit -f\n"
    "echo end; } > \"$out.tmp\" 2>&1\n"
    "mv \"$out.tmp\" \"$out\"\n";

static void write_collector(void)
{
    FILE *file = fopen(fixture.program, "w");
    assert_non_null(file);
    fputs(collector, file);
    fclose(file);
    assert_int_equal(chmod(fixture.program, 0755), 0);
}

/* The names of the files that started collectors wrote; the first one's text goes to out. */
static int collectors_started(const char *folder, char *out, size_t size)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[512];
        if (strncmp(e->d_name, "told-", 5) != 0 || strstr(e->d_name, ".tmp") != NULL)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t got = fread(out, 1, size - 1, file);
        out[got] = '\0';
        fclose(file);
        unlink(path);
        count++;
    }
    closedir(dir);
    return count;
}

static int wait_for_collectors(const char *folder, char *out, size_t size)
{
    int count = 0;
    for (int i = 0; i < 200 && count == 0; i++) {
        usleep(10000);
        count = collectors_started(folder, out, size);
    }
    return count;
}

static void test_a_collector_is_started_unseen(void **state)
{
    (void)state;
    static char told[65536];
    char data[256], variable[300];
    snprintf(data, sizeof(data), "%s/data", fixture.folder);
    assert_int_equal(mkdir(data, 0700), 0);
    snprintf(variable, sizeof(variable), "TRACER_DATA_DIR=%s", data);
    fixture.variables[0] = variable;
    fixture.variables[1] = "HOME=/root";
    fixture.variables[2] = "SECRET_OF_THE_HOST=1";
    write_collector();
    compare("spawn", "");
    assert_whole(captured("spawn-again"), true);
    assert_int_equal(wait_for_collectors(data, told, sizeof(told)), 1);
    assert_non_null(strstr(told, "arguments: collect --spawned\n"));
    assert_non_null(strstr(told, "\nHOME=/root\n"));
    assert_non_null(strstr(told, "\nTRACER_RUNTIME_DIR="));
    assert_null(strstr(told, "LD_PRELOAD"));
    assert_null(strstr(told, "TRACER_API_KEY"));
    assert_null(strstr(told, "SECRET_OF_THE_HOST"));
    assert_non_null(strstr(told, "0 -> /dev/null"));
    assert_non_null(strstr(told, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(told, "SigIgn:\t0000000000000000"));
    assert_non_null(strstr(told, "\ncwd: /\n"));
    assert_non_null(strstr(told, "\nend\n"));
    /* A leader of a session of its own: parent, group and session follow its pid. */
    int pid, parent, group, session;
    const char *at = strstr(told, "pid: ");
    assert_int_equal(sscanf(at, "pid: %d\n%d %d %d", &pid, &parent, &group, &session), 4);
    assert_int_equal(group, pid);
    assert_int_equal(session, pid);
    assert_int_not_equal(parent, getpid());
    /* Nothing beats the heart, but ten seconds have not passed. */
    fixture_clean(NULL);
    run_scenario("again", "");
    usleep(100000);
    assert_int_equal(collectors_started(data, told, sizeof(told)), 0);
    rmdir(data);
    unlink(fixture.program);
}

static void test_a_missing_collector_changes_nothing(void **state)
{
    (void)state;
    compare("spawn", "");
    assert_whole(captured("spawn-again"), true);
}

static void *stop_the_first(void *user)
{
    const struct captured *conn = NULL;
    (void)user;
    for (int i = 0; i < 300 && conn == NULL; i++) {
        struct capture seen;
        usleep(5000);
        capture_read(&seen, fixture.runtime);
        conn = capture_find(&seen, "before-stop");
        if (conn != NULL) {
            DIR *dir = opendir(fixture.runtime);
            for (struct dirent *e; (e = readdir(dir)) != NULL;) {
                char path[512];
                struct ring_reader *reader;
                snprintf(path, sizeof(path), "%s/%s", fixture.runtime, e->d_name);
                if (strncmp(e->d_name, "ring-", 5) != 0 || ring_reader_new(&reader, path) != 0)
                    continue;
                ring_reader_stop(reader, conn->info.slot);
                ring_reader_free(reader);
            }
            closedir(dir);
        }
        capture_release(&seen);
    }
    return NULL;
}

static void test_the_collector_can_stop_a_connection(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_create(&thread, NULL, stop_the_first, NULL);
    run_scenario("stop", "");
    pthread_join(thread, NULL);
    assert_int_equal(fixture.outcome.status, 0);
    const struct captured *conn = captured("before-stop");
    assert_null(capture_find(&fixture.capture, "after-stop"));
    assert_non_null(capture_find(&fixture.capture, "another"));
    assert_false(conn->closed);
}

/* --- no room, no rights ----------------------------------------------------------------------- */

static void test_file_size_limits(void **state)
{
    (void)state;
    static const char *const limits[] = {"0",     "1",      "4096",    "8192",
                                         "70000", "150000", "1000000", "100000000"};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        fixture_reset(NULL);
        compare("limit", limits[i]);
        fixture_clean(NULL);
    }
    fixture_reset(NULL);
    compare("limit", "1000000");
    assert_whole(captured("limit"), true);
}

static const char *mount_options;
static bool fill_it;

static void mount_runtime(void)
{
    char path[256], *data = calloc(1, 65536);
    if (data == NULL || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", fixture.runtime, "tmpfs", 0, mount_options) != 0)
        _exit(77);
    snprintf(path, sizeof(path), "%s/filling", fixture.runtime);
    int fd = fill_it ? open(path, O_CREAT | O_WRONLY, 0600) : -1;
    while (fd >= 0 && write(fd, data, 65536) > 0)
        continue;
    close(fd);
    free(data);
}

static void mount_read_only(void)
{
    mount_runtime();
    if (mount(NULL, fixture.runtime, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        _exit(77);
}

/* A container's root may have no right to mount. */
static bool may_mount(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        mount_options = "mode=0700,size=4k";
        mount_read_only();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void test_full_and_small_file_systems(void **state)
{
    (void)state;
    static const char *const sizes[] = {"mode=0700,size=4k",   "mode=0700,size=64k",
                                        "mode=0700,size=300k", "mode=0700,size=2m",
                                        "mode=0700,size=20m",  "mode=0700,nr_inodes=2"};
    if (!may_mount())
        skip();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int full = 0; full < 2; full++) {
            mount_options = sizes[i];
            fill_it = full != 0 && i != 5; /* the last one has no limit of bytes to fill */
            fixture.prepare = mount_runtime;
            compare("large", "");
            fixture_clean(NULL);
            compare("many", "100");
            fixture_clean(NULL);
        }
    }
    fixture.prepare = mount_read_only;
    mount_options = "mode=0700,size=1m";
    compare("functions", "");
}

static void test_runtime_folders_that_are_none(void **state)
{
    (void)state;
    char variable[300];
    static const char *const folders[] = {"/nonexistent/folder", "/proc", "/dev/null", "relative",
                                          "/"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(variable, sizeof(variable), "TRACER_RUNTIME_DIR=%s", folders[i]);
        fixture.variables[0] = variable;
        compare("again", "");
        assert_int_equal(fixture.capture.process_count, 0);
        fixture_clean(NULL);
    }
    fixture.variables[0] = NULL;
    assert_int_equal(chmod(fixture.runtime, 0777), 0); /* not ours alone: refused */
    compare("again", "");
    assert_int_equal(fixture.capture.process_count, 0);
}

/* --- other runtimes --------------------------------------------------------------------------- */

static void test_a_program_with_asan(void **state)
{
    (void)state;
#ifdef PRELOAD_HOST_ASAN
    fixture.host = PRELOAD_HOST_ASAN;
    compare("functions", "");
    assert_int_equal(fixture.capture.count, 9);
    fixture_clean(NULL);
    fixture_reset(NULL);
    compare("fork", "");
    assert_whole(captured("fork-child-own"), true);
    fixture.host = PRELOAD_HOST;
#else
    skip();
#endif
}

static void test_a_libc_free_go_program(void **state)
{
    (void)state;
#ifdef PRELOAD_HOST_GO
    static const char *const arguments[] = {"text", NULL};
    compare_program(PRELOAD_HOST_GO, arguments);
    assert_non_null(strstr(fixture.outcome.text, "go text"));
#else
    skip();
#endif
}

static void test_a_constructor_that_calls_before_ours(void **state)
{
    (void)state;
    compare_program(PRELOAD_HOST_EARLY, (const char *const[]){NULL});
    assert_string_equal(fixture.outcome.text, "constructor\nmain\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_reset, fixture_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_collector_is_started_unseen),
        TEST(test_a_missing_collector_changes_nothing),
        TEST(test_the_collector_can_stop_a_connection),
        TEST(test_file_size_limits),
        TEST(test_full_and_small_file_systems),
        TEST(test_runtime_folders_that_are_none),
        TEST(test_a_program_with_asan),
        TEST(test_a_libc_free_go_program),
        TEST(test_a_constructor_that_calls_before_ours),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
