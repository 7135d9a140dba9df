/* A program that traces by hand and has trouble; trouble.py is the same in Python.
 *
 *     trouble work COUNT PAUSE_MS    that many traces
 *     trouble open                   ends nothing, says "ready", waits to be killed
 *     trouble leave                  ends nothing and leaves
 *     trouble clients                two clients at once: FIRST_URL, SECOND_URL
 *     trouble fork                   a child goes on in its parent's span
 *     trouble caller [COMMAND]       a command goes on in this program's span: it finds TRACEPARENT
 *                                    in its environment (no COMMAND: the next one)
 *     trouble callee TRACEPARENT     that process
 *
 * Says "out" on stdout and "err" on stderr, and leaves with 7: none of it may change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "llm_tracer.h"

#define EXIT_CODE 7
#define PROMPT    "{\"question\": \"hush: what is the answer?\"}"
#define ANSWER    "hush: forty-two"

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void one_job(llmt_client *client, const char *name)
{
    LLMT_TRACE(trace, client, name, .user_id = "u1", .session_id = "s1");
    LLMT_SPAN(step, trace, "step", "chain");
    {
        LLMT_SPAN(answer, step, "answer", "llm", .model = "gpt-4o", .input = PROMPT);
        LLMT_SET_OUTPUT(answer, LLMT_TEXT("text", ANSWER));
        llmt_span_set_usage(answer, 12, 3, 0.5);
    }
    llmt_trace_set_output(trace, ANSWER);
}

static void work(int count, long pause)
{
    LLMT_CLIENT(client);
    for (int i = 0; i < count; i++) {
        one_job(client, "job");
        pause_ms(pause);
    }
}

/* Leaves everything open. */
static void begin(void)
{
    llmt_client *client = llmt_client_new(NULL);
    llmt_trace *trace = llmt_trace_begin(client, "job", NULL);
    llmt_span *step = llmt_span_begin(trace, "step", "chain", NULL);
    llmt_span *answer = llmt_span_begin(step, "answer", "llm", NULL);
    LLMT_SET_OUTPUT(answer, LLMT_TEXT("text", ANSWER));
    llmt_span_set_usage(answer, 12, 3, LLMT_UNKNOWN);
    llmt_trace_set_output(trace, ANSWER);
}

static void clients(void)
{
    LLMT_CLIENT(first, .api_key = "project-alpha", .base_url = getenv("FIRST_URL"));
    LLMT_CLIENT(second, .api_key = "project-beta", .base_url = getenv("SECOND_URL"));
    for (int i = 0; i < 3; i++) {
        one_job(first, "of the first");
        one_job(second, "of the second");
    }
}

static void fork_inside(void)
{
    LLMT_CLIENT(client);
    LLMT_TRACE(trace, client, "job");
    LLMT_SPAN(step, trace, "step", "chain");
    pid_t child = fork();
    if (child == 0) {
        llmt_span *inner = llmt_span_begin(step, "in the child", "tool", NULL);
        LLMT_SET_OUTPUT(inner, LLMT_TEXT("where", "child"));
        llmt_span_end(inner);
        llmt_span_end(step); /* the parent's business: this frees the copy */
        llmt_trace_end(trace);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    LLMT_SPAN(inner, step, "in the parent", "tool");
    LLMT_SET_OUTPUT(inner, LLMT_TEXT("where", "parent"));
}

static void caller(const char *program, const char *command)
{
    char traceparent[LLMT_TRACEPARENT_SIZE];
    char callee[4096];
    LLMT_CLIENT(client);
    LLMT_TRACE(trace, client, "job");
    LLMT_SPAN(step, trace, "step", "chain");
    setenv("TRACEPARENT", llmt_current_traceparent(traceparent), 1);
    snprintf(callee, sizeof(callee), "%s callee $TRACEPARENT >/dev/null 2>&1", program);
    if (system(command != NULL ? command : callee) == -1)
        puts("the command did not run");
}

static void callee(const char *traceparent)
{
    LLMT_CLIENT(client);
    LLMT_TRACE(trace, client, "callee", .traceparent = traceparent);
    LLMT_SPAN(remote, trace, "remote", "tool");
    LLMT_SET_OUTPUT(remote, LLMT_TEXT("where", "callee"));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "work") == 0 && argc == 4)
        work(atoi(argv[2]), atol(argv[3]));
    else if (strcmp(what, "open") == 0 || strcmp(what, "leave") == 0)
        begin();
    else if (strcmp(what, "clients") == 0)
        clients();
    else if (strcmp(what, "fork") == 0)
        fork_inside();
    else if (strcmp(what, "caller") == 0)
        caller(argv[0], argv[2]);
    else if (strcmp(what, "callee") == 0 && argc == 3)
        callee(argv[2]);
    else
        return 2;
    if (strcmp(what, "open") == 0) {
        puts("ready");
        fflush(stdout);
        pause();
    }
    puts("out");
    fputs("err\n", stderr);
    return EXIT_CODE;
}
