/* A connection from the inside: one side for the requests and one for the responses. Private to
 * this room. */
#ifndef TRACER_HTTP_SIDE_H
#define TRACER_HTTP_SIDE_H

#include "base/buf.h"
#include "http/body.h"
#include "http/coding.h"
#include "http/exchange.h"
#include "http/head.h"
#include "http/http.h"

enum side_state {
    SIDE_HEAD, /* before or inside a head */
    SIDE_BODY,
    SIDE_LOST /* skips to a piece that begins with a start line */
};

struct side {
    enum http_role role;
    enum side_state state;
    struct buf head; /* a head that did not come in one piece */
    size_t scanned;
    uint64_t offset;    /* of the first byte of the head */
    int64_t time;       /* of the first byte of the head */
    struct exchange *x; /* whose body is being read; NULL: it ended, the body is skipped */
    struct body body;
    struct coding *coding;
    uint64_t handed; /* decoded bytes of the body */
    bool any_body;   /* bytes of the body have come */
    bool stopped;    /* the rest of the body is not handed out: broken coding, or over the limit */
    bool eof;
    int64_t eof_time;
    bool
        then_lost; /* responses: the one being read can be followed, the next is to be looked for */
};

/* A piece of the stream. */
struct piece {
    const char *data;
    size_t len;
    uint64_t offset;
    int64_t time;
    bool start; /* as it was given: nothing of it is used yet */
};

struct http_conn {
    struct http_options options;
    struct exchanges queue;
    struct side sides[2]; /* by role */
    struct buf early;     /* responses that came before their request: struct early_piece, bytes */
    size_t early_at;      /* where the first of these pieces begins that is not used up */
    size_t early_used;    /* bytes used of it */
    int64_t last_time;
    bool dead;
};

void side_init(struct side *s, enum http_role role, bool lost);
void side_release(struct side *s);

/* Feeds one side. What is left in the piece is the beginning of a response to no request so far. */
void side_feed(struct http_conn *c, struct side *s, struct piece *piece);
void side_gap(struct http_conn *c, struct side *s, uint64_t len, int64_t time);
void side_eof(struct http_conn *c, struct side *s, int64_t time);

/* Begins the body of the message whose head was just read; a body that is empty ends at once. */
void side_begin_body(struct http_conn *c, struct side *s, struct exchange *x, int64_t time);
/* Uses the bytes of the piece that belong to the body. */
void side_feed_body(struct http_conn *c, struct side *s, struct piece *piece);
/* The body is over. time 0: it was cut. */
void side_end_body(struct http_conn *c, struct side *s, int64_t time);
/* The end of the stream ends the body as it should. */
void side_finish_body(struct http_conn *c, struct side *s, int64_t time);
/* len bytes were lost inside the body. Returns those that are behind its end. */
uint64_t side_gap_body(struct http_conn *c, struct side *s, uint64_t len, int64_t time);

/* Ends one exchange; the sides forget it. */
void conn_end(struct http_conn *c, struct exchange *x, enum http_end how);
/* The bytes cannot be followed from here on: ends all as `how`. */
void conn_die(struct http_conn *c, enum http_end how);
/* Feeds the response bytes that were held until their request was seen. */
void conn_release_held(struct http_conn *c);

#endif
