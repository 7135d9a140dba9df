/* What the threads behind a server promise: writes are gathered, nothing is lost or answered twice
 * whatever the store or the clients do, and a stop finishes what runs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server_fake.h"
#include "unit/cmocka_all.h"

#define MANY 40

#define GET_TRACES "GET /api/traces HTTP/1.1\r\nHost: localhost\r\nX-API-Key: project-demo\r\n\r\n"

static const struct service_settings plain = {.key_required = true,
                                              .default_key = "project-public"};

static void wait_for(atomic_int *count, int at_least)
{
    for (int i = 0; i < 2000 && atomic_load(count) < at_least; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_true(atomic_load(count) >= at_least);
}

static void writes_that_wait_are_one_batch(void **state)
{
    struct fake_server server;
    int fds[MANY];
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_ms, 100);
    for (int i = 0; i < MANY; i++) {
        fds[i] = fake_connect(&server);
        fake_send(fds[i], fake_create("one"));
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(fake_answer(fds[i], NULL, 0, NULL, 0), 200);
        close(fds[i]);
    }
    assert_int_equal(atomic_load(&fake->writes), MANY);
    assert_in_range(atomic_load(&fake->write_calls), 1, MANY / 2);
    assert_int_equal(fake_stop(&server), 0);
    assert_int_equal(atomic_load(&fake->sessions), 0);
    assert_int_equal(atomic_load(&fake->closes), 1);
}

static void failures_are_told(void **state)
{
    struct fake_server server;
    char head[FAKE_ROOM];
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_error, ERR_FULL);
    assert_int_equal(fake_ask(&server, fake_create("a"), head, NULL), 507);
    atomic_store(&fake->write_error, ERR_BUSY);
    assert_int_equal(fake_ask(&server, fake_create("a"), head, NULL), 503);
    assert_non_null(strstr(head, "Retry-After: "));
    atomic_store(&fake->write_error, ERR_IO);
    assert_int_equal(fake_ask(&server, fake_create("a"), head, NULL), 503);
    atomic_store(&fake->write_error, ERR_OK);
    assert_int_equal(fake_ask(&server, fake_create("a"), head, NULL), 200);
    assert_int_equal(fake_stop(&server), 0);
}

/* One request that the store cannot take fails alone. */
static void poison_stays_alone(void **state)
{
    struct fake_server server;
    int fds[MANY];
    int failed = 0;
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_ms, 30);
    atomic_store(&fake->refuse_poison, true);
    for (int i = 0; i < MANY; i++) {
        fds[i] = fake_connect(&server);
        fake_send(fds[i], fake_create(i == MANY / 2 ? "poison" : "sound"));
    }
    for (int i = 0; i < MANY; i++) {
        int status = fake_answer(fds[i], NULL, 0, NULL, 0);
        assert_int_equal(status, i == MANY / 2 ? 503 : 200);
        failed += status != 200;
        close(fds[i]);
    }
    assert_int_equal(failed, 1);
    assert_int_equal(fake_stop(&server), 0);
}

/* A full store is full for all that were written together: nobody is told otherwise. */
static void full_is_full_for_all(void **state)
{
    struct fake_server server;
    int fds[MANY];
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_ms, 30);
    atomic_store(&fake->write_error, ERR_FULL);
    for (int i = 0; i < MANY; i++) {
        fds[i] = fake_connect(&server);
        fake_send(fds[i], fake_create("x"));
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(fake_answer(fds[i], NULL, 0, NULL, 0), 507);
        close(fds[i]);
    }
    assert_int_equal(atomic_load(&fake->writes), 0);
    assert_true(atomic_load(&fake->write_calls) < MANY); /* they were together */
    assert_int_equal(fake_stop(&server), 0);
}

/* Clients that go while the store works, by an end or by a reset, and those that stay. */
static void clients_that_die_are_no_matter(void **state)
{
    struct fake_server server;
    int fds[MANY];
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_ms, 50);
    atomic_store(&fake->read_ms, 50);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            fds[i] = fake_connect(&server);
            fake_send(fds[i], i % 2 == 0 ? fake_create("x") : GET_TRACES);
        }
        for (int i = 0; i < MANY; i++) {
            const struct linger reset = {.l_onoff = 1};
            if (i % 4 == 1)
                setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            if (i % 4 >= 2)
                assert_int_equal(fake_answer(fds[i], NULL, 0, NULL, 0), 200);
            close(fds[i]);
        }
    }
    wait_for(&fake->writes, 3 * MANY / 2);
    assert_int_equal(fake_ask(&server, GET_TRACES, NULL, NULL), 200);
    assert_int_equal(fake_stop(&server), 0);
    assert_int_equal(atomic_load(&fake->writes), 3 * MANY / 2); /* each once */
    assert_int_equal(atomic_load(&fake->sessions), 0);
}

