/* JSON that is looked at as it lies: the same texts are taken as by json_parse, what is called
 * clean is what it says, and nothing is read behind the end. */
#include "unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json/json.h"
#include "json/scan.h"

static char *edge; /* where memory ends */

static int make_edge(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)state;
    char *map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + 2 * page, page, PROT_NONE) != 0)
        return -1;
    edge = map + 2 * page;
    return 0;
}

static int scan_at_edge(const char *text, size_t len, struct scan_value *out)
{
    memcpy(edge - len, text, len);
    return scan_one(edge - len, len, out);
}

struct value_case {
    const char *text;
    enum scan_kind kind;
    bool clean;
};

static void test_values(void **state)
{
    static const struct value_case cases[] = {
        {"null", SCAN_NULL, true},
        {" true\n", SCAN_BOOL, true},
        {"\xef\xbb\xbf"
         "false",
         SCAN_BOOL, true},
        {"-12.5e3", SCAN_NUMBER, true},
        {"1e308", SCAN_NUMBER, true},
        {"1e309", SCAN_NUMBER, false},
        {"NaN", SCAN_NUMBER, false},
        {"-Infinity", SCAN_NUMBER, false},
        {"\"a\\n\\u00e4\\/\"", SCAN_STRING, true},
        {"\"\xc3\xa4\xf0\x9f\x98\x80\"", SCAN_STRING, true},
        {"\"\\ud83d\\ude00\"", SCAN_STRING, true},
        {"\"\\ud83d\"", SCAN_STRING, false},
        {"\"\\ude00\\ud83d\"", SCAN_STRING, false},
        {"\"\\ud83d\\u0041\"", SCAN_STRING, false},
        {"\"\\u0000\"", SCAN_STRING, false},
        {"\"a\tb\"", SCAN_STRING, false},
        {"\"a\nb\"", SCAN_STRING, false},
        {"{}", SCAN_OBJECT, true},
        {"{\"a\" : [1, {\"b\": null}]}", SCAN_OBJECT, true},
        {"{\n\"a\":1}", SCAN_OBJECT, false},
        {"{\"a\":1\n}", SCAN_OBJECT, false},
        {"{\"a\"\n:1}", SCAN_OBJECT, false},
        {"{\"a\":\r1}", SCAN_OBJECT, false},
        {"[1,\n2]", SCAN_ARRAY, false},
        {"[\n]", SCAN_ARRAY, false},
        {"[[[\"\\u0000\"]]]", SCAN_ARRAY, false},
        {"{\"\\u0000\":1}", SCAN_OBJECT, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scan_value value;
        const size_t len = strlen(cases[i].text);
        if (scan_at_edge(cases[i].text, len, &value) != ERR_OK)
            fail_msg("%s is refused", cases[i].text);
        assert_int_equal(value.kind, cases[i].kind);
        if (value.clean != cases[i].clean)
            fail_msg("%s is %sclean", cases[i].text, value.clean ? "" : "not ");
        for (size_t cut = 0; cut < len; cut++) { /* no beginning of it reads on */
            struct scan_value part;
            json *parsed = json_parse(cases[i].text, cut);
            assert_int_equal(scan_at_edge(cases[i].text, cut, &part) == ERR_OK, parsed != NULL);
            json_free(parsed);
        }
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "nul",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,1]",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1 2",
        "{}{}",
        "[1}",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\",
        "-",
        "tru",
        "\xff",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "\"\xc0\x80\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scan_value value;
        if (scan_at_edge(cases[i], strlen(cases[i]), &value) != ERR_BAD)
            fail_msg("%s is taken", cases[i]);
    }
    struct scan_value value;
    assert_int_equal(scan_at_edge("\"a\0b\"", 5, &value), ERR_BAD);
}

