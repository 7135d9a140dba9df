/* What list and show print, as files that a person can read: golden/NAME.txt. With UPDATE_GOLDEN=1
 * in the environment the files are written instead of compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli/list.h"
#include "cli/show.h"
#include "cli/text.h"
#include "sample.h"

static struct term make_term(int columns, bool utf8)
{
    return (struct term){.columns = columns, .utf8 = utf8, .now = SAMPLE_NOW};
}

static void compare(const char *name, const struct buf *out)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/unit/cli/golden/%s.txt", TESTS_DIR, name);
    bool update = getenv("UPDATE_GOLDEN") != NULL;
    FILE *f = fopen(path, update ? "we" : "re");
    assert_non_null(f);
    if (update) {
        assert_int_equal(fwrite(out->data, 1, out->len, f), out->len);
        assert_int_equal(fclose(f), 0);
        return;
    }
    char *expected = calloc(1, 65536);
    size_t len = fread(expected, 1, 65535, f);
    fclose(f);
    if (len != out->len || memcmp(expected, out->data, len) != 0)
        print_message("%s differs; now it is:\n%s", path, buf_str(out));
    assert_string_equal(expected, buf_str(out));
    free(expected);
}

/* No line is wider than the terminal, and nothing in it can steer one. */
static void check_lines(const struct buf *out, int columns)
{
    char *text = strdup(buf_str(out));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(text_width(line) <= columns);
        for (const char *p = line; *p != '\0'; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
    free(text);
}

static void add_row(struct list *l, int number, const struct term *term)
{
    struct trace *t = sample_trace(number);
    struct trace_row row = {.trace = t};
    const char *first = NULL;
    t->tokens_input = t->tokens_output = SPAN_UNKNOWN;
    t->total_cost = -1;
    for (size_t i = 0; i < SAMPLE_SPANS; i++) {
        const struct sample_span *s = &sample_spans[i];
        if (s->trace != number)
            continue;
        t->span_count++;
        if (s->in >= 0)
            t->tokens_input = (t->tokens_input < 0 ? 0 : t->tokens_input) + s->in;
        if (s->out >= 0)
            t->tokens_output = (t->tokens_output < 0 ? 0 : t->tokens_output) + s->out;
        if (s->cost >= 0)
            t->total_cost = (t->total_cost < 0 ? 0 : t->total_cost) + s->cost;
        if (s->model != NULL && (first == NULL || strcmp(first, s->model) != 0))
            row.models++;
        first = first == NULL ? s->model : first;
        row.errors += s->error != NULL;
        row.running += s->end_ms == 0;
    }
    row.model = (char *)first;
    list_add(l, &row, term);
    trace_free(t);
}

static void check_list(const char *name, int columns)
{
    struct term term = make_term(columns, true);
    struct list *l = list_new();
    struct buf out;
    assert_non_null(l);
    buf_init(&out, 65536);
    for (int i = SAMPLE_TRACES; i >= 1; i--)
        add_row(l, i, &term);
    list_print(l, &term, &out);
    check_lines(&out, columns);
    compare(name, &out);
    buf_release(&out);
    list_free(l);
}

static void lists(void **state)
{
    (void)state;
    check_list("list-80", 80);
    check_list("list-120", 120);
    check_list("list-200", 200);
}

static void render(int number, const struct term *term, bool messages, struct buf *out)
{
    struct tree tree;
    struct trace *t = sample_trace(number);
    t->tokens_input = number == 1 ? 4052 : SPAN_UNKNOWN;
    t->tokens_output = number == 1 ? 201 : SPAN_UNKNOWN;
    t->total_cost = number == 1 ? 0.00443 : -1;
    tree_init(&tree);
    for (size_t i = 0; i < SAMPLE_SPANS; i++) {
        if (sample_spans[i].trace != number)
            continue;
        struct span *s = sample_span(&sample_spans[i]);
        assert_int_equal(tree_add(&tree, s), ERR_OK);
        span_free(s);
    }
    assert_int_equal(tree_link(&tree), ERR_OK);
    show_head(t, &tree, number == 2 ? "curl, curl, python3" : "python research.py", 4242,
              number == 2 ? 3 : 1, term, out);
    tree_print(&tree, t->start_time, t->end_time, term, out);
    for (size_t i = 0; i < SAMPLE_SPANS && messages; i++) {
        if (sample_spans[i].trace != number)
            continue;
        struct span *s = sample_span(&sample_spans[i]);
        messages_print(s, term, out);
        span_free(s);
    }
    if (messages)
        output_print(t, term, out);
    tree_release(&tree);
    trace_free(t);
}

static void check_show(const char *name, int columns, bool utf8, bool messages)
{
    struct term term = make_term(columns, utf8);
    struct buf out;
    buf_init(&out, 65536);
    for (int i = 1; i <= SAMPLE_TRACES; i++) {
        render(i, &term, messages, &out);
        term_put(&out, "\n");
    }
    check_lines(&out, columns);
    for (size_t i = 0; i < out.len && !utf8; i++)
        assert_true((unsigned char)out.data[i] < 0x80);
    compare(name, &out);
    buf_release(&out);
}

static void shows(void **state)
{
    (void)state;
    check_show("show-80", 80, true, true);
    check_show("show-200", 200, true, false);
    check_show("show-ascii-80", 80, false, true);
}

/* Whatever the width, lines fit. */
static void every_width_fits(void **state)
{
    (void)state;
    for (int columns = 40; columns <= 240; columns += 7) {
        struct term term = make_term(columns, true);
        struct buf out;
        buf_init(&out, 65536);
        for (int i = 1; i <= SAMPLE_TRACES; i++)
            render(i, &term, true, &out);
        check_lines(&out, columns);
        buf_release(&out);
    }
}

static void colours_only_when_wanted(void **state)
{
    (void)state;
    struct term term = make_term(100, true);
    struct buf out;
    buf_init(&out, 65536);
    render(2, &term, true, &out);
    assert_null(memchr(out.data, '\033', out.len));
    term.colour = true;
    buf_clear(&out);
    render(2, &term, true, &out);
    assert_non_null(strstr(buf_str(&out), "\033[31m"));
    buf_release(&out);
}

/* Parents in a circle, a parent that is not there, and 2,000 spans one below the other. */
static void odd_trees_are_shown_whole(void **state)
{
    (void)state;
    struct term term = make_term(120, true);
    struct tree tree;
    struct buf out;
    buf_init(&out, 16 << 20);
    tree_init(&tree);
    for (int i = 0; i < 2003; i++) {
        struct span *s = span_new();
        uint16_t id = (uint16_t)(i + 1);
        uint16_t parent = (uint16_t)(i == 2000 ? 2002 : i == 2001 ? 2001 : i == 2002 ? 9999 : i);
        memcpy(s->span_id, &id, sizeof(id));
        memcpy(s->parent_span_id, &parent, sizeof(parent));
        s->name = strdup("step");
        s->start_time = SAMPLE_START + i;
        s->end_time = SAMPLE_START + i + 1;
        assert_int_equal(tree_add(&tree, s), ERR_OK);
        span_free(s);
    }
    assert_int_equal(tree_link(&tree), ERR_OK);
    tree_print(&tree, SAMPLE_START, SAMPLE_START + 3000, &term, &out);
    size_t lines = 0;
    for (const char *p = buf_str(&out); (p = strstr(p, "other step")) != NULL; p++)
        lines++;
    assert_true(lines >= 64);
    size_t shown = 0;
    for (size_t i = 0; i < tree.count; i++)
        shown += tree.nodes[i].shown;
    assert_int_equal(shown, 2003);
    tree_release(&tree);
    buf_release(&out);
}

static void check_escape(const char *text, size_t len, enum text_mode mode, const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    text_escape(&out, text, len, mode);
    assert_string_equal(buf_str(&out), expected);
    buf_release(&out);
}

static void escapes(void **state)
{
    (void)state;
    check_escape("a\0b", 3, TEXT_LINE, "a\\x00b");
    check_escape("\033[2J\177", 5, TEXT_LINE, "\\x1b[2J\\x7f");
    check_escape("a \t\r\n b", 7, TEXT_LINE, "a b");
    check_escape("a\tb\r\nc\rd", 8, TEXT_BLOCK, "a    b\nc\\x0dd");
    check_escape("\xc2\x9b"
                 "31m",
                 5, TEXT_LINE, "\\u{9b}31m");
    check_escape("\xe2\x80\xae", 3, TEXT_LINE, "\\u{202e}");
    check_escape("\xff\xc3\xa4\xc3", 4, TEXT_LINE, "\\xff\xc3\xa4\\xc3");
    check_escape("\xed\xa0\x80", 3, TEXT_LINE, "\\xed\\xa0\\x80"); /* a surrogate */
    check_escape("\xc0\xaf", 2, TEXT_LINE, "\\xc0\\xaf");          /* overlong */
    check_escape("\xe2\x80\xa8", 3, TEXT_BLOCK, "\\u{2028}");
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(text_fit(&out, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, true), 3);
    assert_string_equal(buf_str(&out), "\xe6\x97\xa5…");
    buf_clear(&out);
    assert_int_equal(text_fit(&out, "\xe6\x97\xa5 b", 10, false), 4);
    assert_string_equal(buf_str(&out), "?? b");
    buf_release(&out);
}

static void figures(void **state)
{
    (void)state;
    char out[TEXT_FIGURE_MAX];
    assert_string_equal(text_tokens(-1, out), "-");
    assert_string_equal(text_tokens(0, out), "0");
    assert_string_equal(text_tokens(1234, out), "1,234");
    assert_string_equal(text_tokens(123456, out), "123k");
    assert_string_equal(text_tokens(1234567, out), "1.23M");
    assert_string_equal(text_cost(-1, out), "-");
    assert_string_equal(text_cost(0, out), "$0");
    assert_string_equal(text_cost(0.0000094, out), "$0.0000094");
    assert_string_equal(text_cost(0.0000156, out), "$0.000016");
    assert_string_equal(text_cost(0.00001, out), "$0.000010");
    assert_string_equal(text_cost(0.00000123, out), "$0.0000012");
    assert_string_equal(text_cost(0.0000001, out), "<$0.000001");
    assert_string_equal(text_cost(0.000312, out), "$0.00031");
    assert_string_equal(text_cost(0.0125, out), "$0.0125");
    assert_string_equal(text_cost(12.5, out), "$12.50");
    assert_string_equal(text_duration(-5, out), "-");
    assert_string_equal(text_duration(350 * NS_PER_US, out), "350 us");
    assert_string_equal(text_duration(350 * NS_PER_MS, out), "350 ms");
    assert_string_equal(text_duration(59999 * NS_PER_MS, out), "1m00s");
    assert_string_equal(text_duration(3725 * NS_PER_SEC, out), "1h02m");
    assert_string_equal(text_age(NS_PER_SEC * 7500, out), "2 h");
    assert_string_equal(text_bytes(1536, out), "1.5 KB");
    assert_string_equal(text_time(SAMPLE_START, SAMPLE_NOW, out), "03:00:00");
    assert_string_equal(text_time(SAMPLE_START, SAMPLE_NOW + 86400 * NS_PER_SEC, out),
                        "Jan 02 03:00");
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(shows),
        cmocka_unit_test(every_width_fits),
        cmocka_unit_test(colours_only_when_wanted),
        cmocka_unit_test(odd_trees_are_shown_whole),
        cmocka_unit_test(escapes),
        cmocka_unit_test(widths),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
