/* What a server says to those who must not come in, and to who started it. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server_fake.h"
#include "unit/cmocka_all.h"

#define KEY "X-API-Key: project-demo\r\n"

static const struct service_settings plain = {.key_required = true,
                                              .default_key = "project-public"};

static char head[FAKE_ROOM], body[FAKE_ROOM];

static int ask(const struct fake_server *server, const char *line, const char *headers)
{
    char request[FAKE_ROOM];
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\n%s\r\n", line, headers);
    return fake_ask(server, request, head, body);
}

static void has(const char *text)
{
    if (strstr(head, text) == NULL)
        fail_msg("no \"%s\" in:\n%s", text, head);
}

static void every_answer_is_guarded_and_json(void **state)
{
    static const char *const lines[] = {"GET /health",           "GET /api/traces",
                                        "GET /nothing",          "DELETE /api/traces",
                                        "GET /api/traces/a/b/c", "BREW /api/traces"};
    static const int statuses[] = {200, 401, 404, 405, 404, 405};
    struct fake_server server;
    (void)state;
    fake_start(&server, plain);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(ask(&server, lines[i], "Host: localhost\r\n"), statuses[i]);
        has("\r\nX-Content-Type-Options: nosniff\r\n");
        has("\r\nReferrer-Policy: no-referrer\r\n");
        has("frame-ancestors 'none'");
        has("\r\nContent-Type: application/json\r\n");
        assert_null(strstr(head, "\r\nServer:"));
        assert_int_equal(body[0], '{');
    }
    assert_int_equal(ask(&server, "DELETE /api/traces", "Host: localhost\r\n"), 405);
    has("\r\nAllow: ");
    assert_int_equal(ask(&server, "GET /", "Host: localhost\r\n"), 200);
    has("script-src 'self'; style-src 'self'");
    has("\r\nETag: \"");
    assert_int_equal(fake_stop(&server), 0);
}

static void only_own_names_on_loopback(void **state)
{
    struct fake_server server;
    (void)state;
    fake_start(&server, plain);
    assert_int_equal(ask(&server, "GET /health", "Host: 127.0.0.1:1\r\n"), 200);
    assert_int_equal(ask(&server, "GET /health", "Host: evil.example\r\n"), 421);
    assert_int_equal(ask(&server, "GET /", "Host: evil.example\r\n"), 421);
    assert_int_equal(ask(&server, "GET /health", ""), 400);
    assert_int_equal(ask(&server, "GET /health", "Host: localhost\r\nHost: evil\r\n"), 400);
    assert_int_equal(ask(&server, "GET http://localhost/health", "Host: localhost\r\n"), 200);
    assert_int_equal(fake_stop(&server), 0);
}

/* A proxy of this machine says which name it was asked by; who has no key gets nothing by it. */
static void other_names_with_a_list_of_keys(void **state)
{
    struct fake_server server;
    struct service_settings keys = plain;
    (void)state;
    keys.keys = "project-demo";
    fake_start(&server, keys);
    assert_int_equal(ask(&server, "GET /api/traces", "Host: tracer.example\r\n" KEY), 200);
    assert_int_equal(ask(&server, "GET /api/traces",
                         "Host: tracer.example\r\nOrigin: https://tracer.example\r\n" KEY),
                     200);
    assert_int_equal(ask(&server, "GET /api/traces", "Host: tracer.example\r\n"), 401);
    assert_int_equal(fake_stop(&server), 0);
    keys.key_required = false;
    fake_start(&server, keys);
    assert_int_equal(ask(&server, "GET /api/traces", "Host: tracer.example\r\n" KEY), 421);
    assert_int_equal(fake_stop(&server), 0);
}