static void test_depth(void **state)
{
    char text[4 * JSON_DEPTH_MAX];
    struct scan_value value;
    (void)state;
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json *parsed = json_parse(text, 2 * depth);
        const int err = scan_at_edge(text, 2 * depth, &value);
        assert_int_equal(err, depth <= JSON_DEPTH_MAX ? ERR_OK : ERR_RANGE);
        assert_int_equal(err == ERR_OK, parsed != NULL);
        json_free(parsed);
    }
    /* The same bound when it is gone through. */
    struct scan s;
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(scan_open(&s, text, 2 * JSON_DEPTH_MAX + 2), ERR_OK);
    assert_int_equal(scan_element(&s, &value), ERR_RANGE);
}

static void test_members(void **state)
{
    static const char text[] = " {\"a\": 1, \"b\\u0063\" :{\"x\":[]},\n\"a\":\"z\"} \n";
    struct scan s;
    struct scan_value name, value;
    (void)state;
    assert_int_equal(scan_open(&s, text, sizeof(text) - 1), ERR_OK);
    assert_int_equal(s.close, '}');
    assert_int_equal(scan_member(&s, &name, &value), 1);
    assert_true(scan_is(&name, "a", 1));
    assert_false(name.escaped);
    assert_int_equal(value.kind, SCAN_NUMBER);
    assert_int_equal(scan_member(&s, &name, &value), 1);
    assert_true(name.escaped);
    assert_true(scan_is(&name, "bc", 2));
    assert_false(scan_is(&name, "bd", 2));
    assert_false(scan_is(&name, "b", 1));
    assert_int_equal(value.len, strlen("{\"x\":[]}"));
    assert_memory_equal(value.text, "{\"x\":[]}", value.len);
    assert_int_equal(scan_member(&s, &name, &value), 1);
    assert_int_equal(scan_member(&s, &name, &value), 0);
    assert_int_equal(scan_open(&s, "5", 1), ERR_BAD);
    assert_int_equal(scan_open(&s, "{} x", 4), ERR_OK);
    assert_int_equal(scan_member(&s, &name, &value), ERR_BAD);
    assert_int_equal(scan_open(&s, "{\"a\":1 \"b\":2}", 13), ERR_OK);
    assert_int_equal(scan_member(&s, &name, &value), 1);
    assert_int_equal(scan_member(&s, &name, &value), ERR_BAD);
}

static struct scan_value one(const char *text)
{
    struct scan_value value;
    assert_int_equal(scan_one(text, strlen(text), &value), ERR_OK);
    return value;
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } cases[] = {{"0", true, 0},
                 {"-0", true, 0},
                 {"9223372036854775807", true, INT64_MAX},
                 {"-9223372036854775808", true, INT64_MIN},
                 {"9223372036854775808", false, 0},
                 {"99999999999999999999999", false, 0},
                 {"3.0", true, 3},
                 {"3e2", true, 300},
                 {"3.5", false, 0},
                 {"1e300", false, 0},
                 {"NaN", false, 0},
                 {"\"3\"", false, 0},
                 {"true", false, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct scan_value value = one(cases[i].text);
        int64_t number = 77;
        assert_int_equal(scan_int(&value, &number), cases[i].whole);
        assert_int_equal(number, cases[i].whole ? cases[i].value : 77);
    }
    double d = 0;
    struct scan_value value = one("-12.25");
    assert_true(scan_number(&value, &d));
    assert_true(d == -12.25);
    value = one("Infinity");
    assert_true(scan_number(&value, &d));
    assert_true(d == (double)INFINITY);
    value = one("\"1\"");
    assert_false(scan_number(&value, &d));
}

static void test_texts(void **state)
{
    (void)state;
    struct scan_value value = one("\"a\\u00e4\\n\\u0000\\ud83d\"");
    size_t len = 0;
    char *text = scan_text(&value, &len);
    assert_non_null(text);
    assert_string_equal(text, "a\xc3\xa4\n\xef\xbf\xbd\xef\xbf\xbd");
    assert_int_equal(len, strlen(text));
    free(text);
    value = one("5");
    assert_null(scan_text(&value, &len));
    assert_true(scan_utf8("", 0));
    assert_true(scan_utf8("a\"\\\n\xc3\xa4", 6));
    assert_false(scan_utf8("a\0b", 3));
    assert_false(scan_utf8("a\xff", 2));
    assert_false(scan_utf8("\xc3", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_members),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, make_edge, NULL);
}
