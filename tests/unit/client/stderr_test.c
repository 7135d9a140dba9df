/* Warnings on a stderr that nobody reads, that is full, or that is something else by now. Each case
 * runs in a process of its own, which has a stderr of its own. */
#include "told.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A line on stderr, for other settings each time. */
static void warn(const char *url)
{
    llmt_client_close(llmt_client_new(&(llmt_client_options){.api_key = "bad", .base_url = url}));
}

static int with_nobody_reading(void)
{
    int ends[2];
    sigset_t before, after, pending;
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0 || close(ends[0]) != 0)
        return 1;
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, NULL, &before);
    errno = ERANGE;
    warn("http://a");
    if (errno != ERANGE)
        return 2;
    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&before, i) != sigismember(&after, i))
            return 3;
    if (sigpending(&pending) != 0 || sigismember(&pending, SIGPIPE))
        return 4;
    /* One that waits for the program stays. */
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe_only, NULL);
    raise(SIGPIPE);
    warn("http://b");
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) ? 0 : 5;
}

static int at_the_file_size_limit(void)
{
    struct stat s;
    char path[] = "/tmp/client-stderr-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0 || dup2(fd, STDERR_FILENO) < 0)
        return 1;
    execl("/proc/self/exe", "stderr_test", "warn", "at the limit", NULL);
    return fstat(fd, &s) == 0 ? 2 : 3;
}

static void no_signal_is_raised(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_nobody_reading), 0);
    assert_int_equal(in_child(at_the_file_size_limit), 0);
}

static int with_a_full_pipe(void)
{
    int ends[2];
    char bytes[4096] = "";
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return 1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], bytes, sizeof(bytes)) > 0)
        continue;
    fcntl(ends[1], F_SETFL, 0);
    alarm(20); /* ends a write that waits */
    warn("http://a");
    ssize_t got;
    while ((got = read(ends[0], bytes, sizeof(bytes))) > 0)
        if (memchr(bytes, 'l', (size_t)got))
            return 2;
    warn("http://b"); /* there is room again */
    return read(ends[0], bytes, sizeof(bytes)) > 12 && memcmp(bytes, "llm-tracer: ", 12) == 0 ? 0
                                                                                              : 3;
}

static void full_stderr_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_a_full_pipe), 0);
}

/* The length of the file once it is descriptor 2 and a warning was given. */
static ssize_t bytes_warned(int fd, bool close_first)
{
    struct stat s;
    if (close_first) {
        close(STDERR_FILENO);
        if (dup(fd) != STDERR_FILENO)
            return -1;
    } else if (dup2(fd, STDERR_FILENO) < 0) {
        return -1;
    }
    warn("http://a");
    return fstat(fd, &s) == 0 ? s.st_size : -1;
}

static int with_a_file_of_its_own(void)
{
    char path[] = "/tmp/client-data-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0)
        return 1;
    if (bytes_warned(fd, true) != 0)
        return 2;
    return bytes_warned(fd, false) == 0 ? 0 : 3; /* a log on purpose looks the same */
}

static int with_a_connection_of_its_own(void)
{
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return 1;
    warn("http://a");
    return recv(ends[0], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ? 0 : 2;
}

static void data_is_not_written_into(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_a_file_of_its_own), 0);
    assert_int_equal(in_child(with_a_connection_of_its_own), 0);
}

/* A stderr that is a file from the start is written, also as a descriptor made anew. */
static int with_a_log_from_the_start(void)
{
    char path[] = "/tmp/client-log-XXXXXX";
    struct stat s;
    const int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0)
        return 1;
    const pid_t child = fork();
    if (child == 0) {
        dup2(fd, STDERR_FILENO);
        execl("/proc/self/exe", "stderr_test", "warn", NULL);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return 2;
    return fstat(fd, &s) == 0 && s.st_size > 12 ? 0 : 3;
}

static void log_of_the_start_is_written(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_a_log_from_the_start), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "warn") == 0) {
        const struct rlimit limit = {0, 0};
        signal(SIGXFSZ, SIG_DFL);
        if (argc > 2 && setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 1;
        warn("http://a");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_signal_is_raised),
        cmocka_unit_test(full_stderr_is_not_waited_for),
        cmocka_unit_test(data_is_not_written_into),
        cmocka_unit_test(log_of_the_start_is_written),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