/* An end behind the request is no hurry: the answer comes, however long the store takes. */
static void half_closed_clients_are_answered(void **state)
{
    struct fake_server server;
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->write_ms, 20);
    atomic_store(&fake->read_ms, 20);
    for (int i = 0; i < 20; i++) {
        int fd = fake_connect(&server);
        fake_send(fd, i % 2 == 0 ? fake_create("x") : GET_TRACES);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(fake_answer(fd, NULL, 0, NULL, 0), 200);
        assert_int_equal(fake_answer(fd, NULL, 0, NULL, 0), 0);
        close(fd);
    }
    assert_int_equal(fake_stop(&server), 0);
}

static void pipelined_requests_keep_their_order(void **state)
{
    struct fake_server server;
    char body[FAKE_ROOM];
    (void)state;
    fake_start(&server, plain);
    int fd = fake_connect(&server);
    for (int i = 0; i < 20; i++) {
        fake_send(fd, fake_create("x"));
        fake_send(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        fake_send(fd, GET_TRACES);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fake_answer(fd, NULL, 0, body, sizeof(body)), 200);
        assert_non_null(strstr(body, "created"));
        assert_int_equal(fake_answer(fd, NULL, 0, body, sizeof(body)), 200);
        assert_non_null(strstr(body, "healthy"));
        assert_int_equal(fake_answer(fd, NULL, 0, body, sizeof(body)), 200);
        assert_non_null(strstr(body, "next_cursor"));
    }
    close(fd);
    assert_int_equal(fake_stop(&server), 0);
}

static void stop_finishes_what_runs(void **state)
{
    struct fake_server server;
    int fds[10];
    (void)state;
    fake_start(&server, plain);
    int idle = fake_connect(&server);
    atomic_store(&fake->write_ms, 300);
    for (int i = 0; i < 10; i++) {
        fds[i] = fake_connect(&server);
        fake_send(fds[i], fake_create("last"));
    }
    wait_for(&fake->write_calls, 1);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* the others are in the queue */
    kill(server.pid, SIGTERM);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fake_answer(fds[i], NULL, 0, NULL, 0), 200);
        close(fds[i]);
    }
    assert_int_equal(fake_wait(&server), 0);
    assert_int_equal(atomic_load(&fake->writes), 10);
    assert_int_equal(fake_answer(idle, NULL, 0, NULL, 0), 0); /* ended */
    assert_int_equal(fake_connect(&server), -1);
    close(idle);
}

static void second_signal_ends_at_once(void **state)
{
    struct fake_server server;
    (void)state;
    fake_start(&server, plain);
    atomic_store(&fake->read_ms, 60000);
    int fd = fake_connect(&server);
    fake_send(fd, GET_TRACES);
    wait_for(&fake->reads, 1);
    kill(server.pid, SIGINT);
    for (int i = 0; i < 200 && fake_connect(&server) >= 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    kill(server.pid, SIGINT);
    assert_int_equal(fake_wait(&server), 200 + SIGINT);
    close(fd);
}

/* A stream of events does not hold up a stop, nor does a request that never ends. */
static void stop_waits_for_no_stream(void **state)
{
    struct fake_server server;
    char head[FAKE_ROOM];
    char rest[256];
    (void)state;
    fake_start(&server, plain);
    int stream = fake_connect(&server);
    int half = fake_connect(&server);
    fake_send(stream,
              "GET /api/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: project-demo\r\n\r\n");
    fake_send(half, "POST /api/traces HTTP/1.1\r\nHost: localhost\r\nX-API-Key: project-demo\r\n"
                    "Content-Length: 100\r\n\r\n{");
    assert_int_equal(fake_answer(stream, head, sizeof(head), NULL, 0), 200);
    assert_non_null(strstr(head, "text/event-stream"));
    kill(server.pid, SIGTERM);
    while (recv(stream, rest, sizeof(rest), 0) > 0)
        continue;
    assert_int_equal(fake_wait(&server), 0);
    close(stream);
    close(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_that_wait_are_one_batch),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(poison_stays_alone),
        cmocka_unit_test(full_is_full_for_all),
        cmocka_unit_test(clients_that_die_are_no_matter),
        cmocka_unit_test(half_closed_clients_are_answered),
        cmocka_unit_test(pipelined_requests_keep_their_order),
        cmocka_unit_test(stop_finishes_what_runs),
        cmocka_unit_test(second_signal_ends_at_once),
        cmocka_unit_test(stop_waits_for_no_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
