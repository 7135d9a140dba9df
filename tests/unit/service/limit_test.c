/* Requests a minute and address, by a clock that the test turns. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "service/limit.h"
#include "unit/cmocka_all.h"

#define START (INT64_C(1000) * 60 * NS_PER_SEC) /* a minute begins */

static uint64_t client(const char *text)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return limit_client((struct sockaddr *)&four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return limit_client((struct sockaddr *)&six);
}

static void addresses_and_networks(void **state)
{
    struct sockaddr local = {.sa_family = AF_UNIX};
    (void)state;
    assert_int_equal(limit_client(&local), 0);
    assert_true(client("1.2.3.4") != 0);
    assert_true(client("1.2.3.4") != client("1.2.3.5"));
    assert_true(client("2001:db8:0:1::1") == client("2001:db8:0:1:ffff::2"));
    assert_true(client("2001:db8:0:1::1") != client("2001:db8:0:2::1"));
    assert_true(client("::ffff:1.2.3.4") == client("1.2.3.4"));
}

static void takes_so_many_a_minute(void **state)
{
    (void)state;
    struct limit *l = limit_new(5, 1024);
    uint64_t a = client("1.2.3.4");
    for (int i = 0; i < 5; i++)
        assert_int_equal(limit_take(l, a, START + i), 0);
    int wait = limit_take(l, a, START + 10);
    assert_in_range(wait, 1, 60);
    assert_int_equal(limit_take(l, client("1.2.3.5"), START + 10), 0); /* another's own */
    assert_int_equal(limit_take(l, 0, START + 10), 0);                 /* nobody */
    limit_free(l);
}

static void what_it_says_is_what_one_waits(void **state)
{
    (void)state;
    for (int first = 0; first < 60; first += 7) {
        struct limit *l = limit_new(10, 1024);
        uint64_t a = client("9.9.9.9");
        int64_t now = START + first * NS_PER_SEC;
        for (int i = 0; i < 10; i++)
            assert_int_equal(limit_take(l, a, now), 0);
        for (int tries = 0;; tries++) {
            int wait = limit_take(l, a, now);
            if (wait == 0)
                break;
            assert_in_range(wait, 1, 60);
            assert_true(tries < 3); /* it may be asked again, but not for ever */
            now += wait * NS_PER_SEC;
        }
        limit_free(l);
    }
}

/* Whatever a client does, no 60 seconds hold much more than the limit. */
static void bursts_do_not_add_up(void **state)
{
    (void)state;
    struct limit *l = limit_new(60, 1024);
    uint64_t a = client("9.9.9.9");
    int taken = 0;
    for (int s = 0; s < 600; s++)
        for (int i = 0; i < 20; i++)
            taken += limit_take(l, a, START + s * NS_PER_SEC + i) == 0;
    assert_in_range(taken, 550, 660); /* ten minutes */
    limit_free(l);
}

static void comes_back_after_a_pause(void **state)
{
    (void)state;
    struct limit *l = limit_new(3, 64);
    uint64_t a = client("9.9.9.9");
    for (int i = 0; i < 3; i++)
        assert_int_equal(limit_take(l, a, START), 0);
    assert_true(limit_take(l, a, START) > 0);
    assert_int_equal(limit_take(l, a, START + 121 * NS_PER_SEC), 0);
    limit_free(l);
}

/* A flood of addresses pushes out those that ask little, not one that is over its limit. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct limit *l = limit_new(100, 64);
    uint64_t busy = client("9.9.9.9");
    while (limit_take(l, busy, START) == 0)
        continue;
    for (uint64_t i = 1; i < 100000; i++)
        assert_int_equal(limit_take(l, i << 8 | 1, START + 1), 0);
    assert_true(limit_take(l, busy, START + 2) > 0);
    limit_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_networks),         cmocka_unit_test(takes_so_many_a_minute),
        cmocka_unit_test(what_it_says_is_what_one_waits), cmocka_unit_test(bursts_do_not_add_up),
        cmocka_unit_test(comes_back_after_a_pause),       cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
