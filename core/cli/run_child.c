/* The command as a child. The wrapper must not be noticed: the terminal, the process group and
 * every signal's effect are those that the command would have without it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/run.h"

static const int passed_on[] = {SIGTERM, SIGINT,   SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,
                                SIGALRM, SIGWINCH, SIGCONT, SIGTSTP, SIGPIPE};

static sigset_t watched;  /* all of them but the ignored ones, and SIGCHLD */
static sigset_t original; /* the mask we were started with */
static struct sigaction child_action;

/* Signals are blocked and taken with sigwaitinfo, so that none is lost around the fork. One that
 * was ignored at our start (nohup) stays ignored, for us and for the command. */
static void watch_signals(void)
{
    sigemptyset(&watched);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
        struct sigaction now;
        if (sigaction(passed_on[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&watched, passed_on[i]);
    }
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &normal, &child_action); /* ignored, it would eat the exit status */
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, &original);
}

static void become_command(const struct run *r, int report)
{
    sigaction(SIGCHLD, &child_action, NULL);
    sigprocmask(SIG_SETMASK, &original, NULL);
    execvp(r->argv[0], r->argv);
    int error = errno;
    if (write(report, &error, sizeof(error)) != sizeof(error))
        _exit(127);
    _exit(127);
}

static pid_t start(struct run *r, int *error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        *error = errno;
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        become_command(r, report[1]);
    *error = pid < 0 ? errno : 0;
    close(report[1]);
    int told;
    ssize_t n;
    do
        n = pid > 0 ? read(report[0], &told, sizeof(told)) : 0;
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n == sizeof(told)) { /* its exec failed */
        *error = told;
        waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}

/* From the terminal the whole process group got it: the command too. */
static bool sent_to_all(const siginfo_t *info)
{
    return info->si_code == SI_KERNEL && info->si_signo != SIGCONT;
}

/* The command stopped: so do we, so that the shell sees its job stopped, and go on together. */
static void stop_along(pid_t pid)
{
    if (getpid() == 1)
        return;
    kill(getpid(), SIGSTOP);
    kill(pid, SIGCONT);
}

/* Takes every state change there is. True: the command itself has ended. */
static bool reap(pid_t pid, int *status)
{
    bool ended = false;
    int state;
    for (pid_t who; (who = waitpid(-1, &state, WNOHANG | WUNTRACED)) > 0;) {
        if (who != pid)
            continue;
        if (WIFSTOPPED(state)) {
            stop_along(pid);
        } else {
            *status = state;
            ended = true;
        }
    }
    return ended;
}

struct run_end run_command(struct run *r)
{
    struct run_end end = {0};
    watch_signals();
    pid_t pid = start(r, &end.error);
    if (pid < 0)
        return end;
    end.started = true;
    while (!reap(pid, &end.status)) {
        siginfo_t info;
        if (sigwaitinfo(&watched, &info) < 0 || info.si_signo == SIGCHLD || sent_to_all(&info))
            continue;
        kill(pid, info.si_signo);
    }
    return end;
}

bool run_pause(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    siginfo_t info;
    int signal = sigtimedwait(&watched, &info, &time);
    if (signal == SIGCHLD)
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

void run_finish(const struct run *r, int status)
{
    if (WIFSIGNALED(status)) {
        int signal = WTERMSIG(status);
        if (!r->first) { /* process 1 cannot be killed by its own signals */
            const struct sigaction normal = {.sa_handler = SIG_DFL};
            sigset_t only;
            /* The command has left its core file; ours would say nothing. */
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            sigaction(signal, &normal, NULL);
            sigemptyset(&only);
            sigaddset(&only, signal);
            raise(signal);
            sigprocmask(SIG_UNBLOCK, &only, NULL);
        }
        _exit(128 + signal);
    }
    _exit(WEXITSTATUS(status));
}
