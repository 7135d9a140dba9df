/* The tracing service: the HTTP contract (version 1) and a dashboard over a backend of the store.
 *
 * Threads: libmicrohttpd's own read requests and send answers; they never wait for the store. A
 * request that needs it is suspended and goes to a pool: readers, one session each, or the writers,
 * who take everything that waits and give it to the backend as one batch (group commit). */
#ifndef TRACER_SERVICE_SERVICE_H
#define TRACER_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/backend.h"

struct service;
struct request;

struct service_settings {
    const char *listen;       /* "ADDR:PORT"; port 0: a free one; NULL: not on TCP */
    const char *socket;       /* path of a Unix socket; NULL: none */
    const char *keys;         /* API_KEYS, or "" */
    bool key_required;        /* false: requests without a key are those of default_key */
    const char *default_key;  /* "project-public"; NULL: every project is seen (`llm-tracer ui`) */
    bool own_user;            /* connections of other users of this machine are refused (peer.h) */
    const char *cors_origins; /* comma-separated, or "" */
    int64_t rate_limit;       /* requests a minute and address; 0: none */
    size_t body_max;          /* bytes, before and after decompression */
    const struct backend_ops *backend;
    struct backend_settings store;
    void (*ready)(void *user, const char *url); /* called once it listens; may be NULL */
    void *user;
};

/* Serves until SIGTERM or SIGINT, then refuses what is new, finishes what runs (10 s at most) and
 * returns ERR_OK. Sockets handed over by the service manager (LISTEN_FDS) are used in place of
 * listen and socket. Errors are said in *why (new memory): ERR_RANGE (a setting), ERR_IO (cannot
 * listen), or what the backend's open says. */
int service_run(const struct service_settings *settings, char **why) WARN_UNUSED_RESULT;

/* ------------------------------------------------------------ one request, for the api_*.c files
 */

/* Where a route's work is done, beside its `prepare`. */
enum route_work {
    ROUTE_NOW,   /* `answer` on the thread that read the request; no session */
    ROUTE_READ,  /* `answer` on a reader with its session */
    ROUTE_WRITE, /* request->writes go to a writer, then `answer` */
    ROUTE_EVENTS /* the answer is a stream (events.c) */
};

struct route {
    const char *method;
    const char *path; /* "/api/traces/{}/spans": {} is one segment, given in request->ids */
    enum route_work work;
    bool open; /* no key is needed */
    /* Looks at query and body; the answer may be given here already (request_fail, or response
     * set): then nothing else is called. May be NULL. */
    void (*prepare)(struct request *r);
    void (*answer)(struct request *r, struct backend_session *session);
};
extern const struct route service_routes[]; /* routes.c; ends with a method of NULL */

#define REQUEST_IDS_MAX 2

struct request {
    const struct service *service; /* what the settings say */
    const struct backend_ops *backend;
    const struct route *route;
    struct text ids[REQUEST_IDS_MAX]; /* out of the path, percent-decoded, 1..STORED_ID_MAX bytes */
    struct text project_id;           /* of the key; at NULL: every project */
    struct buf body;                  /* decompressed */
    const char *content_type;         /* "" when not told */
    /* Made by prepare; freed by `release` when the request ends. */
    struct stored_write **writes;
    size_t write_count;
    int write_result; /* of the whole batch: what backend->write gave */
    void *state;
    void (*release)(struct request *r);
    /* The answer. */
    int status;              /* 0: not answered yet */
    const char *answer_type; /* "application/json" unless set */
    const char *retry_after; /* seconds, or NULL */
    struct buf answer;
};

/* A parameter of the query, percent-decoded, or NULL. Lives as long as the request. */
const char *request_query(const struct request *r, const char *name);
/* Answers {"detail": "..."}. */
void request_fail(struct request *r, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers for an error of the backend: 404, 403, 507 (ERR_FULL), 503 with Retry-After; says in the
 * log what the session tells. */
void request_fail_store(struct request *r, int err, struct backend_session *session);

/* ------------------------------------------------------------ events.c */

/* Tells subscribers of a project that a trace or span came or changed. Any thread. */
enum service_event { EVENT_TRACE, EVENT_SPAN };
void events_tell(struct service *s, enum service_event what, struct text project_id,
                 struct text trace_id, struct text span_id);

#endif
