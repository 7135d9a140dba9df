/* Bodies at the edges of the contract's rules. */
#include "unit/service/fake_validate.h"

/* ---- Whole bodies */

static void test_every_field_of_a_trace(void **state)
{
    (void)state;
    assert_string_equal(
        read_trace("\"metadata\":{\"a\":[1,null]},\"tags\":[\"x\",\"\\u00e4\"],\"user_id\":\"u\","
                   "\"session_id\":\"s\",\"trace_id\":\"A-1\",\"unknown\":{\"x\":[1]},"
                   "\"start_time\":\"2026-01-02T03:04:05.678901Z\","
                   "\"end_time\":\"2026-01-02T04:04:06+01:00\""),
        "");
    assert_int_equal(written.op, STORED_CREATE_TRACE);
    const struct stored_trace *t = &written.trace;
    assert_text(t->name, "t");
    assert_text(t->project_id, "p");
    assert_text(t->metadata, "{\"a\":[1,null]}");
    assert_text(t->tags, "[\"x\",\"\xc3\xa4\"]");
    assert_text(t->user_id, "u");
    assert_text(t->session_id, "s");
    assert_text(t->trace_id, "A-1");
    assert_int_equal(t->start_time, INT64_C(1767323045678901000));
    assert_int_equal(t->end_time, INT64_C(1767323046000000000));
    assert_int_equal(t->tokens_input, SPAN_UNKNOWN);
    assert_true(t->ttft_ms < 0);
    assert_string_equal(read_trace(""), "");
    assert_null(written.trace.metadata.at);
    assert_null(written.trace.tags.at);
    assert_int_equal(written.trace.start_time, 0);
}

static void test_every_field_of_a_span(void **state)
{
    (void)state;
    assert_string_equal(
        read_span("\"parent_span_id\":\"p\",\"input_data\":{\"i\":1},\"output_data\":{},"
                  "\"metadata\":{\"ttft_ms\":12.5,\"tokens_cache_read\":\"7\"},\"model\":\"m\","
                  "\"tokens_input\":3,\"tokens_output\":4.0,\"cost_usd\":0.25,\"error\":\"e\","
                  "\"span_id\":\"B-2\""),
        "");
    const struct stored_span *s = &written.span;
    assert_int_equal(s->type, SPAN_LLM);
    assert_text(s->parent_span_id, "p");
    assert_text(s->input_data, "{\"i\":1}");
    assert_text(s->output_data, "{}");
    assert_text(s->model, "m");
    assert_int_equal(s->tokens_input, 3);
    assert_int_equal(s->tokens_output, 4);
    assert_true(s->cost_usd == 0.25);
    assert_text(s->error, "e");
    assert_text(s->span_id, "B-2");
    assert_true(s->ttft_ms == 12.5);
    assert_int_equal(s->tokens_cache_read, 7);
    assert_string_equal(read_body(BODY_COMPLETE_SPAN, "{}"), "");
    assert_int_equal(written.op, STORED_COMPLETE_SPAN);
    assert_int_equal(s->tokens_input, SPAN_UNKNOWN);
    assert_true(s->cost_usd < 0 && s->ttft_ms < 0);
    assert_null(s->output_data.at);
    assert_string_equal(read_body(BODY_COMPLETE_TRACE, "{\"output\":\"done\"}"), "");
    assert_text(written.trace.output, "done");
}

static void test_bodies_that_are_none(void **state)
{
    static const struct {
        const char *body, *said;
    } cases[] = {
        {"", "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"Field required\",\"type\":\"missing\"}]}"},
        {" \n", "\"missing\""},
        {"[]", "\"loc\":[\"body\"],\"msg\":\"Input should be a valid dictionary or object"},
        {"null", "model_attributes_type"},
        {"{", "json_invalid"},
        {"{\"name\":\"a\",}", "\"loc\":[\"body\",12],\"msg\":\"JSON decode error\""},
        {"{}{}", "json_invalid"},
        {"{'name':1}", "json_invalid"},
        {"{\"name\":\"\xff\"}", "json_invalid"},
        {"{\"other\":NaN}", "json_invalid"},
        {"{\"name\":NaN,\"project_id\":\"p\"}", "[\"body\",\"name\"]"},
    };
    char deep[1024] = "{\"metadata\":";
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_said(read_body(BODY_CREATE_TRACE, cases[i].body), cases[i].said);
    for (size_t i = 0; i < 130; i++)
        strcat(deep, "[");
    assert_said(read_body(BODY_CREATE_TRACE, deep), "nested too deep");
}

