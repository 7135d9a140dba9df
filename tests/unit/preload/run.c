#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MAX 20

static void child(const struct run *run, int out)
{
    char *arguments[10] = {(char *)(size_t)run->program};
    char *variables[RUN_VARIABLES_MAX + 3];
    char preload[1024];
    size_t n = 0;
    for (size_t i = 0; run->arguments[i] != NULL; i++)
        arguments[i + 1] = (char *)(size_t)run->arguments[i];
    for (; run->variables[n] != NULL; n++)
        variables[n] = (char *)(size_t)run->variables[n];
    if (run->object != NULL) {
        snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", run->object);
        variables[n++] = preload;
    }
    variables[n] = NULL;
    dup2(out, 1);
    dup2(out, 2);
    if (run->prepare != NULL)
        run->prepare();
    execve(run->program, arguments, variables);
    dprintf(2, "cannot start %s: %s\n", run->program, strerror(errno));
    _exit(126);
}

void run_program(const struct run *run, struct outcome *outcome)
{
    int pipes[2];
    memset(outcome, 0, sizeof(*outcome));
    if (pipe2(pipes, 02000000 /* O_CLOEXEC */) != 0)
        abort();
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0)
        child(run, pipes[1]);
    close(pipes[1]);
    time_t end = time(NULL) + SECONDS_MAX;
    for (;;) {
        struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
        if (poll(&wait, 1, 1000) == 0 && time(NULL) > end) {
            kill(pid, SIGKILL);
            fprintf(stderr, "%s %s takes too long\n", run->program, run->arguments[0]);
            abort();
        }
        if (wait.revents == 0)
            continue;
        outcome->text = realloc(outcome->text, outcome->len + 65537);
        if (outcome->text == NULL)
            abort();
        ssize_t got = read(pipes[0], outcome->text + outcome->len, 65536);
        if (got <= 0)
            break;
        outcome->len += (size_t)got;
    }
    outcome->text[outcome->len] = '\0';
    close(pipes[0]);
    if (waitpid(pid, &outcome->status, 0) != pid)
        abort();
}

void outcome_release(struct outcome *outcome)
{
    free(outcome->text);
    memset(outcome, 0, sizeof(*outcome));
}
