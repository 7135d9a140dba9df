/* Content codings: what each library's own encoder wrote comes out again, a flush at a time, and
 * data made to be expensive is cheap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <brotli/encode.h>
#include <sys/resource.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "http/http.h"

#define EVENTS 50

/* One response, as the parser told it. */
struct seen {
    struct buf body;
    size_t ends;
    enum http_end how;
    bool decoded;
    uint64_t lost;
};

static void on_body(void *user, struct http_exchange *x, const char *data, size_t len, int64_t time)
{
    (void)x;
    (void)time;
    struct seen *seen = user;
    assert_int_equal(buf_append(&seen->body, data, len), ERR_OK);
}

static void on_end(void *user, struct http_exchange *x)
{
    struct seen *seen = user;
    seen->ends++;
    seen->how = x->how;
    seen->decoded = x->response_decoded;
    seen->lost = x->response_lost;
}

static const struct http_handler handler = {.response_body = on_body, .end = on_end};

static struct http_conn *open_conn(struct seen *seen, uint64_t body_max, const char *fields)
{
    static const char request[] = "GET / HTTP/1.1\r\n\r\n";
    const struct http_options options = {.body_max = body_max};
    struct http_conn *c;
    char head[512];
    memset(seen, 0, sizeof(*seen));
    buf_init(&seen->body, (size_t)1 << 30);
    assert_int_equal(http_conn_new(&c, &options, &handler, seen), ERR_OK);
    http_conn_data(c, HTTP_OUT, 0, request, sizeof(request) - 1, 1);
    int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%s\r\n\r\n", fields);
    http_conn_data(c, HTTP_IN, 0, head, (size_t)n, 1);
    return c;
}

static void feed(struct http_conn *c, const struct buf *data, size_t piece)
{
    for (size_t at = 0; at < data->len; at += piece) {
        size_t n = data->len - at < piece ? data->len - at : piece;
        char *copy = malloc(n); /* so that ASan sees what is read behind it */
        assert_non_null(copy);
        memcpy(copy, data->data + at, n);
        http_conn_data(c, HTTP_IN, at, copy, n, 1);
        free(copy);
    }
}

/* An encoder that can be flushed. */
struct encoder {
    const char *token;
    enum { GZIP, DEFLATE, DEFLATE_RAW, BROTLI, ZSTD } kind;
    z_stream z;
    BrotliEncoderState *brotli;
    ZSTD_CCtx *zstd;
};

static void encoder_open(struct encoder *e)
{
    static const int window[] = {15 + 16, 15, -15};
    memset(&e->z, 0, sizeof(e->z));
    if (e->kind <= DEFLATE_RAW)
        assert_int_equal(deflateInit2(&e->z, 6, Z_DEFLATED, window[e->kind], 8, 0), Z_OK);
    e->brotli = e->kind == BROTLI ? BrotliEncoderCreateInstance(NULL, NULL, NULL) : NULL;
    if (e->brotli != NULL)
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, 5);
    e->zstd = e->kind == ZSTD ? ZSTD_createCCtx() : NULL;
}

static void encoder_close(struct encoder *e)
{
    if (e->kind <= DEFLATE_RAW)
        deflateEnd(&e->z);
    if (e->brotli != NULL)
        BrotliEncoderDestroyInstance(e->brotli);
    ZSTD_freeCCtx(e->zstd);
}

/* Appends the encoded text with a flush, or the end of the stream. */
static void encode(struct encoder *e, const char *text, size_t len, bool last, struct buf *out)
{
    size_t room = len + len / 8 + 1024;
    assert_int_equal(buf_reserve(out, out->len + room), ERR_OK);
    char *to = out->data + out->len;
    size_t made;
    if (e->kind <= DEFLATE_RAW) {
        e->z.next_in = (Bytef *)(uintptr_t)text;
        e->z.avail_in = (uInt)len;
        e->z.next_out = (Bytef *)to;
        e->z.avail_out = (uInt)room;
        deflate(&e->z, last ? Z_FINISH : Z_SYNC_FLUSH);
        assert_int_equal(e->z.avail_in, 0);
        made = room - e->z.avail_out;
    } else if (e->kind == BROTLI) {
        const uint8_t *in = (const uint8_t *)text;
        uint8_t *next = (uint8_t *)to;
        size_t in_len = len, left = room;
        assert_true(BrotliEncoderCompressStream(
            e->brotli, last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &in_len, &in, &left,
            &next, NULL));
        assert_false(BrotliEncoderHasMoreOutput(e->brotli));
        made = room - left;
    } else {
        ZSTD_inBuffer in = {text, len, 0};
        ZSTD_outBuffer o = {to, room, 0};
        assert_int_equal(ZSTD_compressStream2(e->zstd, &o, &in, last ? ZSTD_e_end : ZSTD_e_flush),
                         0);
        made = o.pos;
    }
    out->len += made;
    out->data[out->len] = '\0';
}

