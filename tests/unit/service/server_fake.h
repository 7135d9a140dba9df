/* A backend that does what the test wants, in memory that test and server share, and a server over
 * it in a process of its own. */
#ifndef TRACER_TESTS_SERVER_FAKE_H
#define TRACER_TESTS_SERVER_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "service/service.h"

struct fake {
    atomic_int write_ms, read_ms; /* how long one call takes */
    atomic_int write_error;       /* what every write gives; ERR_OK: it works */
    atomic_bool refuse_poison;    /* a batch with a trace named "poison" gives ERR_IO */
    atomic_int write_calls, writes, reads, purges;
    atomic_int sessions; /* open ones */
    atomic_int closes;
};
extern struct fake *fake;

struct fake_server {
    pid_t pid;
    int port;  /* 0: none */
    char *why; /* it did not start: what it said */
};

/* Starts it with these settings, on 127.0.0.1 and a free port unless they say otherwise. */
void fake_start(struct fake_server *server, struct service_settings settings);
/* Waits for its end; the exit status, 200 + signal, or 255 when it takes longer than 20 s. */
int fake_wait(struct fake_server *server);
/* The same after SIGTERM; the answers of a server that did not start are released too. */
int fake_stop(struct fake_server *server);

/* A connection to it. */
int fake_connect(const struct fake_server *server);
/* Sends all. */
void fake_send(int fd, const char *text);
/* Reads one answer (with Content-Length, or without a body); its status, 0: the connection ended.
 * head and body may be NULL. */
int fake_answer(int fd, char *head, size_t head_room, char *body, size_t body_room);
/* Connects, sends, reads one answer, closes. */
int fake_ask(const struct fake_server *server, const char *request, char *head, char *body);
#define FAKE_ROOM 4096 /* of head and body */

/* The request that creates a trace of that name. */
const char *fake_create(const char *name);

#endif
