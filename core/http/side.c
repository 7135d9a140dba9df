/* Heads, and what happens between messages: which request a response answers, losses, upgrades. */
#include "http/side.h"

#include <stdlib.h>
#include <string.h>

void side_init(struct side *s, enum http_role role, bool lost)
{
    memset(s, 0, sizeof(*s));
    s->role = role;
    s->state = lost ? SIDE_LOST : SIDE_HEAD;
    buf_init(&s->head, HTTP_HEAD_BYTES_MAX);
}

void side_release(struct side *s)
{
    buf_release(&s->head);
    coding_free(s->coding);
    s->coding = NULL;
    s->x = NULL;
}

static void use(struct piece *piece, size_t len)
{
    piece->data += len;
    piece->len -= len;
    piece->offset += len;
    piece->start = false;
}

/* True when the piece, as it was given, begins a message. */
static bool begins_message(const struct http_conn *c, const struct side *s,
                           const struct piece *piece)
{
    return piece->start && head_starts(piece->data, piece->len, s->role, c->options.curl_layer);
}

/* The request line was found again after a loss, which may hide whole requests: the response that
 * is being read can be followed to its end, the next one is paired by its time. */
static void request_found(struct http_conn *c, struct side *s)
{
    struct side *responses = &c->sides[HTTP_RESPONSE];
    s->state = SIDE_HEAD;
    if (responses->state == SIDE_BODY)
        responses->then_lost = true;
    else if (responses->head.len == 0)
        responses->state = SIDE_LOST;
}

/* A status line was found again after a loss: it answers the latest request that was sent before
 * it; those before that one have lost theirs. */
static bool response_found(struct http_conn *c, struct side *s, int64_t time)
{
    struct exchange *answered = NULL;
    for (struct exchange *x = c->queue.first; x != NULL; x = x->next)
        if (x->pub.t_request <= time)
            answered = x;
    if (answered == NULL && (c->queue.first != NULL || c->sides[HTTP_REQUEST].state == SIDE_LOST))
        return false;
    while (answered != NULL && c->queue.first != answered)
        conn_end(c, c->queue.first, c->queue.first->response_done ? HTTP_COMPLETE : HTTP_GAP);
    s->state = SIDE_HEAD;
    return true;
}

static void feed_lost(struct http_conn *c, struct side *s, struct piece *piece)
{
    if (!begins_message(c, s, piece)) {
        use(piece, piece->len);
    } else if (s->role == HTTP_REQUEST) {
        request_found(c, s);
    } else if (!response_found(c, s, piece->time)) {
        use(piece, piece->len);
    }
}

static void begin_request(struct http_conn *c, struct side *s, char *text, size_t len, int64_t time)
{
    struct exchange *x = c->queue.count < HTTP_PIPELINE_MAX ? exchange_new(&c->queue) : NULL;
    if (x == NULL) {
        free(text);
        conn_die(c, HTTP_MALFORMED);
        return;
    }
    x->request_text = text;
    x->pub.request_offset = s->offset;
    x->pub.t_request = s->time;
    if (head_parse(text, len, HTTP_REQUEST, c->options.curl_layer, &x->pub.request) != ERR_OK) {
        exchange_free(&c->queue, x);
        conn_die(c, HTTP_MALFORMED);
        return;
    }
    exchange_begin(&c->queue, x);
    side_begin_body(c, s, x, time);
    conn_release_held(c);
}

/* 101, or 2xx to CONNECT: another protocol follows. */
static bool upgrades(const struct exchange *x)
{
    int status = x->pub.response.status;
    return status == 101 || (status / 100 == 2 && strcmp(x->pub.request.method, "CONNECT") == 0);
}

static void begin_response(struct http_conn *c, struct side *s, char *text, size_t len,
                           int64_t time)
{
    struct exchange *x = exchange_waiting(&c->queue);
    struct http_head *head = &x->pub.response;
    free(x->response_text);
    x->response_text = text;
    if (head_parse(text, len, HTTP_RESPONSE, c->options.curl_layer, head) != ERR_OK) {
        head->header_count = 0;
        head->status = 0;
        conn_die(c, HTTP_MALFORMED);
        return;
    }
    if (head->status < 200 && head->status != 101) {
        head->header_count = 0;
        head->status = 0;
        return;
    }
    x->pub.t_response = s->time;
    x->pub.t_response_end = time;
    if (!upgrades(x)) {
        side_begin_body(c, s, x, time);
        return;
    }
    if (c->queue.handler->response != NULL)
        c->queue.handler->response(c->queue.user, &x->pub);
    conn_end(c, x, HTTP_COMPLETE);
    conn_die(c, HTTP_ABORTED);
}

/* Blank lines before a start line are skipped (RFC 9112 §2.2). False: nothing is left. */
static bool at_start_line(struct side *s, struct piece *piece)
{
    if (s->head.len > 0)
        return true;
    while (piece->len > 0 && (*piece->data == '\r' || *piece->data == '\n'))
        use(piece, 1);
    s->offset = piece->offset;
    s->time = piece->time;
    s->scanned = 0;
    return piece->len > 0;
}

