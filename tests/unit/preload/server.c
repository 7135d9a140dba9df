#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (4 << 20)

static struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct transcript transcripts[SERVER_CONNECTIONS_MAX];
    size_t count, open;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct connection {
    int fd;
    struct transcript *log;
};

char server_byte(size_t i)
{
    return (char)('a' + i % 23 + (i / 1000) % 3);
}

static void append(char **text, size_t *len, const char *data, size_t more)
{
    *text = realloc(*text, *len + more + 1);
    if (*text == NULL)
        abort();
    memcpy(*text + *len, data, more);
    *len += more;
    (*text)[*len] = '\0';
}

static bool send_all(struct connection *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        append(&c->log->sent, &c->log->sent_len, data, (size_t)n);
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static long parameter(const char *request, const char *name, long otherwise)
{
    const char *end = strstr(request, " HTTP/1.");
    const char *found = strstr(request, name);
    return found == NULL || (end != NULL && found > end) ? otherwise
                                                         : strtol(found + strlen(name), NULL, 10);
}

static bool answer(struct connection *c, const char *request)
{
    size_t size = (size_t)parameter(request, "size=", 31);
    size_t piece = (size_t)parameter(request, "piece=", 1 << 20);
    bool reset = parameter(request, "reset=", 0) != 0;
    char head[256];
    int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    if (!send_all(c, head, (size_t)len))
        return false;
    usleep((useconds_t)(parameter(request, "slow=", 0) * 1000));
    char *body = malloc(size + 1);
    if (body == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        body[i] = server_byte(i);
    bool ok = true;
    for (size_t at = 0; at < size && ok; at += piece) {
        if (reset && at >= size / 2) {
            struct linger now = {1, 0};
            usleep(20000); /* what was sent is read before the reset comes */
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            ok = false;
            break;
        }
        ok = send_all(c, body + at, size - at < piece ? size - at : piece);
        if (piece < size)
            usleep(200);
    }
    free(body);
    return ok;
}

/* Bytes of the first request in text, or 0 while it is not complete. */
static size_t request_length(const char *text, size_t len)
{
    const char *end = len == 0 ? NULL : strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - text) + 4;
    const char *field = strcasestr(text, "\r\nContent-Length:");
    size_t body = field == NULL || field > end ? 0 : strtoul(field + 17, NULL, 10);
    return head + body <= len ? head + body : 0;
}

static void *serve(void *user)
{
    struct connection *c = user;
    char *buffer = malloc(REQUEST_MAX);
    if (buffer == NULL)
        abort();
    size_t handled = 0;
    for (;;) {
        ssize_t n = recv(c->fd, buffer, REQUEST_MAX, 0);
        if (n <= 0)
            break;
        append(&c->log->received, &c->log->received_len, buffer, (size_t)n);
        size_t len;
        bool ok = true;
        while (ok && (len = request_length(c->log->received + handled,
                                           c->log->received_len - handled)) > 0) {
            ok = answer(c, c->log->received + handled);
            handled += len;
        }
        if (!ok)
            break;
    }
    free(buffer);
    close(c->fd);
    pthread_mutex_lock(&server.lock);
    server.open--;
    pthread_mutex_unlock(&server.lock);
    free(c);
    return NULL;
}

static void *accept_all(void *user)
{
    (void)user;
    for (;;) {
        int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        int now = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
        struct connection *c = malloc(sizeof(*c));
        if (c == NULL)
            abort();
        pthread_mutex_lock(&server.lock);
        c->fd = fd;
        c->log = &server.transcripts[server.count++];
        server.open++;
        if (server.count == SERVER_CONNECTIONS_MAX)
            abort();
        pthread_mutex_unlock(&server.lock);
        pthread_attr_t small;
        pthread_t thread;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 65536);
        pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &small, serve, c) != 0)
            abort();
        pthread_attr_destroy(&small);
    }
}

void server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server.listener, 1024) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&server.thread, NULL, accept_all, NULL) != 0)
        abort();
    server.port = ntohs(address.sin_port);
}

void server_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    server_clear();
}

uint16_t server_port(void)
{
    return server.port;
}

void server_wait(void)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&server.lock);
        bool idle = server.open == 0;
        pthread_mutex_unlock(&server.lock);
        if (idle)
            return;
        usleep(1000);
    }
}

void server_clear(void)
{
    server_wait();
    pthread_mutex_lock(&server.lock);
    for (size_t i = 0; i < server.count; i++) {
        free(server.transcripts[i].received);
        free(server.transcripts[i].sent);
        server.transcripts[i] = (struct transcript){NULL, NULL, 0, 0};
    }
    server.count = 0;
    pthread_mutex_unlock(&server.lock);
}

size_t server_count(void)
{
    return server.count;
}

const struct transcript *server_transcript(size_t index)
{
    return &server.transcripts[index];
}
