/* Names that values get when they are put into objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/json.h"

/* A value keeps room for the name that it had; others are given, longer, shorter, its own. */
static void renaming(void **state)
{
    (void)state;
    static const char *const names[] = {"content", "a",
                                        "",        "exactly-as-long-as-fits",
                                        "content", "longer than what fits into the node itself",
                                        "b\"\xff"};
    static const char source[] = "{\"content\":\"text\",\"n\":12345678901234567890}";
    json *values[4] = {json_string("text"), json_from_int(INT64_MAX), NULL, NULL};
    json *parsed = json_parse(source, sizeof(source) - 1);
    values[2] = json_take(parsed, "content");
    values[3] = json_take(parsed, "n");
    json_free(parsed);
    for (size_t v = 0; v < 4; v++) {
        char *before = json_print_new(values[v]);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            json *object = json_object();
            json_set_int(object, names[(i + 1) % 7], 1);
            json_set(object, names[i], values[v]);
            const char *name = i == 6 ? "b\"\xef\xbf\xbd" : names[i];
            assert_ptr_equal(json_get(object, name), values[v]);
            assert_int_equal(json_length(object), 2);
            json_set(object, json_key(values[v]), json_take(object, name));
            assert_string_equal(json_key(values[v]), name);
            char *after = json_print_new(json_get(object, name));
            assert_string_equal(after, before);
            free(after);
            values[v] = json_take(object, name);
            json_free(object);
        }
        free(before);
        json_free(values[v]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(renaming)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
