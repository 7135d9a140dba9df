/* Every function that sends or receives, and their odd uses. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host.h"

#define CHAT "/v1/chat/completions"

ssize_t __read_chk(int fd, void *data, size_t len, size_t size);
ssize_t __recv_chk(int fd, void *data, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                       struct sockaddr *address, socklen_t *address_len);

int close_range(unsigned first, unsigned last, int flags);

static const char *const ways[] = {"read",     "readv",    "recv",     "recvfrom",    "recvmsg",
                                   "recvmmsg", "read_chk", "recv_chk", "recvfrom_chk"};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static ssize_t send_by(size_t way, int fd, const char *text, size_t len)
{
    size_t half = len / 2;
    struct iovec pieces[3] = {
        {(void *)(size_t)text, half}, {NULL, 0}, {(void *)(size_t)(text + half), len - half}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = pieces, .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = pieces + 1, .msg_iovlen = 2}}};
    switch (way) {
    case 0:
        return write(fd, text, len);
    case 1:
        return writev(fd, pieces, 3);
    case 2:
        return send(fd, text, len, MSG_NOSIGNAL);
    case 3:
        return sendto(fd, text, len, 0, NULL, 0);
    case 4:
        return sendmsg(fd, &message, 0);
    case 5:
        if (sendmmsg(fd, messages, 2, 0) != 2)
            return -1;
        return (ssize_t)(messages[0].msg_len + messages[1].msg_len);
    default:
        return write(fd, text, len);
    }
}

static ssize_t receive_by(size_t way, int fd, char *out, size_t size)
{
    struct iovec pieces[2] = {{out, 7}, {out + 7, size - 7}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    struct mmsghdr messages[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
    switch (way) {
    case 0:
        return read(fd, out, size);
    case 1:
        return readv(fd, pieces, 2);
    case 2:
        return recv(fd, out, size, 0);
    case 3:
        return recvfrom(fd, out, size, 0, NULL, NULL);
    case 4:
        return recvmsg(fd, &message, 0);
    case 5:
        return recvmmsg(fd, messages, 1, 0, NULL) == 1 ? (ssize_t)messages[0].msg_len : -1;
    case 6:
        return __read_chk(fd, out, size, size);
    case 7:
        return __recv_chk(fd, out, size, size, 0);
    default:
        return __recvfrom_chk(fd, out, size, size, 0, NULL, NULL);
    }
}

int io_functions(int port, const char *argument)
{
    (void)argument;
    static char answer[65536];
    for (size_t way = 0; way < WAYS; way++) {
        int fd = host_connect(port);
        char path[64];
        snprintf(path, sizeof(path), CHAT "?size=3000&way=%s", ways[way]);
        const char *request = host_request(path, "{\"model\":\"m\",\"messages\":[]}");
        errno = 4321;
        ssize_t sent = send_by(way, fd, request, strlen(request));
        printf("%s: sent all %d, errno %d\n", ways[way], sent == (ssize_t)strlen(request), errno);
        size_t have = 0;
        while (have < 3000 || memmem(answer, have, "\r\n\r\n", 4) == NULL ||
               have < 3000 + (size_t)((char *)memmem(answer, have, "\r\n\r\n", 4) - answer) + 4) {
            errno = 1234;
            ssize_t got = receive_by(way, fd, answer + have, sizeof(answer) - have);
            if (got <= 0 || errno != 1234) {
                printf("got %zd, errno %d\n", got, errno);
                return 1;
            }
            have += (size_t)got;
        }
        printf("%s: %zu bytes, sum %08x\n", ways[way], have, host_sum(answer, have));
        errno = 77;
        shutdown(fd, SHUT_WR);
        ssize_t end = receive_by(way, fd, answer, sizeof(answer));
        printf("%s: end %zd, errno %d\n", ways[way], way == 5 ? 0 : end, errno);
        close(fd);
    }
    return 0;
}

#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 99;                                                                                \
        long result = (long)(call);                                                                \
        printf("%s = %ld, errno %d\n", #call, result, errno);                                      \
    } while (0)

int io_errno(int port, const char *argument)
{
    (void)port;
    (void)argument;
    char data[8] = "";
    void *volatile nowhere = NULL;
    volatile int none = -1;
    struct iovec piece = {data, sizeof(data)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    struct mmsghdr messages = {.msg_hdr = message};
    struct sockaddr_in nobody = {.sin_family = AF_INET};
    socklen_t len = sizeof(nobody);
    int bad = 999, pair[2], file = open("/dev/null", O_RDWR);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return 3;
    for (int round = 0; round < 3; round++) {
        int fd = round == 0 ? -1 : round == 1 ? bad : file;
        printf("round %d\n", round);
        SHOW(recv(fd, data, 1, 0));
        SHOW(send(fd, data, 1, 0));
        SHOW(recvfrom(fd, data, 1, 0, NULL, NULL));
        SHOW(sendto(fd, data, 1, 0, NULL, 0));
        SHOW(sendto(fd, data, 1, MSG_FASTOPEN, (struct sockaddr *)&nobody, len));
        SHOW(recvmsg(fd, &message, 0));
        SHOW(sendmsg(fd, &message, 0));
        SHOW(recvmmsg(fd, &messages, 1, 0, NULL));
        SHOW(sendmmsg(fd, &messages, 1, 0));
        SHOW(accept(fd, NULL, NULL));
        SHOW(accept4(fd, NULL, NULL, 0));
        SHOW(connect(fd, (struct sockaddr *)&nobody, len));
        SHOW(connect(fd, NULL, 0));
        SHOW(shutdown(fd, SHUT_RDWR));
        SHOW(fcntl(fd, F_DUPFD, -1));
        SHOW(dup3(fd, fd, 0));
        SHOW(sendfile(fd, bad, NULL, 1));
        SHOW(__recv_chk(fd, data, 1, 8, 0));
        SHOW(__recvfrom_chk(fd, data, 1, 8, 0, NULL, NULL));
        if (round < 2) {
            SHOW(read(fd, data, 1));
            SHOW(write(fd, data, 1));
            SHOW(readv(fd, &piece, 1));
            SHOW(writev(fd, &piece, 1));
            SHOW(__read_chk(fd, data, 1, 8));
            SHOW(close(fd));
            SHOW(dup(fd));
            SHOW(dup2(fd, 50));
            SHOW(fcntl(fd, F_GETFL));
        }
    }
    SHOW(readv(pair[0], &piece, none));
    SHOW(recv(pair[0], data, 1, 0));
    SHOW(recv(pair[0], nowhere, 0, 0));
    SHOW(write(pair[1], "x", 1));
    SHOW(read(pair[0], data, 8));
    SHOW(read(pair[0], nowhere, 8));
    SHOW(close_range(50, 40, 0));
    SHOW(close_range(5000, 5001, 0));
    SHOW(close_range(5000, 5001, 0x7f));
    SHOW(fclose(fopen("/dev/null", "r")));
    SHOW(close(pair[0]));
    return 0;
}

int io_peek(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    const char *request = host_request(CHAT "?size=100", "peek");
    char head[512], data[512];
    host_send(fd, request, strlen(request));
    usleep(100000);
    ssize_t peeked = recv(fd, head, sizeof(head), MSG_PEEK);
    ssize_t again = recv(fd, data, 10, MSG_PEEK | MSG_TRUNC);
    printf("peeked %zd and %zd\n", peeked, again);
    printf("read %zd\n", recv(fd, data, 20, MSG_WAITALL));
    /* Discards 30 bytes that no buffer ever holds. */
    printf("discarded %zd\n", recv(fd, NULL, 30, MSG_TRUNC));
    ssize_t rest = recv(fd, data, sizeof(data), 0);
    printf("rest %zd, whole %d\n", rest, rest + 50 == peeked);
    printf("out of band %d\n", (int)recv(fd, data, 1, MSG_OOB));
    close(fd);
    return 0;
}