/* Without a key a page of another site could do harm by a simple POST. */
static void pages_of_others_are_refused(void **state)
{
    struct fake_server server;
    struct service_settings open = {.key_required = false};
    char request[FAKE_ROOM];
    (void)state;
    open.cors_origins = "https://friend.example";
    fake_start(&server, open);
    assert_int_equal(ask(&server, "GET /api/traces", "Host: localhost\r\n"), 200);
    static const char *const foreign[] = {
        "Origin: http://evil.example\r\n", "Origin: null\r\n", "Origin: http://localhost:3000\r\n",
        "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        snprintf(
            request, sizeof(request),
            "POST /api/traces HTTP/1.1\r\nHost: localhost:8001\r\n%sContent-Length: 2\r\n\r\n{}",
            foreign[i]);
        assert_int_equal(fake_ask(&server, request, head, body), 403);
        assert_null(strstr(head, "Access-Control"));
    }
    assert_int_equal(ask(&server, "GET /api/traces",
                         "Host: localhost:8001\r\nOrigin: http://localhost:8001\r\n"
                         "Sec-Fetch-Site: same-origin\r\n"),
                     200);
    assert_int_equal(ask(&server, "GET /api/traces",
                         "Host: localhost\r\nOrigin: https://friend.example\r\n"
                         "Sec-Fetch-Site: cross-site\r\n"),
                     200);
    has("Access-Control-Allow-Origin: https://friend.example\r\n");
    has("Vary: Origin\r\n");
    assert_int_equal(ask(&server, "OPTIONS /api/traces",
                         "Host: localhost\r\nOrigin: https://friend.example\r\n"
                         "Access-Control-Request-Method: POST\r\n"),
                     204);
    has("Access-Control-Allow-Headers: X-API-Key, Content-Type");
    has("Access-Control-Allow-Methods: ");
    assert_int_equal(atomic_load(&fake->writes), 0);
    assert_int_equal(fake_stop(&server), 0);
}

static void framing_that_can_be_read_in_two_ways(void **state)
{
    static const char *const framings[] = {
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length : 2\r\n",
        "Content-Length\t: 2\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n",
        " Content-Length: 2\r\nX: y\r\n",
    };
    struct fake_server server;
    char request[FAKE_ROOM];
    (void)state;
    fake_start(&server, plain);
    for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
        snprintf(request, sizeof(request),
                 "POST /api/traces HTTP/1.1\r\nHost: localhost\r\n" KEY "%s\r\n{}", framings[i]);
        int fd = fake_connect(&server);
        fake_send(fd, request);
        assert_int_equal(fake_answer(fd, head, sizeof(head), body, sizeof(body)), 400);
        assert_int_equal(fake_answer(fd, NULL, 0, NULL, 0), 0); /* nothing behind it is read */
        close(fd);
    }
    assert_int_equal(fake_stop(&server), 0);
}

/* libmicrohttpd answers these without asking us. */
static void what_is_no_http_is_answered_in_json(void **state)
{
#define POST "POST /api/traces HTTP/1.1\r\nHost: localhost\r\n" KEY
    static const struct {
        const char *request;
        int status;
    } bad[] = {
        {"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n", 400},
        {"GET /health HTTP/3.1\r\nHost: localhost\r\n\r\n", 505},
        {POST "Content-Length: x\r\n\r\n", 400},
        {POST "Content-Length: -1\r\n\r\n", 400},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", 413},
        {POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n{}\r\n", 413},
    };
#undef POST
    struct fake_server server;
    char large[40000];
    (void)state;
    fake_start(&server, plain);
    for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
        bool last = i == sizeof(bad) / sizeof(bad[0]);
        int n = snprintf(large, sizeof(large), "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ");
        memset(large + n, 'x', sizeof(large) - (size_t)n);
        strcpy(large + sizeof(large) - 5, "\r\n\r\n");
        int status = fake_ask(&server, last ? large : bad[i].request, head, body);
        if (status != (last ? 431 : bad[i].status))
            fail_msg("%zu: %d", i, status);
        has("\r\nContent-Type: application/json\r\n");
        has("\r\nX-Content-Type-Options: nosniff\r\n");
        has("\r\nConnection: close\r\n");
        assert_memory_equal(body, "{\"detail\": \"", 12);
        assert_string_equal(body + strlen(body) - 2, "\"}");
        assert_null(strchr(body, '<'));
        assert_null(strstr(body, "HTTP/"));
    }
    assert_int_equal(fake_stop(&server), 0);
}

