#include <stdlib.h>
#include <string.h>

#include "http/side.h"

struct early_piece {
    uint64_t offset;
    int64_t time;
    size_t len;
    bool start;
};

int http_conn_new(struct http_conn **out, const struct http_options *options,
                  const struct http_handler *handler, void *user)
{
    struct http_conn *c = calloc(1, sizeof(*c));
    *out = c;
    if (c == NULL)
        return ERR_NOMEM;
    c->options = *options;
    c->queue.handler = handler;
    c->queue.user = user;
    buf_init(&c->early, HTTP_EARLY_BYTES_MAX);
    side_init(&c->sides[HTTP_REQUEST], HTTP_REQUEST, options->resync);
    side_init(&c->sides[HTTP_RESPONSE], HTTP_RESPONSE, options->resync);
    return ERR_OK;
}

void http_conn_free(struct http_conn *c)
{
    if (c == NULL)
        return;
    http_conn_close(c, c->last_time);
    exchanges_release(&c->queue);
    free(c);
}

void conn_end(struct http_conn *c, struct exchange *x, enum http_end how)
{
    for (int i = 0; i < 2; i++)
        if (c->sides[i].x == x)
            c->sides[i].x = NULL;
    exchange_end(&c->queue, x, how);
}

static void forget_held(struct http_conn *c)
{
    buf_release(&c->early);
    c->early_at = c->early_used = 0;
}

void conn_die(struct http_conn *c, enum http_end how)
{
    c->dead = true;
    side_release(&c->sides[HTTP_REQUEST]);
    side_release(&c->sides[HTTP_RESPONSE]);
    forget_held(c);
    exchange_end_all(&c->queue, how, c->last_time);
}

/* What sends a megabyte without being asked is not HTTP. */
static void hold(struct http_conn *c, const struct piece *piece)
{
    struct early_piece head = {piece->offset, piece->time, piece->len, piece->start};
    if (c->early_at > c->early.len / 2) {
        buf_consume(&c->early, c->early_at);
        c->early_at = 0;
    }
    if (buf_append(&c->early, &head, sizeof(head)) != ERR_OK ||
        buf_append(&c->early, piece->data, piece->len) != ERR_OK)
        conn_die(c, HTTP_MALFORMED);
}

void conn_release_held(struct http_conn *c)
{
    struct side *responses = &c->sides[HTTP_RESPONSE];
    while (!c->dead && c->early_at < c->early.len) {
        struct early_piece head;
        memcpy(&head, c->early.data + c->early_at, sizeof(head));
        size_t used = c->early_used;
        struct piece piece = {c->early.data + c->early_at + sizeof(head) + used, head.len - used,
                              head.offset + used, head.time, head.start && used == 0};
        side_feed(c, responses, &piece);
        if (c->dead)
            return;
        c->early_used = head.len - piece.len;
        if (piece.len > 0)
            return;
        c->early_at += sizeof(head) + head.len;
        c->early_used = 0;
    }
    if (c->dead)
        return;
    forget_held(c);
    if (responses->eof)
        side_eof(c, responses, responses->eof_time);
}

static struct side *side_of(struct http_conn *c, enum http_dir dir)
{
    bool request = (dir == HTTP_OUT) != c->options.server;
    return &c->sides[request ? HTTP_REQUEST : HTTP_RESPONSE];
}

void http_conn_data(struct http_conn *c, enum http_dir dir, uint64_t offset, const char *data,
                    size_t len, int64_t time)
{
    struct piece piece = {data, len, offset, time, true};
    c->last_time = time;
    if (c->dead)
        return;
    side_feed(c, side_of(c, dir), &piece);
    if (piece.len > 0 && !c->dead)
        hold(c, &piece);
}

void http_conn_gap(struct http_conn *c, enum http_dir dir, uint64_t len, int64_t time)
{
    c->last_time = time;
    if (!c->dead && len > 0)
        side_gap(c, side_of(c, dir), len, time);
}

void http_conn_eof(struct http_conn *c, enum http_dir dir, int64_t time)
{
    c->last_time = time;
    if (!c->dead)
        side_eof(c, side_of(c, dir), time);
}

void http_conn_close(struct http_conn *c, int64_t time)
{
    c->last_time = time;
    if (!c->dead)
        conn_die(c, HTTP_ABORTED);
}

size_t http_conn_open(const struct http_conn *c)
{
    return c->queue.count;
}

bool http_conn_dead(const struct http_conn *c)
{
    return c->dead;
}
