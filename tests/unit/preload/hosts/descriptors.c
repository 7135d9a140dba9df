/* What happens to descriptors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"

#define CHAT "/v1/chat/completions"

int descriptor_dup(int port, const char *argument)
{
    (void)argument;
    int first = host_connect(port);
    host_exchange(first, CHAT, "dup-one");
    int second = dup(first);
    close(first);
    host_exchange(second, CHAT, "dup-two");
    int third = dup2(second, 40), fourth = fcntl(third, F_DUPFD_CLOEXEC, 60);
    close(second);
    close(third);
    host_exchange(fourth, CHAT, "dup-three");
    int fifth = dup3(fourth, 70, O_CLOEXEC);
    host_exchange(fifth, CHAT, "dup-four");
    printf("%d %d %d\n", third, fourth, fifth);
    close(fourth);
    close(fifth);
    /* A number that dup2 takes away from a captured connection. */
    int old = host_connect(port), file = open("/dev/null", O_WRONLY);
    host_exchange(old, CHAT, "taken-over");
    dup2(file, old);
    const char *request = host_request(CHAT, "into /dev/null");
    printf("written %d\n", write(old, request, strlen(request)) > 0);
    close(old);
    close(file);
    return 0;
}

int descriptor_reuse(int port, const char *argument)
{
    (void)argument;
    for (int i = 0; i < 20; i++) {
        char body[32];
        int fd = host_connect(port);
        snprintf(body, sizeof(body), "reuse-%02d", i);
        host_exchange(fd, i % 3 == 2 ? "/elsewhere" : CHAT, body);
        if (i % 4 == 0)
            shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return 0;
}

int descriptor_many(int port, const char *argument)
{
    int count = atoi(argument);
    int *fds = calloc((size_t)count, sizeof(int));
    for (int i = 0; i < count; i++) {
        char body[32];
        fds[i] = host_connect(port);
        snprintf(body, sizeof(body), "many-%04d;", i);
        const char *request = host_request(CHAT, body);
        host_send(fds[i], request, strlen(request));
    }
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        uint32_t sum;
        total += host_receive(fds[i], &sum);
        close(fds[i]);
    }
    printf("%zu bytes\n", total);
    free(fds);
    return 0;
}

static void list(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') {
            count++;
            if (strcmp(path, "/proc/self/fd") == 0)
                printf("%s ", e->d_name);
        }
    printf("%s: %d\n", path, count);
    closedir(dir);
}

int descriptor_list(int port, const char *argument)
{
    (void)argument;
    list("/proc/self/fd");
    list("/proc/self/task");
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "list");
    list("/proc/self/fd");
    list("/proc/self/task");
    close(fd);
    list("/proc/self/fd");
    return 0;
}

int close_range(unsigned first, unsigned last, int flags);

int descriptor_range(int port, const char *argument)
{
    (void)argument;
    int a = host_connect(port), b = host_connect(port);
    host_exchange(a, CHAT, "range-a");
    host_exchange(b, CHAT, "range-b");
    printf("close_range with CLOEXEC %d\n", close_range((unsigned)a, (unsigned)b, 4));
    host_exchange(a, CHAT, "range-a-again");
    printf("close_range %d\n", close_range((unsigned)a, ~0u, 0));
    int file = open("/dev/null", O_WRONLY);
    const char *request = host_request(CHAT, "range-file");
    printf("written %d\n", write(file, request, strlen(request)) > 0);
    return 0;
}

int descriptor_stdio(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "stdio");
    FILE *file = fdopen(fd, "r+");
    printf("fclose %d\n", fclose(file));
    int null = open("/dev/null", O_WRONLY);
    const char *request = host_request(CHAT, "stdio-file");
    printf("same number %d, written %d\n", null == fd, write(null, request, strlen(request)) > 0);
    FILE *memory = fmemopen(NULL, 10, "w+");
    errno = 55;
    printf("fclose %d, errno %d\n", fclose(memory), errno);
    return 0;
}

int descriptor_nonblocking(int port, const char *argument)
{
    (void)argument;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
    printf("connected or in progress %d\n", result == 0 || errno == EINPROGRESS);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    poll(&wait, 1, 5000);
    result = connect(fd, (struct sockaddr *)&address, sizeof(address));
    printf("connected %d\n", result == 0 || errno == EISCONN);
    const char *request = host_request(CHAT "?slow=50", "nonblocking");
    host_send(fd, request, strlen(request));
    char data[512];
    size_t have = 0;
    bool waited = false;
    for (;;) {
        ssize_t got = recv(fd, data, sizeof(data), 0);
        if (got > 0) {
            have += (size_t)got;
            if (have >= 69)
                break;
            continue;
        }
        waited = waited || errno == EAGAIN;
        wait.events = POLLIN;
        poll(&wait, 1, 5000);
    }
    printf("%zu bytes, waited %d\n", have, waited);
    struct sockaddr nothing = {.sa_family = AF_UNSPEC};
    printf("dissolved %d\n", connect(fd, &nothing, sizeof(nothing)));
    close(fd);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    printf("datagram %d\n", connect(udp, (struct sockaddr *)&address, sizeof(address)));
    request = host_request(CHAT, "datagram");
    printf("sent %d\n", send(udp, request, strlen(request), 0) > 0);
    close(udp);
    return 0;
}
