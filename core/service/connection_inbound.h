/* One request and its answer, from the request line to the last byte sent. */
#ifndef TRACER_SERVICE_CONNECTION_INBOUND_H
#define TRACER_SERVICE_CONNECTION_INBOUND_H

#include <microhttpd.h>

#include "service/assets.h"
#include "service/connection.h"
#include "service/gzip.h"
#include "service/internal.h"

#define INBOUND_PARAMETERS 64                  /* of a query */
#define INBOUND_ANSWER_MAX ((size_t)64 << 20)  /* bytes */
#define INBOUND_ANSWERS    ((size_t)192 << 20) /* of all requests that wait to be sent */
#define INBOUND_ANSWER_LOW ((size_t)64 << 10)  /* such a one the socket takes: never refused */
#define INBOUND_PARSE_MAX  ((size_t)32 << 10)  /* a body that is read where it came in */
#define INBOUND_SWALLOW    ((size_t)64 << 10)  /* of a refused body, to keep the connection */
#define INBOUND_BODIES_MIN ((size_t)256 << 20) /* held by all requests, at least */

enum inbound_step {
    INBOUND_HEAD,         /* the head is not looked at yet */
    INBOUND_BODY,         /* the body is kept */
    INBOUND_SWALLOW_BODY, /* the body is thrown away, since the answer is known */
    INBOUND_READY,        /* it can go to the pool */
    INBOUND_WORKING,      /* a thread of the pool has it */
    INBOUND_ANSWERED      /* it can be sent */
};

/* Borrows the parameter's text out of the query. */
struct inbound_parameter {
    const char *name, *value;
};

struct inbound {
    struct request r; /* first: one is the other */
    struct service *service;
    struct MHD_Connection *connection;
    struct connection *slot;
    struct inbound *next; /* in a queue of the pool */
    enum inbound_step step;
    int (*submit)(struct pool *, struct inbound *); /* where it goes when ready */
    const struct asset *asset;
    const char *version; /* "HTTP/1.1" */
    char *path;          /* owned; the query behind it is cut off and decoded in place */
    struct inbound_parameter parameters[INBOUND_PARAMETERS];
    size_t parameter_count;
    char ids[REQUEST_IDS_MAX][STORED_ID_MAX + 1];
    char *key;    /* copy of X-API-Key, which project_id borrows from */
    char *origin; /* that may read the answer; NULL: none */
    bool head_only, accepts_gzip, body_gzip, packed, closes;
    bool bad_query;
    bool unprepared;    /* in the pool: prepare has not run */
    size_t received;    /* bytes of the body */
    size_t held;        /* bytes counted in service->body_bytes */
    size_t held_answer; /* and in service->answer_bytes */
    const char *allow;  /* for 405 and OPTIONS */
    char allow_text[64];
};

/* ---- connection_inbound.c */

/* uri: path and query as they were sent. NULL: out of memory. */
struct inbound *inbound_new(struct service *s, struct MHD_Connection *connection,
                            struct connection *slot, const char *uri);
/* Frees it with what its route made. */
void inbound_free(struct inbound *e);
/* Counts the body's memory; false: all requests together hold too much. */
bool inbound_hold(struct inbound *e);

/* ---- connection_work.c: what the threads of the pool do */

/* Decompresses the body and calls prepare; afterwards either the request has its answer or goes
 * on. */
void inbound_prepare(struct inbound *e);
/* Whether that may take long enough to be left to the pool. */
bool inbound_is_long(const struct inbound *e);
/* After the answer is made: it becomes 500 when there is none; compressed by z (NULL: not); 503
 * when it is large and those of all requests are already too much. */
void inbound_complete(struct inbound *e, struct gzip *z);
/* Gives it back to its connection, whose thread sends the answer. The caller must not touch it any
 * more. */
void inbound_resume(struct inbound *e);

/* ---- connection_answer.c */

enum MHD_Result inbound_send(struct inbound *e);
/* What every answer that is not a page says. */
void answer_add_headers(const struct inbound *e, struct MHD_Response *response);
/* That of it which no request decides. */
void answer_add_guards(struct MHD_Response *response);

/* ---- connection_stream.c */

enum MHD_Result inbound_send_stream(struct inbound *e);

/* ---- connection_head.c */

/* Looks at the request line and the headers: finds the route or asset and who asks. Whatever is
 * wrong is answered in the request. */
void inbound_check(struct inbound *e, const char *method);

#endif
