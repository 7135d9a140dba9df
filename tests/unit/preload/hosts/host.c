#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
    const char *name;
    scenario *run;
} scenarios[] = {
    {"functions", io_functions},
    {"errno", io_errno},
    {"peek", io_peek},
    {"again", io_again},
    {"pieces", io_pieces},
    {"binary", io_binary},
    {"sendfile", io_sendfile},
    {"reset", io_reset},
    {"large", io_large},
    {"http2", io_http2},
    {"stale", io_stale},
    {"stop", io_stop},
    {"dup", descriptor_dup},
    {"reuse", descriptor_reuse},
    {"many", descriptor_many},
    {"list", descriptor_list},
    {"range", descriptor_range},
    {"stdio", descriptor_stdio},
    {"nonblocking", descriptor_nonblocking},
    {"fork", process_fork},
    {"vfork", process_vfork},
    {"exec", process_exec},
    {"title", process_title},
    {"spawn", process_spawn},
    {"server", process_server},
    {"limit", process_limit},
    {"environment", process_environment},
    {"jump", signal_jump},
    {"nested", signal_nested},
    {"entry", signal_entry},
    {"cancel", thread_cancel},
    {"race", thread_race},
    {"stack", thread_stack},
    {"span", thread_span},
};

int host_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("connect");
        exit(3);
    }
    return fd;
}

const char *host_request(const char *path, const char *body)
{
    static char text[65536];
    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\nHost: llm.example\r\nContent-Length: %zu\r\n\r\n%s", path,
             strlen(body), body);
    return text;
}

void host_send(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            perror("send");
            exit(3);
        }
        text += n;
        len -= (size_t)n;
    }
}

uint32_t host_sum(const char *data, size_t len)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)data[i]) * 16777619u;
    return sum;
}

size_t host_receive(int fd, uint32_t *sum)
{
    size_t size = 1 << 16, have = 0;
    char *text = malloc(size);
    for (;;) {
        ssize_t n = recv(fd, text + have, size - have - 1, 0);
        if (n <= 0) {
            printf("answer ended early: %zd\n", n);
            break;
        }
        have += (size_t)n;
        text[have] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *field = strstr(text, "Content-Length: ");
        if (end != NULL && field != NULL) {
            size_t head = (size_t)(end - text) + 4, body = strtoul(field + 16, NULL, 10);
            if (have == head + body) {
                *sum = host_sum(text + head, body);
                free(text);
                return body;
            }
        }
        if (size - have < 4096)
            text = realloc(text, size *= 2);
    }
    free(text);
    *sum = 0;
    return 0;
}

void host_exchange(int fd, const char *path, const char *body)
{
    const char *request = host_request(path, body);
    uint32_t sum;
    host_send(fd, request, strlen(request));
    size_t len = host_receive(fd, &sum);
    printf("%s: %zu bytes, sum %08x\n", path, len, sum);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc > 2 && i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            return scenarios[i].run(atoi(argv[2]), argc > 3 ? argv[3] : "");
    fprintf(stderr, "usage: host SCENARIO PORT [TEXT]\n");
    return 2;
}
