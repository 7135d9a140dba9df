/* Server-sent events and NDJSON: each text in one piece, byte by byte, and in random pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/frames.h"

struct frame_case {
    const char *text;
    const char *expected; /* [event|data] of each; ! before those that only the end dispatched */
};

static const struct frame_case sse_cases[] = {
    {"", ""},
    {"data: a\n\ndata: b\n\n", "[|a][|b]"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "[|a][|b]"},
    {"data: a\r\rdata: b\r\r", "[|a][|b]"},
    {"data: a\r\n\rdata: b\n\r\ndata: c\r\n\n", "[|a][|b][|c]"},
    {"event: ping\ndata: {}\n\n", "[ping|{}]"},
    {"event: x\n\ndata: y\n\n", "[|y]"},
    {"event: x\nevent: z\ndata\n\n", "[z|]"},
    {"data: 1\r\ndata: 2\r\n\r\n", "[|1\n2]"},
    {"data: 1\ndata: 2\ndata\ndata:3\n\n", "[|1\n2\n\n3]"},
    {"data\n\n", "[|]"},
    {"data:\n\n\n\n", "[|]"},
    {"data\ndata\n\n", "[|\n]"},
    {"data:test\n\ndata:  two\n\n", "[|test][| two]"},
    {": comment\n:\n\ndata: a\n: inside\ndata: b\n\n", "[|a\nb]"},
    {": OPENROUTER PROCESSING\n\n", ""},
    {"id: 1\nretry: 10\ndata: a\nunknown: x\nDATA: no\n data: no\n\n", "[|a]"},
    {"\xef\xbb\xbf"
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "[|a]"},
    {"\xef\xbb"
     "data: a\n\n",
     ""},
    {"\n\n\r\rdata: a\n\n", "[|a]"},
    {"data: a\n\ndata: b\n", "[|a]![|b]"},
    {"data: a\n\nevent: e\ndata: b", "[|a]![e|b]"},
    {"data: a\r", "![|a]"},
    {"event: e\nid: 4", ""},
    {"data: [DONE]\n\n", "[|[DONE]]"},
};

static const struct frame_case ndjson_cases[] = {
    {"", ""},
    {"{\"a\":1}\n{\"b\":2}\n", "[|{\"a\":1}][|{\"b\":2}]"},
    {"1\r\n\r\n  \n\n2\r\n", "[|1][|2]"},
    {"{\"a\":1}\n{\"b\":", "[|{\"a\":1}]![|{\"b\":]"},
    {"\n\n", ""},
    {" \r\n\t1 \n", "[|\t1 ]"},
};

static void note(void *user, const struct frame *frame)
{
    assert_int_equal(strlen(frame->data), frame->data_len);
    assert_int_equal(buf_printf(user, "[%s|%s]", frame->event, frame->data), ERR_OK);
}

static void note_end(void *user, const struct frame *frame)
{
    assert_int_equal(buf_append_char(user, '!'), ERR_OK);
    note(user, frame);
}

/* The end of the n'th piece: one, bytes, or random. */
static size_t piece(unsigned seed, size_t left)
{
    size_t n = seed == 0 ? left : seed == 1 ? 1 : 1 + (size_t)rand() % 6;
    return n < left ? n : left;
}

static void run_sse(const char *text, unsigned seed, struct buf *out)
{
    struct sse s;
    sse_init(&s);
    for (size_t at = 0, len = strlen(text); at < len;) {
        size_t n = piece(seed, len - at);
        char *copy = malloc(n);
        memcpy(copy, text + at, n);
        sse_feed(&s, copy, n, note, out);
        free(copy);
        at += n;
    }
    sse_finish(&s, note_end, out);
    sse_release(&s);
}

static void run_ndjson(const char *text, unsigned seed, struct buf *out)
{
    struct ndjson s;
    ndjson_init(&s);
    for (size_t at = 0, len = strlen(text); at < len;) {
        size_t n = piece(seed, len - at);
        char *copy = malloc(n);
        memcpy(copy, text + at, n);
        ndjson_feed(&s, copy, n, note, out);
        free(copy);
        at += n;
    }
    ndjson_finish(&s, note_end, out);
    ndjson_release(&s);
}

static void check(const struct frame_case *t, void (*run)(const char *, unsigned, struct buf *))
{
    for (unsigned seed = 0; seed < 30; seed++) {
        struct buf out;
        srand(seed);
        buf_init(&out, 1 << 16);
        run(t->text, seed, &out);
        if (strcmp(buf_str(&out), t->expected) != 0)
            fail_msg("\"%s\" (seed %u): got %s, wanted %s", t->text, seed, buf_str(&out),
                     t->expected);
        buf_release(&out);
    }
}

static void sse_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sse_cases) / sizeof(sse_cases[0]); i++)
        check(&sse_cases[i], run_sse);
}

static void ndjson_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ndjson_cases) / sizeof(ndjson_cases[0]); i++)
        check(&ndjson_cases[i], run_ndjson);
}

static size_t cut;

static void keep_len(void *user, const struct frame *frame)
{
    *(size_t *)user = frame->data_len;
    cut = frame->cut;
}

/* A line, and an event of many lines, are cut at the limit. */
static void frames_are_bounded(void **state)
{
    (void)state;
    static char block[1 << 20];
    struct sse s;
    struct ndjson n;
    size_t len = 0;
    memset(block, 'x', sizeof(block));
    ndjson_init(&n);
    sse_init(&s);
    sse_feed(&s, "data: ", 6, keep_len, &len);
    for (int i = 0; i < 20; i++) {
        sse_feed(&s, block, sizeof(block), keep_len, &len);
        ndjson_feed(&n, block, sizeof(block), keep_len, &len);
    }
    sse_feed(&s, "\n\n", 2, keep_len, &len);
    assert_int_equal(len, FRAME_BYTES_MAX - 6);
    assert_int_equal(cut, 20 * sizeof(block) - len);
    ndjson_feed(&n, "\n", 1, keep_len, &len);
    assert_int_equal(len, FRAME_BYTES_MAX);
    assert_int_equal(cut, 20 * sizeof(block) - len);
    ndjson_feed(&n, "{}\n", 3, keep_len, &len);
    assert_int_equal(len, 2);
    assert_int_equal(cut, 0);
    for (int i = 0; i < 20; i++) {
        sse_feed(&s, "data:", 5, keep_len, &len);
        sse_feed(&s, block, sizeof(block), keep_len, &len);
        sse_feed(&s, "\n", 1, keep_len, &len);
    }
    sse_feed(&s, "\n", 1, keep_len, &len);
    assert_int_equal(len, FRAME_BYTES_MAX);
    assert_int_equal(cut, 20 * sizeof(block) + 19 - len);
    sse_feed(&s, "data: {}\n\n", 10, keep_len, &len);
    assert_int_equal(len, 2);
    assert_int_equal(cut, 0);
    sse_release(&s);
    ndjson_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sse_frames),
        cmocka_unit_test(ndjson_frames),
        cmocka_unit_test(frames_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
