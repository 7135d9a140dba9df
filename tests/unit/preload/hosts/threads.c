/* Threads: cancelled in the middle of calls, racing for the first call, on small stacks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "wire/entry.h"

#define CHAT    "/v1/chat/completions"
#define THREADS 8

struct llmt_preload_v1;
const struct llmt_preload_v1 *llmt_preload_v1(void) __attribute__((weak));

static int server;

static void *read_forever(void *user)
{
    int *fd = user, old;
    char byte[3];
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    while (recv(*fd, byte, sizeof(byte), 0) > 0 || pause() != 0)
        continue;
    return NULL;
}

static void *read_deferred(void *user)
{
    int *fd = user;
    char byte[3];
    while (read(*fd, byte, sizeof(byte)) > 0 || pause() != 0)
        continue;
    return NULL;
}

int thread_cancel(int port, const char *argument)
{
    (void)argument;
    for (int i = 0; i < 40; i++) {
        int fd = host_connect(port);
        const char *request = host_request(CHAT "?size=100000&piece=1000", "cancel");
        host_send(fd, request, strlen(request));
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, i % 2 ? read_forever : read_deferred, &fd);
        usleep((useconds_t)(i * 97 % 5000));
        pthread_cancel(thread);
        pthread_join(thread, &result);
        if (result != PTHREAD_CANCELED)
            printf("not cancelled\n");
        close(fd);
    }
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "after-all-that");
    close(fd);
    return 0;
}

static pthread_barrier_t barrier;

static void *first_calls(void *user)
{
    int number = (int)(size_t)user;
    char request[256], body[32];
    int fd = host_connect(server);
    snprintf(body, sizeof(body), "race-%02d", number);
    snprintf(request, sizeof(request),
             "POST " CHAT "?size=50000 HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 10; i++) {
        uint32_t sum;
        host_send(fd, request, strlen(request));
        if (host_receive(fd, &sum) != 50000)
            exit(5);
    }
    close(fd);
    return NULL;
}

int thread_race(int port, const char *argument)
{
    (void)argument;
    pthread_t threads[THREADS];
    server = port;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, first_calls, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("done\n");
    return 0;
}

#define STACK  131072
#define MARGIN 256 /* left alone below the measuring function's own frame */
#define PAINT  0x5a

struct measured {
    char *stack;
    int fd;
    void (*calls)(int fd);
    size_t used;
};

static __attribute__((noinline)) void few_calls(int fd)
{
    static const char text[] = "POST " CHAT " HTTP/1.1\r\nHost: llm.example\r\n"
                               "Content-Length: 0\r\n\r\n";
    static char data[512];
    for (int i = 0; i < 3; i++)
        if (send(fd, text, sizeof(text) - 1, 0) <= 0 || recv(fd, data, sizeof(data), 0) <= 0)
            exit(5);
    close(fd);
}

/* More than the ring's first blocks hold. */
static __attribute__((noinline)) void long_call(int fd)
{
    static const char text[] = "POST " CHAT " HTTP/1.1\r\nHost: llm.example\r\n"
                               "Content-Length: 1048576\r\n\r\n";
    static char data[65536];
    ssize_t sent = send(fd, text, sizeof(text) - 1, 0);
    for (size_t left = 1048576; left > 0 && sent > 0; left -= (size_t)sent)
        sent = send(fd, data, left < sizeof(data) ? left : sizeof(data), 0);
    if (sent <= 0 || recv(fd, data, sizeof(data), 0) <= 0)
        exit(5);
    close(fd);
}

/* Paints the stack below itself and looks how far down the calls came. */
static void *measure(void *user)
{
    struct measured *m = user;
    char here;
    size_t below = (size_t)(&here - m->stack) - MARGIN, untouched = 0;
    for (size_t i = 0; i < below; i++)
        ((volatile char *)m->stack)[i] = PAINT;
    m->calls(m->fd);
    while (untouched < below && m->stack[untouched] == PAINT)
        untouched++;
    m->used = below - untouched;
    return NULL;
}

static size_t used_stack(int fd, void (*calls)(int))
{
    struct measured m = {.fd = fd, .calls = calls};
    m.stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, m.stack, STACK);
    pthread_create(&thread, &attributes, measure, &m);
    pthread_join(thread, NULL);
    return m.used;
}

/* How much of the stack the calls touched: compared by the test, not equal with and without the
 * preloaded object. */
int thread_stack(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    size_t first = used_stack(fd, few_calls); /* makes the ring and starts a collector */
    fd = host_connect(port);
    size_t second = used_stack(fd, few_calls);
    fd = host_connect(port);
    size_t third = used_stack(fd, long_call); /* and more of the ring */
    printf("%zu %zu %zu\n", first, second, third);
    return 0;
}

int thread_span(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    if (llmt_preload_v1 != NULL) {
        struct llmt_active_span *active = llmt_preload_v1()->active();
        memset(active->trace_id, 0x11, sizeof(active->trace_id));
        memset(active->span_id, 0x22, sizeof(active->span_id));
        active->set = 1;
        host_exchange(fd, CHAT, "inside-a-span");
        active->set = 0;
    } else {
        host_exchange(fd, CHAT, "inside-a-span");
    }
    close(fd);
    fd = host_connect(port);
    host_exchange(fd, CHAT, "outside");
    close(fd);
    return 0;
}
