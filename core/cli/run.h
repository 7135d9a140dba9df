/* `llm-tracer run`, in three parts: what the command gets (run_setup.c), its life under the wrapper
 * (run_child.c), and what is waited for and said at its end (run.c). */
#ifndef TRACER_CLI_RUN_H
#define TRACER_CLI_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "span/span.h"
#include "json/json.h"

struct run {
    char **argv;
    bool first;  /* process 1 of a container */
    bool nested; /* inside another run, whose trace it joins */
    bool traced;
    char trace[TRACE_ID_HEX];
    char runtime[CLI_PATH_MAX];
    int mark;     /* of run_mark_begin; -1: none */
    json *before; /* collector.json at the start, or NULL */
};

/* Prepares the environment of the command and the collector. False: it runs untraced, and why was
 * said. */
bool run_prepare(struct run *r);
/* Starts a collector unless one runs: a process of its own session, without our descriptors. */
void run_start_collector(const struct run *r);

/* Says on stderr what the run left, if that is wanted. answered: the collector has. */
void run_summary(struct run *r, bool answered);

/* How the command ended. */
struct run_end {
    bool started; /* false: error says why not */
    int error;    /* errno of its exec or fork */
    int status;   /* of waitpid */
};
/* Runs the command and waits for it: signals are passed on, a stop is followed, and as process 1
 * every child is reaped. */
struct run_end run_command(struct run *r);
/* Sleeps; the signals that end a wait do (true). Children are reaped. */
bool run_pause(int ms);
/* Ends as the command did; does not return. */
void run_finish(const struct run *r, int status) __attribute__((noreturn));

#endif
