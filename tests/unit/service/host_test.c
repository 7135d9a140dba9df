/* Host and Origin: which names are this machine's own, and which page is ours. */
#include "service/host.h"
#include "unit/cmocka_all.h"

static void loopback_names(void **state)
{
    static const char *const ours[] = {"localhost", "localhost:8001", "LOCALHOST:1",
                                       "127.0.0.1", "127.0.0.1:8001", "127.9.8.7:65535",
                                       "[::1]",     "[::1]:8001"};
    static const char *const others[] = {"",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "evil:8001",
                                         "0.0.0.0:8001",
                                         "128.0.0.1",
                                         "[::2]:8001",
                                         "localhost:",
                                         "localhost:x",
                                         "localhost:1234567",
                                         "localhost:80@evil",
                                         "[::1",
                                         "[::1]x",
                                         "127.1",
                                         "2130706433",
                                         "0x7f.0.0.1",
                                         "localhost:80:80",
                                         "[::1]:",
                                         "::1",
                                         "[]",
                                         "localhost /",
                                         "[::ffff:127.0.0.1]",
                                         " localhost",
                                         "user@localhost"};
    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_true(host_is_loopback(ours[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(host_is_loopback(others[i]));
    char endless[5000];
    for (size_t i = 0; i < sizeof(endless) - 1; i++)
        endless[i] = '1';
    endless[sizeof(endless) - 1] = '\0';
    assert_false(host_is_loopback(endless));
}

static void origin_of_the_host(void **state)
{
    (void)state;
    assert_true(origin_is_host("http://localhost:8001", "localhost:8001"));
    assert_true(origin_is_host("https://Traces.example", "traces.example"));
    assert_false(origin_is_host("http://localhost:3000", "localhost:8001"));
    assert_false(origin_is_host("http://localhost", "localhost:8001"));
    assert_false(origin_is_host("null", "null"));
    assert_false(origin_is_host("file://localhost:8001", "localhost:8001"));
    assert_false(origin_is_host("localhost:8001", "localhost:8001"));
    assert_false(origin_is_host("", ""));
}

static void origins_that_are_listed(void **state)
{
    static const char list[] = "https://a.example, http://b.example:8080,*";
    (void)state;
    assert_true(origin_is_listed("https://a.example", list));
    assert_true(origin_is_listed("http://b.example:8080", list));
    assert_false(origin_is_listed("http://b.example:80", list));
    assert_false(origin_is_listed("https://a.example.evil", list));
    assert_false(origin_is_listed("https://a.exampl", list));
    assert_false(origin_is_listed("https://A.example", list));
    assert_false(origin_is_listed("*", list));
    assert_false(origin_is_listed("", list));
    assert_false(origin_is_listed("https://a.example", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_names),
        cmocka_unit_test(origin_of_the_host),
        cmocka_unit_test(origins_that_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
