#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void grows_up_to_its_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_append_str(&b, "12345"), ERR_OK);
    assert_int_equal(buf_append_str(&b, "678901"), ERR_FULL);
    assert_string_equal(buf_str(&b), "12345");
    assert_int_equal(buf_append_str(&b, "67890"), ERR_OK);
    assert_int_equal(buf_append_char(&b, 'x'), ERR_FULL);
    assert_int_equal(b.len, 10);
    assert_string_equal(buf_str(&b), "1234567890");
    buf_release(&b);
    assert_int_equal(b.max, 10);
}

static void cuts_and_counts(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_append_cut(&b, "abcdef", 6);
    buf_append_cut(&b, "gh", 2);
    assert_string_equal(buf_str(&b), "abcd");
    assert_int_equal(b.dropped, 4);
    buf_clear(&b);
    assert_int_equal(b.dropped, 0);
    assert_string_equal(buf_str(&b), "");
    buf_release(&b);
}

static void prints_all_or_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    assert_int_equal(buf_printf(&b, "%d-%s", 12, "ab"), ERR_OK);
    assert_int_equal(buf_printf(&b, "%s", "toolong"), ERR_FULL);
    assert_string_equal(buf_str(&b), "12-ab");
    assert_int_equal(buf_printf(&b, "%s", "xyz"), ERR_OK);
    assert_string_equal(buf_str(&b), "12-abxyz");
    buf_release(&b);
}

static void consumes_and_hands_over(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_consume(&b, 5);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_append_str(&b, "0123456789"), ERR_OK);
    buf_consume(&b, 995);
    assert_string_equal(buf_str(&b), "56789");
    buf_consume(&b, 99);
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_append(&b, "a\0b", 3), ERR_OK);
    char *taken = buf_take(&b);
    assert_memory_equal(taken, "a\0b\0", 4);
    assert_null(b.data);
    free(taken);
    assert_null(buf_take(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_ceiling),
        cmocka_unit_test(cuts_and_counts),
        cmocka_unit_test(prints_all_or_nothing),
        cmocka_unit_test(consumes_and_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