static void encode_all(int kind, const char *text, size_t len, struct buf *out)
{
    struct encoder e = {.kind = (unsigned)kind};
    encoder_open(&e);
    encode(&e, text, len, true, out);
    encoder_close(&e);
}

static const struct encoder encoders[] = {
    {.token = "gzip", .kind = GZIP},       {.token = "X-GZip", .kind = GZIP},
    {.token = "deflate", .kind = DEFLATE}, {.token = "deflate", .kind = DEFLATE_RAW},
    {.token = "br", .kind = BROTLI},       {.token = "identity, zstd", .kind = ZSTD},
};
#define ENCODERS (sizeof(encoders) / sizeof(encoders[0]))

/* Text that compresses, but not to nothing. */
static void make_text(struct buf *out, size_t len)
{
    buf_init(out, (size_t)1 << 30);
    srand(1);
    while (out->len < len)
        assert_int_equal(buf_printf(out, "word%d {\"x\": %d}\n", rand() % 100, rand()), ERR_OK);
}

static void expect_body(struct seen *seen, const struct buf *text)
{
    assert_int_equal(seen->ends, 1);
    assert_int_equal(seen->how, HTTP_COMPLETE);
    assert_true(seen->decoded);
    assert_int_equal(seen->lost, 0);
    assert_int_equal(seen->body.len, text->len);
    assert_memory_equal(seen->body.data, text->data, text->len);
    buf_release(&seen->body);
}

static void round_trip(const char *codings, const struct buf *coded, const struct buf *text)
{
    static const size_t pieces[] = {SIZE_MAX / 2, 1, 7, 1000, 16384};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char fields[200];
        struct seen seen;
        snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\nContent-Length: %zu", codings,
                 coded->len);
        struct http_conn *c = open_conn(&seen, (uint64_t)1 << 30, fields);
        feed(c, coded, pieces[i]);
        expect_body(&seen, text);
        http_conn_free(c);
    }
}

static void round_trips(void **state)
{
    (void)state;
    struct buf text;
    make_text(&text, 200000);
    for (size_t i = 0; i < ENCODERS; i++) {
        struct buf coded;
        buf_init(&coded, (size_t)1 << 30);
        encode_all((int)encoders[i].kind, text.data, text.len, &coded);
        assert_true(coded.len < text.len / 2);
        round_trip(encoders[i].token, &coded, &text);
        buf_release(&coded);
    }
    buf_release(&text);
}

static void lists_and_members(void **state)
{
    (void)state;
    struct buf text, one, two;
    make_text(&text, 30000);
    buf_init(&one, 1 << 20);
    buf_init(&two, 1 << 20);
    encode_all(GZIP, text.data, text.len, &one);
    encode_all(BROTLI, one.data, one.len, &two);
    round_trip("gzip, br", &two, &text);
    round_trip("gzip\r\nContent-Encoding: br", &two, &text);
    buf_clear(&one);
    encode_all(ZSTD, two.data, two.len, &one);
    round_trip("gzip,br ,\tzstd", &one, &text);

    /* Two members, and padding. */
    buf_clear(&one);
    encode_all(GZIP, text.data, 1000, &one);
    encode_all(GZIP, text.data + 1000, text.len - 1000, &one);
    assert_int_equal(buf_append(&one, "\0\0\x1f\0", 4), ERR_OK);
    round_trip("gzip", &one, &text);
    buf_clear(&one);
    encode_all(ZSTD, text.data, 1000, &one);
    encode_all(ZSTD, text.data + 1000, text.len - 1000, &one);
    round_trip("zstd", &one, &text);
    buf_release(&text);
    buf_release(&one);
    buf_release(&two);
}

