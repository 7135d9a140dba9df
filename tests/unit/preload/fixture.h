/* What the tests of the preloaded object share: a server, a runtime folder, a copy of the object in
 * a folder of its own (so that it finds no collector but the test's), and a scenario run with and
 * without it. */
#ifndef TESTS_PRELOAD_FIXTURE_H
#define TESTS_PRELOAD_FIXTURE_H

#include "capture.h"
#include "cmocka_all.h"
#include "run.h"
#include "server.h"

#define CHAT "/v1/chat/completions"

struct fixture {
    char folder[128], runtime[160], object[192], program[192];
    const char *host;         /* the program with the scenarios */
    const char *variables[8]; /* more of them, NULL-terminated; cleared by fixture_reset */
    void (*prepare)(void);
    struct outcome outcome; /* of the run with the object */
    struct capture capture;
};

extern struct fixture fixture;

/* cmocka's group and test set-up. */
int fixture_start(void **state);
int fixture_end(void **state);
int fixture_reset(void **state);
int fixture_clean(void **state);

/* Runs the scenario without and with the object; both must print the same and end alike, with
 * status 0. Reads what was captured. */
void compare(const char *scenario, const char *argument);
/* The same with any program and arguments (NULL-terminated, at most 6). */
void compare_program(const char *program, const char *const *arguments);
/* Runs with the object alone; nothing is checked. */
void run_scenario(const char *scenario, const char *argument);
/* The one captured connection whose sent bytes contain text: fails the test if there is none. */
const struct captured *captured(const char *text);
/* Byte for byte what the server has seen, in both directions, with nothing lost; closed in order
 * if closed is set. */
void assert_whole(const struct captured *conn, bool closed);

#endif
