/* Parsing, printing, reading and building. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json/json.h"

#define REPLACED "\xef\xbf\xbd"

/* --wrap: the allocation numbered fail_at fails. */
static long fail_at = -1, allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return ++allocations == fail_at ? NULL : __real_malloc(size);
}

/* The compiler makes it of malloc and memset. */
void *__wrap_calloc(size_t count, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_realloc(old, size);
}

/* Parses a copy of the text that ends where memory ends. */
static json *parse_at_edge(const char *text, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (len / page + 1) * page;
    char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + size, page, PROT_NONE), 0);
    memcpy(map + size - len, text, len);
    json *value = json_parse(map + size - len, len);
    munmap(map, size + page);
    return value;
}

struct text_case {
    const char *text;
    size_t len;
    const char *printed; /* NULL: refused */
};

#define CASE(text, printed)                                                                        \
    {                                                                                              \
        text, sizeof(text) - 1, printed                                                            \
    }
#define SAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1, text                                                               \
    }
#define REFUSED(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1, NULL                                                               \
    }

static const struct text_case cases[] = {
    SAME("null"),
    SAME("true"),
    SAME("false"),
    CASE(" \t\r\n[ ] \n", "[]"),
    CASE("\xef\xbb\xbf{ }", "{}"),
    CASE("{ \"a\" : [ 1 , { \"b\" : null } ] , \"c\" : \"\" }",
         "{\"a\":[1,{\"b\":null}],\"c\":\"\"}"),
    SAME("{\"a\":1,\"a\":2,\"\":3}"),
    /* numbers */
    SAME("0"),
    SAME("-0"),
    SAME("-1"),
    SAME("12345678901234"),
    SAME("9007199254740993"),
    SAME("9223372036854775807"),
    SAME("-9223372036854775808"),
    SAME("18446744073709551615"),
    SAME("123456789012345678901234567890"),
    SAME("1.5e-06"),
    SAME("0.1"),
    SAME("1E+2"),
    SAME("0.1234567890123456789012345678901234567890123456789012345678901234567890123456789"),
    CASE("1e999", "null"),
    CASE("[NaN,Infinity,-Infinity]", "[null,null,null]"),
    REFUSED("01"),
    REFUSED("-"),
    REFUSED("+1"),
    REFUSED("1."),
    REFUSED(".5"),
    REFUSED("1e"),
    REFUSED("1e+"),
    REFUSED("0x10"),
    REFUSED("--1"),
    /* strings */
    SAME("\"\""),
    CASE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""),
    CASE("\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    SAME("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\""),
    SAME("\"\\u001f\\u0001\""),
    CASE("\"raw\tand\nnew\x01line\"", "\"raw\\tand\\nnew\\u0001line\""),
    CASE("\"a\\u0000b\"", "\"a" REPLACED "b\""),
    CASE("\"a\0b\"", "\"a" REPLACED "b\""),
    CASE("\"\\ud800\"", "\"" REPLACED "\""),
    CASE("\"\\udc00\\ud800\"", "\"" REPLACED REPLACED "\""),
    CASE("\"\\ud800\\u0041\"", "\"" REPLACED "A\""),
    CASE("\"\\ud800\\ud83d\\ude00\"", "\"" REPLACED "\xf0\x9f\x98\x80\""),
    CASE("\"\xff\"", "\"" REPLACED "\""),
    CASE("\"12345678\xc3\"", "\"12345678" REPLACED "\""),
    CASE("\"\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80\"",
         "\"" REPLACED REPLACED "|" REPLACED REPLACED REPLACED
         "|" REPLACED REPLACED REPLACED REPLACED "\""),
    CASE("\"\xe0\x80\x80|\xf0\x80\x80\x80|\xc1\xbf\"",
         "\"" REPLACED REPLACED REPLACED "|" REPLACED REPLACED REPLACED REPLACED
         "|" REPLACED REPLACED "\""),
    CASE("\"\xf0\x9f\x98|\xe2\x82|\x80\"", "\"" REPLACED "|" REPLACED "|" REPLACED "\""),
    CASE("{\"\xff\\u0000\\n\":0}", "{\"" REPLACED REPLACED "\\n\":0}"),
    REFUSED("\""),
    REFUSED("\"\\"),
    REFUSED("\"\\\""),
    REFUSED("\"\\x\""),
    REFUSED("\"\\u12\""),
    REFUSED("\"\\u12g4\""),
    REFUSED("\"\\\0\""),
    REFUSED("'a'"),
    /* structure */
    REFUSED(""),
    REFUSED(" "),
    REFUSED("{} {}"),
    REFUSED("{}x"),
    REFUSED("{}\0"),
    REFUSED("[1,]"),
    REFUSED("[,1]"),
    REFUSED("[1 2]"),
    REFUSED("[1"),
    REFUSED("[1}"),
    REFUSED("{\"a\"}"),
    REFUSED("{\"a\":}"),
    REFUSED("{\"a\":1,}"),
    REFUSED("{a:1}"),
    REFUSED("{1:1}"),
    REFUSED("nul"),
    REFUSED("nulll"),
    REFUSED("True"),
    REFUSED("]"),
};