static void test_a_name_twice_is_its_last(void **state)
{
    (void)state;
    assert_string_equal(read_trace("\"user_id\":5,\"us\\u0065r_id\":\"last\""), "");
    assert_text(written.trace.user_id, "last");
    assert_string_equal(read_trace("\"user_id\":\"x\",\"user_id\":null"), "");
    assert_null(written.trace.user_id.at);
}

static void test_all_problems_are_told(void **state)
{
    (void)state;
    const char *said =
        read_body(BODY_CREATE_TRACE, "{\"name\":\"\",\"tags\":[\"a\",5,null],\"user_id\":7,"
                                     "\"metadata\":[],\"start_time\":\"x\",\"trace_id\":\"a b\"}");
    assert_said(said, "{\"loc\":[\"body\",\"name\"],\"msg\":\"String should have at least 1 "
                      "character\",\"type\":\"string_too_short\"}");
    assert_said(said, "{\"loc\":[\"body\",\"project_id\"],\"msg\":\"Field required\"");
    assert_said(said, "[\"body\",\"tags\",1]");
    assert_said(said, "[\"body\",\"tags\",2]");
    assert_said(said, "[\"body\",\"user_id\"],\"msg\":\"Input should be a valid string\"");
    assert_said(said, "[\"body\",\"metadata\"],\"msg\":\"Input should be a valid dictionary\"");
    assert_said(said, "[\"body\",\"start_time\"]");
    assert_said(said, "[\"body\",\"trace_id\"]");
    /* However many there are, the answer stays small, and tells nothing of the values. */
    char many[8192] = "\"tags\":[";
    for (size_t i = 0; i < 1000; i++)
        strcat(many, i == 0 ? "70077" : ",70077");
    strcat(many, "]");
    said = read_trace(many);
    assert_true(strlen(said) < 8192);
    assert_null(strstr(said, "70077"));
}

/* ---- Fields */

static char *repeat(const char *unit, size_t count)
{
    static char text[8192];
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(text, unit);
    return text;
}

