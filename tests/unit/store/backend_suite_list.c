/* Pages, filters, orders, words. */
#include "backend_suite.h"

enum { TRACES = 24 };

static struct text project;
static struct text ids[TRACES];

/* Trace i: starts at second i, belongs to user i % 3 and session i / 6, is tagged by i % 4, lasts
 * i * 7 % 24 seconds or runs (every eighth), fails (every fifth), costs, counts tokens. */
static void make_traces(void)
{
    struct stored_write w[4];
    project = suite_name("list");
    for (int i = 0; i < TRACES; i++) {
        int64_t start = T0 + i * S;
        struct text span = suite_name("span");
        ids[i] = suite_name("trace");
        w[0] = suite_create_trace(project, ids[i], start);
        w[0].trace.name = suite_printf("Trace %c number %d", 'A' + i, i);
        w[0].trace.user_id = suite_printf("user %d", i % 3);
        w[0].trace.session_id = suite_printf("session %d", i / 6);
        w[0].trace.tags = suite_printf("[\"all\",\"tag %d\"]", i % 4);
        w[1] = suite_create_span(project, ids[i], span, start);
        w[1].span.model = suite_printf(i % 2 == 0 ? "gpt-4o" : "claude-3-%d", i);
        w[1].span.cost_usd = (i * 5 % TRACES) + 0.25;
        w[1].span.tokens_input = i * 11 % TRACES;
        w[1].span.tokens_output = 1;
        w[1].span.ttft_ms = i % 6 == 0 ? -1 : i * 13 % TRACES + 0.5;
        w[2] = suite_complete_span(project, span, start + S);
        if (i % 5 == 0)
            w[2].span.error = text_of("RateLimitError: slow down");
        w[3] = suite_complete_trace(project, ids[i], start + (i * 7 % TRACES) * S);
        suite_write(w, i % 8 == 0 ? 3 : 4);
    }
}

/* The traces for which `keep` says so, newest first. */
static void expect_those(struct stored_filter f, bool (*wanted)(int i))
{
    struct text expected[TRACES];
    static const size_t limits[] = {1, 3, 50};
    size_t count = 0;
    for (int i = TRACES - 1; i >= 0; i--)
        if (wanted(i))
            expected[count++] = ids[i];
    f.project_id = project;
    for (size_t i = 0; i < 3; i++) {
        f.limit = limits[i];
        suite_expect(f, expected, count);
    }
}

static bool every(int i)
{
    return i >= 0;
}
static bool of_user_1(int i)
{
    return i % 3 == 1;
}
static bool of_session_2(int i)
{
    return i / 6 == 2;
}
static bool of_both(int i)
{
    return of_user_1(i) && of_session_2(i);
}
static bool tagged_1_or_3(int i)
{
    return i % 4 == 1 || i % 4 == 3;
}
static bool none(int i)
{
    return i < 0;
}
static bool named_c(int i)
{
    return i == 2;
}
static bool odd(int i)
{
    return i % 2 == 1;
}
static bool running(int i)
{
    return i % 8 == 0;
}
static bool failed(int i)
{
    return i % 8 != 0 && i % 5 == 0;
}
static bool went_well(int i)
{
    return i % 8 != 0 && i % 5 != 0;
}
static bool in_time(int i)
{
    return i >= 5 && i < 9;
}
static bool took_ten(int i)
{
    return i % 8 != 0 && i * 7 % TRACES >= 10;
}
static bool mixed(int i)
{
    return of_user_1(i) && went_well(i) && i >= 4;
}

