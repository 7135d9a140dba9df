/* The collector that a program starts unseen: when, which one, with what. */
#include "owner_help.h"

#include <sys/prctl.h>

#include "wire/text.h"

/* Adds a line to the file that it is told of, and its environment to another. */
static const char program[] = "#!/bin/sh\n"
                              "env | sort >\"$XDG_TOLD/environment\"\n"
                              "echo \"$0 $*\" >>\"$XDG_TOLD/started\"\n";

static char told[4096];

static const char *in_dir(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", owner_dir, name);
    return path;
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(in_dir(name), 0700), 0);
}

static void make_program(const char *name)
{
    FILE *file = fopen(in_dir(name), "w");
    assert_non_null(file);
    fputs(program, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(in_dir(name), 0700), 0);
}

static const char *content_of(const char *name)
{
    FILE *file = fopen(in_dir(name), "r");
    size_t len = file == NULL ? 0 : fread(told, 1, sizeof(told) - 1, file);
    told[len] = '\0';
    if (file != NULL)
        fclose(file);
    return told;
}

/* What was started so far, once there is something. */
static const char *started(void)
{
    for (int i = 0; i < 1000 && content_of("started")[0] == '\0'; i++)
        usleep(5000);
    return told;
}

/* A started program has replaced the clone when owner_spawn returns, and needs a few ms to tell. */
static void assert_nothing_started(void)
{
    usleep(30000);
    assert_string_equal(content_of("started"), "");
}

static int setup(void **state)
{
    static char variable[128];
    owner_setup(state);
    atomic_fetch_add(&owner_clock, 100 * SECOND);
    make_folder("lib");
    make_folder("bin");
    snprintf(variable, sizeof(variable), "XDG_TOLD=%s", owner_dir);
    snprintf(owner_object, sizeof(owner_object), "%s/lib/libx.so", owner_dir);
    owner_variables[0] = variable;
    owner_variables[1] = "PATH=/usr/bin:/bin";
    assert_non_null(ring_now());
    return 0;
}

static void watch(void)
{
    owner_watch(&owned.owner, &owner_host, told_now());
}

static struct doorbell *bell(void)
{
    return owner_ring_if_any(&owned.owner)->bell;
}

static void it_is_started_once(void **state)
{
    (void)state;
    make_program("bin/llm-tracer");
    owner_settings[OWNER_PATH] = "/usr/bin";
    watch();
    char expected[PATH_MAX + 64];
    snprintf(expected, sizeof(expected), "%s/lib/../bin/llm-tracer collect --spawned\n", owner_dir);
    assert_string_equal(started(), expected);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    assert_int_equal(errno, ECHILD);
    /* Nothing of this process's own environment went along. */
    const char *environment = content_of("environment");
    assert_non_null(strstr(environment, "PATH=/usr/bin:/bin\n"));
    assert_non_null(strstr(environment, owner_variables[0]));
    assert_null(strstr(environment, "SECRET"));
    assert_int_equal(unlink(in_dir("started")), 0);
    /* It never beats its heart: another one, but not within ten seconds. */
    for (int i = 0; i < 9; i++) {
        atomic_fetch_add(&owner_clock, SECOND);
        watch();
    }
    assert_nothing_started();
    atomic_fetch_add(&owner_clock, SECOND);
    watch();
    assert_string_equal(started(), expected);
}

/* Starts one where the doorbell says what it says; whether it did. */
static bool starts(uint32_t pid, uint64_t beat)
{
    atomic_fetch_add(&owner_clock, 20 * SECOND);
    atomic_store(&bell()->collector, pid);
    atomic_store(&bell()->heartbeat, told_now() - beat);
    uint64_t before = atomic_load(&bell()->spawned);
    watch();
    return atomic_load(&bell()->spawned) != before;
}

static void one_that_runs_is_enough(void **state)
{
    (void)state;
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    assert_child_well(dead);
    const uint32_t pid = (uint32_t)getpid();
    assert_false(starts(pid, 0));
    assert_false(starts(pid, 4 * SECOND));
    assert_false(starts(pid, 0 - SECOND)); /* beaten since the time was taken */
    assert_true(starts(pid, 5 * SECOND));
    assert_true(starts(0, 0));
    assert_true(starts((uint32_t)dead, 0));
    /* Looked at once a second only. */
    atomic_store(&bell()->spawned, 0);
    watch();
    assert_int_equal(bell()->spawned, 0);
}

