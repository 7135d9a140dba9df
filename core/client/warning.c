#include "client/warning.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const sentences[TROUBLES] = {
    [TROUBLE_NO_KEY] = "no API key: traces stay in the local store and are not delivered; set "
                       "TRACER_API_KEY=project-ID to deliver them",
    [TROUBLE_BAD_KEY] = "the API key is not of the form project-ID: traces stay in the local store "
                        "and are not delivered; correct TRACER_API_KEY",
    [TROUBLE_BAD_PROJECT] = "a project id is not 1 to 100 of A-Z a-z 0-9 _ -: it is passed over "
                            "and the key's project used; correct it",
    [TROUBLE_BAD_TIMEOUT] = "timeout_ms is not within 1..600000: the nearest that is, or 5000, is "
                            "used; correct it",
    [TROUBLE_BAD_TYPE] = "a span's type is none of llm, tool, agent, function, retrieval, "
                         "embedding, chain, other: it is recorded as other; correct it",
    [TROUBLE_BAD_JSON] = "a text that should be JSON is not: it is recorded as "
                         "{\"text\": ...}; pass JSON, metadata as an object",
    [TROUBLE_BAD_NUMBER] = "a figure is out of its range and not recorded; pass tokens within "
                           "0..1e12, costs within 0..1e9, or LLMT_UNKNOWN",
    [TROUBLE_BAD_TRACEPARENT] = "a traceparent is malformed and passed over: the trace gets ids of "
                                "its own; pass the header as it was received",
    [TROUBLE_NO_RING] = "no shared memory for traces: nothing is recorded; see that /dev/shm or "
                        "TRACER_RUNTIME_DIR is writable and has room (llm-tracer doctor)",
    [TROUBLE_RING_FULL] = "shared memory for traces is full: some are lost; see that the collector "
                          "runs (llm-tracer status), or raise TRACER_RING_MAX_MB",
    [TROUBLE_NO_COLLECTOR] = "no collector runs, and its program was not found: traces wait in "
                             "shared memory; put llm-tracer on the PATH, or start it",
    [TROUBLE_NO_WAIT] = "not confirmed as delivered: it is kept and delivered later, and no call "
                        "waits for the next 30 s; see llm-tracer status",
    [TROUBLE_TOO_MANY] = "too many traces and spans are open: further ones are not recorded; end "
                         "each with llmt_span_end or llmt_trace_end",
};

/* What descriptor 2 was when the library was loaded. */
static struct {
    bool known;
    dev_t device;
    ino_t inode;
} at_load;

/* Before the constructors of the program, which may do anything with their descriptors. */
__attribute__((constructor(101))) static void remember_stderr(void)
{
    struct stat s;
    if (fstat(STDERR_FILENO, &s) != 0)
        return;
    at_load.known = true;
    at_load.device = s.st_dev;
    at_load.inode = s.st_ino;
}

/* A program that closed its stderr gets the number again for something of its own. A file or a
 * connection that was not there at load may be data; a terminal or a pipe to a logger is not. */
static bool is_stderr(void)
{
    struct stat s;
    if (fstat(STDERR_FILENO, &s) != 0)
        return false;
    return S_ISCHR(s.st_mode) || S_ISFIFO(s.st_mode) ||
           (at_load.known && s.st_dev == at_load.device && s.st_ino == at_load.inode);
}

/* A line is shorter than PIPE_BUF: where there is room at all, it fits. */
static bool has_room(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* Writes, and takes away the signal that this raised: nobody reads, the file is as long as it may
 * be. Nor is a background process stopped for it. */
static void write_quietly(const char *line, size_t len)
{
    static const int raised[] = {SIGPIPE, SIGXFSZ, SIGTTOU};
    static const struct timespec at_once;
    sigset_t blocked, before, pending, ours;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
        sigaddset(&blocked, raised[i]);
    if (pthread_sigmask(SIG_BLOCK, &blocked, &before) != 0)
        return;
    sigpending(&pending);
    ours = blocked;
    for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
        if (sigismember(&pending, raised[i]) == 1)
            sigdelset(&ours, raised[i]); /* the program's: it waits for it */
    if (write(STDERR_FILENO, line, len) < 0)
        while (sigtimedwait(&ours, NULL, &at_once) > 0 || errno == EINTR)
            continue;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* One write, so that lines of several threads stay whole. */
static void say(const char *sentence)
{
    char line[320];
    const int saved = errno;
    const int len = snprintf(line, sizeof(line), "llm-tracer: %s\n", sentence);
    if (len > 0 && (size_t)len < sizeof(line) && is_stderr() && has_room())
        write_quietly(line, (size_t)len);
    errno = saved;
}

void warning_give(uint64_t client, enum trouble trouble)
{
    struct client_view c;
    const uint32_t bit = UINT32_C(1) << trouble;
    if (!client_look(client, &c) || client_warned(client, bit))
        return;
    int cancel;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* our caller is not done */
    if (c.on_warning)
        c.on_warning(c.user, sentences[trouble]);
    else if ((atomic_fetch_or(&c.settings->warned, bit) & bit) == 0)
        say(sentences[trouble]);
    (void)pthread_setcancelstate(cancel, NULL);
}
