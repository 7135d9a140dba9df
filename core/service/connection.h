/* The connections that are open, each with what it does and until when it may: what libmicrohttpd,
 * which only knows when a byte last came, cannot bound. A connection is found by its descriptor.
 * Thread-safe. */
#ifndef TRACER_SERVICE_CONNECTION_H
#define TRACER_SERVICE_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

#define CONNECTION_SPARE  128
#define CONNECTION_KEPT   ((size_t)1024)    /* see connections_are_busy */
#define CONNECTION_IDLE_S 75                /* as nginx's keepalive_timeout */
#define CONNECTION_HEAD_S 20                /* from the request line to the end of the head */
#define CONNECTION_BODY_S 30                /* and a second more for each of these bytes: */
#define CONNECTION_READ_S 10                /* of an answer, whatever its size */
#define CONNECTION_RATE   ((size_t)8 << 10) /* the slowest client that is waited for */

enum connection_stage {
    CONNECTION_CLOSED,
    CONNECTION_IDLE,  /* waits for a request, or for the rest of its first line */
    CONNECTION_HEAD,  /* a request's head comes in */
    CONNECTION_BODY,  /* its body comes in */
    CONNECTION_WORK,  /* it is worked on: no bound */
    CONNECTION_ANSWER /* its answer goes out; a stream of events: no bound */
};

struct connection {
    _Atomic(int) stage;
    _Atomic(int64_t) since;    /* boot ns: when the stage began */
    _Atomic(int64_t) deadline; /* boot ns; INT64_MAX: none */
    uint64_t client;           /* limit_client of its address */
    bool local;                /* came in by a loopback listener: Host is checked */
    bool early;                /* answered before all of the request came; the same thread's */
    bool used;                 /* asked something; by the thread that serves the connection */
};

struct connections;
/* max: how many should be open at once; CONNECTION_SPARE more may be, while others are being ended.
 * descriptors: above every descriptor there can be. NULL: out of memory. */
struct connections *connections_new(size_t max, size_t descriptors);
void connections_free(struct connections *c);
/* A new connection. NULL: there are too many, or the descriptor is out of range. */
struct connection *connections_open(struct connections *c, int fd, uint64_t client, bool local);
/* The open connection of a descriptor. */
struct connection *connections_get(struct connections *c, int fd);
/* Before the descriptor is closed. */
void connections_close(struct connections *c, int fd);
/* Whether there are more than max, so that one should be ended. */
bool connections_are_many(const struct connections *c);
/* A request begins: its memory is touched, which the library does not give back before the end. */
void connections_use(struct connections *c, struct connection *slot);
/* Whether more than CONNECTION_KEPT connections have asked something: one that is answered should
 * be closed, so that it is not memory of idle ones that grows with their number. */
bool connections_are_busy(const struct connections *c);

/* What it does from now on, for at most seconds (0: unbounded) and the time that bytes more take at
 * CONNECTION_RATE. By the thread that serves the connection. */
void connection_enter(struct connection *c, enum connection_stage stage, unsigned seconds,
                      size_t bytes);
/* Bytes of the body came in: it may take that much longer. */
void connection_progress(struct connection *c, size_t bytes);

/* Shuts down the sockets of those whose time is over, and of those whose client left in the middle
 * of a request (libmicrohttpd does not look again after the piece that came with the end);
 * libmicrohttpd then closes them. */
void connections_reap(struct connections *c, int64_t now);
/* Shuts down the one that has been idle longest. False: none is idle. */
bool connections_evict(struct connections *c);
/* Shuts down the one that has been reading its answer longest, of those that read for more than
 * CONNECTION_READ_S; streams of events are none. False: there is none. */
bool connections_evict_reader(struct connections *c, int64_t now);
/* Shuts down those at this stage, when the server stops. */
void connections_end(struct connections *c, enum connection_stage stage);

#endif