static void places_near_the_object(void **state)
{
    (void)state;
    static const char *const places[] = {"lib/llm-tracer", "bin/llm-tracer", "lib/bin/llm-tracer"};
    static const char *const seen[] = {"lib/llm-tracer ", "lib/../bin/llm-tracer ",
                                       "lib/arch/../../bin/llm-tracer "};
    make_folder("lib/arch");
    make_folder("lib/bin");
    for (int i = 0; i < 3; i++) {
        if (i == 2) /* a folder an architecture */
            snprintf(owner_object, sizeof(owner_object), "%s/lib/arch/libx.so", owner_dir);
        make_program(i == 2 ? "bin/llm-tracer" : places[i]);
        assert_true(owner_spawn(&owner_host));
        assert_non_null(strstr(started(), seen[i]));
        assert_int_equal(unlink(in_dir(i == 2 ? "bin/llm-tracer" : places[i])), 0);
        assert_int_equal(unlink(in_dir("started")), 0);
    }
    /* Folders and files without the permission are none. */
    make_folder("lib/arch/llm-tracer");
    make_program("bin/llm-tracer");
    assert_int_equal(chmod(in_dir("bin/llm-tracer"), 0600), 0);
    assert_false(owner_spawn(&owner_host));
    assert_nothing_started();
}

static void then_the_folders_of_path(void **state)
{
    (void)state;
    char path[4 * PATH_MAX], cwd[PATH_MAX];
    make_folder("one");
    make_folder("one/llm-tracer"); /* a folder of that name is passed over */
    make_folder("two");
    make_folder("relative");
    make_program("two/llm-tracer");
    make_program("relative/llm-tracer");
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(owner_dir), 0);
    static char over_long[OWNER_PATH_MAX + 10];
    memset(over_long, 'x', sizeof(over_long) - 1);
    over_long[0] = '/';
    snprintf(path, sizeof(path), ":relative:.:%s:/nowhere:%s:%s:/usr/bin", over_long, in_dir("one"),
             in_dir("two"));
    owner_settings[OWNER_PATH] = path;
    owner_spawn(&owner_host);
    assert_non_null(strstr(started(), "/two/llm-tracer collect --spawned\n"));
    assert_int_equal(unlink(in_dir("started")), 0);
    /* Without a place of our own too; and not at all where the host does not want it. */
    owner_object[0] = '\0';
    owner_spawn(&owner_host);
    assert_non_null(strstr(started(), "/two/llm-tracer collect --spawned\n"));
    assert_int_equal(unlink(in_dir("started")), 0);
    owner_settings[OWNER_PATH] = ":relative:.:";
    owner_spawn(&owner_host);
    owner_settings[OWNER_PATH] = NULL;
    owner_spawn(&owner_host);
    assert_nothing_started();
    assert_int_equal(chdir(cwd), 0);
}

static void not_where_its_children_would_be_ours(void **state)
{
    (void)state;
    make_program("bin/llm-tracer");
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    owner_spawn(&owner_host);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
    assert_nothing_started();
}

static bool fork_on_the_way(char *out, size_t size)
{
    owner_host.own_path = told_path;
    pid_t child = fork();
    if (child == 0) {
        owner_spawn(&owner_host); /* in a process that was forked in the middle of it */
        _exit(0);
    }
    assert_child_well(child);
    (void)out;
    (void)size;
    return false;
}

static void a_fork_in_the_middle_of_it(void **state)
{
    (void)state;
    make_program("bin/llm-tracer");
    owner_host.own_path = fork_on_the_way;
    owner_spawn(&owner_host);
    assert_non_null(strstr(started(), "bin/llm-tracer collect --spawned\n"));
}

static bool spawn_again(char *out, size_t size)
{
    owner_host.own_path = told_path;
    owner_spawn(&owner_host); /* as from a signal handler */
    assert_nothing_started();
    return told_path(out, size);
}

static void one_at_a_time(void **state)
{
    (void)state;
    make_program("bin/llm-tracer");
    owner_host.own_path = spawn_again;
    owner_spawn(&owner_host);
    assert_non_null(strstr(started(), "bin/llm-tracer collect --spawned\n"));
}

/* --- what is known of variables and paths ------------------------------------------------------
 */

