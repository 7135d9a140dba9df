/* Input made to cost much, and memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "unit/http/transcript.h"

#define GET "GET /g HTTP/1.1\r\n\r\n"

/* --wrap: of the allocations in our own code, the one numbered fail_at fails. */
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

void *__wrap_calloc(size_t count, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return ++allocations == fail_at ? NULL : __real_realloc(old, size);
}

struct counts {
    long requests, request_ends, ends, how[4];
    uint64_t bytes;
};

static void on_request(void *user, struct http_exchange *x)
{
    (void)x;
    ((struct counts *)user)->requests++;
}

static void on_request_end(void *user, struct http_exchange *x)
{
    (void)x;
    ((struct counts *)user)->request_ends++;
}

static void on_body(void *user, struct http_exchange *x, const char *data, size_t len, int64_t time)
{
    (void)x;
    (void)time;
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i += 4096)
        sum += (unsigned char)data[i];
    ((struct counts *)user)->bytes += len + (sum & 0);
}

static void on_end(void *user, struct http_exchange *x)
{
    struct counts *counts = user;
    counts->ends++;
    counts->how[x->how]++;
}

static const struct http_handler handler = {
    .request = on_request,
    .request_end = on_request_end,
    .request_body = on_body,
    .response_body = on_body,
    .end = on_end,
};

static struct http_conn *open_conn(struct counts *counts)
{
    const struct http_options options = {.body_max = UINT64_MAX};
    struct http_conn *c;
    memset(counts, 0, sizeof(*counts));
    assert_int_equal(http_conn_new(&c, &options, &handler, counts), ERR_OK);
    return c;
}

static void out(struct http_conn *c, const char *text)
{
    http_conn_data(c, HTTP_OUT, 0, text, strlen(text), 1);
}

