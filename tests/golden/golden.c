/* Replays the cases of a folder and compares the calls that come out with those written down:
 *   golden FOLDER             each whole, byte by byte, and in random pieces
 *   golden --update FOLDER    writes down what comes out now, for a person to review
 *   golden --mutate FOLDER    replays each with bytes changed at random: whatever comes out,
 * nothing may crash (sanitizers tell more) */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "golden/case.h"
#include "golden/dump.h"
#include "http/http.h"
#include "llm/llm.h"

#define DUMP_MAX      ((size_t)16 << 20)
#define RANDOM_ROUNDS 6
#define MUTATIONS     40                     /* rounds a case */
#define PRICES_AT     "2026-09-01T12:00:00Z" /* prices change with the date */

static bool update, mutate;
static int cases, failures;

struct replay {
    const struct golden_case *c;
    struct llm_call *call; /* the last one; a changed case may hold several */
};

static void on_request(void *user, struct http_exchange *x)
{
    const struct golden_case *c = ((struct replay *)user)->c;
    struct llm_parser *p = NULL;
    if (llm_parser_new(&p, x, c->host, c->endpoints, c->tls, c->content_max) == ERR_OK)
        x->user = p;
}

static void on_request_body(void *user, struct http_exchange *x, const char *data, size_t len,
                            int64_t time)
{
    (void)user;
    (void)time;
    if (x->user)
        llm_parser_request_body(x->user, data, len);
}

static void on_request_end(void *user, struct http_exchange *x)
{
    (void)user;
    if (x->user && !llm_parser_request_end(x->user, x)) {
        llm_parser_free(x->user);
        x->user = NULL;
    }
}

static void on_response(void *user, struct http_exchange *x)
{
    (void)user;
    if (x->user)
        llm_parser_response(x->user, x);
}

static void on_response_body(void *user, struct http_exchange *x, const char *data, size_t len,
                             int64_t time)
{
    (void)user;
    if (x->user)
        llm_parser_response_body(x->user, data, len, time);
}

static void on_end(void *user, struct http_exchange *x)
{
    struct replay *r = user;
    if (!x->user)
        return;
    llm_call_free(r->call);
    r->call = llm_parser_end(x->user, x);
    llm_parser_free(x->user);
    x->user = NULL;
}

/* Length of the next piece: 0 is all of it. */
static size_t split(unsigned mode, size_t left)
{
    if (mode == 0)
        return left;
    if (mode == 1)
        return 1;
    size_t n = 1 + (size_t)rand() % 97;
    return n < left ? n : left;
}

static uint64_t feed(struct http_conn *conn, enum http_dir dir, const struct buf *bytes,
                     uint64_t offset, int64_t time, unsigned mode)
{
    for (size_t at = 0; at < bytes->len;) {
        size_t n = split(mode, bytes->len - at);
        /* A copy of exactly that length, so that a read beyond it is seen. */
        char *piece = malloc(n);
        if (!piece)
            abort();
        memcpy(piece, bytes->data + at, n);
        http_conn_data(conn, dir, offset, piece, n, time);
        free(piece);
        at += n;
        offset += n;
    }
    return offset;
}

static void replay_case(const struct golden_case *c, unsigned mode, struct buf *out)
{
    static const struct http_handler handler = {
        .request = on_request,
        .request_body = on_request_body,
        .request_end = on_request_end,
        .response = on_response,
        .response_body = on_response_body,
        .end = on_end,
    };
    struct http_options options = {.body_max = UINT64_C(64) << 20};
    struct replay r = {.c = c};
    struct http_conn *conn;
    int64_t prices_at, time = CASE_START_NS;
    uint64_t offset = 0;
    srand(mode);
    if (http_conn_new(&conn, &options, &handler, &r) != ERR_OK ||
        clock_parse_iso(PRICES_AT, &prices_at) != ERR_OK)
        abort();
    feed(conn, HTTP_OUT, &c->request, 0, time, mode);
    for (size_t i = 0; i < c->piece_count; i++) {
        const struct case_piece *piece = &c->pieces[i];
        time = piece->time;
        offset = feed(conn, HTTP_IN, &piece->bytes, offset, time, mode);
        if (piece->lost)
            http_conn_gap(conn, HTTP_IN, piece->lost, time);
        offset += piece->lost;
    }
    if (!c->close)
        http_conn_eof(conn, HTTP_IN, time);
    http_conn_close(conn, time);
    http_conn_free(conn);
    if (r.call)
        llm_price(r.call, prices_at);
    dump_call(out, r.call);
    llm_call_free(r.call);
}

