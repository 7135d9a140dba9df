/* Limits, repair and numbers. */
#include "told.h"

#include <locale.h>
#include <math.h>

#include "client/json_check.h"
#include "client/utf8.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static llmt_client *client;
static llmt_trace *trace;
static llmt_span *span;

static char *repeat(const char *piece, size_t times)
{
    const size_t len = strlen(piece);
    char *text = malloc(len * times + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * len, piece, len);
    text[len * times] = '\0';
    return text;
}

/* What becomes of a name. */
static const struct told_field *name_told(const char *name)
{
    llmt_span *s = llmt_span_begin(trace, name, "other", NULL);
    llmt_span_end(s);
    told_read();
    return told_field(told_nth(WIRE_SPAN_BEGIN, 0), WIRE_FIELD_NAME);
}

static void names_are_cut_at_code_points(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 4; i++) {
        const size_t len = strlen(pieces[i]);
        char *text = repeat(pieces[i], 255);
        const struct told_field *f = name_told(text);
        assert_int_equal(f->flags, 0);
        assert_int_equal(f->length, 255 * len);
        free(text);
        text = repeat(pieces[i], 256);
        f = name_told(text);
        assert_int_equal(f->flags, WIRE_FIELD_CUT);
        assert_int_equal(f->length, 255 * len);
        assert_int_equal(f->before, 256 * len);
        assert_memory_equal(f->data, text, f->length);
        free(text);
    }
}

static void texts_are_repaired(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"plain text, long enough for a step of eight", NULL},
        {"tab\tline\nend\r", NULL},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
        {"\x01", BAD},
        {"abcdefgh\x1f"
         "abcdefgh\x7f",
         "abcdefgh" BAD "abcdefgh" BAD},
        {"\x80", BAD},
        {"\xc3", BAD},
        {"\xc3(", BAD "("},
        {"\xc0\xaf", BAD BAD}, /* overlong */
        {"\xe0\x80\xaf", BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD},         /* half a surrogate pair */
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* above U+10FFFF */
        {"\xf5", BAD},
        {"\xe2\x82", BAD BAD},
        {"a\xff"
         "b",
         "a" BAD "b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *expected = cases[i].expected ? cases[i].expected : cases[i].text;
        const struct told_field *f = name_told(cases[i].text);
        assert_int_equal(f->length, strlen(expected));
        assert_memory_equal(f->data, expected, f->length);
        assert_int_equal(f->flags, 0);
    }
}

static void repair_counts_what_comes_out(void **state)
{
    (void)state;
    char *text = repeat("\x01", 300);
    const struct told_field *f = name_told(text);
    assert_int_equal(f->flags, WIRE_FIELD_CUT);
    assert_int_equal(f->length, 255 * 3);
    assert_int_equal(f->before, 300);
    free(text);
    text = repeat("\x01", LLMT_TEXT_MAX);
    assert_int_equal(llmt_span_set_error(span, text), LLMT_OK);
    free(text);
    told_read();
    f = told_field(told_nth(WIRE_SPAN_ERROR, 0), WIRE_FIELD_ERROR);
    assert_int_equal(f->flags, WIRE_FIELD_CUT);
    assert_int_equal(f->length, LLMT_TEXT_MAX / 3 * 3);
}

static void measure_at_every_limit(void **state)
{
    (void)state;
    static const char text[] = "ab\xc3\xa4\x01\xf0\x9f\x98\x80\xffxyz";
    char out[64], whole[64];
    const struct utf8_measure all = utf8_measure(text, sizeof(text) - 1, SIZE_MAX, SIZE_MAX);
    assert_int_equal(all.taken, sizeof(text) - 1);
    assert_false(all.clean);
    utf8_repair(whole, text, all.taken);
    for (size_t max = 0; max <= all.length + 1; max++) {
        const struct utf8_measure m = utf8_measure(text, sizeof(text) - 1, SIZE_MAX, max);
        assert_true(m.length <= max && (max == 0 || m.length + 4 > max || m.taken == all.taken));
        utf8_repair(out, text, m.taken);
        assert_memory_equal(out, whole, m.length);
    }
    for (size_t points = 0; points < 12; points++) {
        const struct utf8_measure m = utf8_measure(text, sizeof(text) - 1, points, SIZE_MAX);
        size_t counted = 0;
        utf8_repair(out, text, m.taken);
        for (size_t i = 0; i < m.length; i++)
            counted += ((unsigned char)out[i] & 0xc0) != 0x80;
        assert_int_equal(counted, points < 9 ? points : 9);
    }
    assert_int_equal(utf8_cut("a\xf0\x9f\x98\x80", 5, 4), 1);
    assert_int_equal(utf8_cut("a\xf0\x9f\x98\x80", 5, 5), 5);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5, 4), 4);
    assert_int_equal(utf8_cut("abc", 3, 0), 0);
}

