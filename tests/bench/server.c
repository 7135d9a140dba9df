/* The peer of the host benchmarks: a thread a connection, fixed answers, plain and TLS.
 * server PORT_FILE CERT KEY: writes "HTTP_PORT HTTPS_PORT" to PORT_FILE. The first path segment
 * picks the answer: /chat/ (1.4 KB in all), /sse/ (200 events, a write each), /prompt/ (small
 * answer to a large prompt), /embed/ (30 KB of numbers). */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS     200
#define INPUT_MAX  (512 * 1024)
#define EMBEDDINGS 30000

static SSL_CTX *tls;
static char chat[2048], embed[EMBEDDINGS + 512];

struct peer {
    int fd;
    SSL *ssl;
};

static ssize_t peer_read(struct peer *p, char *data, size_t size)
{
    return p->ssl != NULL ? SSL_read(p->ssl, data, (int)size) : read(p->fd, data, size);
}

static int peer_write(struct peer *p, const char *data, size_t len)
{
    ssize_t n = p->ssl != NULL ? SSL_write(p->ssl, data, (int)len) : write(p->fd, data, len);
    return n == (ssize_t)len ? 0 : -1;
}

static int answer_whole(struct peer *p, const char *body)
{
    static _Thread_local char out[EMBEDDINGS + 1024];
    int n = snprintf(out, sizeof(out),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                     "%zu\r\n\r\n%s",
                     strlen(body), body);
    return peer_write(p, out, (size_t)n);
}

static int answer_stream(struct peer *p)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    char event[512];
    char chunk[600];
    if (peer_write(p, head, sizeof(head) - 1) != 0)
        return -1;
    for (int i = 0; i < EVENTS; i++) {
        int n = snprintf(event, sizeof(event),
                         "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
                         "\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{"
                         "\"content\":\"word%d \"},\"finish_reason\":%s}]}\n\n%s",
                         i, i == EVENTS - 1 ? "\"stop\"" : "null",
                         i == EVENTS - 1 ? "data: [DONE]\n\n" : "");
        int m = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", (unsigned)n, event);
        if (peer_write(p, chunk, (size_t)m) != 0)
            return -1;
    }
    return peer_write(p, "0\r\n\r\n", 5);
}

/* Reads one request; returns its first path segment's first letter, or 0 at the end. */
static char read_request(struct peer *p, char *input)
{
    size_t have = 0;
    for (;;) {
        ssize_t n = peer_read(p, input + have, INPUT_MAX - have - 1);
        if (n <= 0)
            return 0;
        have += (size_t)n;
        input[have] = '\0';
        char *end = strstr(input, "\r\n\r\n");
        if (end == NULL)
            continue;
        char *length = strcasestr(input, "content-length:");
        size_t whole = (size_t)(end + 4 - input);
        whole += length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
        char *path = strchr(input, '/');
        char kind = path != NULL ? path[1] : 'c';
        while (have < whole) {
            n = peer_read(p, input + (have % (INPUT_MAX / 2)), INPUT_MAX / 2);
            if (n <= 0)
                return 0;
            have += (size_t)n;
        }
        return kind;
    }
}

static void *serve(void *argument)
{
    struct peer *p = argument;
    char *input = malloc(INPUT_MAX);
    int failed = input == NULL || (p->ssl != NULL && SSL_accept(p->ssl) != 1);
    while (!failed) {
        char kind = read_request(p, input);
        if (kind == 0)
            break;
        failed = kind == 's' ? answer_stream(p) : answer_whole(p, kind == 'e' ? embed : chat);
    }
    if (p->ssl != NULL)
        SSL_free(p->ssl);
    close(p->fd);
    free(input);
    free(p);
    return NULL;
}

struct listener {
    int fd;
    int secure;
};

static void *listen_loop(void *argument)
{
    struct listener *l = argument;
    for (;;) {
        int fd = accept(l->fd, NULL, NULL);
        if (fd < 0)
            continue;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct peer *p = calloc(1, sizeof(*p));
        pthread_t thread;
        if (p == NULL)
            abort();
        p->fd = fd;
        if (l->secure) {
            p->ssl = SSL_new(tls);
            SSL_set_fd(p->ssl, fd);
        }
        if (pthread_create(&thread, NULL, serve, p) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static int start(struct listener *l, int secure)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    pthread_t thread;
    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    l->secure = secure;
    if (bind(l->fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(l->fd, 256) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&a, &size) != 0 ||
        pthread_create(&thread, NULL, listen_loop, l) != 0) {
        perror("server");
        exit(1);
    }
    return ntohs(a.sin_port);
}

static void make_answers(void)
{
    snprintf(chat, sizeof(chat),
             "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1,\"model\":"
             "\"gpt-4o\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
             "\"%0600d\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,"
             "\"completion_tokens\":20,\"total_tokens\":30}}",
             7);
    int at = snprintf(embed, sizeof(embed),
                      "{\"object\":\"list\",\"model\":\"text-embedding-3-small\",\"usage\":{"
                      "\"prompt_tokens\":4,\"total_tokens\":4},\"data\":[{\"object\":\"embedding\","
                      "\"index\":0,\"embedding\":[0.5");
    while (at < EMBEDDINGS - 32)
        at += snprintf(embed + at, sizeof(embed) - (size_t)at, ",-0.%08d", at * 1237 % 100000000);
    snprintf(embed + at, sizeof(embed) - (size_t)at, "]}]}");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: server PORT_FILE CERT KEY\n");
        return 2;
    }
    make_answers();
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, argv[3], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "server: cannot read the certificate\n");
        return 1;
    }
    static struct listener plain, secure;
    char name[4096];
    int first = start(&plain, 0);
    int second = start(&secure, 1);
    snprintf(name, sizeof(name), "%s.new", argv[1]);
    FILE *f = fopen(name, "w");
    if (f == NULL || fprintf(f, "%d %d\n", first, second) < 0 || fclose(f) != 0 ||
        rename(name, argv[1]) != 0) {
        perror(argv[1]);
        return 1;
    }
    pause();
    return 0;
}
