#include "tls_peer.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS    1024
#define STREAM_MAX (64u * 1024 * 1024)
#define CHUNK      4000

struct tls_peer {
    SSL_CTX *context;
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int open;
    size_t count, taken;
    struct tls_peer_stream streams[STREAMS];
    _Atomic bool stopping, refuse_early, plain;
};

struct link {
    struct tls_peer *peer;
    struct tls_peer_stream *stream;
    int fd;
    SSL *ssl; /* NULL: plain */
};

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "tls_peer: %s\n", what);
        abort();
    }
}

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    must(key != NULL, "key");
    return key;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    must(X509_sign(certificate, key, EVP_sha256()) > 0, "certificate");
    return certificate;
}

static int early_data_allowed(SSL *ssl, void *user)
{
    struct tls_peer *peer = user;

    (void)ssl;
    return !atomic_load(&peer->refuse_early);
}

static SSL_CTX *make_context(struct tls_peer *peer)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = make_key();
    X509 *certificate = make_certificate(key);

    must(context != NULL, "context");
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
    SSL_CTX_set_max_early_data(context, 16384);
    SSL_CTX_set_allow_early_data_cb(context, early_data_allowed, peer);
    SSL_CTX_set_options(context, SSL_OP_NO_ANTI_REPLAY);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

static bool link_write(struct link *l, const void *data, size_t len)
{
    size_t sent = 0;

    if (l->ssl != NULL) {
        if (SSL_write_ex(l->ssl, data, len, &sent) != 1) {
            return false;
        }
    } else if (send(l->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len) {
        return false;
    }
    must(buf_append(&l->stream->out, data, len) == 0, "memory");
    return true;
}

static bool link_read(struct link *l)
{
    char data[16384];
    size_t got = 0;

    if (l->ssl != NULL) {
        if (SSL_read_ex(l->ssl, data, sizeof(data), &got) != 1) {
            return false;
        }
    } else {
        ssize_t n = recv(l->fd, data, sizeof(data), 0);
        if (n <= 0) {
            return false;
        }
        got = (size_t)n;
    }
    must(buf_append(&l->stream->in, data, got) == 0, "memory");
    return true;
}

/* Early data counts as received; then the handshake is finished. */
static bool link_accept(struct link *l)
{
    char data[4096];
    size_t got;
    int result;

    do {
        result = SSL_read_early_data(l->ssl, data, sizeof(data), &got);
        if (result == SSL_READ_EARLY_DATA_SUCCESS) {
            must(buf_append(&l->stream->in, data, got) == 0, "memory");
        }
    } while (result == SSL_READ_EARLY_DATA_SUCCESS);
    return result == SSL_READ_EARLY_DATA_FINISH && SSL_accept(l->ssl) == 1;
}

/* Where the request that starts at `from` ends; 0: not here yet. */
static size_t request_end(const struct buf *in, size_t from)
{
    const char *start, *head_end, *field;

    if (in->len <= from) {
        return 0;
    }
    start = in->data + from;
    head_end = strstr(start, "\r\n\r\n");
    if (head_end == NULL) {
        return 0;
    }
    field = strstr(start, "ontent-Length: ");
    if (field != NULL && field < head_end) {
        size_t end = (size_t)(head_end - in->data) + 4 + strtoul(field + 15, NULL, 10);
        return end <= in->len ? end : 0;
    }
    field = strstr(start, "ransfer-Encoding: chunked");
    if (field != NULL && field < head_end) {
        const char *last = strstr(head_end + 2, "\r\n0\r\n\r\n");
        return last != NULL ? (size_t)(last - in->data) + 7 : 0;
    }
    return (size_t)(head_end - in->data) + 4;
}

static void fill(char *data, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)('a' + (from + i) * 7 / 5 % 26);
    }
}

static bool answer_body(struct link *l, size_t size, bool chunked, bool slow)
{
    char data[CHUNK], line[32];

    for (size_t at = 0; at < size;) {
        size_t part = size - at < CHUNK ? size - at : CHUNK;

        if (slow && part > 200) {
            part = 200;
        }
        fill(data, at, part);
        snprintf(line, sizeof(line), "%zx\r\n", part);
        if ((chunked && !link_write(l, line, strlen(line))) || !link_write(l, data, part) ||
            (chunked && !link_write(l, "\r\n", 2))) {
            return false;
        }
        at += part;
        if (slow) {
            usleep(1000);
        }
    }
    return !chunked || link_write(l, "0\r\n\r\n", 5);
}