/* The text of a whole head in new memory, with room for a NUL behind it, or NULL: more bytes are
 * needed, or *err says what is wrong. */
static char *take_head(struct side *s, struct piece *piece, size_t *len, int *err)
{
    struct buf *head = &s->head;
    size_t before = head->len;
    *err = ERR_OK;
    if (before == 0) {
        *len = head_end(piece->data, piece->len, &s->scanned);
        if (*len > 0 && *len <= HTTP_HEAD_BYTES_MAX) {
            char *text = malloc(*len + 1);
            if (text == NULL)
                *err = ERR_NOMEM;
            else
                memcpy(text, piece->data, *len);
            use(piece, *len);
            return text;
        }
        s->scanned = 0;
    }
    size_t room = HTTP_HEAD_BYTES_MAX - before;
    size_t take = piece->len < room ? piece->len : room;
    *err = take == 0 ? ERR_FULL : buf_append(head, piece->data, take);
    if (*err != ERR_OK)
        return NULL;
    *len = head_end(head->data, head->len, &s->scanned);
    use(piece, *len > 0 ? *len - before : take);
    return *len > 0 ? buf_take(head) : NULL;
}

static void feed_head(struct http_conn *c, struct side *s, struct piece *piece)
{
    if (!at_start_line(s, piece))
        return;
    int64_t time = piece->time;
    size_t len;
    int err;
    char *text = take_head(s, piece, &len, &err);
    if (err == ERR_OK && text == NULL && head_plausible(s->head.data, s->head.len, s->role))
        return;
    if (text == NULL)
        conn_die(c, HTTP_MALFORMED);
    else if (s->role == HTTP_REQUEST)
        begin_request(c, s, text, len, time);
    else
        begin_response(c, s, text, len, time);
}

/* A client that was answered before it sent its body may leave the body out (Expect), and the layer
 * of libcurl does not say where a body without a length ends: the next request does. */
static void check_next_request(struct http_conn *c, struct side *s, const struct piece *piece)
{
    struct side *responses = &c->sides[HTTP_RESPONSE];
    bool unsent = !s->any_body && s->x != NULL && s->x->response_done;
    if (s->state == SIDE_BODY && (unsent || s->body.kind == BODY_UNTIL_CLOSE) &&
        begins_message(c, s, piece))
        side_end_body(c, s, unsent ? 0 : piece->time);
    if (c->options.curl_layer && s->state == SIDE_HEAD && responses->state == SIDE_BODY &&
        responses->body.kind == BODY_UNTIL_CLOSE && s->head.len == 0 && begins_message(c, s, piece))
        side_finish_body(c, responses, piece->time);
}

/* A response begins, and no request waits for one. */
static bool comes_early(struct http_conn *c, struct side *s)
{
    if (s->role != HTTP_RESPONSE || s->state != SIDE_HEAD || exchange_waiting(&c->queue) != NULL)
        return false;
    if (c->queue.first != NULL || c->sides[HTTP_REQUEST].state != SIDE_LOST)
        return true;
    s->state = SIDE_LOST; /* its request was lost */
    return false;
}

void side_feed(struct http_conn *c, struct side *s, struct piece *piece)
{
    if (s->role == HTTP_REQUEST)
        check_next_request(c, s, piece);
    while (piece->len > 0 && !c->dead && !comes_early(c, s)) {
        switch (s->state) {
        case SIDE_HEAD:
            feed_head(c, s, piece);
            break;
        case SIDE_BODY:
            side_feed_body(c, s, piece);
            break;
        case SIDE_LOST:
            feed_lost(c, s, piece);
            break;
        }
    }
}

void side_gap(struct http_conn *c, struct side *s, uint64_t len, int64_t time)
{
    if (s->state == SIDE_BODY)
        len = side_gap_body(c, s, len, time);
    if (len == 0 || s->state == SIDE_LOST)
        return;
    buf_clear(&s->head);
    s->state = SIDE_LOST;
    if (s->role == HTTP_REQUEST)
        return;
    buf_clear(&c->early);
    c->early_at = c->early_used = 0;
    struct exchange *x = exchange_waiting(&c->queue);
    if (x != NULL) /* the loss hides the beginning of its response */
        conn_end(c, x, HTTP_GAP);
}

void side_eof(struct http_conn *c, struct side *s, int64_t time)
{
    s->eof = true;
    s->eof_time = time;
    if (s->state != SIDE_BODY || s->x == NULL)
        return;
    if (s->body.kind == BODY_UNTIL_CLOSE || s->body.kind == BODY_SNIFF)
        side_finish_body(c, s, time);
    else if (s->role == HTTP_REQUEST)
        side_end_body(c, s, 0);
    else
        conn_end(c, s->x, HTTP_ABORTED);
}