static void test_filters(void **state)
{
    (void)state;
    make_traces();
    expect_those((struct stored_filter){0}, every);
    expect_those((struct stored_filter){.user_id = text_of("user 1")}, of_user_1);
    expect_those((struct stored_filter){.user_id = text_of("USER 1")}, none);
    expect_those((struct stored_filter){.session_id = text_of("session 2")}, of_session_2);
    expect_those(
        (struct stored_filter){.user_id = text_of("user 1"), .session_id = text_of("session 2")},
        of_both);
    expect_those(
        (struct stored_filter){.tags = {text_of("tag 1"), text_of("tag 3")}, .tag_count = 2},
        tagged_1_or_3);
    expect_those((struct stored_filter){.tags = {text_of("all")}, .tag_count = 1}, every);
    expect_those((struct stored_filter){.tags = {text_of("tag")}, .tag_count = 1}, none);
    expect_those((struct stored_filter){.name = text_of("TRACE c")}, named_c);
    expect_those((struct stored_filter){.name = text_of("e")}, every);
    expect_those((struct stored_filter){.name = text_of("%")}, none);
    expect_those((struct stored_filter){.model = text_of("Claude")}, odd);
    expect_those((struct stored_filter){.model = text_of("claude_3")}, none);
    expect_those((struct stored_filter){.status = STORED_RUNNING}, running);
    expect_those((struct stored_filter){.status = STORED_ERROR}, failed);
    expect_those((struct stored_filter){.status = STORED_OK}, went_well);
    expect_those((struct stored_filter){.from = T0 + 5 * S, .to = T0 + 9 * S}, in_time);
    expect_those((struct stored_filter){.min_duration_ms = 10000}, took_ten);
    expect_those((struct stored_filter){.user_id = text_of("user 1"),
                                        .status = STORED_OK,
                                        .from = T0 + 4 * S},
                 mixed);
}

struct value {
    double value, start;
};
struct values {
    struct value all[TRACES];
    size_t count;
    enum stored_sort sort;
};

static int note_value(void *user, const struct stored_trace *t)
{
    struct values *v = user;
    double value = t->total_cost;
    if (v->sort == SORT_DURATION)
        value = t->end_time == 0 ? -1 : (double)(t->end_time - t->start_time);
    else if (v->sort == SORT_TOKENS)
        value = (double)(t->tokens_input + t->tokens_output);
    else if (v->sort == SORT_TTFT)
        value = t->ttft_ms;
    else if (v->sort == SORT_START)
        value = (double)(t->start_time - T0);
    assert_true(v->count < TRACES);
    v->all[v->count++] = (struct value){value, (double)(t->start_time - T0)};
    return 0;
}

static void check_order(const struct values *v, bool ascending)
{
    for (size_t i = 1; i < v->count; i++) {
        struct value a = v->all[i - 1];
        struct value b = v->all[i];
        if (a.value == b.value) {
            assert_true(a.start > b.start); /* equal ones newest first */
            continue;
        }
        if (a.value < 0 || b.value < 0)
            assert_true(b.value < 0); /* unknown comes last */
        else
            assert_true(ascending ? a.value < b.value : a.value > b.value);
    }
}

static void test_sorts(void **state)
{
    (void)state;
    make_traces();
    for (int i = 0; i < 10; i++) {
        struct stored_filter f = {.project_id = project, .limit = 7};
        struct values v = {.sort = (enum stored_sort)(i / 2)};
        char *cursor = NULL;
        f.sort = v.sort;
        f.ascending = i % 2 == 1;
        do {
            char *next = NULL;
            f.cursor = text_of(cursor);
            assert_int_equal(suite.ops->list(suite.reader, &f, note_value, &v, &next), ERR_OK);
            free(cursor);
            cursor = next;
        } while (cursor != NULL);
        assert_int_equal(v.count, TRACES);
        check_order(&v, f.ascending);
    }
}

