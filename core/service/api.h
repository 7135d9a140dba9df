/* What the routes' files share: the state of a request, and the handlers that routes.c lists.
 * Private to this room. */
#ifndef TRACER_SERVICE_API_H
#define TRACER_SERVICE_API_H

#include "service/service.h"
#include "service/validate.h"

/* What `prepare` makes for `answer`; request->state. */
struct api_state {
    struct arena arena;
    struct problems problems;
    bool content; /* of GET /api/traces and of one trace: with what is large */
    union {
        struct stored_filter filter; /* of GET /api/traces */
        struct stored_stats stats;
        struct text trace_id; /* of GET /api/events */
    };
    struct ingest_rejected *rejected; /* of POST /api/ingest; in the arena */
    size_t rejected_count;
    const uint32_t *lines; /* of each write, its line */
};

/* The request's state, made when there is none; released with the request. NULL: out of memory,
 * answered. */
struct api_state *api_state(struct request *r);
/* Answers 403 when the store is only looked at. */
bool api_may_write(struct request *r);
/* The body: of a JSON text. */
struct text api_body(const struct request *r);
/* Answers with r->answer, unless err says that it could not be printed whole. */
void api_finish(struct request *r, int err);

void api_create_trace(struct request *r);
void api_create_span(struct request *r);
void api_complete_span(struct request *r);
void api_complete_trace(struct request *r);
void api_written(struct request *r, struct backend_session *session);
void ingest_prepare(struct request *r);
void ingest_answer(struct request *r, struct backend_session *session);

void api_list_prepare(struct request *r);
void api_list(struct request *r, struct backend_session *session);
void api_trace_prepare(struct request *r);
void api_trace(struct request *r, struct backend_session *session);
void api_span(struct request *r, struct backend_session *session);
void stats_prepare(struct request *r);
void stats_answer(struct request *r, struct backend_session *session);
void api_health(struct request *r, struct backend_session *session);
void events_prepare(struct request *r);

/* Tells subscribers what a write that was done changed. */
void api_tell(const struct request *r, const struct stored_write *write);

/* Of a write whose result is ERR_BAD: no repetition changes it. */
#define REFUSED_INVALID "The store cannot hold what was sent; sending it again changes nothing"

#endif