static void tags_are_limited(void **state)
{
    (void)state;
    const char *tags[61];
    char *long_tag = repeat("t", 101);
    for (int i = 0; i < 60; i++)
        tags[i] = i == 0 ? long_tag : i % 10 == 5 ? " " : "tag";
    tags[60] = NULL;
    llmt_trace_end(llmt_trace_begin(client, "t", &(llmt_trace_options){.tags = tags}));
    told_read();
    const struct told *m = told_nth(WIRE_TRACE_BEGIN, 0);
    const struct told_field *f = told_field(m, WIRE_FIELD_TAG);
    assert_int_equal(f->flags, WIRE_FIELD_CUT);
    assert_int_equal(f->length, 100);
    assert_non_null(told_field_nth(m, WIRE_FIELD_TAG, 49));
    f = told_field_nth(m, WIRE_FIELD_TAG, 50);
    assert_int_equal(f->flags, WIRE_FIELD_CUT);
    assert_int_equal(f->length, 0);
    assert_int_equal(f->before, 54);
    assert_null(told_field_nth(m, WIRE_FIELD_TAG, 51));
    free(long_tag);
}

static void long_texts_come_in_pieces(void **state)
{
    (void)state;
    char *text = repeat("0123456789abcdef", (LLMT_DATA_MAX - 2) / 16);
    char *json = malloc(LLMT_DATA_MAX + 8);
    assert_non_null(json);
    snprintf(json, LLMT_DATA_MAX + 8, "\"%s\"", text);
    assert_int_equal(llmt_span_set_output(span, json), LLMT_OK);
    llmt_span *s =
        llmt_span_begin(trace, "long", "llm", &(llmt_span_options){.input = json, .model = "m"});
    llmt_span_end(s);
    told_read();
    const struct told_field *f = told_field(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT);
    assert_int_equal(f->flags, 0);
    assert_int_equal(f->length, strlen(json));
    assert_memory_equal(f->data, json, f->length);
    assert_true(told_nth(WIRE_SPAN_OUTPUT, 0)->number != 0);
    assert_told_text(told_nth(WIRE_SPAN_BEGIN, 0), WIRE_FIELD_INPUT, json);
    assert_told_text(told_nth(WIRE_SPAN_BEGIN, 0), WIRE_FIELD_MODEL, "m");
    assert_true(told_nth(WIRE_SPAN_BEGIN, 0)->number != told_nth(WIRE_SPAN_OUTPUT, 0)->number);
    free(json);
    free(text);
}

/* Around the size at which a message needs a second record. */
static void every_size_around_a_record(void **state)
{
    (void)state;
    for (size_t size = RING_PAYLOAD_MAX - 60; size < RING_PAYLOAD_MAX - 40; size++) {
        char *text = repeat("1", size);
        assert_int_equal(llmt_span_set_output(span, text), LLMT_OK);
        told_read();
        assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT, text);
        assert_int_equal(told_nth(WIRE_SPAN_OUTPUT, 0)->number != 0, size > RING_PAYLOAD_MAX - 48);
        free(text);
    }
}

static void json_over_the_limit_is_cut(void **state)
{
    (void)state;
    char *text = repeat("\xe2\x82\xac", LLMT_DATA_MAX / 3 + 2);
    text[0] = text[1] = text[2] = '"';
    const size_t len = strlen(text);
    assert_int_equal(llmt_span_set_output(span, text), LLMT_OK);
    told_read();
    const struct told_field *f = told_field(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT);
    assert_int_equal(f->flags, WIRE_FIELD_CUT | WIRE_FIELD_TEXT);
    assert_int_equal(f->before, len);
    assert_int_equal(f->length, LLMT_DATA_MAX / 3 * 3);
    assert_memory_equal(f->data, text, f->length);
    free(text);
}

