#include "export/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BODY_MAX ((size_t)64 * 1024 * 1024)
#define PARENT_DEPTH_MAX 16

/* -------------------------------------------------------------------------- requests */

struct service *service_get(struct export_context *c)
{
    if (*c->state != NULL)
        return *c->state;
    struct service *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->project = service_project(c);
    if (s->project == NULL || http_client_new(&s->http, c->key, c->cancel) != ERR_OK) {
        free(s->project);
        free(s);
        return NULL;
    }
    *c->state = s;
    return s;
}

static void service_release(void *state)
{
    struct service *s = state;
    http_client_free(s->http);
    free(s->project);
    free(s);
}

static bool make_url(const struct export_context *c, const char *path, char *out)
{
    const char *base = c->destination->url != NULL ? c->destination->url : "";
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    int n = snprintf(out, SERVICE_URL_MAX, "%.*s%s", (int)len, base, path);
    return n > 0 && n < SERVICE_URL_MAX;
}

/* What a path is about, for messages and judgement. */
static const char *subject(const char *path)
{
    if (strcmp(path, "/api/traces") == 0)
        return "a new trace";
    return strstr(path, "/spans") != NULL ? "a span" : "a trace";
}

enum export_result service_call(struct export_context *c, const char *method, const char *path,
                                const json *body, json **reply, bool *lost)
{
    struct service *s = *c->state;
    struct http_answer answer;
    struct buf text;
    char url[SERVICE_URL_MAX];
    bool unused = false;
    lost = lost != NULL ? lost : &unused;
    *lost = false;
    if (!make_url(c, path, url))
        return service_fail(c, EXPORT_BLOCKED, "TRACER_URL is too long");
    buf_init(&text, REQUEST_BODY_MAX);
    if (body != NULL && json_print(body, &text) != ERR_OK) {
        buf_release(&text);
        return service_fail(c, EXPORT_RETRY, "out of memory");
    }
    http_client_send(s->http, method, url, "application/json", body != NULL ? &text : NULL,
                     c->timing->request, &answer);
    buf_release(&text);
    if (answer.status >= 200 && answer.status < 300) {
        json *object = json_parse(buf_str(answer.body), answer.body->len);
        if (json_is_object(object)) {
            s->seen_ok = true;
            if (reply != NULL)
                *reply = object;
            else
                json_free(object);
            return EXPORT_DELIVERED;
        }
        json_free(object);
    }
    *lost = (answer.status == 0 && answer.sent) ||
            (answer.status >= 500 && !service_is_unexplained(&answer));
    return service_judge(c, subject(path), &answer);
}

enum export_result service_complete_call(struct export_context *c, const char *kind, const char *id,
                                         const json *body, bool *lost)
{
    char path[SERVICE_URL_MAX];
    snprintf(path, sizeof(path), "/api/%s/%s/complete", kind, id);
    return service_call(c, "PATCH", path, body, NULL, lost);
}

/* -------------------------------------------------------------------------- features */

enum export_result service_probe(struct export_context *c)
{
    struct service *s = *c->state;
    struct http_answer answer;
    char url[SERVICE_URL_MAX];
    if (s->probed)
        return EXPORT_DELIVERED;
    if (!make_url(c, "/health", url))
        return service_fail(c, EXPORT_BLOCKED, "TRACER_URL is too long");
    http_client_send(s->http, "GET", url, NULL, NULL, c->timing->request, &answer);
    if (answer.status == 0 || answer.status >= 500 || answer.status == 429)
        return service_judge(c, "/health", &answer);
    json *body = json_parse(buf_str(answer.body), answer.body->len);
    s->client_ids = s->client_times = s->ingest = false;
    for (const json *e = json_first(json_get(body, "features")); e != NULL; e = json_next(e)) {
        const char *name = json_text(e);
        if (name == NULL)
            continue;
        s->client_ids |= strcmp(name, "client-ids") == 0;
        s->client_times |= strcmp(name, "client-times") == 0;
        s->ingest |= strcmp(name, "ingest") == 0;
    }
    json_free(body);
    s->ingest &= s->client_ids; /* a batch cannot wait for ids */
    s->probed = true;
    s->seen_ok = false;
    return EXPORT_DELIVERED;
}

/* -------------------------------------------------------------------------- steps */

/* Reads the id that the server gave; ours when it took ours. */
static enum export_result take_id(struct export_context *c, const json *reply, const char *key,
                                  struct object *o)
{
    const char *id = json_get_text(reply, key);
    if (!object_id_fits(id))
        return service_fail(c, EXPORT_BLOCKED, "the service answered without a %s", key);
    if (strcmp(id, o->local) == 0 && o->state == OBJECT_NONE)
        return EXPORT_DELIVERED; /* the ids are the same: nothing to remember */
    snprintf(o->remote, sizeof(o->remote), "%s", id);
    return object_save(c, o, OBJECT_CREATED);
}

/* Sends a create that is not known to have been obeyed; its state says so before it goes. sum: of
 * what it says that may change. */