static void parses_and_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct text_case *t = &cases[i];
        json *value = parse_at_edge(t->text, t->len);
        char *printed = value == NULL ? NULL : json_print_new(value);
        if ((printed == NULL) != (t->printed == NULL) ||
            (printed != NULL && strcmp(printed, t->printed) != 0))
            fail_msg("%s: got %s, wanted %s", t->text, printed, t->printed);
        free(printed);
        json_free(value);
    }
    assert_null(json_parse(NULL, 0));
}

/* Every text, cut anywhere, is refused or is whole by itself, and nothing is read behind it. */
static void cut_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t len = 0; len < cases[i].len; len++)
            json_free(parse_at_edge(cases[i].text, len));
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 2];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json *value = json_parse(text, 2 * depth);
        assert_int_equal(value != NULL, depth == JSON_DEPTH_MAX);
        json_free(value);
    }
    size_t len = 10 << 20;
    char *deep = malloc(len);
    memset(deep, '[', len);
    assert_null(json_parse(deep, len));
    free(deep);
}

static void whole_numbers(void **state)
{
    (void)state;
    static const int64_t values[] = {0,
                                     1,
                                     -1,
                                     INT64_C(9007199254740991),
                                     INT64_C(9007199254740992),
                                     INT64_C(9007199254740993),
                                     INT64_C(-9007199254740993),
                                     INT64_MAX,
                                     INT64_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int64_t back = 7;
        json *made = json_from_int(values[i]);
        assert_true(json_int(made, &back));
        assert_true(back == values[i]);
        char *text = json_print_new(made);
        assert_true(strtoll(text, NULL, 10) == values[i]);
        json *parsed = json_parse(text, strlen(text));
        assert_true(json_int(parsed, &back));
        assert_true(back == values[i]);
        json_free(parsed);
        json_free(made);
        free(text);
    }
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } texts[] = {{"1.0", true, 1},
                 {"1e3", true, 1000},
                 {"-2.50e1", true, -25},
                 {"1.5", false, 0},
                 {"9223372036854775808", false, 0},
                 {"1e19", false, 0},
                 {"-9223372036854775809", false, 0},
                 {"\"1\"", false, 0}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t back = 7;
        json *value = json_parse(texts[i].text, strlen(texts[i].text));
        assert_int_equal(json_int(value, &back), texts[i].whole);
        assert_true(back == (texts[i].whole ? texts[i].value : 7));
        json_free(value);
    }
}

static void check_number(double number)
{
    json *made = json_from_number(number);
    char *text = json_print_new(made);
    json *parsed = json_parse(text, strlen(text));
    double back = 0;
    assert_true(json_number(parsed, &back));
    assert_memory_equal(&back, &number, sizeof(back));
    assert_true(strtod(text, NULL) == number);
    json_free(made);
    json_free(parsed);
    free(text);
}