int io_again(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    host_exchange(fd, "/health?size=5", "first");
    host_exchange(fd, "/items", "second, whose body starts like a request");
    host_exchange(fd, CHAT "?size=2000", "third");
    host_exchange(fd, "/v1/messages", "fourth");
    close(fd);
    fd = host_connect(port);
    host_exchange(fd, "/nothing", "quiet");
    close(fd);
    return 0;
}

int io_pieces(int port, const char *argument)
{
    (void)argument;
    static const char texts[][200] = {
        "POST " CHAT "?one=1 HTTP/1.1\r\nContent-Length: 5\r\nHost: llm.example\r\n\r\nfirst",
        "POST /elsewhere?two=2 HTTP/1.1\r\nContent-Length: 6\r\nHost: api.openai.com\r\n\r\nsecond",
        "POST /elsewhere?three=3 HTTP/1.1\r\nContent-Length: 5\r\nHost: example.com\r\n\r\nthird",
        "POST http://api.anthropic.com/x?four=4 HTTP/1.1\r\nContent-Length: 6\r\n\r\nfourth"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strlen(texts[i]), step = i == 0 ? 1 : i == 1 ? 9 : 25;
        int fd = host_connect(port), one = 1;
        uint32_t sum;
        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
        for (size_t at = 0; at < len; at += step)
            host_send(fd, texts[i] + at, len - at < step ? len - at : step);
        printf("%zu: %zu bytes\n", i, host_receive(fd, &sum));
        close(fd);
    }
    return 0;
}

