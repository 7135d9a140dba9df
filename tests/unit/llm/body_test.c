/* Bodies over their ceiling and JSON that ends too early. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/body.h"
#include "unit/cmocka_all.h"

static const char sample[] =
    " {\"model\" : \"gpt-4o\", "
    "\"n\":-12.5e3,\"ok\":true,\"none\":null,\"text\":\"a\\\"b\\u00e9\\\\\","
    "\"list\":[1,[2,{\"deep\":[{}]}],\"x\"],\"last\":{\"k\":\"v\"}} ";

static json *mended(const char *text, size_t len)
{
    struct buf b;
    buf_init(&b, 65536);
    assert_int_equal(buf_append(&b, text, len), ERR_OK);
    json *value = NULL;
    if (body_mend(&b) == ERR_OK) {
        value = json_parse(buf_str(&b), b.len);
        if (!value)
            fail_msg("mended to bad JSON: %.*s -> %s", (int)len, text, buf_str(&b));
    }
    buf_release(&b);
    return value;
}

static void every_prefix_can_be_mended(void **state)
{
    (void)state;
    for (size_t len = 2; len < sizeof(sample); len++) {
        json *value = mended(sample, len);
        assert_non_null(value);
        if (len > strlen(" {\"model\" : \"gpt-4o\""))
            assert_string_equal(json_get_text(value, "model"), "gpt-4o");
        json_free(value);
    }
}

static void mending_keeps_what_was_there(void **state)
{
    static const char *const cases[][2] = {
        {"{\"a\":\"half", "{\"a\":\"half\"}"},
        {"{\"a\":\"half\\", "{\"a\":\"half\"}"},
        {"{\"a\":\"half\\u00", "{\"a\":\"half\"}"},
        {"{\"a\":1,\"b", "{\"a\":1}"},
        {"{\"a\":1,\"b\":", "{\"a\":1}"},
        {"{\"a\":12", "{}"}, /* more digits may have followed */
        {"{\"a\":12,", "{\"a\":12}"},
        {"[1,2,[3,", "[1,2,[3]]"},
        {"[tru", "[]"},
        {"{\"a\":{\"b\":[{\"c\":\"d\"", "{\"a\":{\"b\":[{\"c\":\"d\"}]}}"},
        {"\"text", "\"text\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json *value = mended(cases[i][0], strlen(cases[i][0]));
        assert_non_null(value);
        char *text = json_print_new(value);
        assert_string_equal(text, cases[i][1]);
        free(text);
        json_free(value);
    }
}

static void nothing_to_mend(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "   ", "tru", "]", "}", ",", "<html>"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_null(mended(texts[i], strlen(texts[i])));
}

static void mending_random_text_is_safe(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\",:\\u0ea1 tn\n-";
    srand(7);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        size_t len = (size_t)rand() % sizeof(text);
        for (size_t j = 0; j < len; j++)
            text[j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        struct buf b;
        buf_init(&b, 65536);
        assert_int_equal(buf_append(&b, text, len), ERR_OK);
        (void)!body_mend(&b); /* malformed text may stay so; it must not crash */
        buf_release(&b);
    }
}

static void feed(struct body *b, const char *text, size_t piece)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += piece)
        body_feed(b, text + at, len - at < piece ? len - at : piece);
}

/* {"prompt":"xxx...","model":"m","tail":[1,2]} */
static char *long_text(size_t n, char c)
{
    char *text = malloc(n + 128);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "{\"prompt\":\"");
    memset(text + at, c, n);
    sprintf(text + at + n, "\",\"model\":\"m\",\"tail\":[1,2]}");
    return text;
}

static void what_follows_a_long_string_is_kept(void **state)
{
    (void)state;
    char *text = long_text(100000, 'x');
    static const size_t pieces[] = {1, 7, 1000, 200000};
    for (size_t i = 0; i < 4; i++) {
        struct body b;
        body_init(&b, 4096, false);
        feed(&b, text, pieces[i]);
        assert_true(b.text.len <= 4096);
        json *value = body_parse(&b);
        assert_string_equal(json_get_text(value, "model"), "m");
        assert_int_equal(json_length(json_get(value, "tail")), 2);
        const char *prompt = json_get_text(value, "prompt");
        assert_non_null(strstr(prompt, " bytes cut]"));
        assert_int_equal(strspn(prompt, "x") + b.cut, 100000);
        json_free(value);
        body_release(&b);
    }
    free(text);
}

