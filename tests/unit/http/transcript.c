#include "unit/http/transcript.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct record {
    struct buf request, response;
    int ended_request, begun_response;
};

static void must(int err)
{
    if (err != ERR_OK)
        abort();
}

static void on_request(void *user, struct http_exchange *x)
{
    (void)user;
    struct record *r = calloc(1, sizeof(*r));
    if (r == NULL || x->user != NULL)
        abort();
    buf_init(&r->request, SIZE_MAX / 2);
    buf_init(&r->response, SIZE_MAX / 2);
    x->user = r;
}

static void on_request_body(void *user, struct http_exchange *x, const char *data, size_t len,
                            int64_t time)
{
    (void)user;
    struct record *r = x->user;
    if (r->ended_request || len == 0 || time == 0)
        abort();
    must(buf_append(&r->request, data, len));
}

static void on_request_end(void *user, struct http_exchange *x)
{
    (void)user;
    struct record *r = x->user;
    if (r->ended_request++)
        abort();
}

static void on_response(void *user, struct http_exchange *x)
{
    (void)user;
    struct record *r = x->user;
    if (r->begun_response++)
        abort();
}

static void on_response_body(void *user, struct http_exchange *x, const char *data, size_t len,
                             int64_t time)
{
    (void)user;
    struct record *r = x->user;
    if (!r->begun_response || len == 0 || time == 0)
        abort();
    must(buf_append(&r->response, data, len));
}

static void on_end(void *user, struct http_exchange *x)
{
    static const char *const hows[] = {"complete", "aborted", "gap", "malformed"};
    struct buf *out = user;
    struct record *r = x->user;
    if (!r->ended_request)
        abort();
    must(buf_printf(out, "@%llu %s %s {%s} %lld-%lld | ", (unsigned long long)x->request_offset,
                    x->request.method, x->request.target, buf_str(&r->request),
                    (long long)x->t_request, (long long)x->t_request_end));
    if (x->response.status != 0)
        must(buf_printf(out, "%d {%s} %lld-%lld | ", x->response.status, buf_str(&r->response),
                        (long long)x->t_response, (long long)x->t_response_end));
    must(buf_append_str(out, hows[x->how]));
    if (x->request_lost != 0 || x->response_lost != 0)
        must(buf_printf(out, " lost=%llu,%llu", (unsigned long long)x->request_lost,
                        (unsigned long long)x->response_lost));
    if (!x->request_decoded)
        must(buf_append_str(out, " undecoded=request"));
    if (!x->response_decoded)
        must(buf_append_str(out, " undecoded=response"));
    must(buf_append_char(out, '\n'));
    buf_release(&r->request);
    buf_release(&r->response);
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

/* Feeds a copy of the bytes that ends where memory ends. */
static void feed_at_edge(struct http_conn *c, enum http_dir dir, uint64_t offset, const char *data,
                         size_t len, int64_t time)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (len + page - 1) / page * page;
    char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + size, page, PROT_NONE) != 0)
        abort();
    memcpy(map + size - len, data, len);
    http_conn_data(c, dir, offset, map + size - len, len, time);
    munmap(map, size + page);
}

static void feed_split(struct http_conn *c, enum http_dir dir, uint64_t offset,
                       const struct step *step, enum split split, int64_t time)
{
    for (size_t at = 0; at < step->len;) {
        size_t n = split == SPLIT_NONE ? step->len : split == SPLIT_BYTES ? 1 : (size_t)rand() % 40;
        if (n > step->len - at)
            n = step->len - at;
        feed_at_edge(c, dir, offset + at, step->data + at, n, time);
        at += n;
    }
}

void transcript_run(struct buf *out, const struct step *steps, const struct http_options *options,
                    enum split split, unsigned seed)
{
    struct http_conn *c;
    uint64_t offsets[2] = {0, 0};
    int64_t time = 0;
    srand(seed);
    must(http_conn_new(&c, options, &handler, out));
    for (const struct step *s = steps; s->kind != STEP_END; s++) {
        bool is_out = s->kind == STEP_OUT || s->kind == GAP_OUT || s->kind == EOF_OUT;
        enum http_dir dir = is_out ? HTTP_OUT : HTTP_IN;
        time += 10;
        if (s->kind == STEP_OUT || s->kind == STEP_IN)
            feed_split(c, dir, offsets[dir], s, split, time);
        else if (s->kind == STEP_IN_OLD)
            feed_split(c, dir, offsets[dir], s, split, 5);
        else if (s->kind == GAP_OUT || s->kind == GAP_IN)
            http_conn_gap(c, dir, s->len, time);
        else if (s->kind == EOF_OUT || s->kind == EOF_IN)
            http_conn_eof(c, dir, time);
        else
            http_conn_close(c, time);
        offsets[dir] += s->len;
    }
    bool dead = http_conn_dead(c);
    http_conn_free(c);
    if (dead)
        must(buf_append_str(out, "dead\n"));
}
