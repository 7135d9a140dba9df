/* Whose socket is at the other end of a connection on this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/peer.h"

/* Both ends of a connection over loopback; the client's is made by a child of another user when
 * `user` is not our own, and held until *hold is closed. */
struct ends {
    int listener, server, hold;
    pid_t child;
};

static void client_connects(int family, const struct sockaddr_storage *to, socklen_t len, int wait)
{
    char end;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, len) != 0)
        _exit(1);
    _exit(read(wait, &end, 1) < 0);
}

/* The listener's address as a client of that family names it. */
static socklen_t address_for(int family, int listener, struct sockaddr_storage *out)
{
    socklen_t len = sizeof(*out);
    memset(out, 0, sizeof(*out));
    assert_int_equal(getsockname(listener, (struct sockaddr *)out, &len), 0);
    if (family == out->ss_family)
        return len;
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6,
                                  .sin6_port = ((struct sockaddr_in *)out)->sin_port};
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
    memcpy(out, &mapped, sizeof(mapped));
    return sizeof(mapped);
}

static bool ends_open(struct ends *e, int family, int client_family, uid_t user)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage to;
    int hold[2];
    const bool four = family == AF_INET;
    e->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (e->listener < 0 ||
        bind(e->listener, four ? (struct sockaddr *)&v4 : (struct sockaddr *)&six,
             four ? sizeof(v4) : sizeof(six)) != 0)
        return false; /* no IPv6 here */
    assert_int_equal(listen(e->listener, 1), 0);
    socklen_t len = address_for(client_family, e->listener, &to);
    assert_int_equal(pipe(hold), 0);
    e->child = fork();
    assert_true(e->child >= 0);
    if (e->child == 0) {
        close(hold[1]);
        if (user != geteuid() && setuid(user) != 0)
            _exit(1);
        client_connects(client_family, &to, len, hold[0]);
    }
    close(hold[0]);
    e->hold = hold[1];
    e->server = accept(e->listener, NULL, NULL);
    assert_true(e->server >= 0);
    return true;
}

static void ends_close(struct ends *e)
{
    int status;
    close(e->hold);
    assert_int_equal(waitpid(e->child, &status, 0), e->child);
    assert_int_equal(status, 0);
    close(e->server);
    close(e->listener);
}

static void check(int family, int client_family, uid_t user, bool own)
{
    struct ends e;
    uid_t found = (uid_t)-1;
    if (!ends_open(&e, family, client_family, user))
        return;
    assert_int_equal(peer_user(e.server, &found), ERR_OK);
    assert_int_equal(found, user);
    assert_int_equal(peer_is_own(e.server), own);
    found = (uid_t)-1;
    assert_int_equal(peer_user_by_table(e.server, &found), ERR_OK);
    assert_int_equal(found, user);
    ends_close(&e);
}

static void test_own(void **state)
{
    (void)state;
    check(AF_INET, AF_INET, geteuid(), true);
    check(AF_INET6, AF_INET6, geteuid(), true);
    check(AF_INET, AF_INET6, geteuid(), true); /* an IPv6 socket to an IPv4 address */
}

static void test_other(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    check(AF_INET, AF_INET, 65534, false);
    check(AF_INET6, AF_INET6, 65534, false);
    check(AF_INET, AF_INET6, 65534, false);
}

static void test_unix_socket(void **state)
{
    (void)state;
    int pair[2];
    uid_t found = (uid_t)-1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(peer_user(pair[0], &found), ERR_OK);
    assert_int_equal(found, geteuid());
    close(pair[0]);
    close(pair[1]);
}

static void test_no_connection(void **state)
{
    (void)state;
    uid_t found;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(peer_user(fd, &found) < 0);
    assert_false(peer_is_own(fd));
    close(fd);
    assert_true(peer_user(fd, &found) < 0);
    assert_false(peer_is_own(fd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
