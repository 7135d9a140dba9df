#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

void exchanges_release(struct exchanges *q)
{
    free(q->spare);
    q->spare = NULL;
}

struct exchange *exchange_new(struct exchanges *q)
{
    struct exchange *x = q->spare != NULL ? q->spare : malloc(sizeof(*x));
    q->spare = NULL;
    if (x == NULL)
        return NULL;
    /* All but the tables of fields, which are most of it and are counted. */
    struct http_exchange *pub = &x->pub;
    memset(&pub->request, 0, offsetof(struct http_head, headers));
    memset(&pub->response, 0, offsetof(struct http_head, headers));
    pub->request_offset = 0;
    pub->t_request = pub->t_request_end = pub->t_response = pub->t_response_end = 0;
    pub->t_aborted = 0;
    pub->request_lost = pub->response_lost = 0;
    pub->request_decoded = pub->response_decoded = true;
    pub->how = HTTP_COMPLETE;
    pub->user = NULL;
    x->next = NULL;
    x->request_text = x->response_text = NULL;
    x->request_done = x->response_done = false;
    return x;
}

void exchange_free(struct exchanges *q, struct exchange *x)
{
    free(x->request_text);
    free(x->response_text);
    if (q->spare == NULL)
        q->spare = x;
    else
        free(x);
}

void exchange_begin(struct exchanges *q, struct exchange *x)
{
    if (q->last == NULL)
        q->first = x;
    else
        q->last->next = x;
    q->last = x;
    q->count++;
    if (q->handler->request != NULL)
        q->handler->request(q->user, &x->pub);
}

void exchange_request_done(struct exchanges *q, struct exchange *x, int64_t time)
{
    if (x->request_done)
        return;
    x->request_done = true;
    x->pub.t_request_end = time;
    if (q->handler->request_end != NULL)
        q->handler->request_end(q->user, &x->pub);
}

static void take_out(struct exchanges *q, struct exchange *x)
{
    struct exchange *before = NULL;
    for (struct exchange *e = q->first; e != x; e = e->next)
        before = e;
    if (before == NULL)
        q->first = x->next;
    else
        before->next = x->next;
    if (q->last == x)
        q->last = before;
    q->count--;
}

void exchange_end(struct exchanges *q, struct exchange *x, enum http_end how)
{
    take_out(q, x);
    exchange_request_done(q, x, 0);
    x->pub.how = how;
    if (q->handler->end != NULL)
        q->handler->end(q->user, &x->pub);
    exchange_free(q, x);
}

void exchange_settle(struct exchanges *q, struct exchange *x)
{
    if (x->request_done && x->response_done)
        exchange_end(q, x, HTTP_COMPLETE);
}

void exchange_end_all(struct exchanges *q, enum http_end how, int64_t time)
{
    for (struct exchange *x; (x = q->first) != NULL;) {
        if (!x->response_done && how == HTTP_ABORTED)
            x->pub.t_aborted = time;
        exchange_end(q, x, x->response_done ? HTTP_COMPLETE : how);
    }
}

struct exchange *exchange_waiting(const struct exchanges *q)
{
    return q->first != NULL && !q->first->response_done ? q->first : NULL;
}
