#include <stdlib.h>
#include <string.h>

#include "service/connection_inbound.h"

static void inflate_body(struct inbound *e)
{
    struct buf whole;
    buf_init(&whole, e->service->settings.body_max);
    int err = gzip_inflate(e->r.body.data, e->r.body.len, &whole);
    buf_release(&e->r.body);
    e->r.body = whole;
    if (!inbound_hold(e) || err == ERR_NOMEM) {
        request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too much at once; try again");
        e->r.retry_after = "1";
    } else if (err == ERR_FULL) {
        request_fail(&e->r, MHD_HTTP_CONTENT_TOO_LARGE, "The body may have %zu bytes at most",
                     e->service->settings.body_max);
    } else if (err != ERR_OK) {
        request_fail(&e->r, MHD_HTTP_BAD_REQUEST, "The body is not gzip as it says");
    }
}

void inbound_prepare(struct inbound *e)
{
    if (e->body_gzip && e->r.body.len > 0)
        inflate_body(e);
    if (e->r.status == 0 && e->r.route->prepare != NULL)
        e->r.route->prepare(&e->r);
}

bool inbound_is_long(const struct inbound *e)
{
    /* A small compressed body may be a large one. */
    return e->r.body.len > (e->body_gzip ? INBOUND_PARSE_MAX / 64 : INBOUND_PARSE_MAX);
}

static void compress(struct inbound *e, struct gzip *z)
{
    if (z == NULL || !e->accepts_gzip || e->r.answer.len < GZIP_LEAST)
        return;
    struct buf packed;
    buf_init(&packed, e->r.answer.len);
    if (gzip_deflate(z, e->r.answer.data, e->r.answer.len, &packed) == ERR_OK) {
        buf_release(&e->r.answer);
        e->r.answer = packed;
        e->packed = true;
    } else {
        buf_release(&packed);
    }
}

/* Those who do not read their answers would hold them for as long as they may be slow: when it gets
 * too much, the one who has been reading longest is shut out. An acknowledged write stays one. */
static void hold_answer(struct inbound *e)
{
    struct service *s = e->service;
    size_t len = e->r.answer.len;
    bool refusable = e->r.route == NULL || e->r.route->work == ROUTE_READ;
    e->held_answer = len;
    size_t all = atomic_fetch_add(&s->answer_bytes, len) + len;
    if (all <= INBOUND_ANSWERS || len <= INBOUND_ANSWER_LOW || !refusable)
        return;
    atomic_fetch_sub(&s->answer_bytes, len);
    e->held_answer = 0;
    (void)connections_evict_reader(s->connections, clock_boot_ns());
    e->packed = false;
    buf_release(&e->r.answer);
    request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many answers wait; try again");
    e->r.retry_after = "1";
}

void inbound_complete(struct inbound *e, struct gzip *z)
{
    if (e->r.status == 0)
        request_fail(&e->r, MHD_HTTP_INTERNAL_SERVER_ERROR, "Internal error");
    compress(e, z);
    hold_answer(e);
}

void inbound_resume(struct inbound *e)
{
    struct MHD_Connection *connection = e->connection;
    e->step = INBOUND_ANSWERED;
    MHD_resume_connection(connection);
}