/* A page goes on where the one before ended, whatever comes in meanwhile. */
static void test_cursor(void **state)
{
    (void)state;
    make_traces();
    struct suite_ids got;
    struct stored_filter f = {.project_id = project, .limit = 10};
    struct values v = {.sort = SORT_START};
    char *cursor = NULL;
    assert_int_equal(suite.ops->list(suite.reader, &f, note_value, &v, &cursor), ERR_OK);
    assert_non_null(cursor);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            suite_write_one(suite_create_trace(project, suite_name("new"), T0 + 100 * S)), ERR_OK);
    f.cursor = text_of(cursor);
    char *next = NULL;
    assert_int_equal(suite.ops->list(suite.reader, &f, note_value, &v, &next), ERR_OK);
    assert_int_equal(v.count, 20);
    check_order(&v, false);
    free(next);
    next = NULL;
    f.sort = SORT_COST; /* a cursor of another order */
    assert_int_equal(suite.ops->list(suite.reader, &f, note_value, &v, &next), ERR_BAD);
    free(cursor);
    f.sort = SORT_START;
    static const char *const wrong[] = {"",
                                        "x",
                                        "sd1.2",
                                        "sd1.2.3.4",
                                        "'; DROP TABLE trace; --",
                                        "99999999999999999999999999",
                                        "bnVsbA==",
                                        "e30="};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f.cursor = text_of(wrong[i]);
        assert_int_equal(suite.ops->list(suite.reader, &f, note_value, &v, &next), ERR_BAD);
        assert_null(next);
    }
    f.cursor = (struct text){NULL, 0};
    suite_list(f, &got);
    assert_int_equal(got.count, TRACES + 5);
    suite_ids_release(&got);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Traces of one and the same time: each of them once, for every page size. */
static void test_equal_times(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct text p = suite_name("equal");
    struct stored_write w[COUNT];
    for (int i = 0; i < COUNT; i++)
        w[i] = suite_create_trace(p, suite_name("trace"), T0 + i / 20);
    suite_write(w, COUNT);
    for (size_t limit = 1; limit < 50; limit += 6) {
        struct suite_ids got;
        suite_list((struct stored_filter){.project_id = p, .limit = limit}, &got);
        assert_int_equal(got.count, COUNT);
        qsort(got.ids, got.count, sizeof(*got.ids), by_text);
        for (size_t i = 1; i < got.count; i++)
            assert_string_not_equal(got.ids[i - 1], got.ids[i]);
        suite_ids_release(&got);
    }
}

/* ---- Words */

static struct text words_project, words_ids[6];

static void make_words(void)
{
    struct stored_write w[12];
    static const char *const inputs[] = {
        "{\"question\":\"Where does the Elbe flow into the sea?\"}",
        "{\"question\":\"Line\\nbreak and \\u00dcbung \\\"quoted\\\"\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"北京大学 is in 北京\"}]}",
        "{\"n\":48213,\"args\":\"{\\\"city\\\":\\\"Paris\\\"}\"}",
        "{\"q\":\"gpt-4o costs 0.5 OR NEAR(x y) AND \\\"phrase\\\" * ^ : - col:val\"}",
        "{\"q\":\"Привет, МИР\"}",
    };
    words_project = suite_name("words");
    for (int i = 0; i < 6; i++) {
        words_ids[i] = suite_name("trace");
        w[2 * i] = suite_create_trace(words_project, words_ids[i], T0 + i * S);
        w[2 * i].trace.name = suite_printf("Herald %d", i);
        w[2 * i].trace.user_id = suite_printf("person%d", i);
        w[2 * i + 1] = suite_create_span(words_project, words_ids[i], suite_name("s"), T0 + i * S);
        w[2 * i + 1].span.input_data = text_of(inputs[i]);
        w[2 * i + 1].span.name = suite_printf("step common s%d", i);
        if (i == 0)
            w[1].span.error = text_of("Timeout of upstream");
    }
    suite_write(w, 12);
}

/* found: the only trace; -1: none; -2: all. */
static void expect_words(const char *q, int found)
{
    struct text expected[6];
    size_t count = 0;
    for (int i = 5; i >= 0; i--)
        if (found == -2 || found == i)
            expected[count++] = words_ids[i];
    struct suite_ids got;
    suite_list((struct stored_filter){.project_id = words_project, .limit = 4, .q = text_of(q)},
               &got);
    if (got.count != count)
        fail_msg("\"%s\" finds %zu, not %zu", q, got.count, count);
    for (size_t i = 0; i < count; i++)
        if (!text_is(expected[i], got.ids[i]))
            fail_msg("\"%s\" finds another", q);
    suite_ids_release(&got);
}

