/* The exchanges of a connection, in the order of their requests, and what the handler is told about
 * them. Private to this room. */
#ifndef TRACER_HTTP_EXCHANGE_H
#define TRACER_HTTP_EXCHANGE_H

#include "http/coding.h"
#include "http/http.h"

struct exchange {
    struct http_exchange pub; /* first: the handler's pointer is ours */
    struct exchange *next;
    char *request_text; /* what the heads' texts point into */
    char *response_text;
    bool request_done; /* all of the request that will ever come was handed out */
    bool response_done;
};

struct exchanges {
    const struct http_handler *handler;
    void *user;
    struct exchange *first, *last;
    struct exchange *spare; /* one is kept: they are large */
    size_t count;
};

void exchanges_release(struct exchanges *q);
/* A new exchange that is not in the queue yet; NULL when out of memory. */
struct exchange *exchange_new(struct exchanges *q);
void exchange_free(struct exchanges *q, struct exchange *x);
/* Puts it at the end of the queue and calls `request`. */
void exchange_begin(struct exchanges *q, struct exchange *x);
/* All of the request was seen. time 0: it was cut. Nothing when it was done before. */
void exchange_request_done(struct exchanges *q, struct exchange *x, int64_t time);
/* Takes it out of the queue, calls `end`, and frees it. */
void exchange_end(struct exchanges *q, struct exchange *x, enum http_end how);
/* Ends it as complete once both its messages are done. */
void exchange_settle(struct exchanges *q, struct exchange *x);
/* Ends all: complete where the response is done, else how; time: when the connection ended. */
void exchange_end_all(struct exchanges *q, enum http_end how, int64_t time);
/* The one whose response is being read or comes next, or NULL. */
struct exchange *exchange_waiting(const struct exchanges *q);

#endif