/* Any double reads back as the same bits; and what is read is what strtod reads. */
static void numbers_read_back(void **state)
{
    (void)state;
    static const double values[] = {0.0,  -0.0, 0.1,     1.5e-06,   0.1 + 0.2,
                                    1e22, 1e23, DBL_MAX, DBL_MIN,   5e-324,
                                    1e15, 1e16, -3e17,   123456.789};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        check_number(values[i]);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = ((uint64_t)rand() << 42) ^ ((uint64_t)rand() << 21) ^ (uint64_t)rand();
        double number;
        memcpy(&number, &bits, sizeof(number));
        if (isfinite(number))
            check_number(number);
        char text[64];
        snprintf(text, sizeof(text), "%d.%0*de%d", rand() % 100, 1 + rand() % 12, rand() % 1000,
                 rand() % 60 - 30);
        json *parsed = json_parse(text, strlen(text));
        assert_true(json_number(parsed, &number));
        assert_true(number == strtod(text, NULL));
        json_free(parsed);
    }
    json *none = json_from_number((double)NAN);
    assert_true(json_is_null(none));
    json_free(none);
}

static void reading(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[10,{\"b\":{\"c\":\"deep\"}},true],\"n\":null,\"f\":2.5,"
                               "\"s\":\"x\",\"A\":1,\"0\":\"zero\"}";
    json *v = json_parse(text, sizeof(text) - 1);
    int64_t whole = 7;
    double number = 7;
    assert_string_equal(json_text(json_path(v, "a.1.b.c")), "deep");
    assert_true(json_path(v, "") == v);
    assert_string_equal(json_text(json_path(v, "0")), "zero");
    assert_null(json_path(v, "a.3"));
    assert_null(json_path(v, "a.x"));
    assert_null(json_path(v, "a.99999999999999999999999"));
    assert_null(json_path(v, "a.1.b.c.d"));
    assert_null(json_path(NULL, "a"));
    assert_true(json_get_int(v, "A", &whole) && whole == 1);
    assert_true(json_get_number(v, "f", &number) && number == 2.5);
    assert_false(json_get_int(v, "f", &whole) || json_get_int(v, "s", &whole));
    assert_false(json_get_int(v, "missing", &whole) || json_get_int(NULL, "A", &whole));
    assert_int_equal(whole, 1);
    assert_null(json_get_text(v, "A"));
    assert_string_equal(json_get_text(v, "s"), "x");
    assert_int_equal(json_length(v), 6);
    assert_int_equal(json_length(json_get(v, "a")), 3);
    assert_int_equal(json_length(json_get(v, "s")), 0);
    assert_true(json_is_true(json_at(json_get(v, "a"), 2)));
    assert_null(json_at(json_get(v, "a"), 3));
    assert_null(json_at(v, 0));
    assert_true(json_is_null(json_get(v, "n")) && !json_is_null(NULL));
    assert_true(json_is_object(v) && json_is_array(json_get(v, "a")));
    assert_true(json_is_bool(json_path(v, "a.2")) && json_is_number(json_path(v, "f")));
    size_t count = 0;
    for (json *e = json_first(v); e != NULL; e = json_next(e))
        count += strlen(json_key(e));
    assert_int_equal(count, 6);
    assert_null(json_key(json_at(json_get(v, "a"), 0)));
    assert_null(json_first(NULL));
    assert_null(json_next(NULL));
    assert_null(json_key(NULL));
    json_free(v);
}

static void expect(const json *value, const char *text)
{
    char *printed = json_print_new(value);
    assert_string_equal(printed, text);
    free(printed);
}

static void building(void **state)
{
    (void)state;
    json *v = json_object(), *list = json_array();
    json_set_text(v, "t", "a\xff\n");
    json_set_text(v, "none", NULL);
    json_set_int(v, "i", INT64_MAX);
    json_set_number(v, "x", 1.5e-06);
    json_set_bool(v, "b", true);
    json_set(v, "list", list);
    json_add(list, json_string(NULL));
    json_add(list, json_string_n("a\0b", 3));
    json_add(list, json_from_bool(false));
    json_add(list, NULL);
    json_set(v, "gone", NULL);
    expect(v, "{\"t\":\"a" REPLACED "\\n\",\"i\":9223372036854775807,\"x\":1.5e-06,\"b\":true,"
              "\"list\":[null,\"a" REPLACED "b\",false]}");

    /* Replaced in place; taken out and put elsewhere, with and without a name; parsed ones too. */
    static const char text[] = "{\"k\":\"parsed\",\"big\":9007199254740993}";
    json *parsed = json_parse(text, sizeof(text) - 1);
    json_set_text(v, "i", "replaced");
    json_set(v, "b", json_take(parsed, "k"));
    assert_null(json_take(parsed, "k"));
    json *taken = json_take(v, "t");
    json_add(list, taken);
    assert_null(json_key(taken));
    json_add(list, json_take(parsed, "big"));
    json_set(v, "\xff", json_take(v, "x"));
    expect(v, "{\"i\":\"replaced\",\"b\":\"parsed\",\"list\":[null,\"a" REPLACED
              "b\",false,\"a" REPLACED "\\n\",9007199254740993],\"" REPLACED "\":1.5e-06}");
    expect(parsed, "{}");
    json_set_int(parsed, "again", 1);
    expect(parsed, "{\"again\":1}");
    json_free(parsed);

    json *copy = json_copy(v);
    json_free(v);
    expect(copy, "{\"i\":\"replaced\",\"b\":\"parsed\",\"list\":[null,\"a" REPLACED
                 "b\",false,\"a" REPLACED "\\n\",9007199254740993],\"" REPLACED "\":1.5e-06}");
    json_free(copy);

    /* Into what is no container: freed. */
    json *number = json_from_int(1);
    json_add(number, json_string("x"));
    json_set(number, "k", json_string("x"));
    json_set(NULL, "k", json_string("x"));
    json_add(NULL, json_string("x"));
    expect(number, "1");
    json_free(number);
    assert_null(json_copy(NULL));
    expect(NULL, "null");
}

static void printing_is_bounded(void **state)
{
    (void)state;
    struct buf out;
    json *v = json_string("0123456789");
    buf_init(&out, 11);
    assert_int_equal(json_print(v, &out), ERR_FULL);
    buf_release(&out);
    buf_init(&out, 12);
    assert_int_equal(json_print(v, &out), ERR_OK);
    assert_string_equal(out.data, "\"0123456789\"");
    buf_release(&out);
    json_free(v);
    buf_init(&out, 100);
    assert_int_equal(json_quote(&out, "", 0), ERR_OK);
    assert_int_equal(json_quote(&out, "a\"\0\xff", 4), ERR_OK);
    assert_string_equal(out.data, "\"\"\"a\\\"" REPLACED REPLACED "\"");
    buf_release(&out);
}

static void large_texts(void **state)
{
    (void)state;
    size_t len = 20 << 20;
    char *text = malloc(len + 1);
    memset(text, '\n', len);
    text[len] = '\0';
    json *v = json_string(text);
    char *printed = json_print_new(v);
    assert_int_equal(strlen(printed), 2 * len + 2);
    json *parsed = json_parse(printed, 2 * len + 2);
    assert_string_equal(json_text(parsed), text);
    json_free(parsed);
    json_free(v);
    free(printed);
    free(text);
}

/* Everything that allocates. */
static void work(void)
{
    static const char text[] = "{\"a\":[1.5,\"x\\n\xff\",{\"b\":9007199254740993}],\"c\":null}";
    json *v = json_parse(text, sizeof(text) - 1);
    json_set_text(v, "t", "text");
    json_set_int(v, "a", INT64_MAX);
    json_set(v, "list", json_array());
    json_add(json_get(v, "list"), json_string_n("a\0b", 3));
    json_add(json_get(v, "list"), json_from_number(0.1));
    json *copy = json_copy(v);
    free(json_print_new(copy));
    json_free(json_take(copy, "list"));
    json_free(copy);
    json_free(v);
}

static void out_of_memory(void **state)
{
    (void)state;
    fail_at = -1;
    allocations = 0;
    work();
    long all = allocations;
    assert_in_range(all, 21, 1000);
    for (long n = 1; n <= all; n++) {
        allocations = 0;
        fail_at = n;
        work();
        fail_at = -1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_prints), cmocka_unit_test(cut_texts),
        cmocka_unit_test(depth_is_bounded),  cmocka_unit_test(whole_numbers),
        cmocka_unit_test(numbers_read_back), cmocka_unit_test(reading),
        cmocka_unit_test(building),          cmocka_unit_test(printing_is_bounded),
        cmocka_unit_test(large_texts),       cmocka_unit_test(out_of_memory),

    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
