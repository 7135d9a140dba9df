/* Whether a process accepts connections: looked at once, in /proc. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "synthetic.h"

#include "collector/internal.h"

static bool listens_now(int64_t pid)
{
    struct process p = {.pid = pid, .listens = -1};
    return process_listens(&p);
}

static void test_listens(void **state)
{
    (void)state;
    assert_false(listens_now(getpid()));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_false(listens_now(getpid()));
    assert_int_equal(listen(fd, 1), 0);
    assert_true(listens_now(getpid()));
    pid_t other = fork();
    if (other == 0) {
        close(fd);
        pause();
    }
    usleep(50000);
    assert_false(listens_now(other));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    assert_false(listens_now(other)); /* gone */
    close(fd);
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (six >= 0 && bind(six, (struct sockaddr *)&at6, sizeof(at6)) == 0) {
        assert_int_equal(listen(six, 1), 0);
        assert_true(listens_now(getpid()));
    }
    if (six >= 0)
        close(six);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_listens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
