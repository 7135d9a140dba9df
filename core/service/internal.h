/* What the files of this room share beside service.h. */
#ifndef TRACER_SERVICE_INTERNAL_H
#define TRACER_SERVICE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/service.h"

struct assets;
struct auth;
struct connections;
struct events;
struct limit;
struct linger_room;
struct pool;

/* Everything here is set before the first request comes and stays until the last one is answered;
 * what changes meanwhile keeps its own locks. */
struct service {
    struct service_settings settings;
    struct backend *backend;
    const struct assets *assets;
    struct auth *auth;
    struct limit *limit; /* NULL: none */
    struct pool *pool;
    struct connections *connections;
    struct linger_room *linger;
    struct events *events;      /* events.c's own */
    atomic_bool stopping;       /* what is new is refused */
    atomic_size_t body_bytes;   /* held by all requests together */
    atomic_size_t answer_bytes; /* of answers that are not sent yet */
    atomic_llong health_until;  /* boot ns: what the last look at the store told is told */
    atomic_bool healthy;        /* until then */
    atomic_size_t running;      /* requests between their first line and their end */
};

/* ---- The stream behind ROUTE_EVENTS: events.c makes it, connection_stream.c sends it. */

/* One who listens. `prepare` of the route has run; it may have answered already. */
struct event_stream;

/* Something waits to be read. May be called from any thread, with any lock held, any number of
 * times, from events_open until events_close has returned. */
struct event_wake;
void event_wake(struct event_wake *wake);

/* Before the first request. It may start a thread that looks for what others wrote
 * (backend->shared) with sessions of its own. ERR_NOMEM, ERR_IO, or what session_new says. */
int events_start(struct service *s) WARN_UNUSED_RESULT;
/* Ends every stream: each is woken, and events_read then gives ERR_CLOSED. Nothing is told from now
 * on, and events_open answers 503. Waits for events.c's own threads. */
void events_stop(struct service *s);
/* After events_stop, when no stream is left. */
void events_free(struct service *s);

/* Subscribes. The request (its project, query and state) lives no longer than this call. NULL: it
 * has answered by request_fail. On the thread that read the request. */
struct event_stream *events_open(struct request *r, struct event_wake *wake);
/* Copies what waits, as text/event-stream, to out: 1..room bytes; 0: nothing now, wake follows (the
 * comment line of every 15 s too: a stream whose reader is gone is only noticed when something is
 * sent); ERR_CLOSED: this was all. One thread at a time. */
ssize_t events_read(struct event_stream *e, char *out, size_t room);
/* The reader is gone. No wake is called once it has returned. */
void events_close(struct event_stream *e);

#endif
