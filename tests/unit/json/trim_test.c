/* What does not fit is cut and says so, whatever it is made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cmocka_all.h"
#include "json/trim.h"

#define MAX 50000

static void assert_cut(json *value, size_t original)
{
    int64_t told = 0;
    assert_true(json_printed_size(value) <= MAX);
    assert_true(json_is_true(json_get(value, "_truncated")));
    assert_true(json_get_int(value, "_original_size", &told));
    assert_int_equal(told, original);
}

/* The size in names alone, of more members than could be looked up one by one. */
static void test_many_members(void **state)
{
    (void)state;
    const size_t count = 300000;
    char *text = malloc(count * 24);
    size_t len = 0;
    text[len++] = '{';
    for (size_t i = 0; i < count; i++)
        len += (size_t)sprintf(text + len, "%s\"name%zu\":%zu", i > 0 ? "," : "", i, i % 10);
    text[len++] = '}';
    json *value = json_parse(text, len);
    assert_non_null(value);
    json_trim_sized(&value, MAX, json_printed_size);
    assert_cut(value, len);
    assert_true(json_printed_size(value) > MAX / 2);
    json_free(value);
    free(text);
}

static void test_long_arrays(void **state)
{
    (void)state;
    json *value = json_object();
    for (size_t i = 0; i < 10; i++) {
        char name[8];
        json *array = json_array();
        snprintf(name, sizeof(name), "a%zu", i);
        for (size_t k = 0; k < 20000; k++)
            json_add(array, json_from_int((int64_t)k));
        json_set(value, name, array);
    }
    const size_t original = json_printed_size(value);
    json_trim_sized(&value, MAX, json_printed_size);
    assert_cut(value, original);
    json *first = json_get(value, "a0");
    int64_t number = 1;
    assert_true(json_int(json_first(first), &number) && number == 0);
    assert_true(json_int(json_at(first, json_length(first) - 1), &number) && number == 19999);
    json_free(value);
}

/* Of what is cut twice the first size is told. */
static void test_cut_again(void **state)
{
    (void)state;
    char *text = malloc(200001);
    memset(text, 'x', 200000);
    text[200000] = '\0';
    json *value = json_object();
    json_set_text(value, "text", text);
    const size_t original = json_printed_size(value);
    json_trim_sized(&value, 2 * MAX, json_printed_size);
    json_trim_sized(&value, MAX, json_printed_size);
    assert_cut(value, original);
    json_free(value);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_long_arrays),
        cmocka_unit_test(test_cut_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
