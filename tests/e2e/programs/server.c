/* A quick chat endpoint: a thread a connection, plain HTTP.
 *
 *     load_server PORT_FILE DELAY_MS
 *
 * writes its port to PORT_FILE. A request whose prompt is "KIND THREAD NUMBER" is answered after
 * the delay with "KIND THREAD NUMBER done"; the usage tells the same, so that a call which landed
 * elsewhere shows: THREAD + 1 completion tokens, NUMBER + 1 prompt tokens, and 100000 more of these
 * for a KIND that begins with t. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX 16384

static useconds_t delay;

/* Reads one request to input; 0 at the end of the connection. */
static int read_request(int fd, char *input)
{
    size_t have = 0;
    size_t whole = 0;
    while (whole == 0 || have < whole) {
        ssize_t n = read(fd, input + have, INPUT_MAX - 1 - have);
        if (n <= 0)
            return 0;
        have += (size_t)n;
        input[have] = '\0';
        char *end = strstr(input, "\r\n\r\n");
        if (end == NULL || whole != 0)
            continue;
        char *length = strcasestr(input, "content-length:");
        whole = (size_t)(end + 4 - input);
        whole += length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
    }
    return 1;
}

static int answer(int fd, const char *input)
{
    char kind[16] = "";
    int thread = 0;
    int number = 0;
    char body[1024];
    char out[1536];
    const char *prompt = strstr(input, "\"content\":\"");
    if (prompt == NULL || sscanf(prompt + 11, "%15s %d %d", kind, &thread, &number) != 3)
        return -1;
    int n = snprintf(body, sizeof(body),
                     "{\"id\":\"chatcmpl-load\",\"object\":\"chat.completion\",\"created\":1,"
                     "\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                     "\"assistant\",\"content\":\"%s %d %d done\"},\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}",
                     kind, thread, number, number + 1 + (kind[0] == 't' ? 100000 : 0), thread + 1);
    n = snprintf(out, sizeof(out),
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                 "%s",
                 n, body);
    usleep(delay);
    return write(fd, out, (size_t)n) == n ? 0 : -1;
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    int one = 1;
    char input[INPUT_MAX];
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (read_request(fd, input) && answer(fd, input) == 0)
        ;
    close(fd);
    return NULL;
}

static int tell_port(const char *path, int port)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s.new", path);
    FILE *f = fopen(name, "w");
    if (f == NULL || fprintf(f, "%d\n", port) < 0 || fclose(f) != 0)
        return -1;
    return rename(name, path);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    if (argc != 3) {
        fprintf(stderr, "usage: load_server PORT_FILE DELAY_MS\n");
        return 2;
    }
    delay = (useconds_t)atoi(argv[2]) * 1000;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 256) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &size) != 0 ||
        tell_port(argv[1], ntohs(a.sin_port)) != 0) {
        perror("load_server");
        return 1;
    }
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}
