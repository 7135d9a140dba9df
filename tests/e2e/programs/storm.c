/* Sends random requests to a tracing service and looks at the status of every answer.
 *
 * usage: storm PORT COUNT SEED [CONNECTIONS]
 *
 * Prints one JSON object: how many requests of each status, how many without an answer (which only
 * those that are no HTTP may be), and, for the first ones that are a fault, which they were. Ends
 * with 1 when there was a fault: a 5xx but 503 and 507 (of what is no HTTP 501 and 505), no answer
 * to a whole request, an answer that is no HTTP, no connection. */
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

#include "answer.h"
#include "storm.h"

#define PEERS_MAX   256
#define ANSWER_MAX  ((size_t)16 * 1024 * 1024)
#define PATIENCE_MS 60000 /* for the answer to a whole request, also under sanitizers */
#define GLANCE_MS   100   /* for that to what is none */
#define FAULTS_MAX  5

struct peer {
    int fd;
    bool busy;
    struct storm_request request;
    size_t sent;
    char *answer;
    size_t len, size;
    int64_t due;
};

static struct {
    struct sockaddr_in to;
    int epoll;
    struct peer peers[PEERS_MAX];
    size_t count, started, ended, peer_count;
    size_t statuses[1000], silent, faults;
    struct storm_random random;
} storm;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What a person needs to send it again: its first bytes, made readable. */
static void fault(const struct peer *p, const char *what)
{
    if (storm.faults++ >= FAULTS_MAX)
        return;
    fprintf(stderr, "storm: %s: ", what);
    for (size_t i = 0; i < p->request.len && i < 700; i++) {
        unsigned char c = (unsigned char)p->request.bytes[i];
        if (c >= ' ' && c < 0x7f && c != '\\')
            fputc(c, stderr);
        else
            fprintf(stderr, "\\x%02x", c);
    }
    fprintf(stderr, "\n  the answer so far: %.*s\n", (int)(p->len < 500 ? p->len : 500), p->answer);
}

static bool open_peer(struct peer *p)
{
    int one = 1;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&storm.to, sizeof(storm.to)) != 0) {
        perror("storm: connect");
        return false;
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = p};
    return epoll_ctl(storm.epoll, EPOLL_CTL_ADD, p->fd, &e) == 0;
}

static void close_peer(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* Sends what is left; half of what is no HTTP ends the direction behind it. */
static void push(struct peer *p)
{
    while (p->sent < p->request.len) {
        ssize_t n = send(p->fd, p->request.bytes + p->sent, p->request.len - p->sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p->sent += (size_t)n;
        if (p->sent == p->request.len && !p->request.framed && storm_below(&storm.random, 2))
            shutdown(p->fd, SHUT_WR);
    }
}

static bool begin(struct peer *p)
{
    if (p->fd < 0 && !open_peer(p))
        return false;
    storm_make(&storm.random, &p->request);
    p->sent = p->len = 0;
    p->busy = true;
    p->due = now_ms() + (p->request.framed ? PATIENCE_MS : GLANCE_MS);
    storm.started++;
    push(p);
    return true;
}

static void end(struct peer *p, bool keep)
{
    p->busy = false;
    storm.ended++;
    if (!keep || !p->request.framed || storm_below(&storm.random, 50) == 0)
        close_peer(p);
}

static void answered(struct peer *p, const struct answer *a, size_t took)
{
    storm.statuses[a->status > 0 && a->status < 1000 ? a->status : 0]++;
    bool alright = a->status >= 200 && a->status < 500;
    if (a->status == 503 || a->status == 507)
        alright = true;
    /* RFC 9110 §15.6: a version or coding of the protocol that there is not. */
    if (!p->request.framed && (a->status == 501 || a->status == 505))
        alright = true;
    if (!alright)
        fault(p, "a status that must not be");
    /* A body that the server did not wait for would be read as the next request. */
    end(p, !a->close && p->sent == p->request.len && took == p->len);
}

static void unanswered(struct peer *p, const char *why)
{
    storm.silent++;
    if (p->request.framed)
        fault(p, why);
    end(p, false);
}

static void pull(struct peer *p)
{
    bool closed = false;
    struct answer a;
    for (;;) {
        if (p->size - p->len < 65536 && p->size < ANSWER_MAX) {
            p->size = p->size * 2 + 65536;
            p->answer = realloc(p->answer, p->size);
            if (p->answer == NULL)
                abort();
        }
        ssize_t n = recv(p->fd, p->answer + p->len, p->size - p->len, 0);
        if (n > 0) {
            p->len += (size_t)n;
            continue;
        }
        closed = n == 0 || (errno != EAGAIN && errno != EINTR);
        break;
    }
    if (!p->busy) {
        if (closed)
            close_peer(p);
        return;
    }
    long took =
        p->len > 0 ? answer_parse(p->answer, p->len, p->request.head, closed, &a) : ANSWER_MORE;
    if (took >= 0)
        answered(p, &a, (size_t)took);
    else if (took == ANSWER_BAD && p->len > 0)
        unanswered(p, "an answer that is no HTTP");
    else if (closed)
        unanswered(p, "closed without an answer");
}

static void late(struct peer *p, int64_t now)
{
    if (p->busy && now >= p->due)
        unanswered(p, "no answer in time");
}

static bool run(void)
{
    struct epoll_event events[PEERS_MAX];
    while (storm.ended < storm.count) {
        for (size_t i = 0; i < storm.peer_count; i++)
            if (!storm.peers[i].busy && storm.started < storm.count && !begin(&storm.peers[i]))
                return false;
        int n = epoll_wait(storm.epoll, events, PEERS_MAX, 10);
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (p->fd >= 0 && (events[i].events & EPOLLOUT) && p->busy)
                push(p);
            if (p->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
                pull(p);
        }
        int64_t now = now_ms();
        for (size_t i = 0; i < storm.peer_count; i++)
            late(&storm.peers[i], now);
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    storm.to = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)atoi(argv[1])),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    storm.count = strtoul(argv[2], NULL, 10);
    storm.random.state = strtoull(argv[3], NULL, 10);
    storm.peer_count = argc > 4 ? strtoul(argv[4], NULL, 10) : 32;
    if (storm.peer_count < 1 || storm.peer_count > PEERS_MAX)
        return 2;
    storm.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < storm.peer_count; i++) {
        storm.peers[i].fd = -1;
        storm.peers[i].request.bytes = malloc(STORM_REQUEST_MAX);
        if (storm.peers[i].request.bytes == NULL)
            return 2;
    }
    bool connected = run();
    printf("{\"requests\": %zu, \"silent\": %zu, \"faults\": %zu, \"statuses\": {", storm.ended,
           storm.silent, storm.faults);
    const char *comma = "";
    for (int i = 0; i < 1000; i++) {
        if (storm.statuses[i] > 0) {
            printf("%s\"%d\": %zu", comma, i, storm.statuses[i]);
            comma = ", ";
        }
    }
    printf("}}\n");
    for (size_t i = 0; i < storm.peer_count; i++) {
        close_peer(&storm.peers[i]);
        free(storm.peers[i].request.bytes);
        free(storm.peers[i].answer);
    }
    close(storm.epoll);
    return connected && storm.faults == 0 ? 0 : 1;
}