static void test_lengths_are_of_characters(void **state)
{
    static const struct {
        const char *field;
        size_t max;
        bool trace;
    } cases[] = {{"name", 255, true},       {"user_id", 255, true}, {"session_id", 255, true},
                 {"project_id", 100, true}, {"model", 255, false},  {"parent_span_id", 100, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bool project = strcmp(cases[i].field, "project_id") == 0;
        const char *units[] = {"x", project ? "_" : WIDE, project ? "-" : "\\ud83d\\ude00"};
        for (size_t u = 0; u < 3; u++) {
            for (size_t over = 0; over <= 1; over++) {
                char members[8192];
                snprintf(
                    members, sizeof(members),
                    "{\"name\":\"n\",\"project_id\":\"p\",\"span_type\":\"llm\",\"%s\":\"%s\"}",
                    cases[i].field, repeat(units[u], cases[i].max + over));
                const char *said =
                    read_body(cases[i].trace ? BODY_CREATE_TRACE : BODY_CREATE_SPAN, members);
                if (over == 0)
                    assert_string_equal(said, "");
                else
                    assert_said(said, "string_too_long");
            }
        }
    }
}

static void test_empty_texts_are_not_told(void **state)
{
    (void)state;
    assert_string_equal(read_span("\"parent_span_id\":\"\",\"model\":\"\",\"error\":\"\""), "");
    assert_null(written.span.parent_span_id.at);
    assert_null(written.span.model.at);
    assert_null(written.span.error.at);
    assert_string_equal(read_body(BODY_COMPLETE_TRACE, "{\"output\":\"\"}"), "");
    assert_null(written.trace.output.at);
}

static void test_tags(void **state)
{
    char members[8192];
    (void)state;
    assert_string_equal(read_trace("\"tags\":[]"), "");
    assert_text(written.trace.tags, "[]");
    assert_string_equal(read_trace("\"tags\":[\"\",\" \\t\\n\",\"a\\\"b\",\" c \"]"), "");
    assert_text(written.trace.tags, "[\"a\\\"b\",\" c \"]");
    snprintf(members, sizeof(members), "\"tags\":[\"%s\"]", repeat(WIDE, 101));
    assert_string_equal(read_trace(members), "");
    assert_int_equal(written.trace.tags.len, 4 * 100 + 4);
    for (size_t count = 50; count <= 51; count++) {
        strcpy(members, "\"tags\":[");
        for (size_t i = 0; i < count; i++)
            strcat(members, i == 0 ? "\"t\"" : ",\"t\"");
        strcat(members, "]");
        const char *said = read_trace(members);
        if (count == 50)
            assert_string_equal(said, "");
        else
            assert_said(said, "List should have at most 50 items");
    }
    assert_said(read_trace("\"tags\":\"a\""), "list_type");
    assert_said(read_trace("\"tags\":{}"), "list_type");
}

static void test_figures(void **state)
{
    static const struct {
        const char *text, *said;
        int64_t value;
    } tokens[] = {{"0", "", 0},
                  {"-0", "", 0},
                  {"7.0", "", 7},
                  {"1e3", "", 1000},
                  {"9007199254740992", "", TOKENS_MAX},
                  {"9007199254740993", "less_than_equal", 0},
                  {"-1", "greater_than_equal", 0},
                  {"1.5", "int_from_float", 0},
                  {"true", "int_type", 0},
                  {"\"5\"", "int_type", 0},
                  {"[]", "int_type", 0},
                  {"NaN", "finite_number", 0},
                  {"1e400", "finite_number", 0}};
    char members[200];
    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        snprintf(members, sizeof(members), "\"tokens_input\":%s", tokens[i].text);
        assert_said(read_span(members), tokens[i].said);
        if (tokens[i].said[0] == '\0')
            assert_int_equal(written.span.tokens_input, tokens[i].value);
    }
    assert_string_equal(read_span("\"cost_usd\":-0.0"), "");
    assert_true(written.span.cost_usd == 0 && !signbit(written.span.cost_usd));
    assert_string_equal(read_span("\"cost_usd\":1e-320"), "");
    assert_true(written.span.cost_usd == 0);
    assert_string_equal(read_span("\"cost_usd\":null"), "");
    assert_true(written.span.cost_usd < 0);
    assert_said(read_span("\"cost_usd\":-0.1"), "greater_than_equal");
    assert_said(read_span("\"cost_usd\":1e13"), "less_than_equal");
    assert_said(read_span("\"cost_usd\":-Infinity"), "finite_number");
    assert_said(read_span("\"cost_usd\":\"1\""), "float_type");
    assert_said(read_span("\"cost_usd\":false"), "float_type");
}

static void test_span_types(void **state)
{
    char body[100];
    (void)state;
    for (int type = 0; type < SPAN_TYPE_COUNT; type++) {
        snprintf(body, sizeof(body), "{\"name\":\"s\",\"span_type\":\"%s\"}",
                 span_type_name((enum span_type)type));
        assert_string_equal(read_body(BODY_CREATE_SPAN, body), "");
        assert_int_equal(written.span.type, type);
    }
    assert_said(read_body(BODY_CREATE_SPAN, "{\"name\":\"s\",\"span_type\":\"LLM\"}"),
                "[\"body\",\"span_type\"],\"msg\":\"Input should be one of 'llm', 'tool'");
    assert_said(read_body(BODY_CREATE_SPAN, "{\"name\":\"s\",\"span_type\":5}"), "span_type");
    assert_said(read_body(BODY_CREATE_SPAN, "{\"name\":\"s\"}"), "missing");
}

