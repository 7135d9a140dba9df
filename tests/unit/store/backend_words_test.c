/* Words, parts of texts, histograms: what backends share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/words.h"

static int join(void *user, const char *word, size_t len)
{
    struct buf *out = user;
    if (out->len > 0)
        assert_int_equal(buf_append_char(out, '|'), ERR_OK);
    return buf_append(out, word, len);
}

/* The text lies at the end of a page that nothing may be read behind. */
static void expect_words(const char *text, bool as_json, const char *expected)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t len = strlen(text);
    size_t room = (len / page + 1) * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
    memcpy(map + room - len, text, len);
    struct text t = {map + room - len, len};
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(as_json ? words_of_json(t, join, &out) : words_of_text(t, join, &out), 0);
    assert_string_equal(buf_str(&out), expected);
    buf_release(&out);
    munmap(map, room + page);
}

static void test_text(void **state)
{
    (void)state;
    expect_words("", false, "");
    expect_words("Hello, World-2.0!", false, "hello|world|2|0");
    expect_words("snake_case CamelCase", false, "snake|case|camelcase");
    expect_words("\xc3\x9c"
                 "BER Stra\xc3\x9f"
                 "e \xd0\x9c\xd0\x98\xd0\xa0",
                 false,
                 "\xc3\xbc"
                 "ber|stra\xc3\x9f"
                 "e|\xd0\xbc\xd0\xb8\xd1\x80");
    expect_words("\xe5\x8c\x97\xe4\xba\xac"
                 "x",
                 false, "\xe5\x8c\x97|\xe4\xba\xac|x");
    expect_words("a\xe2\x80\x94"
                 "b\xe3\x80\x82"
                 "c",
                 false, "a|b|c");
    expect_words("broken \xff\xfe utf \xe5\x8c", false, "broken|utf");
    expect_words("\xee\x80\x80"
                 "0123456789abcdef",
                 false, "0123456789abcdef");
    char word[200];
    memset(word, 'x', 150);
    word[150] = '\0';
    char cut[100];
    memset(cut, 'x', 61);
    cut[61] = '\0';
    expect_words(word, false, cut);
    memset(word, 'Q', 190);
    strcpy(word + 190, " end");
    expect_words(word, false, "end"); /* encoded data */
}

static void test_json(void **state)
{
    (void)state;
    expect_words("{\"name\":\"Value\",\"n\":48.5,\"b\":true,\"z\":null}", true, "value|48|5");
    expect_words("{\"a\" : [\"x\\ny\",\"\\u00dcber\",\"\\ud83d\\ude00z\",\"q\\\"q\"]}", true,
                 "x|y|\xc3\xbc"
                 "ber|\xf0\x9f\x98\x80|z|q|q");
    expect_words("{\"args\":\"{\\\"city\\\":\\\"Paris\\\"}\"}", true, "city|paris");
    expect_words("{\"open\":\"never closed", true, "never|closed");
    expect_words("{\"cut\":\"\\u00", true, "00");
    expect_words("\"half \\ud800 pair\"", true, "half|pair");
    expect_words("[-1,2e5,\"\"]", true, "1|2e5");
}

static void test_large(void **state)
{
    (void)state;
    size_t len = 5 << 20;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, ' ', len);
    text[len] = '\0';
    memcpy(text, "{\"a\":\"first ", 12);
    memcpy(text + len / 2, "middle", 6);
    memcpy(text + len - 7, " last\"}", 7);
    expect_words(text, true, "first|last"); /* the ends have words */
    free(text);
}

static void test_contains(void **state)
{
    (void)state;
    assert_true(text_contains(text_of("Answer Question"), text_of("WER q")));
    assert_true(text_contains(text_of("x"), text_of("")));
    assert_true(text_contains(text_of("\xc3\x84rger"), text_of("\xc3\xa4RG")));
    assert_false(text_contains(text_of("abc"), text_of("abcd")));
    assert_false(text_contains(text_of("abc"), text_of("%")));
    assert_false(text_contains((struct text){NULL, 0}, text_of("")));
}

static void test_histogram(void **state)
{
    (void)state;
    struct histogram h = {0};
    struct histogram copy = {0};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_true(histogram_percentile(&h, 0.5) < 0);
    for (int i = 1; i <= 1000; i++)
        histogram_add(&h, i, 1);
    static const double asked[] = {0.01, 0.5, 0.95, 1};
    for (size_t i = 0; i < 4; i++) {
        double exact = asked[i] * 1000;
        double got = histogram_percentile(&h, asked[i]);
        assert_true(got > exact * 0.97 && got < exact * 1.03);
    }
    assert_int_equal(histogram_print(&h, &out), ERR_OK);
    assert_int_equal(histogram_parse(&copy, out.data, out.len), ERR_OK);
    assert_memory_equal(&h, &copy, sizeof(h));
    histogram_merge(&copy, &h);
    assert_int_equal(copy.total, 2000);
    for (int i = 1; i <= 1000; i++)
        histogram_add(&h, i, -1);
    assert_int_equal(h.total, 0);
    assert_true(histogram_percentile(&h, 0.5) < 0);
    histogram_add(&h, 1e300, 1);
    histogram_add(&h, -5, 1);
    histogram_add(&h, 0.0 / 0.0, 1);
    assert_int_equal(h.counts[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(h.counts[0], 2);
    histogram_add(&h, 0, -10); /* never below nothing */
    assert_int_equal(h.total, 1);
    static const char *const wrong[] = {"\xff", "\x01", "\xff\xff\xff\xff\x0f\x01", "\x80\x80"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(histogram_parse(&h, wrong[i], strlen(wrong[i])), ERR_BAD);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_large),     cmocka_unit_test(test_contains),
        cmocka_unit_test(test_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
