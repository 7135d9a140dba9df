/* A connection. The first byte picks the options; the rest are steps: what follows \xff>\xff are
 * bytes out, \xff<\xff bytes in, \xff{\xff and \xff}\xff losses out and in (their length is that of
 * what follows), \xff(\xff and \xff)\xff ends of the streams, \xffx\xff the close.
 *
 * The handler must be called in order, and, where no byte is lost, to the same end for the bytes in
 * one piece a step and one by one. */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/http.h"

#define BODY_MAX 100000

enum { SERVER = 1, RESYNC = 2, CURL = 4 };

/* Of one exchange. */
struct record {
    bool request_ended, responded;
    uint64_t request_bytes, response_bytes;
    uint64_t request_sum, response_sum;
};

struct run {
    struct buf log;
    size_t open;
    bool differs; /* where the bytes are split may make a difference */
};

static void on_request(void *user, struct http_exchange *x)
{
    struct run *run = user;
    MUST(x->user == NULL);
    MUST(x->request.method[0] != '\0' && x->request.target[0] != '\0');
    MUST(x->request.header_count <= HTTP_HEADERS_MAX);
    for (size_t i = 0; i < x->request.header_count; i++)
        MUST(strlen(x->request.headers[i].name) > 0 &&
             strlen(x->request.headers[i].value) < HTTP_HEAD_BYTES_MAX);
    x->user = calloc(1, sizeof(struct record));
    MUST(x->user != NULL);
    run->open++;
}

static uint64_t add(uint64_t sum, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + (unsigned char)data[i];
    return sum;
}

static void on_request_body(void *user, struct http_exchange *x, const char *data, size_t len,
                            int64_t time)
{
    struct record *r = x->user;
    (void)user;
    (void)time;
    MUST(!r->request_ended && len > 0);
    r->request_bytes += len;
    MUST(r->request_bytes <= BODY_MAX);
    r->request_sum = add(r->request_sum, data, len);
}

static void on_request_end(void *user, struct http_exchange *x)
{
    struct record *r = x->user;
    struct run *run = user;
    MUST(!r->request_ended);
    r->request_ended = true;
    if (r->responded)
        run->differs = true; /* the client may leave the rest of its body out */
}

static void on_response(void *user, struct http_exchange *x)
{
    struct record *r = x->user;
    (void)user;
    MUST(!r->responded && x->response.status >= 100 && x->response.status <= 999);
    r->responded = true;
}

static void on_response_body(void *user, struct http_exchange *x, const char *data, size_t len,
                             int64_t time)
{
    struct record *r = x->user;
    (void)user;
    (void)time;
    MUST(r->responded && len > 0);
    r->response_bytes += len;
    MUST(r->response_bytes <= BODY_MAX);
    r->response_sum = add(r->response_sum, data, len);
}

static void on_end(void *user, struct http_exchange *x)
{
    struct run *run = user;
    struct record *r = x->user;
    MUST(r->request_ended && run->open > 0);
    run->open--;
    if (!x->request_decoded || !x->response_decoded)
        run->differs = true; /* broken data: what comes out before it is seen */
    MUST(buf_printf(&run->log, "%llu %s %s %llx %d %llx %d %lld %lld %lld %lld\n",
                    (unsigned long long)x->request_offset, x->request.method, x->request.target,
                    (unsigned long long)r->request_sum, x->response.status,
                    (unsigned long long)r->response_sum, (int)x->how, (long long)x->t_request,
                    (long long)x->t_request_end, (long long)x->t_response,
                    (long long)x->t_response_end) == ERR_OK);
    free(r);
}

static const struct http_handler handler = {
    .request = on_request,
    .request_body = on_request_body,
    .request_end = on_request_end,
    .response = on_response,
    .response_body = on_response_body,
    .end = on_end,
};

static void feed(struct http_conn *c, enum http_dir dir, uint64_t offset, const char *data,
                 size_t len, size_t piece, int64_t time)
{
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        char *copy = malloc(n);
        MUST(copy != NULL);
        memcpy(copy, data + at, n);
        http_conn_data(c, dir, offset + at, copy, n, time);
        free(copy);
    }
}

static void step(struct http_conn *c, struct run *run, char op, uint64_t offsets[2],
                 const char *data, size_t len, size_t piece, int64_t time)
{
    enum http_dir dir = op == '>' || op == '{' || op == '(' ? HTTP_OUT : HTTP_IN;
    if (op == '>' || op == '<') {
        feed(c, dir, offsets[dir], data, len, piece, time);
    } else if (op == '{' || op == '}') {
        run->differs = true;
        http_conn_gap(c, dir, len, time);
    } else if (op == 'x') {
        http_conn_close(c, time);
    } else {
        http_conn_eof(c, dir, time);
    }
    offsets[dir] += len;
}

static void play(const char *data, size_t size, size_t piece, struct run *run)
{
    int flags = size > 0 ? data[0] : 0;
    const struct http_options options = {
        .body_max = BODY_MAX,
        .server = flags & SERVER,
        .resync = flags & RESYNC,
        .curl_layer = flags & CURL,
    };
    struct http_conn *c;
    uint64_t offsets[2] = {0, 0};
    int64_t time = 0;
    char op = '>';
    memset(run, 0, sizeof(*run));
    buf_init(&run->log, 1 << 26);
    run->differs = options.resync || options.curl_layer;
    MUST(http_conn_new(&c, &options, &handler, run) == ERR_OK);
    size_t start = 1;
    for (size_t at = 1; at < size; at++) {
        if (size - at < 3 || data[at] != '\xff' || data[at + 2] != '\xff' ||
            strchr("><{}()x", data[at + 1]) == NULL)
            continue;
        step(c, run, op, offsets, data + start, at - start, piece, ++time);
        op = data[at + 1] == '\0' ? '>' : data[at + 1];
        start = at + 3;
        at += 2;
    }
    if (start < size)
        step(c, run, op, offsets, data + start, size - start, piece, ++time);
    MUST(http_conn_open(c) == run->open);
    http_conn_free(c);
    MUST(run->open == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole, bytes;
    play((const char *)data, size, size + 1, &whole);
    play((const char *)data, size, 1, &bytes);
    if (!whole.differs && !bytes.differs && strcmp(buf_str(&whole.log), buf_str(&bytes.log)) != 0) {
        fprintf(stderr, "whole:\n%sbytes:\n%s", buf_str(&whole.log), buf_str(&bytes.log));
        abort();
    }
    buf_release(&whole.log);
    buf_release(&bytes.log);
    return 0;
}