static void check_words(void)
{
    static const struct {
        const char *q;
        int found;
    } cases[] = {
        {"elbe", 0},
        {"ELBE sea", 0},
        {"elbe seas", -1},
        {"timeout", 0},
        {"upstream elbe", 0},
        {"herald", -2},
        {"herald 3", 3},
        {"person4", 4},
        {"common", -2},
        {"line", 1},
        {"break", 1},
        {"nbreak", -1},
        {"\xc3\xbc"
         "bung",
         1},
        {"quoted", 1},
        {"北京", 2},
        {"大学 北", 2},
        {"48213", 3},
        {"paris", 3},
        {"gpt-4o", 4},
        {"0.5", 4},
        {"phrase near", 4},
        {"привет мир", 5},
        {"МИР", 5},
        {"question", -1},
        {"elbe привет", -1},
        {"common elbe", 0},
        {"herald elbe", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_words(cases[i].q, cases[i].found);
}

static void test_words(void **state)
{
    (void)state;
    make_words();
    check_words();
}

/* Whatever is asked for is words, never syntax. */
static void test_hostile_words(void **state)
{
    (void)state;
    static const char *const none[] = {"zzzz",
                                       "zzzz*",
                                       "zzzz OR elbe",
                                       "NOT zzzz",
                                       "zzzz) OR (elbe",
                                       "\"zzzz",
                                       "zzzz' OR '1'='1",
                                       "name:zzzz",
                                       "^zzzz",
                                       "-zzzz",
                                       "NEAR(zzzz elbe, 10)",
                                       "{zzzz}:elbe",
                                       "zzzz\xff\xfe",
                                       "zzzz\xee\x80\x80",
                                       "e*",
                                       "elb*"};
    static const char *const all[] = {"", " ", "***", "\"\"", "()", "- + ^ :"};
    make_words();
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        expect_words(none[i], -1);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        expect_words(all[i], -2);
    expect_words("OR", 4);
    char *many = malloc(100001);
    assert_non_null(many);
    for (size_t i = 0; i < 100000; i++)
        many[i] = i % 7 == 6 ? ' ' : (char)('a' + i * i % 23);
    many[100000] = '\0';
    expect_words(many, -1);
    free(many);
}

/* A word is found wherever it came with a complete, and no more when it was overwritten. */
static void test_words_change(void **state)
{
    (void)state;
    struct text p = suite_name("change");
    struct text trace = suite_name("trace");
    struct text span = suite_name("span");
    struct stored_write w[2] = {suite_create_trace(p, trace, T0),
                                suite_create_span(p, trace, span, T0)};
    suite_write(w, 2);
    struct stored_filter f = {.project_id = p, .q = text_of("walrus")};
    suite_expect(f, NULL, 0);
    struct stored_write c = suite_complete_span(p, span, T0 + S);
    c.span.output_data = text_of("{\"text\":\"a walrus\"}");
    assert_int_equal(suite_write_one(c), ERR_OK);
    suite_expect(f, &trace, 1);
    c.span.output_data = text_of("{\"text\":\"a seal\"}");
    assert_int_equal(suite_write_one(c), ERR_OK);
    suite_expect(f, NULL, 0);
    c = suite_complete_trace(p, trace, T0 + S);
    c.trace.output = text_of("The Walrus said");
    assert_int_equal(suite_write_one(c), ERR_OK);
    suite_expect(f, &trace, 1);
    f.status = STORED_ERROR;
    suite_expect(f, NULL, 0);
}

const struct CMUnitTest suite_list_tests[] = {
    cmocka_unit_test(test_filters),      cmocka_unit_test(test_sorts),
    cmocka_unit_test(test_cursor),       cmocka_unit_test(test_equal_times),
    cmocka_unit_test(test_words),        cmocka_unit_test(test_hostile_words),
    cmocka_unit_test(test_words_change),
};
const size_t suite_list_test_count = sizeof(suite_list_tests) / sizeof(suite_list_tests[0]);