/* Around what a connection has room for, cookies being kept twice: whatever it is answered, if it
 * is (where the answer's own head has no room left it is not), the server goes on. */
static void heads_of_any_size(void **state)
{
    static char request[64000];
    struct fake_server server;
    (void)state;
    fake_start(&server, plain);
    for (size_t size = 1000; size<50000; size += size> 15000 && size < 20000 ? 41 : 3000) {
        static const char start[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nCookie: ";
        strcpy(request, start);
        memset(request + sizeof(start) - 1, 'x', size);
        strcpy(request + sizeof(start) - 1 + size, "\r\n\r\n");
        int status = fake_ask(&server, request, head, body);
        if (size <= 16000 ? status != 200 : status != 200 && status != 431 && status != 0)
            fail_msg("%zu: %d", size, status);
    }
    assert_int_equal(ask(&server, "GET /health", "Host: localhost\r\n"), 200);
    assert_int_equal(fake_stop(&server), 0);
}

static void bodies_are_bounded(void **state)
{
    struct fake_server server;
    struct service_settings small = plain;
    char request[20000];
    (void)state;
    small.body_max = 5000;
    fake_start(&server, small);
    assert_int_equal(ask(&server, "POST /api/traces",
                         "Host: localhost\r\n" KEY "Content-Length: 90000000000\r\n"),
                     413);
    assert_int_equal(ask(&server, "POST /api/traces",
                         "Host: localhost\r\n" KEY "Content-Length: 5001\r\n"
                         "Expect: 100-continue\r\n"),
                     413);
    int n = snprintf(request, sizeof(request),
                     "POST /api/traces HTTP/1.1\r\nHost: localhost\r\n" KEY
                     "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
                     6000);
    memset(request + n, ' ', 6000);
    strcpy(request + n + 6000, "\r\n0\r\n\r\n");
    assert_int_equal(fake_ask(&server, request, head, body), 413);
    assert_int_equal(ask(&server, "POST /api/traces",
                         "Host: localhost\r\n" KEY "Content-Encoding: br\r\n"
                         "Content-Length: 0\r\n"),
                     415);
    assert_int_equal(fake_stop(&server), 0);
}

/* Who sends on while it is refused reads the answer and the end, no reset. */
static void refusals_can_be_read(void **state)
{
    static const struct {
        const char *request;
        int status;
    } refused[] = {
        {"POST /api/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n", 401},
        {"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n", 404},
        {"POST /api/ingest HTTP/1.1\r\nHost: localhost\r\n" KEY
         "Content-Length: 90000000000\r\n\r\n",
         413},
        {"POST /api/ingest HTTP/1.1\r\nHost: localhost\r\n" KEY "Content-Encoding: br\r\n"
         "Content-Length: 4000000\r\n\r\n",
         415},
        {"POST /api/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400},
    };
    static char part[4000000];
    struct fake_server server;
    char byte;
    (void)state;
    memset(part, 'x', sizeof(part) - 1);
    fake_start(&server, plain);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        int fd = fake_connect(&server);
        fake_send(fd, refused[i].request);
        fake_send(fd, part);
        assert_int_equal(fake_answer(fd, head, sizeof(head), body, sizeof(body)),
                         refused[i].status);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        close(fd);
    }
    /* Many at once, and none of them goes: they are let go in a moment, others are served. */
    int all[100];
    for (size_t i = 0; i < 100; i++) {
        all[i] = fake_connect(&server);
        fake_send(all[i], refused[0].request);
    }
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(fake_answer(all[i], NULL, 0, NULL, 0), 401);
    assert_int_equal(ask(&server, "GET /health", "Host: localhost\r\n"), 200);
    assert_int_equal(fake_stop(&server), 0);
    for (size_t i = 0; i < 100; i++)
        close(all[i]);
}

static void rates_are_limited(void **state)
{
    struct fake_server server;
    struct service_settings limited = plain;
    (void)state;
    limited.rate_limit = 3;
    fake_start(&server, limited);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(&server, "GET /api/traces", "Host: localhost\r\n" KEY), 200);
    assert_int_equal(ask(&server, "GET /api/traces", "Host: localhost\r\n" KEY), 429);
    has("\r\nRetry-After: ");
    assert_int_equal(ask(&server, "GET /health", "Host: localhost\r\n"), 200);
    assert_int_equal(fake_stop(&server), 0);
}

