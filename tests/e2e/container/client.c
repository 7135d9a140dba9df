/* The traced program of the container tests: asks an LLM endpoint on the loopback and prints how
 * many bytes came back. client PORT chat|stream */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char request[1024], body[256], answer[4096];
    if (argc < 3)
        return 2;
    int stream = strcmp(argv[2], "stream") == 0;
    int n = snprintf(body, sizeof(body),
                     "{\"model\":\"gpt-4o\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
                     "\"content\":\"from a container\"}]}",
                     stream ? "true" : "false");
    int len = snprintf(request, sizeof(request),
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%s\r\n"
                       "Content-Type: application/json\r\nConnection: close\r\n"
                       "Authorization: Bearer sk-CONTAINERSECRET\r\nContent-Length: %d\r\n\r\n%s",
                       argv[1], n, body);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        write(fd, request, (size_t)len) != len)
        return 3;
    long total = 0;
    for (ssize_t got; (got = read(fd, answer, sizeof(answer))) > 0;) {
        total += got;
        if (stream) {
            printf("some\n");
            fflush(stdout);
        }
    }
    printf("%s\n", total > 0 ? "answered" : "nothing");
    return total > 0 ? 0 : 4;
}
