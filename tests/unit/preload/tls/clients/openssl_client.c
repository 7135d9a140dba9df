/* openssl_client PORT MODE PATH BODY REQUESTS: requests over libssl in one of many ways. */
#include "client.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

static SSL_CTX *context;
static int port, requests;
static size_t body;
static const char *mode, *path;
static SSL_SESSION *session;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static int keep_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

/* Waits for what the last call asked for; false: it failed for good. */
static bool wait_for(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);
    struct pollfd poller = {.fd = SSL_get_fd(ssl)};

    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        return false;
    }
    poller.events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    poll(&poller, 1, 5000);
    return true;
}

static long put(SSL *ssl, const char *data, size_t len)
{
    size_t done = 0;
    int result;

    if (is("rw") || is("peek") || is("partial")) {
        result = SSL_write(ssl, data, (int)len);
        return result > 0 ? result : wait_for(ssl, result) ? 0 : -1;
    }
    result = SSL_write_ex(ssl, data, len, &done);
    return result > 0 ? (long)done : wait_for(ssl, result) ? 0 : -1;
}

static long get(SSL *ssl, char *data, size_t len)
{
    size_t done = 0;
    int result;

    if (is("peek")) {
        char seen[100];
        SSL_peek(ssl, seen, sizeof(seen));
        SSL_peek_ex(ssl, seen, sizeof(seen), &done);
    }
    if (is("rw") || is("peek") || is("partial")) {
        result = SSL_read(ssl, data, (int)len);
        return result > 0 ? result : wait_for(ssl, result) ? 0 : -1;
    }
    result = SSL_read_ex(ssl, data, len, &done);
    return result > 0 ? (long)done : wait_for(ssl, result) ? 0 : -1;
}

static void print_answer(const char *answer, size_t len, long last)
{
    printf("%zu bytes, sum %016llx, last %ld\n", len, (unsigned long long)sum_of(7, answer, len),
           last);
}

static char *answer_room(void)
{
    char *room = malloc(4 << 20);

    if (room == NULL) {
        die("malloc");
    }
    return room;
}

static void exchange(SSL *ssl)
{
    size_t len, sent = 0, got = 0, want = 0;
    char *request = make_request(path, body, &len), *answer = answer_room();
    long n = 0;

    while (sent < len && (n = put(ssl, request + sent, len - sent)) >= 0) {
        sent += (size_t)n;
    }
    while ((want == 0 || got < want) &&
           (n = get(ssl, answer + got, (4 << 20) - got > 5000 ? 5000 : (4 << 20) - got)) >= 0) {
        got += (size_t)n;
        want = answer_length(answer, got);
    }
    print_answer(answer, got, n < 0 ? n : 0);
    if (n < 0) {
        printf("error %d, shutdown %d\n", SSL_get_error(ssl, (int)n), SSL_get_shutdown(ssl));
    }
    free(request);
    free(answer);
}

static SSL *open_ssl(void)
{
    SSL *ssl = SSL_new(context);
    int fd = dial(port);

    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "llm.test");
    SSL_set_connect_state(ssl);
    if (is("nonblock") || is("partial")) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){8192}, sizeof(int));
    }
    if (is("partial")) {
        SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    return ssl;
}

