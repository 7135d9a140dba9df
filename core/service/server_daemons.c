/* libmicrohttpd (0.9.75) and what it leaves to itself:
 *   - What is no HTTP (a malformed line, header or chunk, a head above CONNECTION_MEMORY, a version
 *     other than 1.x) it answers before it asks us: right status, a fixed page with nothing of the
 *     request in it, which library_pages.c turns into JSON, and the connection is closed.
 *   - No answer is taken while a body comes in: a chunked body that grows too large is thrown away
 *     up to its end or twice the limit, then the connection is closed.
 *   - It knows how long a connection has been silent, not how slow it is: connection.c does. */
#include <unistd.h>

#include "service/connection.h"
#include "service/connection_serve.h"
#include "service/server.h"

/* A connection's memory: its head, its cookies a second time, the answer's head, and pieces of the
 * body on their way. Above 32 KB libmicrohttpd maps it, so that it is the system's again when the
 * connection closes, and costs nothing before the first request. */
#define CONNECTION_MEMORY ((size_t)36 << 10)

/* libmicrohttpd says what clients did wrong, with what they sent: for nobody's log. */
static void be_silent(void *user, const char *format, va_list args)
{
    (void)user;
    (void)format;
    (void)args;
}

static size_t threads(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus < 2 ? 2 : cpus > SERVER_DAEMONS_MAX ? SERVER_DAEMONS_MAX : (size_t)cpus;
}

static struct MHD_Daemon *start(struct service *s, size_t connections_max)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                           MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, serve_request, s, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, serve_request_line, s, MHD_OPTION_NOTIFY_COMPLETED,
        serve_completed, s, MHD_OPTION_NOTIFY_CONNECTION, serve_connection, s,
        MHD_OPTION_UNESCAPE_CALLBACK, serve_unescape, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)connections_max, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
}

int daemons_start(struct server *server, size_t connections_max)
{
    for (size_t want = threads(); server->daemon_count < want; server->daemon_count++) {
        struct MHD_Daemon *daemon = start(&server->service, connections_max);
        if (daemon == NULL)
            return ERR_IO;
        server->daemons[server->daemon_count] = daemon;
    }
    return ERR_OK;
}

void daemons_stop(struct server *server)
{
    for (size_t i = 0; i < server->daemon_count; i++)
        MHD_stop_daemon(server->daemons[i]);
    server->daemon_count = 0;
}
