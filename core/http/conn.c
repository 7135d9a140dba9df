#include <stdlib.h>
#include <string.h>

#include "http/side.h"

struct early_piece {
    uint64_t offset;
    int64_t time;
    size_t len;
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

void conn_die(struct http_conn *c, enum http_end how)
{
    c->dead = true;
    side_release(&c->sides[HTTP_REQUEST]);
    side_release(&c->sides[HTTP_RESPONSE]);
    buf_release(&c->early);
    exchange_end_all(&c->queue, how);
}

/* A request in the middle of its head is no reason to hold more than the limit: what sends a
 * megabyte without being asked is not HTTP. */
void conn_hold(struct http_conn *c, const struct piece *piece)
{
    struct early_piece head = {piece->offset, piece->time, piece->len};
    if (buf_append(&c->early, &head, sizeof(head)) != ERR_OK ||
        buf_append(&c->early, piece->data, piece->len) != ERR_OK)
        conn_die(c, HTTP_MALFORMED);
}

void conn_release_held(struct http_conn *c)
{
    struct side *responses = &c->sides[HTTP_RESPONSE];
    struct buf held = c->early;
    if (c->dead || held.len == 0 || exchange_waiting(&c->queue) == NULL)
        return;
    /* Taken out first: what is left over may be held again. */
    buf_init(&c->early, HTTP_EARLY_BYTES_MAX);
    for (size_t at = 0; at < held.len && !c->dead;) {
        struct early_piece head;
        memcpy(&head, held.data + at, sizeof(head));
        at += sizeof(head);
        side_feed(c, responses,
                  (struct piece){held.data + at, head.len, head.offset, head.time, true});
        at += head.len;
    }
    buf_release(&held);
    if (!c->dead && responses->eof && c->early.len == 0)
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
    c->last_time = time;
    if (!c->dead)
        side_feed(c, side_of(c, dir), (struct piece){data, len, offset, time, true});
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
