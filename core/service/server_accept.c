#include "service/server_accept.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "service/connection.h"
#include "service/limit.h"
#include "service/peer.h"
#include "service/server_log.h"

#define AT_ONCE     64 /* connections of one socket before the others are looked at */
#define PAUSE_MS    20 /* when there are no descriptors left */
#define PLACE_WAITS 50 /* of 1 ms */

struct accepter {
    struct service *service;
    const struct listeners *listeners;
    struct MHD_Daemon *const *daemons;
    size_t daemon_count, next;
    int epoll, stop;
    pthread_t thread;
    bool started;
};

static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
                           "Content-Type: application/json\r\nRetry-After: 1\r\n"
                           "Connection: close\r\nContent-Length: 38\r\n\r\n"
                           "{\"detail\": \"Too many connections now\"}";

static const char foreign[] = "HTTP/1.1 403 Forbidden\r\n"
                              "Content-Type: application/json\r\n"
                              "Connection: close\r\nContent-Length: 59\r\n\r\n"
                              "{\"detail\": \"This is another user's; nothing is shown here\"}";

static void refuse(int fd, const char *answer)
{
    (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* Those that are being ended leave in a moment: their places are waited for. */
static struct connection *find_place(struct connections *all, int fd, uint64_t client, bool local)
{
    struct connection *c = connections_open(all, fd, client, local);
    for (int i = 0; c == NULL && i < PLACE_WAITS; i++) {
        usleep(1000);
        c = connections_open(all, fd, client, local);
    }
    return c;
}

static void serve(struct accepter *a, const struct listener *l, int fd,
                  const struct sockaddr *address, socklen_t len)
{
    struct connections *all = a->service->connections;
    if (a->service->settings.own_user && !peer_is_own(fd)) {
        refuse(fd, foreign);
        return;
    }
    uint64_t client = limit_client(address);
    struct connection *c = find_place(all, fd, client, l->local);
    /* The one that is ended in its favour leaves in a moment; its place is lent until then. */
    if (c == NULL || (connections_are_many(all) && !connections_evict(all))) {
        if (c != NULL)
            connections_close(all, fd);
        refuse(fd, busy);
        return;
    }
    struct MHD_Daemon *daemon = a->daemons[a->next++ % a->daemon_count];
    /* On failure libmicrohttpd closes the socket, and tells of a connection that ends only when it
     * had begun. */
    if (MHD_add_connection(daemon, fd, address, len) != MHD_YES)
        connections_close(all, fd);
}

/* False: there are no descriptors left at the moment. */
static bool accept_some(struct accepter *a, const struct listener *l)
{
    for (int i = 0; i < AT_ONCE; i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof(address);
        int fd = accept4(l->fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            serve(a, l, fd, (struct sockaddr *)&address, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            service_complain("cannot take a connection: %s", strerror(errno));
            (void)connections_evict(a->service->connections);
            return false;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return true;
        }
    }
    return true;
}

static void *accept_all(void *user)
{
    struct accepter *a = user;
    struct epoll_event events[LISTEN_MAX + 1];
    for (;;) {
        int n = epoll_wait(a->epoll, events, LISTEN_MAX + 1, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                return NULL;
            if (!accept_some(a, events[i].data.ptr))
                usleep(PAUSE_MS * 1000);
        }
    }
}

static int watch(const struct accepter *a, int fd, const struct listener *l)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)(uintptr_t)l};
    return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? ERR_OK : ERR_IO;
}

int accepter_start(struct accepter **out, struct service *s, const struct listeners *listeners,
                   struct MHD_Daemon *const *daemons, size_t daemon_count)
{
    struct accepter *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    a->service = s;
    a->listeners = listeners;
    a->daemons = daemons;
    a->daemon_count = daemon_count;
    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    a->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = a->epoll < 0 || a->stop < 0 ? ERR_IO : watch(a, a->stop, NULL);
    for (size_t i = 0; err == ERR_OK && i < listeners->count; i++)
        err = watch(a, listeners->all[i].fd, &listeners->all[i]);
    if (err == ERR_OK && pthread_create(&a->thread, NULL, accept_all, a) != 0)
        err = ERR_IO;
    a->started = err == ERR_OK;
    if (err != ERR_OK)
        accepter_stop(a);
    else
        *out = a;
    return err;
}

void accepter_stop(struct accepter *a)
{
    const uint64_t one = 1;
    if (a == NULL)
        return;
    if (a->started && write(a->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
        pthread_join(a->thread, NULL);
    if (a->epoll >= 0)
        close(a->epoll);
    if (a->stop >= 0)
        close(a->stop);
    free(a);
}
