/* Lines of a batch, times, what the server adds, parameters of queries. */
#include "unit/service/fake_validate.h"

/* ---- Lines */

static const char *read_line(const char *line)
{
    static struct buf out;
    struct problems problems = {0};
    buf_release(&out);
    buf_init(&out, 4096);
    const int err = body_read_line(whole(line), &arena, &written, &problems);
    if (err == ERR_OK)
        return "";
    assert_int_equal(err, ERR_BAD);
    assert_int_equal(problems_sentence(&problems, &out), ERR_OK);
    return buf_str(&out);
}

static void test_lines(void **state)
{
    (void)state;
    assert_string_equal(read_line("{\"op\":\"create_trace\",\"trace_id\":\"t\",\"name\":\"n\","
                                  "\"project_id\":\"p\"}"),
                        "");
    assert_int_equal(written.op, STORED_CREATE_TRACE);
    assert_text(written.trace.trace_id, "t");
    assert_string_equal(read_line("{\"op\":\"create_span\",\"trace_id\":\"an older id_1\","
                                  "\"span_id\":\"s\",\"name\":\"n\",\"span_type\":\"tool\"}"),
                        "");
    assert_int_equal(written.op, STORED_CREATE_SPAN);
    assert_text(written.span.trace_id, "an older id_1");
    assert_text(written.span.span_id, "s");
    assert_string_equal(read_line("{\"op\":\"complete_span\",\"span_id\":\"s\",\"error\":\"e\"}"),
                        "");
    assert_int_equal(written.op, STORED_COMPLETE_SPAN);
    assert_string_equal(read_line("{\"op\":\"complete_trace\",\"trace_id\":\"t\"}"), "");
    assert_int_equal(written.op, STORED_COMPLETE_TRACE);
    assert_string_equal(read_line("{\"op\":\"complete_span\"}"), "span_id: Field required");
    assert_string_equal(read_line("{\"op\":\"complete_trace\",\"trace_id\":\"\"}"),
                        "trace_id: String should have at least 1 character");
    assert_string_equal(read_line("{\"op\":\"create_span\",\"trace_id\":\"t\",\"name\":\"n\","
                                  "\"span_type\":\"tool\"}"),
                        "span_id: Field required");
    assert_string_equal(read_line("{\"op\":\"create_trace\",\"name\":\"n\",\"project_id\":\"p\"}"),
                        "trace_id: Field required");
    assert_string_equal(read_line("{\"op\":\"create_trace\",\"trace_id\":\"t\",\"name\":\"n\","
                                  "\"project_id\":\"p\",\"tags\":[1]}"),
                        "tags[0]: Input should be a valid string");
    assert_string_equal(read_line("{\"span_id\":\"s\"}"), "op: Field required");
    assert_said(read_line("{\"op\":\"delete\"}"), "op: Input should be one of 'create_trace'");
    assert_string_equal(read_line("x"), "JSON decode error");
}