static enum export_result send_create(struct export_context *c, const char *path, json *body,
                                      const char *key, struct object *o, uint64_t sum)
{
    const struct service *s = *c->state;
    json *reply = NULL;
    bool lost = false;
    enum export_result result = EXPORT_DELIVERED;
    const struct object before = *o;
    bool noted = late_note(o, sum);
    if (noted || !s->client_ids)
        result = object_save(c, o, s->client_ids ? o->state : OBJECT_CREATING);
    if (result == EXPORT_DELIVERED)
        result = service_call(c, "POST", path, body, &reply, &lost);
    json_free(body);
    if (result == EXPORT_DELIVERED)
        result = take_id(c, reply, key, o);
    else if (result == EXPORT_REJECTED)
        (void)object_save(c, o, OBJECT_REFUSED);
    else if (!lost && (noted || !s->client_ids)) {
        o->sent = before.sent;
        (void)object_save(c, o, s->client_ids ? before.state : OBJECT_NONE);
    }
    json_free(reply);
    return result;
}

static enum export_result create_trace(struct export_context *c, const uint8_t *trace_id,
                                       struct object *o, bool again)
{
    object_load(c, trace_id, TRACE_ID_LEN, o);
    if (o->state == OBJECT_REFUSED)
        return service_fail(c, EXPORT_REJECTED, "its trace was refused");
    if (!again && o->state != OBJECT_NONE && o->state != OBJECT_CREATING)
        return EXPORT_DELIVERED;
    struct trace *t = NULL;
    if (store_get_trace(c->store, trace_id, &t) != ERR_OK)
        return service_fail(c, EXPORT_REJECTED, "its trace is no longer in the store");
    enum export_result result = EXPORT_DELIVERED;
    if (o->state == OBJECT_CREATING)
        result = find_trace(c, t, o);
    if (result == EXPORT_DELIVERED && (again || o->state == OBJECT_NONE))
        result = send_create(c, "/api/traces", body_create_trace(c, t), "trace_id", o,
                             late_trace_sum(c, t, o));
    trace_free(t);
    return result;
}

/* The trace as the server knows it; made there if it has to be. */
static enum export_result need_trace(struct export_context *c, const uint8_t *trace_id,
                                     struct object *o)
{
    const struct service *s = *c->state;
    object_load(c, trace_id, TRACE_ID_LEN, o);
    if (s->client_ids && o->state == OBJECT_NONE)
        return EXPORT_DELIVERED; /* its own entry came before; a 404 would tell otherwise */
    return create_trace(c, trace_id, o, false);
}

/* The server's id of the parent in out, "" where there is none to name. */
static enum export_result need_parent(struct export_context *c, const struct object *trace,
                                      const struct span *s, char *out, int depth)
{
    const struct service *service = *c->state;
    struct object o;
    out[0] = '\0';
    if (id_is_zero(s->parent_span_id, SPAN_ID_LEN))
        return EXPORT_DELIVERED;
    object_load(c, s->parent_span_id, SPAN_ID_LEN, &o);
    if (o.state == OBJECT_NONE || o.state == OBJECT_CREATING) {
        struct span *parent = NULL;
        if (!service->client_ids && depth < PARENT_DEPTH_MAX &&
            store_get_span(c->store, s->trace_id, s->parent_span_id, &parent) == ERR_OK) {
            enum export_result result = create_span_at(c, trace, parent, &o, depth + 1);
            span_free(parent);
            if (result != EXPORT_DELIVERED && result != EXPORT_REJECTED)
                return result;
        }
    }
    if (service->client_ids || (o.state != OBJECT_NONE && o.state != OBJECT_REFUSED))
        memcpy(out, o.remote, sizeof(o.remote));
    return EXPORT_DELIVERED;
}

enum export_result create_span_at(struct export_context *c, const struct object *trace,
                                  struct span *s, struct object *o, int depth)
{
    char parent[SERVICE_ID_MAX];
    char path[SERVICE_URL_MAX];
    object_load(c, s->span_id, SPAN_ID_LEN, o);
    if (o->state == OBJECT_REFUSED)
        return service_fail(c, EXPORT_REJECTED, "the span was refused before");
    enum export_result result = EXPORT_DELIVERED;
    if (o->state == OBJECT_CREATING)
        result = find_span(c, trace, o);
    if (result != EXPORT_DELIVERED || o->state != OBJECT_NONE)
        return result;
    result = need_parent(c, trace, s, parent, depth);
    if (result != EXPORT_DELIVERED)
        return result;
    snprintf(path, sizeof(path), "/api/traces/%s/spans", trace->remote);
    return send_create(c, path, body_create_span(c, s, parent[0] != '\0' ? parent : NULL),
                       "span_id", o, late_span_sum(c, s, o));
}

/* Creates the span; a server that takes our ids and does not know the trace (any more) gets that
 * first. */
static enum export_result create_span(struct export_context *c, struct span *s,
                                      struct object *trace, struct object *o)
{
    const struct service *service = *c->state;
    enum export_result result = create_span_at(c, trace, s, o, 0);
    if (result != EXPORT_RETRY || c->suspect != SUSPECT_ENTRY || !service->client_ids)
        return result;
    c->suspect = SUSPECT_NONE;
    result = create_trace(c, s->trace_id, trace, true);
    return result == EXPORT_DELIVERED ? create_span_at(c, trace, s, o, 0) : result;
}

