#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "base/clock.h"

static void iso_goes_both_ways(void **state)
{
    (void)state;
    char text[CLOCK_ISO_MAX];
    int64_t back;
    assert_string_equal(clock_iso(INT64_C(1767323045678901000), text),
                        "2026-01-02T03:04:05.678901+00:00");
    assert_string_equal(clock_iso(-1000, text), "1969-12-31T23:59:59.999999+00:00");
    srand(3);
    for (int i = 0; i < 2000; i++) {
        int64_t t = ((int64_t)rand() << 31 | rand()) / 1000 * 1000 % INT64_C(4102444800000000000);
        assert_int_equal(clock_parse_iso(clock_iso(t, text), &back), ERR_OK);
        assert_true(back == t);
    }
}

static void reads_what_others_write(void **state)
{
    (void)state;
    int64_t t;
    assert_int_equal(clock_parse_iso("2026-01-02T03:04:05Z", &t), ERR_OK);
    assert_true(t == INT64_C(1767323045000000000));
    assert_int_equal(clock_parse_iso("2026-01-02T05:04:05.5+02:00", &t), ERR_OK);
    assert_true(t == INT64_C(1767323045500000000));
    assert_int_equal(clock_parse_iso("2026-01-02 03:04:05.123456789+00:00", &t), ERR_OK);
    assert_true(t == INT64_C(1767323045123456789));
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "2026-01-02",
                                      "2026-01-02T03:04:05",
                                      "2026-13-02T03:04:05Z",
                                      "2026-01-32T03:04:05Z",
                                      "2026-01-02T25:04:05Z",
                                      "2026-01-02T03:04:05+0200x",
                                      "2026-01-02T03:04:05Zjunk",
                                      "2026-01-02T03:04:05+25:00",
                                      "2026-1-2T03:04:05Z",
                                      "2026-01-02T-3:04:05Z",
                                      "2026-01-02T03:04:05+-2:00",
                                      "1600-01-02T03:04:05Z",
                                      "9999-01-02T03:04:05Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t t = 5;
        assert_int_equal(clock_parse_iso(bad[i], &t), ERR_BAD);
        assert_true(t == 5);
    }
}

static void clocks_agree(void **state)
{
    (void)state;
    int64_t wall = clock_boot_ns() + clock_boot_to_wall();
    int64_t difference = clock_wall_ns() - wall;
    assert_true(difference > -NS_PER_SEC && difference < NS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_goes_both_ways),
        cmocka_unit_test(reads_what_others_write),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(clocks_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
