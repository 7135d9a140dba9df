/* Signal handlers that jump out of calls, and that make calls of their own. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "host.h"

#define CHAT "/v1/chat/completions"

static sigjmp_buf back;
static int handler_fd, handler_port;

static void alarm_in(int ms)
{
    struct itimerval timer = {{0, 0}, {0, ms * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void jump_out(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

/* One frame more or less on the stack between the jump and the next call. */
static __attribute__((noinline)) void deeper(int fd, int levels, const char *body)
{
    volatile char room[512];
    room[0] = 0;
    if (levels > 0)
        deeper(fd, levels - 1, body);
    else
        host_exchange(fd, CHAT, body);
    room[1] = room[0];
}

static void read_head(int fd)
{
    static const char end[] = "\r\n\r\n";
    char byte;
    for (size_t matched = 0; matched < 4;) {
        if (recv(fd, &byte, 1, 0) != 1)
            exit(4);
        matched = byte == end[matched] ? matched + 1 : byte == end[0];
    }
}

/* Jumps out of a recv that waits for a late body. On a machine so busy that the body overtakes the
 * alarm, it jumps out of pause(); what was read is told by the zeros behind it. */
int signal_jump(int port, const char *argument)
{
    static char body[11];
    (void)argument;
    signal(SIGALRM, jump_out);
    int fd = host_connect(port);
    for (volatile int i = 0; i < 3; i++) {
        memset(body, 0, sizeof(body));
        if (sigsetjmp(back, 1) == 0) {
            const char *request = host_request(CHAT "?slow=120&size=10", "jump");
            host_send(fd, request, strlen(request));
            read_head(fd);
            alarm_in(40);
            while (strlen(body) < 10)
                if (recv(fd, body + strlen(body), 1, 0) <= 0)
                    exit(4);
            for (;;)
                pause();
        }
        printf("jumped\n");
        for (size_t have; (have = strlen(body)) < 10;)
            if (recv(fd, body + have, 10 - have, 0) <= 0)
                return 5;
        printf("rest %s\n", body);
    }
    host_exchange(fd, CHAT, "same-depth");
    deeper(fd, 8, "much-deeper");
    close(fd);
    return 0;
}

static void send_inside(int number)
{
    (void)number;
    int saved = errno;
    const char text[] = "POST " CHAT "?nested=1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    if (handler_fd >= 0) {
        if (send(handler_fd, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
            _exit(6);
        char data[512];
        for (ssize_t have = 0, got; have < 70; have += got) /* head 39, body 31 */
            if ((got = recv(handler_fd, data, sizeof(data), 0)) <= 0)
                _exit(7);
    }
    errno = saved;
}

/* A handler that talks on another connection while recv and send are interrupted, again and again.
 */
int signal_nested(int port, const char *argument)
{
    (void)argument;
    struct sigaction action = {.sa_handler = send_inside, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    handler_fd = host_connect(port);
    int fd = host_connect(port);
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 30; i++) {
        char body[32];
        snprintf(body, sizeof(body), "outer-%02d", i);
        host_exchange(fd, CHAT "?slow=5&size=20000", body);
    }
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    close(handler_fd);
    close(fd);
    return 0;
}

static void first_call(int number)
{
    (void)number;
    handler_fd = host_connect(handler_port);
    host_exchange(handler_fd, CHAT, "from-a-handler");
    close(handler_fd);
}

/* The process's first call of all comes from a handler on a small stack of its own. */
int signal_entry(int port, const char *argument)
{
    (void)argument;
    static char stack[32768];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = first_call, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    handler_port = port;
    raise(SIGUSR1);
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "afterwards");
    close(fd);
    return 0;
}