static void transfer_coding(void **state)
{
    (void)state;
    struct buf text, coded, chunked;
    struct seen seen;
    make_text(&text, 3000);
    buf_init(&coded, 1 << 20);
    buf_init(&chunked, 1 << 20);
    encode_all(GZIP, text.data, text.len, &coded);
    for (size_t at = 0; at < coded.len; at += 100) {
        size_t n = coded.len - at < 100 ? coded.len - at : 100;
        assert_int_equal(buf_printf(&chunked, "%zx\r\n", n), ERR_OK);
        assert_int_equal(buf_append(&chunked, coded.data + at, n), ERR_OK);
        assert_int_equal(buf_append_str(&chunked, "\r\n"), ERR_OK);
    }
    assert_int_equal(buf_append_str(&chunked, "0\r\n\r\n"), ERR_OK);
    struct http_conn *c = open_conn(&seen, 1 << 20, "Transfer-Encoding: gzip, chunked");
    feed(c, &chunked, 33);
    expect_body(&seen, &text);
    http_conn_free(c);
    buf_release(&text);
    buf_release(&coded);
    buf_release(&chunked);
}

/* A server flushes an event at a time: each is there as soon as its bytes are. */
static void flushes_come_out_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENCODERS; i++) {
        struct encoder e = encoders[i];
        char fields[200];
        struct seen seen;
        struct buf sent, coded;
        snprintf(fields, sizeof(fields), "Content-Encoding: %s", e.token);
        struct http_conn *c = open_conn(&seen, 1 << 20, fields);
        buf_init(&sent, 1 << 20);
        buf_init(&coded, 1 << 20);
        encoder_open(&e);
        for (int n = 0; n < EVENTS; n++) {
            char event[100];
            int len = snprintf(event, sizeof(event), "data: {\"token\": %d}\n\n", n * 7919);
            assert_int_equal(buf_append(&sent, event, (size_t)len), ERR_OK);
            buf_clear(&coded);
            encode(&e, event, (size_t)len, false, &coded);
            feed(c, &coded, SIZE_MAX / 2);
            assert_int_equal(seen.body.len, sent.len);
        }
        http_conn_eof(c, HTTP_IN, 2);
        expect_body(&seen, &sent);
        encoder_close(&e);
        http_conn_free(c);
        buf_release(&sent);
        buf_release(&coded);
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void expect_bounded(const char *codings, const struct buf *bomb, uint64_t body_max)
{
    char fields[200];
    struct seen seen;
    snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\nContent-Length: %zu", codings,
             bomb->len);
    struct http_conn *c = open_conn(&seen, body_max, fields);
    double before = cpu_seconds();
    feed(c, bomb, 65536);
    assert_true(cpu_seconds() - before < 1.0);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.how, HTTP_COMPLETE);
    assert_true(seen.body.len <= body_max);
    assert_true(seen.lost > 0 || !seen.decoded);
    buf_release(&seen.body);
    http_conn_free(c);
}

static void bombs(void **state)
{
    (void)state;
    struct buf zeros, bomb, outer;
    struct rusage before, after;
    buf_init(&zeros, (size_t)1 << 30);
    buf_init(&bomb, (size_t)1 << 30);
    buf_init(&outer, (size_t)1 << 30);
    assert_int_equal(buf_reserve(&zeros, 64 << 20), ERR_OK);
    memset(zeros.data, 0, 64 << 20);
    zeros.len = 64 << 20;
    getrusage(RUSAGE_SELF, &before);
    for (int kind = GZIP; kind <= ZSTD; kind++) {
        static const char *const tokens[] = {"gzip", "deflate", "deflate", "br", "zstd"};
        char twice[20];
        buf_clear(&bomb);
        buf_clear(&outer);
        encode_all(kind, zeros.data, zeros.len, &bomb);
        expect_bounded(tokens[kind], &bomb, 1 << 20);
        encode_all(kind, bomb.data, bomb.len, &outer);
        snprintf(twice, sizeof(twice), "%s, %s", tokens[kind], tokens[kind]);
        expect_bounded(twice, &outer, 1 << 20);
    }
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 300 * 1024); /* the encoders' own */

    /* The inner coding makes nothing of what the outer one makes without end: empty blocks. */
    buf_clear(&bomb);
    for (size_t at = 0; at + 5 <= zeros.len; at += 5)
        memcpy(zeros.data + at, "\x00\x00\x00\xff\xff", 5);
    encode_all(GZIP, zeros.data, zeros.len, &bomb);
    expect_bounded("deflate, gzip", &bomb, 1 << 20);
    buf_release(&zeros);
    buf_release(&bomb);
    buf_release(&outer);
}

