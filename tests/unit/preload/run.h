/* Running a program, with and without the preloaded object. */
#ifndef TESTS_PRELOAD_RUN_H
#define TESTS_PRELOAD_RUN_H

#include <stddef.h>

#define RUN_VARIABLES_MAX 16

struct run {
    const char *program;
    const char *arguments[8];                 /* behind the program's name, NULL-terminated */
    const char *variables[RUN_VARIABLES_MAX]; /* NAME=value, NULL-terminated */
    const char *object;                       /* to preload; NULL: none */
    void (*prepare)(void);                    /* in the child, before it execs; may be NULL */
};

struct outcome {
    int status; /* as from waitpid */
    char *text; /* what it printed on stdout and stderr */
    size_t len;
};

/* Runs it to its end; aborts the test program if that takes more than 20 s. */
void run_program(const struct run *run, struct outcome *outcome);
void outcome_release(struct outcome *outcome);

#endif