static void output_of_a_trace_is_cut(void **state)
{
    (void)state;
    char *text = repeat("ab", LLMT_TEXT_MAX / 2 + 1);
    assert_int_equal(llmt_trace_set_output(trace, text), LLMT_OK);
    text[LLMT_TEXT_MAX] = '\0';
    assert_int_equal(llmt_trace_set_output(trace, text), LLMT_OK);
    told_read();
    const struct told_field *f = told_field(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT);
    assert_int_equal(f->length, LLMT_TEXT_MAX);
    assert_int_equal(f->before, LLMT_TEXT_MAX + 2);
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 1), WIRE_FIELD_OUTPUT, text);
    free(text);
}

static void what_is_no_json_is_a_text(void **state)
{
    (void)state;
    told_forget_warnings();
    assert_int_equal(llmt_span_set_output(span, "plain words"), LLMT_EJSON);
    assert_int_equal(llmt_span_set_input(span, ""), LLMT_EJSON);
    assert_int_equal(llmt_span_set_metadata(span, "[1]"), LLMT_EJSON);
    assert_int_equal(llmt_trace_set_metadata(trace, "7"), LLMT_EJSON);
    assert_int_equal(llmt_span_set_output(span, "[1]"), LLMT_OK);
    assert_int_equal(llmt_span_set_output(span, "\"bad \xff and \x01\""), LLMT_OK);
    told_read();
    static const char *const texts[] = {"plain words", "", "[1]", "7"};
    for (unsigned i = 0; i < 4; i++) {
        const struct told_field *f = &told_nth(WIRE_SPAN_OUTPUT, i)->fields[0];
        assert_int_equal(f->flags, WIRE_FIELD_TEXT);
        assert_int_equal(f->length, strlen(texts[i]));
        assert_memory_equal(f->data, texts[i], f->length);
    }
    assert_int_equal(told_nth(WIRE_SPAN_OUTPUT, 4)->fields[0].flags, 0);
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 5), WIRE_FIELD_OUTPUT, "\"bad \xff and \x01\"");
}

static void numbers_have_ranges(void **state)
{
    (void)state;
    assert_int_equal(llmt_span_set_usage(span, -2, 1, 1), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, INT64_MIN, 1), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, LLMT_TOKENS_MAX + 1, 1, 1), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, 1, -0.5), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, 1, 1.0000001e9), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, 1, NAN), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, 1, INFINITY), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage(span, 1, 1, -INFINITY), LLMT_ERANGE);
    assert_int_equal(llmt_span_set_usage_details(span, 0, 0, -5), LLMT_ERANGE);
    told_read();
    assert_int_equal(told_count, 0);
    assert_int_equal(llmt_span_set_usage(span, LLMT_TOKENS_MAX, 0, LLMT_COST_MAX), LLMT_OK);
    told_read();
    assert_told_integer(&told[0], WIRE_FIELD_TOKENS_INPUT, LLMT_TOKENS_MAX);
    assert_told_integer(&told[0], WIRE_FIELD_TOKENS_OUTPUT, 0);
    assert_told_number(&told[0], WIRE_FIELD_COST, LLMT_COST_MAX);
}

static void assert_pairs(const char *expected)
{
    told_read();
    assert_told_text(told_nth(WIRE_SPAN_OUTPUT, 0), WIRE_FIELD_OUTPUT, expected);
}

static void pairs_make_json(void **state)
{
    (void)state;
    assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_TEXT("answer", "4\"2\\\n\x01"), LLMT_INT("n", -3),
                                     LLMT_BOOL("ok", true), LLMT_BOOL("no", false),
                                     LLMT_JSON("list", "[1, 2]"), LLMT_TEXT(NULL, "x"),
                                     LLMT_TEXT("none", NULL), LLMT_JSON("none", NULL),
                                     LLMT_INT("most", INT64_MIN)),
                     LLMT_OK);
    assert_pairs("{\"answer\":\"4\\\"2\\\\\\u000a\\u0001\",\"n\":-3,\"ok\":true,\"no\":false,"
                 "\"list\":[1, 2],\"most\":-9223372036854775808}");
    assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_JSON("a", "{oops"), LLMT_INT("b", 1)), LLMT_EJSON);
    assert_pairs("{\"a\":\"{oops\",\"b\":1}");
    const llmt_pair bad[] = {LLMT_INT("a", 1), {.key = "b", .kind = 'x'}};
    assert_int_equal(llmt_span_set_output_pairs(span, bad, 2), LLMT_EINVAL);
    const llmt_pair none[] = {{.key = "b", .kind = 0}};
    assert_int_equal(llmt_span_set_output_pairs(span, none, 1), LLMT_EINVAL);
    told_read();
    assert_int_equal(told_count, 0);
    char *text = repeat("long ", 3000);
    assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_TEXT("t", text)), LLMT_OK);
    told_read();
    assert_int_equal(told_field(&told[0], WIRE_FIELD_OUTPUT)->length, strlen(text) + 8);
    free(text);
}