static void many_strings_share_the_ceiling(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, 8192, false);
    body_feed(&b, "[", 1);
    for (int i = 0; i < 200; i++) {
        char *text = long_text(3000, 'y');
        feed(&b, text, 4096);
        body_feed(&b, i < 199 ? "," : "]", 1);
        free(text);
    }
    assert_true(b.text.len <= 8192);
    assert_true(b.cut > 0);
    json *value = body_parse(&b);
    assert_true(json_length(value) > 3);
    assert_true(b.text.len <= 8192 + JSON_DEPTH_MAX + 1);
    json_free(value);
    body_release(&b);
}

static void escapes_are_not_cut_in_two(void **state)
{
    (void)state;
    for (size_t max = 1024; max < 1060; max++) {
        struct body b;
        body_init(&b, max, false);
        body_feed(&b, "{\"a\":\"", 6);
        for (int i = 0; i < 1000; i++)
            body_feed(&b, i % 2 ? "\\u00e9" : "\\n", i % 2 ? 6 : 2);
        body_feed(&b, "\",\"b\":1}", 8);
        json *value = json_parse(buf_str(&b.text), b.text.len);
        assert_non_null(value);
        int64_t one = 0;
        assert_true(json_get_int(value, "b", &one));
        json_free(value);
        body_release(&b);
    }
}

static void vectors_become_figures(void **state)
{
    (void)state;
    static const char text[] =
        "{\"data\":[{\"embedding\":[0.1, -2e-5,3],\"index\":0},{\"embedding\":[ "
        "-1]}],\"empty\":[],\"words\":[\"a\"],\"nested\":[[1,2],[3,4]]}";
    static const char expected[] = "{\"data\":[{\"embedding\":3,\"index\":0},{\"embedding\":1}],"
                                   "\"empty\":[],\"words\":[\"a\"],\"nested\":[2,2]}";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct body b;
        body_init(&b, 4096, true);
        feed(&b, text, piece);
        assert_string_equal(buf_str(&b.text), expected);
        body_release(&b);
    }
}

static void long_vectors_take_no_room(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, 4096, true);
    for (int i = 0; i < 100; i++) {
        body_feed(&b, i ? ",{\"e\":[" : "[{\"e\":[", 7);
        for (int j = 0; j < 3071; j++)
            body_feed(&b, "-0.0123456,", 11);
        body_feed(&b, "0.5]}", 5);
    }
    body_feed(&b, "]", 1);
    assert_true(b.text.len < 2000);
    json *value = body_parse(&b);
    assert_int_equal(json_length(value), 100);
    int64_t n = 0;
    assert_true(json_int(json_path(value, "99.e"), &n));
    assert_int_equal(n, 3072);
    json_free(value);
    body_release(&b);
}

static void base64_becomes_its_length(void **state)
{
    (void)state;
    struct body b;
    char base64[8193];
    memset(base64, 'A', 8192);
    base64[8192] = '\0';
    body_init(&b, 4096, true);
    body_feed(&b, "{\"embedding\":\"", 14);
    feed(&b, base64, 100);
    body_feed(&b, "\",\"model\":\"m\"}", 14);
    assert_string_equal(buf_str(&b.text), "{\"embedding\":-8192,\"model\":\"m\"}");
    body_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_can_be_mended),
        cmocka_unit_test(mending_keeps_what_was_there),
        cmocka_unit_test(nothing_to_mend),
        cmocka_unit_test(mending_random_text_is_safe),
        cmocka_unit_test(what_follows_a_long_string_is_kept),
        cmocka_unit_test(many_strings_share_the_ceiling),
        cmocka_unit_test(escapes_are_not_cut_in_two),
        cmocka_unit_test(vectors_become_figures),
        cmocka_unit_test(long_vectors_take_no_room),
        cmocka_unit_test(base64_becomes_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
