/* Figures and times as they are printed. */
#include "unit/cmocka_all.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/print.h"

static struct buf out;

static const char *printed_figure(double value)
{
    buf_clear(&out);
    assert_int_equal(print_figure(&out, value), ERR_OK);
    return buf_str(&out);
}

static void test_figures(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "0"},
                 {1, "1"},
                 {0.5, "0.5"},
                 {0.1, "0.1"},
                 {0.000000001, "0.000000001"},
                 {123456.789, "123456.789"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e12, "1000000000000"},
                 {1e-10, "1e-10"},
                 {1.0 / 3, "0.3333333333333333"},
                 {-1, "null"},
                 {(double)INFINITY, "null"},
                 {(double)NAN, "null"}};
    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(printed_figure(cases[i].value), cases[i].text);
    uint64_t seed = 12345;
    for (size_t i = 0; i < 200000; i++) { /* whatever is printed reads back as it was */
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const double value = i % 3 == 0   ? (double)(seed >> 40) / 1e9
                             : i % 3 == 1 ? (double)(seed >> 12) / 1e9
                                          : ldexp((double)(seed >> 11), -(int)(seed % 90));
        if (strtod(printed_figure(value), NULL) != value)
            fail_msg("%.17g is printed as %s", value, buf_str(&out));
    }
    assert_true(strtod(printed_figure(DBL_MAX), NULL) == DBL_MAX);
    assert_true(strtod(printed_figure(DBL_MIN), NULL) == DBL_MIN);
    buf_release(&out);
}

static void test_integers(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-7, "-7"},
                 {1234567890, "1234567890"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&out);
        assert_int_equal(print_int(&out, cases[i].value), ERR_OK);
        assert_string_equal(buf_str(&out), cases[i].text);
    }
    buf_clear(&out);
    assert_int_equal(print_count(&out, SPAN_UNKNOWN), ERR_OK);
    assert_string_equal(buf_str(&out), "null");
    buf_release(&out);
}

/* Beside the C library, for every day of two centuries. */
static void test_times(void **state)
{
    (void)state;
    buf_init(&out, 1000);
    for (int64_t day = 0; day < 84000; day++) {
        const int64_t ns = day * 86400 * NS_PER_SEC + day * 1234567891 + 1;
        char iso[CLOCK_ISO_MAX], expected[CLOCK_ISO_MAX + 2];
        buf_clear(&out);
        assert_int_equal(print_time(&out, ns), ERR_OK);
        snprintf(expected, sizeof(expected), "\"%s\"", clock_iso(ns, iso));
        assert_string_equal(buf_str(&out), expected);
    }
    buf_clear(&out);
    assert_int_equal(print_time(&out, 0), ERR_OK);
    assert_string_equal(buf_str(&out), "null");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