static void write_case(const char *path, const struct golden_case *c, const struct buf *now)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(c->input.data, 1, c->input.len, f) != c->input.len ||
        fwrite(now->data, 1, now->len, f) != now->len || fclose(f) != 0) {
        perror(path);
        failures++;
    }
}

static void complain(const char *path, unsigned mode, const struct buf *expected,
                     const struct buf *now)
{
    static const char *const modes[] = {"whole", "byte by byte"};
    fprintf(stderr, "FAILED %s (%s)\n--- expected\n%s--- got\n%s", path,
            mode < 2 ? modes[mode] : "random pieces", buf_str(expected), buf_str(now));
    failures++;
}

/* Words that lead a parser of JSON, HTTP or events astray. */
static const char *const words[] = {
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "null",
    "-1",
    "1e999",
    "9223372036854775808",
    "\r\n",
    "\n\n",
    "data: ",
    "event: error\n",
    "\"index\":4000000000,",
    "\"error\":\"x\",",
    "\"choices\":[{}],",
    "\"usage\":{},",
    "\"type\":7,",
    "\xff",
    "[[[[[[[[[[[[[[[[",
};

static void change(struct buf *b)
{
    size_t at = b->len ? (size_t)rand() % b->len : 0;
    size_t len = b->len - at < 40 ? b->len - at : (size_t)rand() % 40;
    const char *word = words[(size_t)rand() % (sizeof(words) / sizeof(*words))];
    struct buf out;
    buf_init(&out, DUMP_MAX);
    int err = buf_append(&out, buf_str(b), at);
    switch (rand() % 5) {
    case 0: /* one byte */
        err |= buf_append(&out, buf_str(b) + at, b->len - at);
        if (out.len > at)
            out.data[at] = (char)(rand() % 256);
        break;
    case 1: /* something goes */
        err |= buf_append(&out, buf_str(b) + at + len, b->len - at - len);
        break;
    case 2: /* something comes twice */
        err |= buf_append(&out, buf_str(b) + at, len);
        err |= buf_append(&out, buf_str(b) + at, b->len - at);
        break;
    case 3: /* it ends */
        if (rand() % 4 != 0)
            err |= buf_append(&out, buf_str(b) + at, b->len - at);
        break;
    default:
        err |= buf_append_str(&out, word);
        err |= buf_append(&out, buf_str(b) + at, b->len - at);
    }
    if (err != ERR_OK)
        abort();
    buf_release(b);
    *b = out;
}

static void mutate_case(const char *path)
{
    static struct golden_case c;
    cases++;
    for (unsigned round = 0; round < MUTATIONS; round++) {
        struct buf out;
        if (!case_load(&c, path))
            abort();
        srand(round * 7919 + (unsigned)cases);
        for (int i = rand() % 6; i >= 0; i--) {
            size_t piece = (size_t)rand() % (c.piece_count + 1);
            change(piece == c.piece_count ? &c.request : &c.pieces[piece].bytes);
        }
        buf_init(&out, DUMP_MAX);
        replay_case(&c, 2 + round, &out);
        buf_release(&out);
        case_release(&c);
    }
}

static void run_case(const char *path)
{
    static struct golden_case c;
    if (mutate) {
        mutate_case(path);
        return;
    }
    cases++;
    if (!case_load(&c, path)) {
        failures++;
        return;
    }
    struct buf first;
    buf_init(&first, DUMP_MAX);
    replay_case(&c, 0, &first);
    if (update)
        write_case(path, &c, &first);
    else if (strcmp(buf_str(&first), buf_str(&c.expected)) != 0)
        complain(path, 0, &c.expected, &first);
    for (unsigned mode = 1; mode < 2 + RANDOM_ROUNDS; mode++) {
        struct buf again;
        buf_init(&again, DUMP_MAX);
        replay_case(&c, mode, &again);
        if (strcmp(buf_str(&first), buf_str(&again)) != 0) {
            complain(path, mode, &first, &again);
            mode = 2 + RANDOM_ROUNDS;
        }
        buf_release(&again);
    }
    buf_release(&first);
    case_release(&c);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    size_t len = strlen(path);
    if (type == FTW_F && ftw->level == 2 && len > 4 && strcmp(path + len - 4, ".txt") == 0)
        run_case(path);
    return 0;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[argc - 1] : NULL;
    update = argc > 2 && strcmp(argv[1], "--update") == 0;
    mutate = argc > 2 && strcmp(argv[1], "--mutate") == 0;
    if (!folder || nftw(folder, visit, 16, FTW_PHYS) != 0) {
        fprintf(stderr, "usage: golden [--update | --mutate] FOLDER\n");
        return 2;
    }
    printf("%d passed, %d failed\n", cases - failures, failures);
    return failures || cases == 0;
}