static void in(struct http_conn *c, const char *text)
{
    http_conn_data(c, HTTP_IN, 0, text, strlen(text), 2);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A head of the largest size, a byte at a time: one long line, then many short ones. */
static void heads_a_byte_at_a_time(void **state)
{
    (void)state;
    struct counts counts;
    double before = cpu_seconds();
    struct http_conn *c = open_conn(&counts);
    out(c, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < HTTP_HEAD_BYTES_MAX - 30; i++)
        http_conn_data(c, HTTP_OUT, 0, "x", 1, 1);
    out(c, "\r\n\r\n");
    assert_int_equal(counts.requests, 1);
    http_conn_free(c);
    c = open_conn(&counts);
    out(c, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_HEAD_BYTES_MAX && !http_conn_dead(c); i++)
        http_conn_data(c, HTTP_OUT, 0, i % 2 ? "\n" : "x", 1, 1);
    assert_true(http_conn_dead(c));
    assert_int_equal(counts.requests, 0);
    http_conn_free(c);
    assert_true(cpu_seconds() - before < 2.0);
}

static void limits(void **state)
{
    (void)state;
    struct counts counts;
    char line[40];

    for (int fields = HTTP_HEADERS_MAX; fields <= HTTP_HEADERS_MAX + 1; fields++) {
        struct http_conn *c = open_conn(&counts);
        out(c, "GET / HTTP/1.1\r\n");
        for (int i = 0; i < fields; i++) {
            snprintf(line, sizeof(line), "X-%d: y\r\n", i);
            out(c, line);
        }
        out(c, "\r\n");
        assert_int_equal(counts.requests, fields == HTTP_HEADERS_MAX ? 1 : 0);
        assert_int_equal(http_conn_dead(c), fields > HTTP_HEADERS_MAX);
        http_conn_free(c);
    }

    struct http_conn *c = open_conn(&counts);
    for (int i = 0; i < HTTP_PIPELINE_MAX; i++)
        out(c, GET);
    assert_int_equal(http_conn_open(c), HTTP_PIPELINE_MAX);
    out(c, GET);
    assert_true(http_conn_dead(c));
    assert_int_equal(counts.how[HTTP_MALFORMED], HTTP_PIPELINE_MAX);
    assert_int_equal(counts.ends, counts.requests);
    http_conn_free(c);

    c = open_conn(&counts);
    static char block[65536];
    for (int i = 0; i < 17; i++)
        http_conn_data(c, HTTP_IN, 0, block, sizeof(block), 1);
    assert_true(http_conn_dead(c));
    http_conn_free(c);

    /* Bytes without a line end that cannot be a head are not kept. */
    c = open_conn(&counts);
    http_conn_data(c, HTTP_OUT, 0, "\x16", 1, 1);
    assert_true(http_conn_dead(c));
    http_conn_free(c);
    c = open_conn(&counts);
    out(c, GET);
    in(c, "HX");
    assert_true(http_conn_dead(c));
    http_conn_free(c);
}

/* Many small responses, all before their requests. */
static void many_early_responses(void **state)
{
    (void)state;
    struct counts counts;
    double before = cpu_seconds();
    struct http_conn *c = open_conn(&counts);
    int sent = 0;
    for (; sent < 10000; sent++)
        in(c, "HTTP/1.1 204 x\r\n\r\n");
    assert_false(http_conn_dead(c));
    for (int i = 0; i < sent; i++) {
        out(c, GET);
        if (i % 2)
            in(c, "HTTP/1.1 204 x\r\n\r\n");
    }
    assert_int_equal(counts.how[HTTP_COMPLETE], sent);
    assert_int_equal(http_conn_open(c), 0);
    http_conn_free(c);
    assert_true(cpu_seconds() - before < 2.0);
}

/* 100 MB, in one piece and in small chunks. */
static void large_bodies(void **state)
{
    (void)state;
    struct counts counts;
    size_t size = 100 << 20;
    char *block = calloc(1, size);
    double before = cpu_seconds();
    struct http_conn *c = open_conn(&counts);
    out(c, GET);
    in(c, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    http_conn_data(c, HTTP_IN, 0, block, size, 2);
    assert_int_equal(counts.how[HTTP_COMPLETE], 1);
    assert_int_equal(counts.bytes, size);
    out(c, GET);
    in(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < size; at += 6)
        memcpy(block + at, "1\r\nx\r\n", size - at < 6 ? size - at : 6);
    http_conn_data(c, HTTP_IN, 0, block, size, 2);
    assert_int_equal(counts.bytes, size + (size + 2) / 6);
    http_conn_free(c);
    free(block);
    assert_true(cpu_seconds() - before < 10.0);
}

/* A chunk's line and trailers without end. */
static void endless_framing(void **state)
{
    (void)state;
    static const char *const starts[] = {"5;x=", "0\r\n", "0\r\nA: "};
    for (size_t i = 0; i < 3; i++) {
        struct counts counts;
        struct http_conn *c = open_conn(&counts);
        out(c, GET);
        in(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        in(c, starts[i]);
        for (int n = 0; n <= HTTP_HEAD_BYTES_MAX; n++)
            in(c, "y");
        assert_true(http_conn_dead(c));
        assert_int_equal(counts.how[HTTP_MALFORMED], 1);
        http_conn_free(c);
    }
}

/* A conversation that uses every allocation there is. */
static void talk(struct counts *counts)
{
    static const char *const coded[] = {"gzip", "br", "zstd", "deflate"};
    struct http_conn *c;
    const struct http_options options = {.body_max = 1 << 20};
    if (http_conn_new(&c, &options, &handler, counts) != ERR_OK)
        return;
    in(c, "HTTP/1.1 20");
    in(c, "0 OK\r\nContent-Length: 2\r\n\r\nab");
    out(c, "GET / HTTP");
    out(c, "/1.1\r\nHost: h\r\n\r\n" GET);
    in(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20");
    in(c, "4 x\r\n\r\n");
    for (size_t i = 0; i < 4; i++) {
        char head[200];
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Encoding: %s, %s\r\nContent-Length: 3\r\n\r\n",
                 coded[i], coded[(i + 1) % 4]);
        out(c, GET);
        in(c, head);
        in(c, "\x1f\x8b\x08");
    }
    http_conn_free(c);
}

static void out_of_memory(void **state)
{
    (void)state;
    struct counts counts = {0};
    fail_at = -1;
    allocations = 0;
    talk(&counts);
    assert_int_equal(counts.how[HTTP_COMPLETE], 6);
    long all = allocations;
    assert_true(all > 20);
    for (long n = 1; n <= all; n++) {
        memset(&counts, 0, sizeof(counts));
        allocations = 0;
        fail_at = n;
        talk(&counts);
        fail_at = -1;
        assert_int_equal(counts.ends, counts.requests);
        assert_int_equal(counts.request_ends, counts.requests);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_a_byte_at_a_time), cmocka_unit_test(limits),
        cmocka_unit_test(many_early_responses),   cmocka_unit_test(large_bodies),
        cmocka_unit_test(endless_framing),        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
