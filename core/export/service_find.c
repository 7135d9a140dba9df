#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "export/service.h"

#define FIND_PAGES_MAX 10
/* How much earlier than our clock says a server may have filed a trace. */
#define FIND_SKEW (600 * NS_PER_SEC)

/* The member of an array of traces or spans that we made, or NULL. */
static const json *made_by_us(const json *array, const char *local)
{
    for (const json *e = json_first(array); e != NULL; e = json_next(e)) {
        const char *id = json_text(json_path(e, "metadata.client_id"));
        if (id != NULL && strcmp(id, local) == 0)
            return e;
    }
    return NULL;
}

static enum export_result found(struct export_context *c, struct object *o, const json *e,
                                const char *key)
{
    const char *id = json_get_text(e, key);
    if (!object_id_fits(id))
        return service_fail(c, EXPORT_RETRY, "the service shows an object without a %s", key);
    snprintf(o->remote, sizeof(o->remote), "%s", id);
    bool ended = json_get_text(e, "end_time") != NULL;
    return object_save(c, o, ended ? OBJECT_COMPLETED : OBJECT_CREATED);
}

/* Whether a page reaches back behind the time at which the trace can have been filed. */
static bool is_too_old(const json *page, int64_t start_time)
{
    const json *traces = json_get(page, "traces");
    size_t count = json_length(traces);
    const char *oldest = count > 0 ? json_get_text(json_at(traces, count - 1), "start_time") : NULL;
    int64_t time;
    return oldest != NULL && clock_parse_iso(oldest, &time) == ERR_OK &&
           time < start_time - FIND_SKEW;
}

static void append_escaped(struct buf *out, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    for (; *text != '\0'; text++) {
        char code[4];
        snprintf(code, sizeof(code), "%%%02X", (unsigned char)*text);
        if (strchr(plain, *text) != NULL)
            buf_append_cut(out, text, 1);
        else
            buf_append_cut(out, code, 3);
    }
}

enum export_result find_trace(struct export_context *c, const struct trace *t, struct object *o)
{
    struct buf path;
    json *page = NULL;
    enum export_result result = EXPORT_DELIVERED;
    buf_init(&path, SERVICE_URL_MAX - 1);
    buf_append_cut(&path, "/api/traces?limit=100", 21);
    for (int i = 0; i < FIND_PAGES_MAX; i++) {
        json_free(page);
        page = NULL;
        result = service_call(c, "GET", buf_str(&path), NULL, &page, NULL);
        if (result != EXPORT_DELIVERED)
            break;
        const json *e = made_by_us(json_get(page, "traces"), o->local);
        if (e != NULL) {
            result = found(c, o, e, "trace_id");
            /* A trace is completed again at its end, which changes nothing. */
            if (result == EXPORT_DELIVERED)
                o->state = OBJECT_CREATED;
            goto out;
        }
        const char *cursor = json_get_text(page, "next_cursor");
        if (cursor == NULL || !json_is_true(json_get(page, "has_more")) ||
            is_too_old(page, t->start_time))
            break;
        buf_clear(&path);
        buf_append_cut(&path, "/api/traces?limit=100&cursor=", 29);
        append_escaped(&path, cursor);
    }
    if (result == EXPORT_DELIVERED)
        result = object_save(c, o, OBJECT_NONE);
out:
    json_free(page);
    buf_release(&path);
    return result;
}

static enum export_result read_trace(struct export_context *c, const struct object *trace,
                                     json **detail)
{
    char path[SERVICE_URL_MAX];
    snprintf(path, sizeof(path), "/api/traces/%s", trace->remote);
    return service_call(c, "GET", path, NULL, detail, NULL);
}

enum export_result find_span(struct export_context *c, const struct object *trace, struct object *o)
{
    json *detail = NULL;
    enum export_result result = read_trace(c, trace, &detail);
    if (result == EXPORT_DELIVERED) {
        const json *e = made_by_us(json_get(detail, "spans"), o->local);
        result = e != NULL ? found(c, o, e, "span_id") : object_save(c, o, OBJECT_NONE);
    }
    json_free(detail);
    return result;
}

static const json *span_of(const json *detail, const char *remote)
{
    for (const json *e = json_first(json_get(detail, "spans")); e != NULL; e = json_next(e)) {
        const char *id = json_get_text(e, "span_id");
        if (id != NULL && strcmp(id, remote) == 0)
            return e;
    }
    return NULL;
}

enum export_result find_completed_span(struct export_context *c, const struct object *trace,
                                       const struct object *o, bool *completed)
{
    json *detail = NULL;
    enum export_result result = read_trace(c, trace, &detail);
    *completed = json_get_text(span_of(detail, o->remote), "end_time") != NULL;
    json_free(detail);
    return result;
}

/* -------------------------------------------------------------------------- verification */

struct missing {
    struct export_context *c;
    const json *detail;
    uint8_t (*ids)[SPAN_ID_LEN];
    size_t count, cap;
};

/* Notes a span that we completed and the server shows as running or not at all. */
static int look_at_span(void *user, const struct span *s)
{
    struct missing *m = user;
    struct object o;
    object_load(m->c, s->span_id, SPAN_ID_LEN, &o);
    if (o.state != OBJECT_COMPLETED ||
        json_get_text(span_of(m->detail, o.remote), "end_time") != NULL)
        return ERR_OK;
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 16 : 2 * m->cap;
        void *ids = realloc(m->ids, cap * sizeof(*m->ids));
        if (ids == NULL)
            return ERR_NOMEM;
        m->ids = ids;
        m->cap = cap;
    }
    memcpy(m->ids[m->count++], s->span_id, SPAN_ID_LEN);
    return ERR_OK;
}

/* Completes a span again, created again if the server does not show it. */
static enum export_result repair_span(struct export_context *c, const struct object *trace,
                                      const uint8_t *trace_id, const uint8_t *span_id, bool shown)
{
    struct span *s = NULL;
    struct object o;
    if (store_get_span(c->store, trace_id, span_id, &s) != ERR_OK)
        return EXPORT_DELIVERED;
    object_load(c, span_id, SPAN_ID_LEN, &o);
    enum export_result result = object_save(c, &o, shown ? OBJECT_CREATED : OBJECT_NONE);
    if (result == EXPORT_DELIVERED && !shown)
        result = create_span_at(c, trace, s, &o, 0);
    if (result == EXPORT_DELIVERED)
        result = complete_span_at(c, trace, s, &o);
    span_free(s);
    return result;
}

enum export_result verify_trace(struct export_context *c, const struct trace *t,
                                const struct object *trace)
{
    json *detail = NULL;
    enum export_result result = read_trace(c, trace, &detail);
    if (result != EXPORT_DELIVERED)
        return result;
    struct missing m = {.c = c, .detail = detail};
    if (json_text(json_path(detail, "trace.end_time")) == NULL) {
        c->suspect = SUSPECT_SERVER;
        result = service_fail(c, EXPORT_RETRY,
                              "the service does not keep what it accepts (a completed trace still "
                              "runs there)");
    } else if (store_each_span(c->store, t->trace_id, look_at_span, &m) != ERR_OK) {
        result = service_fail(c, EXPORT_RETRY, "the local store cannot be read");
    }
    for (size_t i = 0; i < m.count && result == EXPORT_DELIVERED; i++) {
        struct object o;
        object_load(c, m.ids[i], SPAN_ID_LEN, &o);
        result = repair_span(c, trace, t->trace_id, m.ids[i], span_of(detail, o.remote) != NULL);
    }
    free(m.ids);
    json_free(detail);
    return result;
}
