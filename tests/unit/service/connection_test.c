/* Deadlines and the choice of whom to end, over socket pairs. */
#include <sys/socket.h>
#include <unistd.h>

#include "service/connection.h"
#include "unit/cmocka_all.h"

#define COUNT 4

static int ends[COUNT][2];

static struct connections *make(size_t max)
{
    struct connections *c = connections_new(max, 1024);
    assert_non_null(c);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]), 0);
    return c;
}

static void release(struct connections *c)
{
    for (int i = 0; i < COUNT; i++) {
        connections_close(c, ends[i][0]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    connections_free(c);
}

static bool is_shut(int i)
{
    char byte;
    return recv(ends[i][1], &byte, 1, 0) == 0;
}

static void overdue_ones_are_shut(void **state)
{
    (void)state;
    struct connections *c = make(10);
    struct connection *slot[COUNT];
    for (int i = 0; i < COUNT; i++)
        slot[i] = connections_open(c, ends[i][0], 1, true);
    int64_t now = clock_boot_ns();
    connection_enter(slot[0], CONNECTION_HEAD, 1, 0);
    connection_enter(slot[1], CONNECTION_BODY, 1, CONNECTION_RATE * 10); /* ten seconds more */
    connection_enter(slot[2], CONNECTION_WORK, 0, 0);
    connections_reap(c, now);
    assert_false(is_shut(0));
    connections_reap(c, now + 5 * NS_PER_SEC);
    assert_true(is_shut(0));
    assert_false(is_shut(1));
    connection_progress(slot[1], CONNECTION_RATE * 20);
    connections_reap(c, now + 20 * NS_PER_SEC);
    assert_false(is_shut(1));
    connections_reap(c, now + 40 * NS_PER_SEC);
    assert_true(is_shut(1));
    connections_reap(c, now + 3600 * NS_PER_SEC);
    assert_false(is_shut(2)); /* it is worked on */
    assert_true(is_shut(3));  /* it has been idle for too long */
    release(c);
}

/* A client that ends in the middle of a request; one that only pauses stays. */
static void those_who_left_are_shut(void **state)
{
    char byte;
    (void)state;
    struct connections *c = make(10);
    for (int i = 0; i < COUNT; i++)
        connection_enter(connections_open(c, ends[i][0], 1, true), CONNECTION_BODY, 30, 0);
    connection_enter(connections_get(c, ends[3][0]), CONNECTION_WORK, 0, 0);
    assert_int_equal(shutdown(ends[0][1], SHUT_WR), 0);
    assert_int_equal(send(ends[1][1], "x", 1, 0), 1); /* still to be read */
    assert_int_equal(shutdown(ends[1][1], SHUT_WR), 0);
    assert_int_equal(shutdown(ends[3][1], SHUT_WR), 0);
    connections_reap(c, clock_boot_ns() + 2 * NS_PER_SEC);
    assert_true(is_shut(0));
    assert_false(is_shut(1));
    assert_false(is_shut(2));
    assert_false(is_shut(3)); /* waits for its answer */
    assert_int_equal(recv(ends[1][0], &byte, 1, 0), 1);
    connections_reap(c, clock_boot_ns() + 2 * NS_PER_SEC);
    assert_true(is_shut(1));
    release(c);
}

static void longest_idle_goes_first(void **state)
{
    (void)state;
    struct connections *c = make(COUNT);
    struct connection *slot[COUNT];
    for (int i = 0; i < COUNT; i++)
        slot[i] = connections_open(c, ends[i][0], 1, false);
    assert_false(connections_are_many(c));
    connection_enter(slot[0], CONNECTION_WORK, 0, 0);
    connection_enter(slot[1], CONNECTION_IDLE, 10, 0); /* began again */
    assert_true(connections_evict(c));
    assert_true(is_shut(2));
    assert_true(connections_evict(c));
    assert_true(is_shut(3));
    assert_true(connections_evict(c));
    assert_true(is_shut(1));
    assert_false(is_shut(0));
    release(c);
}

static void longest_reader_goes_first(void **state)
{
    (void)state;
    struct connections *c = make(COUNT);
    struct connection *slot[COUNT];
    for (int i = 0; i < COUNT; i++)
        slot[i] = connections_open(c, ends[i][0], 1, false);
    connection_enter(slot[0], CONNECTION_ANSWER, 0, 0); /* a stream of events */
    connection_enter(slot[1], CONNECTION_ANSWER, 60, 0);
    connection_enter(slot[2], CONNECTION_ANSWER, 60, 0);
    int64_t now = clock_boot_ns();
    assert_false(connections_evict_reader(c, now));
    now += (CONNECTION_READ_S + 1) * NS_PER_SEC;
    assert_true(connections_evict_reader(c, now));
    assert_true(is_shut(1));
    assert_false(is_shut(2));
    assert_true(connections_evict_reader(c, now));
    assert_true(is_shut(2));
    assert_false(connections_evict_reader(c, now));
    assert_false(is_shut(0));
    assert_false(is_shut(3)); /* idle */
    release(c);
}

static void room_is_bounded(void **state)
{
    (void)state;
    struct connections *c = make(1);
    assert_non_null(connections_open(c, ends[0][0], 1, false));
    assert_false(connections_are_many(c));
    assert_non_null(connections_open(c, ends[1][0], 1, false));
    assert_true(connections_are_many(c));
    connections_close(c, ends[1][0]);
    connections_close(c, ends[1][0]); /* twice counts once */
    assert_false(connections_are_many(c));
    assert_null(connections_open(c, 1024, 1, false));
    assert_null(connections_open(c, -1, 1, false));
    release(c);
}

static void many_that_asked_are_told(void **state)
{
    (void)state;
    const int count = (int)CONNECTION_KEPT + 1;
    struct connections *c = connections_new(8192, 8192);
    assert_non_null(c);
    for (int fd = 100; fd < 100 + count; fd++) { /* numbers alone: no socket is touched */
        struct connection *slot = connections_open(c, fd, 1, false);
        assert_false(connections_are_busy(c));
        connections_use(c, slot);
        connections_use(c, slot); /* twice counts once */
    }
    assert_true(connections_are_busy(c));
    assert_non_null(connections_open(c, 99, 1, false));
    connections_close(c, 99); /* that one had asked nothing */
    assert_true(connections_are_busy(c));
    connections_close(c, 100);
    assert_false(connections_are_busy(c));
    connections_use(c, connections_open(c, 100, 1, false)); /* as a new one */
    assert_true(connections_are_busy(c));
    connections_free(c);
}

static void closed_ones_are_left_alone(void **state)
{
    (void)state;
    struct connections *c = make(10);
    assert_non_null(connections_open(c, ends[0][0], 1, false));
    connections_close(c, ends[0][0]);
    connections_reap(c, INT64_MAX - 1);
    connections_end(c, CONNECTION_IDLE);
    assert_false(connections_evict(c));
    assert_false(is_shut(0));
    assert_non_null(connections_open(c, ends[1][0], 1, false));
    connections_end(c, CONNECTION_IDLE);
    assert_true(is_shut(1));
    release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overdue_ones_are_shut),     cmocka_unit_test(those_who_left_are_shut),
        cmocka_unit_test(longest_idle_goes_first),   cmocka_unit_test(room_is_bounded),
        cmocka_unit_test(longest_reader_goes_first), cmocka_unit_test(closed_ones_are_left_alone),
        cmocka_unit_test(many_that_asked_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