/* Returns whether the connection goes on. */
static bool answer(struct link *l, const char *request)
{
    char kind[32] = "", head[200], path[64] = "";
    size_t size = 0;
    bool chunked, until_close, cut;

    sscanf(request, "%*s %63s", path);
    sscanf(path, "/%31[^/]/%zu", kind, &size);
    chunked = strcmp(kind, "chunked") == 0 || strcmp(kind, "slow") == 0;
    cut = strcmp(kind, "cut") == 0;
    until_close = strcmp(kind, "close") == 0;
    if (chunked) {
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    } else if (until_close) {
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    } else {
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    }
    if (!link_write(l, head, strlen(head)) ||
        !answer_body(l, cut ? size / 2 : size, chunked, strcmp(kind, "slow") == 0)) {
        return false;
    }
    return !until_close && !cut && strstr(path, "/over") == NULL;
}

static void link_serve(struct link *l)
{
    size_t at = 0, end;
    bool cut = false;

    for (bool more = true; more;) {
        while ((end = request_end(&l->stream->in, at)) == 0) {
            if (!link_read(l)) {
                return;
            }
        }
        cut = strstr(l->stream->in.data + at, " /cut/") != NULL;
        more = answer(l, l->stream->in.data + at);
        at = end;
    }
    if (!cut && l->ssl != NULL && SSL_shutdown(l->ssl) == 0) {
        while (link_read(l)) {
        }
    }
}

static void *serve(void *user)
{
    struct link *l = user;
    struct tls_peer *peer = l->peer;

    if (!atomic_load(&peer->plain)) {
        l->ssl = SSL_new(peer->context);
        SSL_set_fd(l->ssl, l->fd);
        if (link_accept(l)) {
            link_serve(l);
        }
        SSL_free(l->ssl);
    } else {
        link_serve(l);
    }
    close(l->fd);
    pthread_mutex_lock(&peer->lock);
    peer->open--;
    pthread_cond_broadcast(&peer->idle);
    pthread_mutex_unlock(&peer->lock);
    free(l);
    return NULL;
}

static void start(struct tls_peer *peer, int fd)
{
    struct link *l = calloc(1, sizeof(*l));
    pthread_t thread;

    pthread_mutex_lock(&peer->lock);
    must(l != NULL && peer->count < STREAMS, "too many connections");
    l->peer = peer;
    l->fd = fd;
    l->stream = &peer->streams[peer->count++];
    buf_init(&l->stream->in, STREAM_MAX);
    buf_init(&l->stream->out, STREAM_MAX);
    peer->open++;
    pthread_mutex_unlock(&peer->lock);
    must(pthread_create(&thread, NULL, serve, l) == 0, "thread");
    pthread_detach(thread);
}

static void *listen_loop(void *user)
{
    struct tls_peer *peer = user;

    while (!atomic_load(&peer->stopping)) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            start(peer, fd);
        }
    }
    return NULL;
}

struct tls_peer *tls_peer_new(void)
{
    struct tls_peer *peer = calloc(1, sizeof(*peer));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    must(peer != NULL, "memory");
    peer->context = make_context(peer);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->idle, NULL);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(peer->listener, (struct sockaddr *)&address, size) == 0 &&
             listen(peer->listener, 128) == 0 &&
             getsockname(peer->listener, (struct sockaddr *)&address, &size) == 0,
         "listen");
    peer->port = ntohs(address.sin_port);
    must(pthread_create(&peer->thread, NULL, listen_loop, peer) == 0, "thread");
    return peer;
}

void tls_peer_free(struct tls_peer *peer)
{
    size_t count;

    tls_peer_take(peer, &count);
    atomic_store(&peer->stopping, true);
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    for (size_t i = 0; i < peer->count; i++) {
        buf_release(&peer->streams[i].in);
        buf_release(&peer->streams[i].out);
    }
    SSL_CTX_free(peer->context);
    free(peer);
}

int tls_peer_port(const struct tls_peer *peer)
{
    return peer->port;
}

void tls_peer_refuse_early_data(struct tls_peer *peer, bool refuse)
{
    atomic_store(&peer->refuse_early, refuse);
}

void tls_peer_set_plain(struct tls_peer *peer, bool plain)
{
    atomic_store(&peer->plain, plain);
}

struct tls_peer_stream *tls_peer_take(struct tls_peer *peer, size_t *count)
{
    struct tls_peer_stream *first;

    pthread_mutex_lock(&peer->lock);
    while (peer->open > 0) {
        pthread_cond_wait(&peer->idle, &peer->lock);
    }
    first = &peer->streams[peer->taken];
    *count = peer->count - peer->taken;
    peer->taken = peer->count;
    pthread_mutex_unlock(&peer->lock);
    return first;
}