static void bad_settings_do_not_start(void **state)
{
    static const struct {
        struct service_settings settings;
        const char *say;
    } bad[] = {
        {{.listen = "0.0.0.0:0", .key_required = true}, "API_KEYS"},
        {{.listen = "0.0.0.0:0", .keys = "project-a"}, "API_KEY_REQUIRED"},
        {{.listen = "nowhere:1", .key_required = true}, "ADDRESS:PORT"},
        {{.keys = "secret", .key_required = true}, "API_KEYS: key 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fake_server server;
        fake_start(&server, bad[i].settings);
        assert_non_null(server.why);
        if (strstr(server.why, bad[i].say) == NULL)
            fail_msg("no \"%s\" in: %s", bad[i].say, server.why);
        assert_int_equal(fake_wait(&server), 1);
        assert_int_equal(atomic_load(&fake->sessions), 0);
    }
}

static void unix_socket_and_manager(void **state)
{
    struct fake_server server;
    struct service_settings both = plain;
    struct sockaddr_un manager = {.sun_family = AF_UNIX};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[256];
    (void)state;
    int told = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int n = snprintf(manager.sun_path + 1, 60, "llm-tracer-test-%d", (int)getpid());
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    assert_int_equal(bind(told, (struct sockaddr *)&manager, len), 0);
    snprintf(text, sizeof(text), "@%s", manager.sun_path + 1);
    setenv("NOTIFY_SOCKET", text, 1);
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/server-test-%d", (int)getpid());
    both.listen = "127.0.0.1:0";
    both.socket = address.sun_path;
    fake_start(&server, both);
    assert_true(server.port > 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fake_send(fd, "GET /api/traces HTTP/1.1\r\nHost: any\r\n" KEY "\r\n"); /* no browser's */
    assert_int_equal(fake_answer(fd, NULL, 0, NULL, 0), 200);
    close(fd);
    assert_int_equal(ask(&server, "GET /health", "Host: localhost\r\n"), 200);
    assert_int_equal(fake_stop(&server), 0);
    assert_int_not_equal(access(address.sun_path, F_OK), 0);
    ssize_t got = recv(told, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_int_equal(got, 7);
    assert_memory_equal(text, "READY=1", 7);
    got = recv(told, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_int_equal(got, 10);
    assert_memory_equal(text, "STOPPING=1", 10);
    close(told);
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_guarded_and_json),
        cmocka_unit_test(only_own_names_on_loopback),
        cmocka_unit_test(other_names_with_a_list_of_keys),
        cmocka_unit_test(pages_of_others_are_refused),
        cmocka_unit_test(framing_that_can_be_read_in_two_ways),
        cmocka_unit_test(what_is_no_http_is_answered_in_json),
        cmocka_unit_test(heads_of_any_size),
        cmocka_unit_test(bodies_are_bounded),
        cmocka_unit_test(refusals_can_be_read),
        cmocka_unit_test(rates_are_limited),
        cmocka_unit_test(bad_settings_do_not_start),
        cmocka_unit_test(unix_socket_and_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