/* ---- Times */

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int64_t ns;
        int err;
    } cases[] = {
        {"2026-01-02T03:04:05Z", 1767323045, 0, ERR_OK},
        {"2026-01-02 03:04:05.5z", 1767323045, 500000000, ERR_OK},
        {"2026-01-02T03:04:05.123456789123+00:00", 1767323045, 123456789, ERR_OK},
        {"2026-01-02T03:04:05,25-00:30", 1767323045 + 1800, 250000000, ERR_OK},
        {"2026-01-02T03:04:05+0130", 1767323045 - 5400, 0, ERR_OK},
        {"2026-01-02T03:04:05 00:00", 1767323045, 0, ERR_OK},
        {"2024-02-29T00:00:00Z", 1709164800, 0, ERR_OK},
        {"2000-02-29T23:59:59Z", 951868799, 0, ERR_OK},
        {"1970-01-02T00:00:00Z", 86400, 0, ERR_OK},
        {"2199-12-31T23:59:59Z", 7258118399, 0, ERR_OK},
        {"1970-01-01T23:59:59Z", 0, 0, ERR_RANGE},
        {"0001-01-01T00:00:00Z", 0, 0, ERR_RANGE},
        {"2200-01-01T00:00:00Z", 0, 0, ERR_RANGE},
        {"9999-12-31T23:59:59Z", 0, 0, ERR_RANGE},
        {"2025-02-29T00:00:00Z", 0, 0, ERR_BAD},
        {"2100-02-29T00:00:00Z", 0, 0, ERR_BAD},
        {"2026-04-31T00:00:00Z", 0, 0, ERR_BAD},
        {"2026-13-01T00:00:00Z", 0, 0, ERR_BAD},
        {"2026-00-01T00:00:00Z", 0, 0, ERR_BAD},
        {"2026-01-00T00:00:00Z", 0, 0, ERR_BAD},
        {"2026-01-02T24:00:00Z", 0, 0, ERR_BAD},
        {"2026-01-02T03:60:00Z", 0, 0, ERR_BAD},
        {"2026-01-02T03:04:60Z", 0, 0, ERR_BAD},
        {"2026-01-02T03:04:05", 0, 0, ERR_BAD},
        {"2026-01-02T03:04:05.Z", 0, 0, ERR_BAD},
        {"2026-01-02T03:04:05Zx", 0, 0, ERR_BAD},
        {"2026-01-02T03:04:05+24:00", 0, 0, ERR_BAD},
        {"2026-01-02", 0, 0, ERR_BAD},
        {"1767323045", 0, 0, ERR_BAD},
        {"", 0, 0, ERR_BAD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = 5;
        if (time_read(whole(cases[i].text), &ns) != cases[i].err)
            fail_msg("%s", cases[i].text);
        assert_int_equal(ns,
                         cases[i].err == ERR_OK ? cases[i].seconds * NS_PER_SEC + cases[i].ns : 5);
    }
    /* Every day of two centuries is where the C library has it. */
    for (int64_t day = 1; day < 84000; day += 13) {
        char text[CLOCK_ISO_MAX];
        int64_t ns;
        assert_int_equal(time_read(whole(clock_iso(day * 86400 * NS_PER_SEC, text)), &ns), ERR_OK);
        assert_int_equal(ns, day * 86400 * NS_PER_SEC);
    }
}

static void test_finish(void **state)
{
    (void)state;
    assert_string_equal(read_trace(""), "");
    assert_int_equal(write_finish(&written, &arena, 1000), ERR_OK);
    assert_int_equal(written.trace.start_time, 1000);
    assert_int_equal(written.trace.end_time, 0);
    assert_int_equal(written.trace.trace_id.len, 32);
    assert_string_equal(read_span("\"span_id\":\"mine\",\"start_time\":\"2026-01-02T00:00:02Z\","
                                  "\"end_time\":\"2026-01-02T00:00:01Z\""),
                        "");
    assert_int_equal(write_finish(&written, &arena, 1000), ERR_OK);
    assert_int_equal(written.span.end_time, written.span.start_time);
    assert_text(written.span.span_id, "mine");
    assert_string_equal(read_span("\"end_time\":\"2026-01-02T00:00:01Z\""), "");
    const int64_t late = INT64_C(1999999999) * NS_PER_SEC;
    assert_int_equal(write_finish(&written, &arena, late), ERR_OK);
    assert_int_equal(written.span.start_time, written.span.end_time);
    assert_true(written.span.start_time < late);
    assert_int_equal(written.span.span_id.len, 16);
    assert_string_equal(read_body(BODY_COMPLETE_SPAN, "{}"), "");
    assert_int_equal(write_finish(&written, &arena, 1000), ERR_OK);
    assert_int_equal(written.span.end_time, 1000);
    assert_string_equal(read_body(BODY_COMPLETE_TRACE, "{\"end_time\":\"2026-01-02T00:00:01Z\"}"),
                        "");
    assert_int_equal(write_finish(&written, &arena, 1000), ERR_OK);
    assert_int_equal(written.trace.end_time, INT64_C(1767312001) * NS_PER_SEC);
}

