/* The checker of JSON: what the grammar has and what it has not, and that it never reads a byte
 * behind the text. */
#include "client/json_check.h"
#include "json/json.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static char *guard; /* the byte here cannot be read; those before can */

static int make_guard(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -1;
    guard = at + 3 * page;
    return mprotect(guard, page, PROT_NONE);
}

/* The text ends where memory does. */
static enum json_kind check(const char *text, size_t len)
{
    memcpy(guard - len, text, len);
    return json_check(guard - len, len);
}

static void what_is_json(void **state)
{
    (void)state;
    static const char *const objects[] = {"{}", " { } ", "{\"a\":1}", "\n{\"a\":{\"b\":[]}}\t",
                                          "{\"\":\"\",\"a\" : null , \"a\":true}"};
    static const char *const others[] = {"[]",
                                         "[ ]",
                                         "[1]",
                                         "[1,[2,{}],\"x\"]",
                                         "0",
                                         "-0",
                                         "10",
                                         "-1.5",
                                         "1e5",
                                         "1E+5",
                                         "0.1e-10",
                                         "true",
                                         "false",
                                         "null",
                                         "\"\"",
                                         "\"a\"",
                                         " 1 ",
                                         "\"\\u00AF\"",
                                         "\"\\ud800\"",
                                         "\"\\\"\"",
                                         "\"\\b\\f\\n\\r\\t\\/\\\\\"",
                                         "\"raw \x01\n\xff\x7f bytes\"",
                                         "\"0123456\\n\"",
                                         "\"01234567\"",
                                         "\"0123456789abcdef0123456789\"",
                                         "[[[[[[]]]]],{\"a\":[{}]}]",
                                         "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        assert_int_equal(check(objects[i], strlen(objects[i])), JSON_OBJECT);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (check(others[i], strlen(others[i])) != JSON_OTHER)
            fail_msg("%s", others[i]);
}

static void what_is_not(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          " ",          "{",          "}",           "[",          "]",
        "{]",        "[}",         "{\"a\"}",    "{\"a\":}",    "{\"a\":1,}", "{,}",
        "{1:2}",     "{a:1}",      "[1,]",       "[,1]",        "[1 2]",      "[1,,2]",
        "1 2",       "01",         "-",          "+1",          ".5",         "1.",
        "1.e5",      "1e",         "1e+",        "- 1",         "tru",        "truex",
        "True",      "nul",        "NaN",        "Infinity",    "\"",         "\"a",
        "\"\\\"",    "\"\\x\"",    "\"\\u12\"",  "\"\\u12g4\"", "'a'",        "\"a\"b",
        "{}{}",      "[]]",        "{\"a\":1}}", "/**/1",       "1//",        "\xef\xbb\xbf[]",
        "{\"a\" 1}", "{\"a\"::1}", "\"\\",       "\"\\u",       "[\"a\":1]",  "\x01",
        "\xff"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (check(texts[i], strlen(texts[i])) != JSON_NOT)
            fail_msg("%s", texts[i]);
    assert_int_equal(check("1\0", 2), JSON_NOT);
    assert_int_equal(check("\"\\\0\"", 4), JSON_NOT);
    assert_int_equal(check("\"\0\"", 3), JSON_OTHER);
}

/* Every beginning of a text, and the text with any one byte changed, against the end of memory. */
static void byte_by_byte(void **state)
{
    (void)state;
    static const char text[] = "{\"key\": [1, -2.5e+3, \"text \\u00e4\\n and more of it\", true, "
                               "false, null, {}, []], \"b\": {\"c\": [[\"\"]]}}";
    const size_t len = sizeof(text) - 1;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(check(text, cut), JSON_NOT);
    assert_int_equal(check(text, len), JSON_OBJECT);
    char changed[sizeof(text)];
    unsigned good = 0;
    for (size_t i = 0; i < len; i++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(changed, text, len);
            changed[i] = (char)byte;
            good += check(changed, len) != JSON_NOT;
        }
    assert_true(good > len && good < len * 256);
}

static void strings_of_every_length(void **state)
{
    (void)state;
    char text[80];
    for (size_t len = 0; len < 70; len++)
        for (size_t at = 0; at <= len; at++) {
            memset(text, 'x', sizeof(text));
            text[0] = '"';
            text[len + 1] = '"';
            assert_int_equal(check(text, len + 2), JSON_OTHER);
            assert_int_equal(check(text, len + 1), JSON_NOT);
            if (at == len)
                continue;
            text[at + 1] = '"'; /* ends it early */
            assert_int_equal(check(text, len + 2), JSON_NOT);
            text[at + 1] = '\\'; /* eats the next */
            assert_int_equal(check(text, len + 2), JSON_NOT);
        }
}

_Static_assert(JSON_CHECK_DEPTH == JSON_DEPTH_MAX, "what is accepted here can be read back");

static void depth_is_limited(void **state)
{
    (void)state;
    char text[8 * (JSON_CHECK_DEPTH + 1)];
    for (unsigned depth = JSON_CHECK_DEPTH - 3; depth <= JSON_CHECK_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(check(text, 2 * depth), depth <= JSON_CHECK_DEPTH ? JSON_OTHER : JSON_NOT);
        assert_int_equal(json_check_inside(text, 2 * depth, 2),
                         depth + 2 <= JSON_CHECK_DEPTH ? JSON_OTHER : JSON_NOT);
        size_t at = 0;
        for (unsigned i = 0; i < depth; i++, at += 4)
            memcpy(text + at, "{\"\":", 4);
        text[at++] = '1';
        memset(text + at, '}', depth);
        assert_int_equal(check(text, at + depth),
                         depth <= JSON_CHECK_DEPTH ? JSON_OBJECT : JSON_NOT);
    }
}

/* Objects and arrays in every order: the kind of each level is remembered. */
static void kinds_are_remembered(void **state)
{
    (void)state;
    static const char turns[] =
        "[{\"a\":1,\"b\":2},[1,2],{\"c\":[3,4]},[{},[5,6],{\"d\":7},[8,9]]]";
    assert_int_equal(check(turns, sizeof(turns) - 1), JSON_OTHER);
    for (unsigned bits = 0; bits < 1024; bits++) {
        char text[100];
        size_t at = 0;
        for (int i = 0; i < 10; i++)
            at += (size_t)sprintf(text + at, bits >> i & 1 ? "{\"a\":" : "[");
        text[at++] = '0';
        for (int i = 9; i >= 0; i--)
            text[at++] = bits >> i & 1 ? '}' : ']';
        assert_int_equal(check(text, at), bits & 1 ? JSON_OBJECT : JSON_OTHER);
        text[at - 3] = text[at - 3] == '}' ? ']' : '}';
        assert_int_equal(check(text, at), JSON_NOT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json),     cmocka_unit_test(what_is_not),
        cmocka_unit_test(byte_by_byte),     cmocka_unit_test(strings_of_every_length),
        cmocka_unit_test(depth_is_limited), cmocka_unit_test(kinds_are_remembered),
    };
    return cmocka_run_group_tests(tests, make_guard, NULL);
}
