/* Where the service listens: addresses, Unix sockets that were left behind, and sockets handed over
 * by a service manager. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/listen.h"
#include "unit/cmocka_all.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/listen-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a socket was left there */
}

static void parses(const char *text, int family, const char *host, unsigned port)
{
    struct sockaddr_storage address;
    socklen_t len;
    char shown[INET6_ADDRSTRLEN];
    assert_int_equal(listen_parse(text, &address, &len), ERR_OK);
    assert_int_equal(address.ss_family, family);
    const struct sockaddr_in *in = (struct sockaddr_in *)&address;
    const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    const void *bytes = family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr;
    assert_non_null(inet_ntop(family, bytes, shown, sizeof(shown)));
    assert_string_equal(shown, host);
    assert_int_equal(ntohs(family == AF_INET ? in->sin_port : in6->sin6_port), port);
}

static void addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "8001",
                                      ":8001",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:65536",
                                      "::1:8001",
                                      "[::1]",
                                      "[::1]8001",
                                      "[::1:8001",
                                      "[]:1",
                                      "host:1",
                                      "1.2.3:1",
                                      "127.0.0.1:-1",
                                      "127.0.0.1: 1",
                                      "[127.0.0.1]:1",
                                      "[:1",
                                      "[",
                                      "127.0.0.1:000080"};
    struct sockaddr_storage address;
    socklen_t len;
    char endless[300];
    (void)state;
    parses("127.0.0.1:8001", AF_INET, "127.0.0.1", 8001);
    parses("0.0.0.0:0", AF_INET, "0.0.0.0", 0);
    parses("localhost:65535", AF_INET, "127.0.0.1", 65535);
    parses("[::1]:8001", AF_INET6, "::1", 8001);
    parses("[2001:db8::1]:80", AF_INET6, "2001:db8::1", 80);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(listen_parse(bad[i], &address, &len), ERR_RANGE);
    memset(endless, '1', sizeof(endless));
    strcpy(endless + sizeof(endless) - 3, ":1");
    assert_int_equal(listen_parse(endless, &address, &len), ERR_RANGE);
}

static void tcp_on_a_free_port(void **state)
{
    struct listeners l = {0};
    struct listeners more = {0};
    char *why = NULL;
    (void)state;
    assert_int_equal(listen_tcp(&l, "127.0.0.1:0", &why), ERR_OK);
    assert_true(l.all[0].loopback);
    assert_true(l.all[0].local);
    assert_int_equal(strncmp(l.all[0].name, "http://127.0.0.1:", 17), 0);
    assert_true(atoi(l.all[0].name + 17) > 0);
    assert_int_equal(listen_tcp(&more, l.all[0].name + 7, &why), ERR_BUSY);
    assert_non_null(strstr(why, "--listen"));
    free(why);
    assert_int_equal(listen_tcp(&more, "0.0.0.0:0", &why), ERR_OK);
    assert_false(more.all[0].loopback);
    assert_false(more.all[0].local);
    listen_release(&l);
    listen_release(&more);
    assert_int_equal(listen_tcp(&l, "nowhere", &why), ERR_RANGE);
    free(why);
    assert_int_equal(listen_tcp(&l, "192.0.2.1:0", &why), ERR_IO); /* nobody's (RFC 5737) */
    free(why);
    assert_int_equal(l.count, 0);
}

static void unix_socket_is_ours_alone(void **state)
{
    struct listeners l = {0};
    struct listeners second = {0};
    char *why = NULL;
    char path[80];
    struct stat st;
    (void)state;
    snprintf(path, sizeof(path), "%s/s", folder);
    assert_int_equal(listen_unix(&l, path, &why), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(l.all[0].loopback);
    assert_false(l.all[0].local);
    /* Somebody listens: it is not taken away. */
    assert_int_equal(listen_unix(&second, path, &why), ERR_BUSY);
    free(why);
    /* Left behind by one that was killed: it is replaced. */
    close(l.all[0].fd);
    assert_int_equal(listen_unix(&second, path, &why), ERR_OK);
    l.count = 0;
    listen_release(&second);
    assert_int_not_equal(stat(path, &st), 0);
}

static void files_are_never_replaced(void **state)
{
    struct listeners l = {0};
    char *why = NULL;
    char path[200];
    struct stat st;
    (void)state;
    snprintf(path, sizeof(path), "%s/f", folder);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(listen_unix(&l, path, &why), ERR_BUSY);
    free(why);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(listen_unix(&l, path, &why), ERR_RANGE);
    free(why);
}

/* In a child, since the sockets are descriptors 3 and on. */
static int handed_over(int type, bool listening, const char *pid)
{
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct listeners l = {0};
        char *why = NULL;
        char self[32];
        int fd = socket(AF_INET, type, 0);
        if (bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
            (listening && listen(fd, 5) != 0) || (fd != 3 && dup2(fd, 3) != 3))
            _exit(100);
        snprintf(self, sizeof(self), "%d", (int)getpid());
        setenv("LISTEN_PID", pid != NULL ? pid : self, 1);
        setenv("LISTEN_FDS", "1", 1);
        int err = listen_inherited(&l, &why);
        if (getenv("LISTEN_FDS") != NULL || getenv("LISTEN_PID") != NULL)
            _exit(101);
        if (err == ERR_OK && l.count == 1 && (!l.all[0].loopback || l.all[0].fd != 3))
            _exit(102);
        free(why);
        _exit(err == ERR_OK ? (int)l.count : 50);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void sockets_of_a_service_manager(void **state)
{
    (void)state;
    assert_int_equal(handed_over(SOCK_STREAM, true, NULL), 1);
    assert_int_equal(handed_over(SOCK_STREAM, true, "1"), 0); /* somebody else's */
    assert_int_equal(handed_over(SOCK_STREAM, true, "x"), 0);
    assert_int_equal(handed_over(SOCK_STREAM, false, NULL), 50);
    assert_int_equal(handed_over(SOCK_DGRAM, false, NULL), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(tcp_on_a_free_port),
        cmocka_unit_test(unix_socket_is_ours_alone),
        cmocka_unit_test(files_are_never_replaced),
        cmocka_unit_test(sockets_of_a_service_manager),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