enum export_result complete_span_at(struct export_context *c, const struct object *trace,
                                    struct span *s, struct object *o)
{
    const struct service *service = *c->state;
    bool lost = false;
    bool completed = false;
    enum export_result result = EXPORT_DELIVERED;
    if (o->state == OBJECT_COMPLETED)
        return EXPORT_DELIVERED;
    if (o->state == OBJECT_COMPLETING)
        result = find_completed_span(c, trace, o, &completed);
    if (result != EXPORT_DELIVERED)
        return result;
    if (completed)
        return object_save(c, o, OBJECT_COMPLETED);
    if (!service->client_ids) {
        result = object_save(c, o, OBJECT_COMPLETING);
        if (result != EXPORT_DELIVERED)
            return result;
    }
    json *body = body_complete_span(c, s, o);
    result = service_complete_call(c, "spans", o->remote, body, &lost);
    json_free(body);
    if (service->client_ids)
        return result;
    if (result == EXPORT_DELIVERED)
        return object_save(c, o, OBJECT_COMPLETED);
    if (!lost)
        (void)object_save(c, o, OBJECT_CREATED);
    return result;
}

/* -------------------------------------------------------------------------- entries */

static enum export_result deliver_span(struct export_context *c, const struct outbox_entry *entry,
                                       struct span *s)
{
    struct service *service = *c->state;
    struct object trace;
    struct object o;
    enum export_result result = need_trace(c, entry->trace_id, &trace);
    if (result != EXPORT_DELIVERED)
        return result;
    object_load(c, s->span_id, SPAN_ID_LEN, &o);
    bool begun = service->client_ids ? entry->op == OUTBOX_SPAN_END
                                     : o.state != OBJECT_NONE && o.state != OBJECT_CREATING;
    if (!begun)
        result = create_span(c, s, &trace, &o);
    if (result != EXPORT_DELIVERED || s->end_time == 0 || entry->op == OUTBOX_SPAN_BEGIN)
        return result;
    if (o.state == OBJECT_REFUSED)
        return service_fail(c, EXPORT_REJECTED, "the span was refused before");
    result = complete_span_at(c, &trace, s, &o);
    if (result == EXPORT_RETRY && c->suspect == SUSPECT_ENTRY && service->client_ids) {
        c->suspect = SUSPECT_NONE; /* it does not know the span: its create is only on its way */
        result = create_span(c, s, &trace, &o);
        if (result == EXPORT_DELIVERED)
            result = complete_span_at(c, &trace, s, &o);
    }
    return result;
}

static enum export_result deliver_trace_end(struct export_context *c,
                                            const struct outbox_entry *entry)
{
    const struct service *service = *c->state;
    struct object o;
    struct trace *t = NULL;
    enum export_result result = need_trace(c, entry->trace_id, &o);
    if (result != EXPORT_DELIVERED)
        return result;
    if (store_get_trace(c->store, entry->trace_id, &t) != ERR_OK)
        return EXPORT_DELIVERED;
    json *body = body_complete_trace(c, t);
    result = service_complete_call(c, "traces", o.remote, body, NULL);
    if (result == EXPORT_RETRY && c->suspect == SUSPECT_ENTRY && service->client_ids) {
        c->suspect = SUSPECT_NONE;
        result = create_trace(c, entry->trace_id, &o, true);
        if (result == EXPORT_DELIVERED)
            result = service_complete_call(c, "traces", o.remote, body, NULL);
    }
    json_free(body);
    if (result == EXPORT_DELIVERED && !service->client_ids)
        result = verify_trace(c, t, &o);
    if (result == EXPORT_DELIVERED)
        result = late_tell_trace(c, t, &o);
    trace_free(t);
    return result;
}

static enum export_result deliver(struct export_context *c, const struct outbox_entry *entry)
{
    struct service *s = service_get(c);
    struct object o;
    if (s == NULL)
        return service_fail(c, EXPORT_RETRY, "out of memory");
    if (c->destination->url == NULL || c->destination->url[0] == '\0')
        return service_fail(c, EXPORT_BLOCKED, "no address of a service; set TRACER_URL");
    enum export_result result = service_probe(c);
    if (result != EXPORT_DELIVERED)
        return result;
    if (entry->op == OUTBOX_TRACE_BEGIN)
        return create_trace(c, entry->trace_id, &o, false);
    if (entry->op == OUTBOX_TRACE_END)
        return deliver_trace_end(c, entry);
    struct span *span = NULL;
    if (store_get_span(c->store, entry->trace_id, entry->span_id, &span) != ERR_OK)
        return EXPORT_DELIVERED; /* deleted by age in the meantime */
    result = deliver_span(c, entry, span);
    span_free(span);
    return result;
}

const struct exporter exporter_service = {
    .name = "service",
    .deliver = deliver,
    .deliver_batch = service_batch,
    .release = service_release,
};