static void close_ssl(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static void one_connection(void)
{
    SSL *ssl = open_ssl();

    for (int i = 0; i < requests; i++) {
        exchange(ssl);
    }
    close_ssl(ssl);
}

/* Many connections one after the other: the object's address comes back. */
static void many_connections(void)
{
    for (int i = 0; i < requests; i++) {
        SSL *ssl = open_ssl();
        exchange(ssl);
        close_ssl(ssl);
    }
}

/* One object for several connections. */
static void cleared_object(void)
{
    SSL *ssl = open_ssl();

    for (int i = 0; i < requests; i++) {
        int fd;

        exchange(ssl);
        SSL_shutdown(ssl);
        fd = SSL_get_fd(ssl);
        SSL_clear(ssl);
        close(fd);
        SSL_set_fd(ssl, dial(port));
        SSL_set_connect_state(ssl);
    }
    close_ssl(ssl);
}

static void early(void)
{
    size_t len, written = 0;
    char *request = make_request(path, body, &len);
    SSL *ssl = open_ssl();

    exchange(ssl);
    close_ssl(ssl);
    ssl = open_ssl();
    SSL_set_session(ssl, session);
    printf("early %d", SSL_write_early_data(ssl, request, len, &written));
    printf(" written %zu\n", written);
    if (SSL_connect(ssl) != 1) {
        die("SSL_connect");
    }
    printf("status %d\n", SSL_get_early_data_status(ssl));
    if (SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED) {
        char *answer = answer_room();
        size_t got = 0;
        int n;

        while (got == 0 || got < answer_length(answer, got)) {
            n = SSL_read(ssl, answer + got, 5000);
            if (n <= 0) {
                break;
            }
            got += (size_t)n;
        }
        print_answer(answer, got, 0);
        free(answer);
    }
    exchange(ssl);
    close_ssl(ssl);
    free(request);
}

static void over_bio(bool buffered)
{
    BIO *bio = buffered ? BIO_new_buffer_ssl_connect(context) : BIO_new_ssl_connect(context);
    char address[32], *answer = answer_room();
    size_t len, done = 0, got = 0, want = 0;
    char *request = make_request(path, body, &len);

    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    BIO_set_conn_hostname(bio, address);
    for (int i = 0; i < requests; i++) {
        if (buffered) {
            request[len - 1] = '\0';
            printf("puts %d\n", BIO_puts(bio, request));
            request[len - 1] = 'x';
            printf("write %d\n", BIO_write(bio, request + len - 1, 1));
            printf("flush %d\n", (int)BIO_flush(bio));
        } else if (i % 2 == 0) {
            printf("write %d\n", BIO_write(bio, request, (int)len));
        } else {
            printf("write_ex %d", BIO_write_ex(bio, request, len, &done));
            printf(" %zu\n", done);
        }
        for (got = 0, want = 0; want == 0 || got < want; want = answer_length(answer, got)) {
            /* a buffer waits until it has all that it is asked for */
            int part = want != 0 && want - got < 3000 ? (int)(want - got) : 3000, n;

            if (buffered && want == 0) {
                n = BIO_gets(bio, answer + got, 400);
            } else if (i % 2 == 0) {
                n = BIO_read(bio, answer + got, part);
            } else {
                n = BIO_read_ex(bio, answer + got, (size_t)part, &done) == 1 ? (int)done : -1;
            }
            if (n <= 0) {
                break;
            }
            got += (size_t)n;
        }
        print_answer(answer, got, 0);
    }
    BIO_free_all(bio);
    free(request);
    free(answer);
}

static void *thread_body(void *user)
{
    SSL *ssl;

    (void)user;
    for (int i = 0; i < requests; i++) {
        size_t len, sent = 0, got = 0;
        char *request = make_request(path, body, &len), answer[70000];
        int n;

        ssl = open_ssl();
        if (SSL_write_ex(ssl, request, len, &sent) != 1) {
            die("SSL_write_ex");
        }
        while ((got == 0 || got < answer_length(answer, got)) &&
               (n = SSL_read(ssl, answer + got, (int)(sizeof(answer) - got))) > 0) {
            got += (size_t)n;
        }
        close_ssl(ssl);
        free(request);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[8];

    for (int i = 0; i < 8; i++) {
        pthread_create(&all[i], NULL, thread_body, NULL);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(all[i], NULL);
    }
    printf("done\n");
}

/* A server and its client in one process, without a certificate. */
static SSL *pair_end(int fd, bool server)
{
    SSL_CTX *anonymous = SSL_CTX_new(TLS_method());
    SSL *ssl;

    SSL_CTX_set_max_proto_version(anonymous, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(anonymous, "AECDH-AES128-SHA:@SECLEVEL=0");
    ssl = SSL_new(anonymous);
    SSL_CTX_free(anonymous);
    SSL_set_fd(ssl, fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return ssl;
}

static void pair(void)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int fds[2];
    size_t len, got = 0;
    char *request = make_request(path, body, &len), *room = answer_room();
    SSL *client, *server;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        die("socketpair");
    }
    client = pair_end(fds[0], false);
    server = pair_end(fds[1], true);
    for (int i = 0; i < 20; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    printf("client wrote %d\n", SSL_write(client, request, (int)len));
    printf("server read %d\n", SSL_read_ex(server, room, 100000, &got) == 1 ? (int)got : -1);
    printf("server wrote %d\n", SSL_write(server, answer, (int)sizeof(answer) - 1));
    printf("client read %d\n", SSL_read(client, room, 100000));
    SSL_free(client);
    SSL_free(server);
    close(fds[0]);
    close(fds[1]);
    free(request);
    free(room);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        return 2;
    }
    port = atoi(argv[1]);
    mode = argv[2];
    path = argv[3];
    body = strtoul(argv[4], NULL, 10);
    requests = atoi(argv[5]);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    errno = 4242;
    if (is("bio") || is("biobuf")) {
        over_bio(is("biobuf"));
    } else if (is("early")) {
        early();
    } else if (is("reuse")) {
        many_connections();
    } else if (is("clear")) {
        cleared_object();
    } else if (is("pair")) {
        pair();
    } else if (is("threads")) {
        threads();
    } else {
        one_connection();
    }
    printf("errno %d, queue %lu\n", errno, ERR_peek_error());
    SSL_CTX_free(context);
    return 3;
}