static void variables_are_told_apart(void **state)
{
    (void)state;
    static const char *const collectors[] = {"HOME=/root",
                                             "PATH=",
                                             "TZ=UTC",
                                             "LC_ALL=C",
                                             "LC_=",
                                             "XDG_DATA_HOME=/x",
                                             "AWS_REGION=x",
                                             "OTEL_X=1",
                                             "all_proxy=x",
                                             "no_proxy=x",
                                             "http_proxy=x",
                                             "https_proxy=x",
                                             "HTTP_PROXY=x",
                                             "HTTPS_PROXY=x",
                                             "ALL_PROXY=x",
                                             "NO_PROXY=x",
                                             "SSL_CERT_FILE=x",
                                             "SSL_CERT_DIR=x",
                                             "CURL_CA_BUNDLE=x",
                                             "USER=x",
                                             "LOGNAME=x",
                                             "TMPDIR=x",
                                             "LANG=x",
                                             "TRACER_CONFIG=x",
                                             "TRACER_DATA_DIR=x",
                                             "TRACER_RUNTIME_DIR=x",
                                             "TRACER_MAX_STORE_MB=1",
                                             "TRACER_LOG_LEVEL=debug",
                                             "TRACE_TTL_DAYS=1",
                                             "TRACER_STORE=x",
                                             "TRACER_STORE_TABLE=x",
                                             "TRACER_EXPORT=x",
                                             "TRACER_MAX_CONTENT_BYTES=1"};
    static const char *const others[] = {"",
                                         "=",
                                         "HOME",
                                         "HOM=x",
                                         "HOMES=x",
                                         "xHOME=/",
                                         "LC=",
                                         "LD_PRELOAD=x",
                                         "TRACER_URL=x",
                                         "TRACER_API_KEY=x",
                                         "TRACER_PROJECT_ID=x",
                                         "TRACEPARENT=x",
                                         "TRACER_CONFIGS=x",
                                         "TRACING_ENABLED=x",
                                         "zz=x",
                                         "\xff=x",
                                         "OPENAI_API_KEY=x"};
    for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++)
        if (!owner_is_for_collector(collectors[i]))
            fail_msg("%s is a collector's", collectors[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (owner_is_for_collector(others[i]))
            fail_msg("%s is none of a collector's", others[i]);
    for (int i = 0; i < OWNER_SETTINGS; i++) {
        char text[128];
        const char *name = owner_setting_name((enum owner_setting)i);
        assert_true(strlen(name) >= 4);
        snprintf(text, sizeof(text), "%s=value", name);
        assert_int_equal(owner_setting_of(text), i);
        snprintf(text, sizeof(text), "%sX=value", name);
        assert_int_equal(owner_setting_of(text), -1);
        assert_int_equal(owner_setting_of(name), -1);
    }
    assert_int_equal(owner_setting_of("TRACING_ENABLED=false"), -1);
    assert_int_equal(owner_setting_of(""), -1);
    assert_string_equal(owner_setting_name(OWNER_KEY), "TRACER_API_KEY");
    assert_string_equal(owner_setting_name(OWNER_RING_MAX_MB), "TRACER_RING_MAX_MB");
}

static void an_object_finds_its_file(void **state)
{
    (void)state;
    static const char mark;
    char path[PATH_MAX], link[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", link, sizeof(link) - 1);
    link[len > 0 ? len : 0] = '\0';
    assert_true(owner_path_of(&mark, path, sizeof(path)));
    assert_string_equal(path, link);
    assert_false(owner_path_of(&mark, path, (size_t)len)); /* no room for the NUL */
    assert_true(owner_path_of(&mark, path, (size_t)len + 1));
    assert_false(owner_path_of(&len, path, sizeof(path))); /* the stack is no file's */
    assert_false(owner_path_of(NULL, path, sizeof(path)));
    /* Whatever the number of mappings in front of it, and the length of their paths. */
    const size_t page = 4096, count = 300;
    const char *name = in_dir("a-file-with-spaces and-such");
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)(count * page)), 0);
    char *pages = mmap(NULL, count * page, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(pages != MAP_FAILED);
    for (size_t i = 1; i < count; i += 2)
        assert_int_equal(mprotect(pages + i * page, page, PROT_NONE), 0);
    for (size_t i = 0; i < count; i += 37) {
        assert_true(owner_path_of(pages + i * page + 5, path, sizeof(path)));
        assert_string_equal(path, name);
    }
    assert_true(owner_path_of(&mark, path, sizeof(path)));
    assert_string_equal(path, link);
    assert_int_equal(munmap(pages, count * page), 0);
    assert_int_equal(close(fd), 0);
}

static void numbers_are_read(void **state)
{
    (void)state;
    assert_int_equal(text_to_number("64MB"), 64);
    assert_int_equal(text_to_number("x"), 0);
    assert_int_equal(text_to_number(""), 0);
    assert_true(text_to_number("18446744073709551615") == UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, owner_teardown)

int main(void)
{
    setenv("SECRET", "of this process", 1);
    const struct CMUnitTest tests[] = {
        TEST(it_is_started_once),
        TEST(one_that_runs_is_enough),
        TEST(places_near_the_object),
        TEST(then_the_folders_of_path),
        TEST(not_where_its_children_would_be_ours),
        TEST(a_fork_in_the_middle_of_it),
        TEST(one_at_a_time),
        TEST(variables_are_told_apart),
        TEST(an_object_finds_its_file),
        cmocka_unit_test(numbers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
