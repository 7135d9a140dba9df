/* fork, vfork, exec, and how a process is limited, named and watched. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define CHAT "/v1/chat/completions"

extern char **environ;

int process_fork(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "fork-parent-1");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int own = host_connect(port);
        host_exchange(own, CHAT, "fork-child-own");
        close(own);
        host_exchange(fd, "/v1/messages", "fork-child-inherited");
        close(fd);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            own = host_connect(port);
            host_exchange(own, CHAT, "fork-grandchild");
            _exit(0);
        }
        int code;
        waitpid(grandchild, &code, 0);
        _exit(7);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    host_exchange(fd, CHAT, "fork-parent-2");
    close(fd);
    return 0;
}

/* A child that shares our memory closes everything, as subprocess launchers do. */
int process_vfork(int port, const char *argument)
{
    (void)argument;
    int fd = host_connect(port), quiet = host_connect(port);
    host_exchange(fd, CHAT, "vfork-1");
    for (int round = 0; round < 3; round++) {
        static char *arguments[] = {(char *)(size_t) "true", NULL};
        pid_t pid = vfork();
        if (pid == 0) {
            dup2(2, fd);
            for (int i = 3; i < 100; i++)
                close(i);
            execve("/bin/true", arguments, environ);
            _exit(9);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("child %d\n", WEXITSTATUS(status));
        host_exchange(fd, CHAT, "vfork-again");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, fd);
    char *arguments[] = {(char *)(size_t) "true", NULL};
    pid_t pid;
    int status;
    posix_spawn(&pid, "/bin/true", &actions, NULL, arguments, environ);
    waitpid(pid, &status, 0);
    host_exchange(fd, CHAT, "vfork-spawn");
    host_exchange(quiet, CHAT, "vfork-quiet");
    close(fd);
    close(quiet);
    return 0;
}

int process_exec(int port, const char *argument)
{
    char number[16];
    int fd = host_connect(port);
    host_exchange(fd, CHAT, argument[0] == '2' ? "exec-second" : "exec-first");
    if (argument[0] == '2')
        return 0;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    snprintf(number, sizeof(number), "%d", port);
    fflush(stdout);
    execl("/proc/self/exe", "host", "exec", number, "2", (char *)NULL);
    return 3;
}

/* setproctitle: the strings of the environment are overwritten where they lie. */
int process_title(int port, const char *argument)
{
    (void)argument;
    for (char **v = environ; *v != NULL; v++)
        memset(*v, 'T', strlen(*v));
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "title");
    close(fd);
    return 0;
}

int process_environment(int port, const char *argument)
{
    (void)argument;
    setenv("TRACER_API_KEY", "changed", 1);
    setenv("TRACER_RUNTIME_DIR", "/nowhere", 1);
    clearenv();
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "environment");
    close(fd);
    return 0;
}

static volatile sig_atomic_t child_signals, user_signals;

static void count_signal(int number)
{
    if (number == SIGCHLD)
        child_signals++;
    else
        user_signals++;
}

/* A host that waits for any child and counts SIGCHLD while a collector is started from inside it.
 */
int process_spawn(int port, const char *argument)
{
    (void)argument;
    signal(SIGCHLD, count_signal);
    signal(SIGUSR1, count_signal);
    signal(SIGUSR2, SIG_IGN);
    sigset_t blocked, pending, now;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGUSR1);
    int fd = host_connect(port);
    host_exchange(fd, CHAT, "spawn");
    sigprocmask(SIG_BLOCK, NULL, &now);
    sigpending(&pending);
    printf("blocked %d, pending %d, handled %d\n", sigismember(&now, SIGUSR1),
           sigismember(&pending, SIGUSR1), (int)user_signals);
    usleep(200000);
    int status;
    pid_t any = waitpid(-1, &status, WNOHANG);
    printf("wait %d, errno %d, SIGCHLD %d\n", any, errno, (int)child_signals);
    any = waitpid(-1, &status, 0);
    printf("wait %d, errno %d\n", any, errno);
    siginfo_t info;
    printf("waitid %d, errno %d\n", waitid(P_ALL, 0, &info, WEXITED | WNOHANG), errno);
    host_exchange(fd, CHAT, "spawn-again");
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    printf("handled %d\n", (int)user_signals);
    close(fd);
    return 0;
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 5) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        exit(3);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A server of its own, called by a child. */
int process_server(int port, const char *argument)
{
    (void)port;
    (void)argument;
    uint16_t own;
    int listener = listen_on(&own);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(listener);
        int fd = host_connect(own);
        host_exchange(fd, CHAT, "to-the-server");
        _exit(0);
    }
    int fd = accept(listener, NULL, NULL);
    char data[1024];
    size_t have = 0;
    while (have < 13 || memcmp(data + have - 13, "to-the-server", 13) != 0) {
        ssize_t got = recv(fd, data + have, 10, 0);
        if (got <= 0)
            return 1;
        have += (size_t)got;
    }
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved";
    ssize_t sent = write(fd, answer, sizeof(answer) - 1);
    int status;
    waitpid(pid, &status, 0);
    printf("received %zu, sent %zd\n", have, sent);
    close(fd);
    return WEXITSTATUS(status);
}

/* RLIMIT_FSIZE with the default action of SIGXFSZ: any growth beyond it kills. */
int process_limit(int port, const char *argument)
{
    rlim_t bytes = strtoul(argument, NULL, 10);
    struct rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    int fd = host_connect(port);
    host_exchange(fd, CHAT "?size=200000", "limit");
    host_exchange(fd, CHAT "?size=200000", "limit");
    close(fd);
    printf("alive\n");
    return 0;
}
