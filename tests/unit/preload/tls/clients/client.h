/* What the client programs of these tests share. Each prints what it got, so that a run with the
 * preloaded object can be compared with one without. */
#ifndef TESTS_TLS_CLIENT_H
#define TESTS_TLS_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void die(const char *what)
{
    fprintf(stderr, "client: %s failed (errno %d)\n", what, errno);
    exit(9);
}

static inline int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    return fd;
}

/* A running sum that tells two byte sequences apart. */
static inline uint64_t sum_of(uint64_t sum, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ bytes[i]) * 1099511628211u;
    }
    return sum;
}

/* A POST with `body` bytes behind its head. The caller frees it. */
static inline char *make_request(const char *path, size_t body, size_t *len)
{
    char *request = malloc(body + 512);
    int head;

    if (request == NULL) {
        die("malloc");
    }
    head = snprintf(request, 512,
                    "POST %s HTTP/1.1\r\nHost: llm.test\r\nAuthorization: Bearer none\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    path, body);
    for (size_t i = 0; i < body; i++) {
        request[(size_t)head + i] = (char)('A' + i * 11 / 3 % 26);
    }
    *len = (size_t)head + body;
    return request;
}

/* How many bytes of an answer with Content-Length there are in all, 0 while its head is not whole,
 * SIZE_MAX until the close. Chunked ones end where their last chunk does. */
static inline size_t answer_length(const char *data, size_t len)
{
    const char *head_end = memmem(data, len, "\r\n\r\n", 4), *field;

    if (head_end == NULL) {
        return 0;
    }
    field = memmem(data, (size_t)(head_end - data), "Content-Length: ", 16);
    if (field != NULL) {
        return (size_t)(head_end - data) + 4 + strtoul(field + 16, NULL, 10);
    }
    if (memmem(data, (size_t)(head_end - data), "chunked", 7) != NULL && len >= 7 &&
        memcmp(data + len - 7, "\r\n0\r\n\r\n", 7) == 0) {
        return len;
    }
    return SIZE_MAX;
}

#endif