static void test_ids_and_projects(void **state)
{
    (void)state;
    assert_said(read_trace("\"trace_id\":\"\""), "string_pattern_mismatch");
    assert_said(read_trace("\"trace_id\":\"a_b\""), "string_pattern_mismatch");
    assert_said(read_trace("\"trace_id\":\"a\\n\""), "string_pattern_mismatch");
    char members[200];
    snprintf(members, sizeof(members), "\"trace_id\":\"%s\"", repeat("x", 64));
    assert_string_equal(read_trace(members), "");
    snprintf(members, sizeof(members), "\"trace_id\":\"%s\"", repeat("x", 65));
    assert_said(read_trace(members), "string_pattern_mismatch");
    assert_said(read_body(BODY_CREATE_TRACE, "{\"name\":\"n\",\"project_id\":\"a.b\"}"),
                "'^[a-zA-Z0-9_-]+$'");
    assert_said(read_body(BODY_CREATE_TRACE, "{\"name\":\"n\",\"project_id\":\"\"}"),
                "string_too_short");
}

static void test_what_does_not_lie_clean_is_printed_anew(void **state)
{
    (void)state;
    assert_string_equal(read_span("\"input_data\":{\"a\":\n[NaN,1e999,\"\\u0000\",\"\\ud83d\"]}"),
                        "");
    assert_text(written.span.input_data, "{\"a\":[null,null,\"\xef\xbf\xbd\",\"\xef\xbf\xbd\"]}");
    /* Borrowed as it lies, white space and all. */
    assert_string_equal(read_span("\"input_data\":{ \"a\" : \"\\u00e4\" }"), "");
    assert_text(written.span.input_data, "{ \"a\" : \"\\u00e4\" }");
}

static void test_derived_figures(void **state)
{
    static const struct {
        const char *metadata;
        int64_t cached;
        double ttft;
    } cases[] = {
        {"{\"tokens_cache_read\":3,\"ttft_ms\":1.5}", 3, 1.5},
        {"{\"tokens_cache_read\":\"3\",\"ttft_ms\":\"1.5\"}", 3, 1.5},
        {"{\"tokens_cache_read\":-1,\"ttft_ms\":-2}", SPAN_UNKNOWN, -1},
        {"{\"tokens_cache_read\":\"many\",\"ttft_ms\":\"\"}", SPAN_UNKNOWN, -1},
        {"{\"tokens_cache_read\":1e300,\"ttft_ms\":\"NaN\"}", SPAN_UNKNOWN, -1},
        {"{\"tokens_cache_read\":[3],\"ttft_ms\":{}}", SPAN_UNKNOWN, -1},
        {"{\"nested\":{\"tokens_cache_read\":3}}", SPAN_UNKNOWN, -1},
        {"{\"counted\":false,\"tokens_cache_read\":3,\"ttft_ms\":2}", SPAN_UNKNOWN, 2},
        {"{\"tokens_cache_read\":3,\"counted\":\"false\"}", SPAN_UNKNOWN, -1},
        {"{\"tokens_cache_read\":3,\"counted\":true}", 3, -1},
    };
    char members[300];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(members, sizeof(members), "\"metadata\":%s", cases[i].metadata);
        assert_string_equal(read_span(members), "");
        assert_int_equal(written.span.tokens_cache_read, cases[i].cached);
        assert_true(written.span.ttft_ms == cases[i].ttft);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_field_of_a_trace, release),
        cmocka_unit_test_teardown(test_every_field_of_a_span, release),
        cmocka_unit_test_teardown(test_bodies_that_are_none, release),
        cmocka_unit_test_teardown(test_a_name_twice_is_its_last, release),
        cmocka_unit_test_teardown(test_all_problems_are_told, release),
        cmocka_unit_test_teardown(test_lengths_are_of_characters, release),
        cmocka_unit_test_teardown(test_empty_texts_are_not_told, release),
        cmocka_unit_test_teardown(test_tags, release),
        cmocka_unit_test_teardown(test_figures, release),
        cmocka_unit_test_teardown(test_span_types, release),
        cmocka_unit_test_teardown(test_ids_and_projects, release),
        cmocka_unit_test_teardown(test_what_does_not_lie_clean_is_printed_anew, release),
        cmocka_unit_test_teardown(test_derived_figures, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
