/* The tracing-service exporter, private to its files: service.c (which call an entry needs),
 * service_body.c (bodies), service_find.c (what the server already has), service_late.c (what is
 * said too late), service_judge.c (failures), service_batch.c (many at once). The contract: the
 * HTTP contract of the tracing service, version 1.
 *
 * Towards a server without the extensions the server makes the ids; the store keeps which of its
 * ids is ours, with the state of the object in front, written before a request whose repetition
 * would store something twice:
 *   ?     creating: look there before creating again     =ID  created
 *   !ID   completing: read back before completing again  +ID  completed
 *   -     the server refused it for good                 0    none of these
 * Behind a space may follow the check sum of what the create said of it that may change.
 */
#ifndef TRACER_EXPORT_SERVICE_H
#define TRACER_EXPORT_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "export/export.h"
#include "export/http_client.h"
#include "json/json.h"
#include "json/trim.h"

#define SERVICE_URL_MAX 2048
#define SERVICE_ID_MAX  128

/* Sizes that servers take (contract: "DynamoDB layout"). */
#define OLD_METADATA_MAX 10000
#define OLD_CONTENT_MAX  50000
#define NEW_CONTENT_MAX  350000
#define SERVICE_TEXT_MAX 10000 /* characters of output and error, everywhere */

struct service {
    struct http_client *http;
    char *project;
    bool probed;
    bool client_ids, client_times, ingest;
    bool seen_ok; /* the server took something since it was probed */
};

enum object_state {
    OBJECT_NONE,
    OBJECT_CREATING,
    OBJECT_CREATED,
    OBJECT_COMPLETING,
    OBJECT_COMPLETED,
    OBJECT_REFUSED
};

/* One of our traces or spans as the server knows it. */
struct object {
    char local[TRACE_ID_HEX]; /* 32 or 16 hex */
    char remote[SERVICE_ID_MAX];
    enum object_state state;
    uint64_t sent; /* see service_late.c; 0: nothing that may change was sent */
};

/* service.c and service_judge.c, for the other files. All return EXPORT_DELIVERED or what stands in
 * the way, with c->error, retry_after_ms and suspect set. */
struct service *service_get(struct export_context *c);
/* Sends; a 2xx answer with a JSON object is DELIVERED and given in *reply (may be NULL; the caller
 * frees it). lost: true when the request may have been obeyed although no answer tells. */
enum export_result service_call(struct export_context *c, const char *method, const char *path,
                                const json *body, json **reply, bool *lost);
/* PATCH /api/KIND/ID/complete. */
enum export_result service_complete_call(struct export_context *c, const char *kind, const char *id,
                                         const json *body, bool *lost);
enum export_result service_probe(struct export_context *c);
enum export_result service_fail(struct export_context *c, enum export_result result,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Judges an answer that is no success. */
enum export_result service_judge(struct export_context *c, const char *what,
                                 const struct http_answer *answer);
/* The bare 500 of an older server's framework, in which its rate limit ends: not obeyed. */
bool service_is_unexplained(const struct http_answer *answer);

/* service_state.c */
void object_load(struct export_context *c, const uint8_t *id, size_t id_len, struct object *o);
enum export_result object_save(struct export_context *c, struct object *o, enum object_state state);
/* Whether a server's id is one that can be kept and stand in a path. */
bool object_id_fits(const char *id);

/* service_body.c: new values, NULL when out of memory. parent: the server's id of the parent span,
 * or NULL. */
json *body_create_trace(const struct export_context *c, const struct trace *t);
json *body_complete_trace(const struct export_context *c, const struct trace *t);
json *body_create_span(const struct export_context *c, struct span *s, const char *parent);
json *body_complete_span(const struct export_context *c, struct span *s, const struct object *o);
/* Completes a completed span again, with its trace's metadata in its output and without figures. */
json *body_amend_span(const struct export_context *c, struct span *s, const struct object *o,
                      const json *trace_metadata);
/* The input as it may go there, untrimmed: NULL: none. */
json *body_span_input(const struct export_context *c, const struct span *s);
/* Whether the trace's output says that its process ended first. */
bool body_tells_exit(const struct export_context *c, const struct trace *t);
/* The project that the key names, or what the destination says: new memory or NULL. */
char *service_project(const struct export_context *c);

/* service_find.c */
enum export_result find_trace(struct export_context *c, const struct trace *t, struct object *o);
enum export_result find_span(struct export_context *c, const struct object *trace,
                             struct object *o);
enum export_result find_completed_span(struct export_context *c, const struct object *trace,
                                       const struct object *o, bool *completed);
/* Reads the trace back and makes good what the server did not keep. */
enum export_result verify_trace(struct export_context *c, const struct trace *t,
                                const struct object *trace);

/* service_late.c */
/* The check sum to note with a create; 0: nothing can change any more. */
uint64_t late_span_sum(const struct export_context *c, const struct span *s,
                       const struct object *o);
uint64_t late_trace_sum(const struct export_context *c, const struct trace *t,
                        const struct object *o);
/* Before the create goes, since its answer may be lost. Whether the object is to be saved. */
bool late_note(struct object *o, uint64_t sum);
/* The input if the service has another one or none: a new value, else NULL. */
json *late_span_input(const struct export_context *c, const struct span *s, const struct object *o);
/* After the trace was completed: tells its metadata where the create did not. */
enum export_result late_tell_trace(struct export_context *c, const struct trace *t,
                                   struct object *trace);

/* service_batch.c: POST /api/ingest. A line is the body of the call with `op` (create_trace,
 * create_span, complete_span, complete_trace) and the ids of its path. */
size_t service_batch(struct export_context *c, const struct outbox_entry *entries, size_t count,
                     bool *delivered, enum export_result *all);

/* service.c: steps that service_find.c repeats. */
enum export_result create_span_at(struct export_context *c, const struct object *trace,
                                  struct span *s, struct object *o, int depth);
enum export_result complete_span_at(struct export_context *c, const struct object *trace,
                                    struct span *s, struct object *o);

#endif
