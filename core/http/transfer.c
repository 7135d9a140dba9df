/* The body of a message as it passes: framing, then codings, then the handler. */
#include "http/side.h"

struct hand {
    struct http_conn *conn;
    struct side *side;
    int64_t time;
};

static void count_lost(const struct side *s, uint64_t len)
{
    if (s->x == NULL)
        return;
    if (s->role == HTTP_REQUEST)
        s->x->pub.request_lost += len;
    else
        s->x->pub.response_lost += len;
}

static void not_decoded(const struct side *s)
{
    if (s->x == NULL)
        return;
    if (s->role == HTTP_REQUEST)
        s->x->pub.request_decoded = false;
    else
        s->x->pub.response_decoded = false;
}

/* Body bytes for the handler, up to the limit. */
static bool hand_out(void *user, const char *data, size_t len)
{
    struct hand *h = user;
    struct side *s = h->side;
    const struct exchanges *q = &h->conn->queue;
    uint64_t room = h->conn->options.body_max - s->handed;
    size_t take = len < room ? len : (size_t)room;
    void (*body)(void *, struct http_exchange *, const char *, size_t, int64_t) =
        s->role == HTTP_REQUEST ? q->handler->request_body : q->handler->response_body;
    s->handed += take;
    if (take > 0 && s->x != NULL && body != NULL)
        body(q->user, &s->x->pub, data, take, h->time);
    count_lost(s, len - take);
    return take == len;
}

static void stop_decoding(struct side *s)
{
    s->stopped = true;
    coding_free(s->coding);
    s->coding = NULL;
}

static void body_bytes(struct http_conn *c, struct side *s, const char *data, size_t len,
                       int64_t time)
{
    struct hand hand = {c, s, time};
    s->any_body = true;
    if (s->x == NULL)
        return;
    if (s->stopped) {
        count_lost(s, len);
    } else if (s->coding == NULL) {
        hand_out(&hand, data, len);
    } else {
        size_t left;
        int err = coding_feed(s->coding, data, len, hand_out, &hand, &left);
        if (err == ERR_OK)
            return;
        count_lost(s, left);
        if (err != ERR_FULL)
            not_decoded(s);
        stop_decoding(s);
    }
}

void side_begin_body(struct http_conn *c, struct side *s, struct exchange *x, int64_t time)
{
    const struct http_head *head = s->role == HTTP_REQUEST ? &x->pub.request : &x->pub.response;
    s->state = SIDE_BODY;
    s->x = x;
    s->handed = 0;
    s->any_body = s->stopped = false;
    if (body_begin(&s->body, head, s->role, x->pub.request.method, c->options.curl_layer) !=
        ERR_OK) {
        conn_die(c, HTTP_MALFORMED);
        return;
    }
    if (s->body.kind != BODY_NONE) {
        int err = coding_new(&s->coding, head, c->options.body_max);
        if (err != ERR_OK)
            not_decoded(s);
        s->stopped = err == ERR_NOMEM;
    }
    if (s->role == HTTP_RESPONSE && c->queue.handler->response != NULL)
        c->queue.handler->response(c->queue.user, &x->pub);
    if (body_at_end(&s->body))
        side_end_body(c, s, time);
}

static struct exchange *leave_body(struct side *s)
{
    struct exchange *x = s->x;
    coding_free(s->coding);
    s->coding = NULL;
    s->x = NULL;
    s->state = s->then_lost ? SIDE_LOST : SIDE_HEAD;
    s->then_lost = false;
    return x;
}

void side_end_body(struct http_conn *c, struct side *s, int64_t time)
{
    struct exchange *x = leave_body(s);
    if (x == NULL)
        return;
    if (s->role == HTTP_REQUEST) {
        exchange_request_done(&c->queue, x, time);
    } else {
        struct side *requests = &c->sides[HTTP_REQUEST];
        x->response_done = true;
        if (requests->x == x && requests->body.kind == BODY_UNTIL_CLOSE)
            exchange_request_done(&c->queue, leave_body(requests), x->pub.t_response);
    }
    exchange_settle(&c->queue, x);
}

void side_finish_body(struct http_conn *c, struct side *s, int64_t time)
{
    if (s->body.kind == BODY_SNIFF) /* too few bytes to tell: they are no chunk */
        body_bytes(c, s, s->body.sniffed, s->body.sniffed_len, time);
    side_end_body(c, s, time);
}

void side_feed_body(struct http_conn *c, struct side *s, struct piece *piece)
{
    struct body_part part;
    if (s->role == HTTP_RESPONSE && s->x != NULL)
        s->x->pub.t_response_end = piece->time;
    do {
        if (body_next(&s->body, piece->data, piece->len, &part) != ERR_OK) {
            conn_die(c, HTTP_MALFORMED);
            return;
        }
        if (part.len > 0)
            body_bytes(c, s, part.data, part.len, piece->time);
        piece->data += part.used;
        piece->len -= part.used;
        piece->offset += part.used;
    } while (piece->len > 0 && !part.end);
    piece->start = false;
    if (part.end)
        side_end_body(c, s, piece->time);
}

uint64_t side_gap_body(struct http_conn *c, struct side *s, uint64_t len, int64_t time)
{
    bool known;
    uint64_t inside = body_skip(&s->body, len, &known);
    s->any_body = true;
    count_lost(s, inside);
    if (s->coding != NULL) {
        not_decoded(s);
        stop_decoding(s);
    }
    if (known) {
        if (body_at_end(&s->body))
            side_end_body(c, s, time);
    } else if (s->role == HTTP_REQUEST) {
        side_end_body(c, s, 0); /* its response may still come whole */
        s->state = SIDE_LOST;
    } else {
        struct exchange *x = leave_body(s);
        if (x != NULL)
            conn_end(c, x, HTTP_GAP);
        s->state = SIDE_LOST;
    }
    return len - inside;
}
