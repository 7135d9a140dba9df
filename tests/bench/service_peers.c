#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "service_load.h"

#define PATIENCE_MS 60000

static int epoll_fd = -1;

static void die(const char *what)
{
    fprintf(stderr, "bench_service_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

int64_t load_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void load_open(struct load_peer *p, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    if (epoll_fd < 0)
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e) != 0)
        die("epoll_ctl");
}

void load_close(struct load_peer *p)
{
    close(p->fd);
    free(p->out);
    free(p->bytes);
    *p = (struct load_peer){.fd = -1};
}

static void push(struct load_peer *p)
{
    while (p->sent < p->out_len) {
        ssize_t n = send(p->fd, p->out + p->sent, p->out_len - p->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("send");
        p->sent += (size_t)n;
    }
}

void load_request(struct load_peer *p, const char *method, const char *path, const char *key,
                  const char *type, const char *coding, const void *body, size_t len)
{
    char head[2048];
    int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: %s\r\n",
                     method, path, key);
    if (type != NULL)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Type: %s\r\n", type);
    if (coding != NULL)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Encoding: %s\r\n", coding);
    if (body != NULL)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %zu\r\n", len);
    n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
    p->out_len = (size_t)n + len;
    if (p->out_len > p->out_size) {
        p->out_size = p->out_len;
        free(p->out);
        p->out = malloc(p->out_size);
        if (p->out == NULL)
            die("malloc");
    }
    memcpy(p->out, head, (size_t)n);
    if (len > 0)
        memcpy(p->out + n, body, len);
    p->sent = 0;
    push(p);
}

static void pull(struct load_peer *p)
{
    for (;;) {
        if (p->size - p->len < 65536) {
            p->size = p->size * 2 + 131072;
            p->bytes = realloc(p->bytes, p->size);
            if (p->bytes == NULL)
                die("realloc");
        }
        ssize_t n = recv(p->fd, p->bytes + p->len, p->size - p->len - 1, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("the server closed a connection");
        p->len += (size_t)n;
        p->bytes[p->len] = '\0';
    }
}

struct load_peer *load_wait(struct answer *out)
{
    /* Those that came together are handed out one by one. */
    static struct epoll_event events[64];
    static int count, at;
    for (;;) {
        while (at < count) {
            struct epoll_event *e = &events[at++];
            struct load_peer *p = e->data.ptr;
            if (p->fd < 0)
                continue;
            if (e->events & EPOLLOUT)
                push(p);
            if (!(e->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                continue;
            pull(p);
            long took = p->len > 0 ? answer_parse(p->bytes, p->len, false, false, out) : -2;
            if (took == ANSWER_BAD || (took >= 0 && out->close))
                die("a bad answer");
            if (took >= 0) {
                p->used = (size_t)took;
                return p;
            }
        }
        at = 0;
        count = epoll_wait(epoll_fd, events, 64, PATIENCE_MS);
        if (count == 0)
            die("no answer within a minute");
        if (count < 0)
            count = 0;
    }
}

void load_taken(struct load_peer *p)
{
    memmove(p->bytes, p->bytes + p->used, p->len - p->used);
    p->len -= p->used;
}