/* ---- Queries */

static void set_query(const char *name, const char *value)
{
    query[0] = name;
    query[1] = value;
    query[2] = NULL;
}

static void test_query_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t value; /* 0: refused */
    } cases[] = {{"1", 1},
                 {"1000", 1000},
                 {"+7", 7},
                 {"007", 7},
                 {"0", 0},
                 {"1001", 0},
                 {"-1", 0},
                 {"", 0},
                 {"x", 0},
                 {"1.5", 0},
                 {"1e2", 0},
                 {" 1", 0},
                 {"-", 0},
                 {"99999999999999999999999999", 0},
                 {"000000000000000000000000000000012", 12}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problems problems = {0};
        int64_t value = 0;
        set_query("limit", cases[i].text);
        query_int(NULL, &problems, "limit", 1, 1000, &value);
        if (value != cases[i].value || problems.count != (cases[i].value == 0))
            fail_msg("%s", cases[i].text);
    }
}

static void test_query_words(void **state)
{
    static const char *const choices[] = {"asc", "desc", NULL};
    struct problems problems = {0};
    struct text text = {0};
    size_t choice = 7;
    bool on = false;
    int64_t time = 0;
    (void)state;
    set_query("a", "\xff");
    query_text(NULL, &problems, "a", 10, &text);
    assert_int_equal(problems.count, 1);
    set_query("a", "abc\xc3\xa4");
    query_text(NULL, &problems, "a", 4, &text);
    assert_text(text, "abc\xc3\xa4");
    query_text(NULL, &problems, "a", 3, &text);
    assert_int_equal(problems.count, 2);
    set_query("a", "desc");
    query_choice(NULL, &problems, "a", choices, "'asc', 'desc'", &choice);
    assert_int_equal(choice, 1);
    set_query("a", "True");
    query_bool(NULL, &problems, "a", &on);
    assert_true(on);
    set_query("a", "off");
    query_bool(NULL, &problems, "a", &on);
    assert_false(on);
    set_query("a", "2026-01-02T03:04:05 00:00");
    query_time(NULL, &problems, "a", &time);
    assert_int_equal(time, INT64_C(1767323045) * NS_PER_SEC);
    assert_int_equal(problems.count, 2);
    set_query("a", "maybe");
    query_bool(NULL, &problems, "a", &on);
    query_time(NULL, &problems, "a", &time);
    query_choice(NULL, &problems, "a", choices, "'asc', 'desc'", &choice);
    assert_int_equal(problems.count, 5);
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(problems_print(&problems, &out), ERR_OK);
    assert_said(buf_str(&out), "{\"loc\":[\"query\",\"a\"],\"msg\":\"Input should be one of 'asc', "
                               "'desc'\",\"type\":\"enum\"}");
    buf_release(&out);
}

static void test_query_tags(void **state)
{
    struct problems problems = {0};
    struct stored_filter f = {0};
    char many[200] = "t";
    (void)state;
    set_query("tags", "a,, b ,\t,c");
    query_tags(NULL, &problems, &f);
    assert_int_equal(f.tag_count, 3);
    assert_text(f.tags[1], " b ");
    for (size_t i = 1; i < 51; i++)
        strcat(many, ",t");
    f = (struct stored_filter){0};
    set_query("tags", many);
    query_tags(NULL, &problems, &f);
    assert_int_equal(problems.count, 1);
    assert_int_equal(f.tag_count, STORED_TAGS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_lines, release),
        cmocka_unit_test_teardown(test_times, release),
        cmocka_unit_test_teardown(test_finish, release),
        cmocka_unit_test_teardown(test_query_numbers, release),
        cmocka_unit_test_teardown(test_query_words, release),
        cmocka_unit_test_teardown(test_query_tags, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