/* A frame that wants 128 MB of window, and one of brotli's large windows. */
static void windows_are_bounded(void **state)
{
    (void)state;
    struct buf coded, text;
    struct seen seen;
    make_text(&text, 1 << 20);
    buf_init(&coded, 4 << 20);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 27);
    assert_int_equal(buf_reserve(&coded, 2 << 20), ERR_OK);
    ZSTD_inBuffer in = {text.data, text.len, 0};
    ZSTD_outBuffer out = {coded.data, 2 << 20, 0};
    while (in.pos < in.size)
        ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue);
    ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
    coded.len = out.pos;
    ZSTD_freeCCtx(zstd);
    struct http_conn *c = open_conn(&seen, 1 << 20, "Content-Encoding: zstd");
    feed(c, &coded, 4096);
    http_conn_eof(c, HTTP_IN, 2);
    assert_false(seen.decoded);
    assert_int_equal(seen.body.len, 0);
    http_conn_free(c);

    BrotliEncoderState *brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    BrotliEncoderSetParameter(brotli, BROTLI_PARAM_LARGE_WINDOW, 1);
    BrotliEncoderSetParameter(brotli, BROTLI_PARAM_LGWIN, 28);
    const uint8_t *next_in = (const uint8_t *)text.data;
    uint8_t *next_out = (uint8_t *)coded.data;
    size_t in_len = text.len, left = 2 << 20;
    BrotliEncoderCompressStream(brotli, BROTLI_OPERATION_FINISH, &in_len, &next_in, &left,
                                &next_out, NULL);
    coded.len = (2 << 20) - left;
    BrotliEncoderDestroyInstance(brotli);
    c = open_conn(&seen, 1 << 20, "Content-Encoding: br");
    feed(c, &coded, 4096);
    http_conn_eof(c, HTTP_IN, 2);
    assert_false(seen.decoded);
    assert_int_equal(seen.body.len, 0);
    http_conn_free(c);
    buf_release(&coded);
    buf_release(&text);
}

/* Bytes turned over and streams cut: an end is always told, and what was right before it is kept.
 */
static void broken_data(void **state)
{
    (void)state;
    struct buf text;
    make_text(&text, 20000);
    for (size_t i = 0; i < ENCODERS; i++) {
        struct buf coded;
        char fields[200];
        buf_init(&coded, 1 << 20);
        encode_all((int)encoders[i].kind, text.data, text.len, &coded);
        snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\nContent-Length: %zu",
                 encoders[i].token, coded.len);
        for (int n = 0; n < 200; n++) {
            struct seen seen;
            size_t at = (size_t)rand() % coded.len;
            char was = coded.data[at];
            coded.data[at] = (char)(was ^ (1 << rand() % 8));
            struct http_conn *c = open_conn(&seen, 1 << 20, fields);
            feed(c, &coded, 1 + (size_t)rand() % 5000);
            assert_int_equal(seen.ends, 1);
            assert_int_equal(seen.how, HTTP_COMPLETE);
            http_conn_free(c);
            buf_release(&seen.body);
            coded.data[at] = was;
        }
        struct seen seen;
        struct http_conn *c = open_conn(&seen, 1 << 20, fields);
        memset(coded.data, 0xff, 16);
        feed(c, &coded, 100);
        assert_int_equal(seen.ends, 1);
        assert_false(seen.decoded);
        assert_int_equal(seen.body.len, 0);
        assert_true(seen.lost > coded.len - 100);
        http_conn_free(c);
        buf_release(&seen.body);
        buf_release(&coded);
    }
    buf_release(&text);
}

static void too_many_codings(void **state)
{
    (void)state;
    struct buf body;
    struct seen seen;
    buf_init(&body, 100);
    assert_int_equal(buf_append_str(&body, "as sent"), ERR_OK);
    struct http_conn *c =
        open_conn(&seen, 100, "Content-Encoding: gzip, gzip, br, gzip, gzip\r\nContent-Length: 7");
    feed(c, &body, 3);
    assert_int_equal(seen.ends, 1);
    assert_false(seen.decoded);
    assert_string_equal(seen.body.data, "as sent");
    http_conn_free(c);
    buf_release(&seen.body);
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),     cmocka_unit_test(lists_and_members),
        cmocka_unit_test(transfer_coding), cmocka_unit_test(flushes_come_out_at_once),
        cmocka_unit_test(bombs),           cmocka_unit_test(windows_are_bounded),
        cmocka_unit_test(broken_data),     cmocka_unit_test(too_many_codings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
