/* What libmicrohttpd calls: the steps of an inbound on the thread of its connection. */
#include "service/connection_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "service/connection_inbound.h"
#include "service/pool.h"
#include "service/server_linger.h"

static struct connection *slot_of(struct service *s, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? NULL : connections_get(s->connections, info->connect_fd);
}

void *serve_request_line(void *user, const char *uri, struct MHD_Connection *connection)
{
    struct service *s = user;
    struct connection *slot = slot_of(s, connection);
    if (slot == NULL)
        return NULL;
    connection_enter(slot, CONNECTION_HEAD, CONNECTION_HEAD_S, 0);
    connections_use(s->connections, slot);
    atomic_fetch_add(&s->running, 1);
    struct inbound *e = inbound_new(s, connection, slot, uri);
    if (e == NULL)
        atomic_fetch_sub(&s->running, 1);
    return e;
}

void serve_completed(void *user, struct MHD_Connection *connection, void **inbound,
                     enum MHD_RequestTerminationCode how)
{
    struct service *s = user;
    struct inbound *e = *inbound;
    (void)connection;
    *inbound = NULL;
    if (e == NULL)
        return;
    if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        connection_enter(e->slot, CONNECTION_IDLE, CONNECTION_IDLE_S + CONNECTION_HEAD_S, 0);
    inbound_free(e);
    atomic_fetch_sub(&s->running, 1);
}

/* Whether the client still sends, or may: what libmicrohttpd refuses by itself leaves the request
 * at its head or body. */
static bool is_sending(const struct connection *slot, int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    int stage = atomic_load_explicit(&slot->stage, memory_order_acquire);
    return n > 0 || (n < 0 && errno == EAGAIN &&
                     (slot->early || stage == CONNECTION_HEAD || stage == CONNECTION_BODY));
}

void serve_connection(void *user, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode what)
{
    struct service *s = user;
    (void)context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (what != MHD_CONNECTION_NOTIFY_CLOSED || info == NULL)
        return;
    const struct connection *slot = connections_get(s->connections, info->connect_fd);
    if (slot != NULL && is_sending(slot, info->connect_fd))
        linger_take(s->linger, info->connect_fd);
    connections_close(s->connections, info->connect_fd);
}

size_t serve_unescape(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    return strlen(text); /* decoded by server_route.c, behind the segments' slashes */
}

/* Hands it to the pool. The connection sleeps from before the pool has it. */
static enum MHD_Result work(struct inbound *e)
{
    e->step = INBOUND_WORKING;
    connection_enter(e->slot, CONNECTION_WORK, 0, 0);
    MHD_suspend_connection(e->connection);
    if (e->submit(e->service->pool, e) != ERR_OK) {
        request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many requests wait; try again");
        e->r.retry_after = "1";
        inbound_resume(e);
    }
    return MHD_YES;
}

/* Lets libmicrohttpd see that the request is processed now, and call again: suspended while it
 * still means to read, it would read at the resume, and take a client that sent its end behind the
 * request, but waits for the answer, for one that has left. */
static enum MHD_Result submit(struct inbound *e, int (*to)(struct pool *, struct inbound *))
{
    e->submit = to;
    e->step = INBOUND_READY;
    return MHD_YES;
}

/* The whole request is there. */
static enum MHD_Result process(struct inbound *e)
{
    if (e->asset != NULL || e->r.status != 0)
        return inbound_send(e);
    if (inbound_is_long(e))
        return submit(e, pool_prepare);
    inbound_prepare(e);
    if (e->r.status != 0)
        return inbound_send(e);
    switch (e->r.route->work) {
    case ROUTE_READ:
        return submit(e, pool_read);
    case ROUTE_WRITE:
        return submit(e, pool_write);
    case ROUTE_EVENTS:
        return inbound_send_stream(e);
    case ROUTE_NOW:
        break;
    }
    e->r.route->answer(&e->r, NULL);
    inbound_complete(e, NULL);
    return inbound_send(e);
}

static const char *header(const struct inbound *e, const char *name)
{
    return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

/* A request with a body that is refused: a short one is read to its end, so that the connection can
 * be kept; libmicrohttpd closes the connection behind the answer to a longer one. */
static enum MHD_Result refuse(struct inbound *e)
{
    const char *length = header(e, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool chunked = header(e, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    bool waits = header(e, MHD_HTTP_HEADER_EXPECT) != NULL;
    unsigned long long len = length == NULL ? 0 : strtoull(length, NULL, 10);
    /* Sent when libmicrohttpd calls again: what is answered at once costs the connection. */
    if (len == 0 && !chunked)
        return MHD_YES;
    /* One that is a little too large as well: who is sending cannot read the answer of a connection
     * that is closed meanwhile (RFC 9112 §9.6). */
    bool readable = len <= INBOUND_SWALLOW || (e->r.status == MHD_HTTP_CONTENT_TOO_LARGE &&
                                               len / 2 <= e->service->settings.body_max);
    if (!waits && !chunked && !e->closes && readable) {
        e->step = INBOUND_SWALLOW_BODY;
        return MHD_YES;
    }
    e->slot->early = true;
    return inbound_send(e);
}

static enum MHD_Result begin(struct inbound *e, const char *method, const char *version)
{
    e->version = version;
    inbound_check(e, method);
    connection_enter(e->slot, CONNECTION_BODY, CONNECTION_BODY_S, 0);
    e->step = INBOUND_BODY;
    return e->r.status != 0 ? refuse(e) : MHD_YES;
}

static void give_up(struct inbound *e, int status, const char *detail)
{
    e->step = INBOUND_SWALLOW_BODY;
    e->closes = true;
    buf_release(&e->r.body);
    (void)inbound_hold(e);
    request_fail(&e->r, status, "%s", detail);
}

/* More of the body. A refusal cannot be sent before its end (libmicrohttpd takes none), so what
 * comes is thrown away, up to twice what is allowed. */
static enum MHD_Result receive(struct inbound *e, const char *data, size_t len)
{
    e->received += len;
    connection_progress(e->slot, len);
    if (e->step == INBOUND_SWALLOW_BODY)
        return e->received / 2 > e->service->settings.body_max ? MHD_NO : MHD_YES;
    int err = buf_append(&e->r.body, data, len);
    if (err == ERR_FULL) {
        give_up(e, MHD_HTTP_CONTENT_TOO_LARGE, "The body is larger than the server takes");
    } else if (err != ERR_OK || !inbound_hold(e)) {
        give_up(e, MHD_HTTP_SERVICE_UNAVAILABLE, "Too much at once; try again");
        e->r.retry_after = "1";
    }
    return MHD_YES;
}

enum MHD_Result serve_request(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **inbound)
{
    struct inbound *e = *inbound;
    (void)user;
    (void)connection;
    (void)url;
    if (e == NULL)
        return MHD_NO;
    if (e->step == INBOUND_HEAD)
        return begin(e, method, version);
    if (e->step == INBOUND_ANSWERED)
        return inbound_send(e);
    if (e->step == INBOUND_READY)
        return work(e);
    if (e->step == INBOUND_WORKING)
        return MHD_YES;
    if (*len == 0)
        return process(e);
    size_t taken = *len;
    *len = 0;
    return receive(e, data, taken);
}