int io_binary(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00";
    host_send(fd, hello, sizeof(hello) - 1);
    const char *request = host_request(CHAT, "inside something else");
    host_send(fd, request, strlen(request));
    close(fd);
    return 0;
}

int io_sendfile(int port, const char *argument)
{
    int file = open(argument, O_RDONLY), fd = host_connect(port);
    static const char head[] =
        "POST " CHAT " HTTP/1.1\r\nHost: llm.example\r\nContent-Length: 5000\r\n\r\n";
    uint32_t sum;
    off_t offset = 0;
    host_send(fd, head, sizeof(head) - 1);
    printf("sendfile %zd\n", sendfile(fd, file, &offset, 5000));
    printf("%zu bytes\n", host_receive(fd, &sum));
    host_exchange(fd, "/v1/messages", "behind the file");
    close(fd);
    return 0;
}

int io_reset(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    const char *request = host_request(CHAT "?size=4000&piece=500&reset=1", "reset");
    char data[512];
    host_send(fd, request, strlen(request));
    size_t have = 0;
    ssize_t got;
    while ((got = recv(fd, data, sizeof(data), 0)) > 0)
        have += (size_t)got;
    printf("result %zd, errno %d, some %d\n", got, errno, have > 0);
    close(fd);
    return 0;
}

int io_large(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    static char body[3000001];
    memset(body, 'p', sizeof(body) - 1);
    char head[200];
    int len = snprintf(head, sizeof(head),
                       "POST " CHAT "?size=5000000 HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                       sizeof(body) - 1);
    uint32_t sum;
    host_send(fd, head, (size_t)len);
    host_send(fd, body, sizeof(body) - 1);
    size_t got = host_receive(fd, &sum);
    printf("%zu bytes, sum %08x\n", got, sum);
    close(fd);
    return 0;
}

int io_http2(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    host_send(fd, preface, 10);
    host_send(fd, preface + 10, sizeof(preface) - 11);
    host_send(fd, "frames", 6);
    close(fd);
    return 0;
}

/* A socket closed behind libc's back, and its number used by a file. */
int io_stale(int port, const char *argument)
{
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "before");
    close(fd);
    int file = open(argument, O_RDWR);
    const char *request = host_request(CHAT, "into a file");
    printf("same number %d, written %d\n", file == fd,
           write(file, request, strlen(request)) == (ssize_t)strlen(request));
    close(file);
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
        return 3;
    printf("same number %d, sent %zd\n", sockets[0] == fd, send(sockets[0], request, 20, 0));
    return 0;
}

/* Leaves time between two requests for somebody to lose interest. */
int io_stop(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "before-stop");
    usleep(400000);
    host_exchange(fd, CHAT, "after-stop");
    host_exchange(fd, CHAT, "after-stop, again");
    int other = host_connect(port);
    host_exchange(other, CHAT, "another");
    close(fd);
    close(other);
    return 0;
}