/* A locale that writes numbers with a comma, made here when the system has none. */
static const char *comma_locale(void)
{
    char command[300];
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             told_dir);
    if (system(command) == 0)
        setenv("LOCPATH", told_dir, 1);
    return "de_DE.UTF-8";
}

/* What is as deep as a document may be is too deep for a member of one; the others stay. */
static void pairs_are_limited_in_depth(void **state)
{
    (void)state;
    char text[2 * JSON_CHECK_DEPTH + 1] = "", expected[2 * JSON_CHECK_DEPTH + 40];
    for (size_t depth = JSON_CHECK_DEPTH - 1; depth <= JSON_CHECK_DEPTH; depth++) {
        const bool good = depth < JSON_CHECK_DEPTH;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_JSON("a", text), LLMT_INT("b", 1)),
                         good ? LLMT_OK : LLMT_EJSON);
        snprintf(expected, sizeof(expected), good ? "{\"a\":%s,\"b\":1}" : "{\"a\":\"%s\",\"b\":1}",
                 text);
        assert_pairs(expected);
        assert_int_equal(told_field(&told[0], WIRE_FIELD_OUTPUT)->flags, 0);
    }
}

static void numbers_round_trip(void **state)
{
    (void)state;
    const char *const locales[] = {"C", comma_locale()};
    static const double numbers[] = {0,           1,
                                     -1,          0.1,
                                     1.0 / 3,     1e300,
                                     5e-324,      1e21,
                                     123456789.5, 0.1 + 0.2,
                                     1e15,        9007199254740993.0,
                                     -2.5e-7,     1.7976931348623157e308};
    for (size_t l = 0; l < 2; l++) {
        if (!setlocale(LC_ALL, locales[l])) {
            print_message("no locale with a comma: not tried\n");
            continue;
        }
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_NUMBER("n", numbers[i])), LLMT_OK);
            told_read();
            const struct told_field *f = told_field(&told[0], WIRE_FIELD_OUTPUT);
            char text[64] = "";
            memcpy(text, f->data, f->length);
            assert_memory_equal(text, "{\"n\":", 5);
            assert_null(strchr(text, ','));
            setlocale(LC_ALL, "C");
            assert_true(strtod(text + 5, NULL) == numbers[i]);
            setlocale(LC_ALL, locales[l]);
        }
    }
    setlocale(LC_ALL, "C");
    assert_int_equal(LLMT_SET_OUTPUT(span, LLMT_NUMBER("a", NAN), LLMT_NUMBER("b", INFINITY),
                                     LLMT_NUMBER("c", 0.1)),
                     LLMT_OK);
    assert_pairs("{\"a\":null,\"b\":null,\"c\":0.1}");
}

static void errors_are_formatted(void **state)
{
    (void)state;
    char *text = repeat("abc ", 400);
    assert_int_equal(llmt_span_set_errorf(span, "%s%d", text, 5), LLMT_OK);
    told_read();
    const struct told_field *f = told_field(&told[0], WIRE_FIELD_ERROR);
    assert_int_equal(f->length, 1601);
    assert_int_equal(f->data[1600], '5');
    free(text);
}

static int begin(void **state)
{
    (void)state;
    told_begin();
    client = told_client();
    trace = llmt_trace_begin(client, "t", NULL);
    span = llmt_span_begin(trace, "s", "llm", NULL);
    told_read();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cut_at_code_points),
        cmocka_unit_test(texts_are_repaired),
        cmocka_unit_test(repair_counts_what_comes_out),
        cmocka_unit_test(measure_at_every_limit),
        cmocka_unit_test(tags_are_limited),
        cmocka_unit_test(long_texts_come_in_pieces),
        cmocka_unit_test(every_size_around_a_record),
        cmocka_unit_test(json_over_the_limit_is_cut),
        cmocka_unit_test(output_of_a_trace_is_cut),
        cmocka_unit_test(what_is_no_json_is_a_text),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(pairs_make_json),
        cmocka_unit_test(pairs_are_limited_in_depth),
        cmocka_unit_test(numbers_round_trip),
        cmocka_unit_test(errors_are_formatted),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
