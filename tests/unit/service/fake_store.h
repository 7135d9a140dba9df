/* A backend of the tests' own: it says what the test told it to say, and keeps what it was asked.
 * And what the server has elsewhere for a request. */
#ifndef TESTS_UNIT_SERVICE_FAKE_STORE_H
#define TESTS_UNIT_SERVICE_FAKE_STORE_H

#include "unit/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/api.h"
#include "service/internal.h"

#define FAKE_WRITES 64

static struct fake_store {
    pthread_mutex_t lock;
    /* To be said. */
    int error;                /* of every call */
    int results[FAKE_WRITES]; /* of the writes, one after another */
    bool existed;
    const struct stored_trace *traces;
    size_t trace_count;
    const struct stored_span *spans;
    size_t span_count;
    const struct stored_group *groups;
    size_t group_count;
    const char *next_cursor;
    int64_t changes;
    const char *trace_of_span; /* what a complete is told */
    /* What was asked. */
    size_t write_calls, writes;
    atomic_size_t lists, reads;
    struct stored_filter filter;
    struct stored_stats stats;
    bool content;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int fake_session_new(struct backend *b, bool writer, struct backend_session **out)
{
    (void)b;
    (void)writer;
    *out = (struct backend_session *)&fake;
    return ERR_OK;
}

static void fake_session_free(struct backend_session *s)
{
    (void)s;
}

static const char *fake_error(const struct backend_session *s)
{
    (void)s;
    return "as the test wants it";
}

static int fake_write(struct backend_session *s, struct stored_write *const *writes, size_t count)
{
    (void)s;
    fake.write_calls++;
    for (size_t i = 0; i < count; i++) {
        writes[i]->result = fake.writes < FAKE_WRITES ? fake.results[fake.writes] : ERR_OK;
        writes[i]->existed = fake.existed;
        if (writes[i]->op == STORED_COMPLETE_SPAN)
            writes[i]->trace_id = text_of(fake.trace_of_span);
        fake.writes++;
    }
    return fake.error;
}

static bool fake_is(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static int fake_list(struct backend_session *s, const struct stored_filter *f,
                     stored_trace_fn *each, void *user, char **next_cursor)
{
    (void)s;
    pthread_mutex_lock(&fake.lock);
    int err = fake.error;
    fake.filter = *f;
    fake.lists++;
    for (size_t i = 0; i < fake.trace_count && err == ERR_OK; i++)
        if (f->status != STORED_RUNNING || fake.traces[i].end_time == 0)
            err = each(user, &fake.traces[i]);
    *next_cursor = fake.next_cursor == NULL || err != ERR_OK ? NULL : strdup(fake.next_cursor);
    pthread_mutex_unlock(&fake.lock);
    return err;
}

static int fake_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                      stored_trace_fn *each, void *user)
{
    bool found = false;
    (void)s;
    pthread_mutex_lock(&fake.lock);
    int err = fake.error;
    fake.reads++;
    for (size_t i = 0; i < fake.trace_count && err == ERR_OK && !found; i++) {
        found = fake_is(fake.traces[i].trace_id, trace_id) &&
                (project_id.at == NULL || fake_is(fake.traces[i].project_id, project_id));
        if (found)
            err = each(user, &fake.traces[i]);
    }
    pthread_mutex_unlock(&fake.lock);
    return err == ERR_OK && !found ? ERR_NOENT : err;
}

static int fake_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                      bool content, stored_span_fn *each, void *user)
{
    int err = fake.error;
    (void)s;
    (void)project_id;
    (void)trace_id;
    fake.content = content;
    for (size_t i = 0; i < fake.span_count && err == ERR_OK; i++)
        err = each(user, &fake.spans[i]);
    return err;
}

static int fake_span(struct backend_session *s, struct text project_id, struct text span_id,
                     stored_span_fn *each, void *user)
{
    (void)s;
    (void)project_id;
    for (size_t i = 0; i < fake.span_count && fake.error == ERR_OK; i++)
        if (fake_is(fake.spans[i].span_id, span_id))
            return each(user, &fake.spans[i]);
    return fake.error != ERR_OK ? fake.error : ERR_NOENT;
}

static int fake_stats(struct backend_session *s, const struct stored_stats *q,
                      stored_group_fn *each, void *user)
{
    int err = fake.error;
    (void)s;
    fake.stats = *q;
    for (size_t i = 0; i < fake.group_count && err == ERR_OK; i++)
        err = each(user, &fake.groups[i]);
    return err;
}

static int64_t fake_changes(struct backend_session *s)
{
    (void)s;
    pthread_mutex_lock(&fake.lock);
    const int64_t changes = fake.changes;
    pthread_mutex_unlock(&fake.lock);
    return changes;
}

static struct backend_ops fake_ops = {
    .name = "sqlite",
    .session_new = fake_session_new,
    .session_free = fake_session_free,
    .error = fake_error,
    .write = fake_write,
    .list = fake_list,
    .trace = fake_trace,
    .spans = fake_spans,
    .span = fake_span,
    .stats = fake_stats,
    .changes = fake_changes,
};

/* ---- What the server has elsewhere */

static const char *query[16]; /* name, value, ..., NULL */

const char *request_query(const struct request *r, const char *name)
{
    (void)r;
    for (size_t i = 0; query[i] != NULL; i += 2)
        if (strcmp(query[i], name) == 0)
            return query[i + 1];
    return NULL;
}

void request_fail(struct request *r, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(&r->answer);
    if (buf_vprintf(&r->answer, format, args) != ERR_OK)
        buf_clear(&r->answer); /* the status says enough */
    va_end(args);
    r->status = status;
}

void request_fail_store(struct request *r, int err, struct backend_session *session)
{
    (void)session;
    request_fail(r, err == ERR_FULL ? 507 : 503, "store: %s", err_str(err));
}

struct event_wake {
    atomic_uint count;
};

void event_wake(struct event_wake *wake)
{
    atomic_fetch_add(&wake->count, 1);
}

/* ---- One request */

static struct service fake_service = {
    .settings = {.backend = &fake_ops, .key_required = true},
};
static struct request request;

/* What was asked before is forgotten. */
static inline void fake_clear(void)
{
    memset((char *)&fake + sizeof(fake.lock), 0, sizeof(fake) - sizeof(fake.lock));
    query[0] = NULL;
    fake_ops.read_only = fake_ops.shared = false;
}

static inline void request_end(void)
{
    if (request.release != NULL)
        request.release(&request);
    buf_release(&request.body);
    buf_release(&request.answer);
    request = (struct request){0};
}

static inline const struct route *route_of(const char *method, const char *path)
{
    const struct route *route = service_routes;
    while (route->method != NULL &&
           (strcmp(route->method, method) != 0 || strcmp(route->path, path) != 0))
        route++;
    assert_non_null(route->method);
    return route;
}

/* Goes through the request as the server does; the answer. path: as in the table of routes. */
static inline const char *ask(const char *method, const char *path, const char *id,
                              const char *body, size_t answer_max)
{
    request_end();
    const struct route *route = route_of(method, path);
    request = (struct request){
        .service = &fake_service,
        .backend = &fake_ops,
        .route = route,
        .ids = {text_of(id)},
        .project_id = text_of("p"),
        .content_type = "",
    };
    buf_init(&request.body, (size_t)64 << 20);
    buf_init(&request.answer, answer_max);
    if (body != NULL)
        assert_int_equal(buf_append_str(&request.body, body), ERR_OK);
    struct backend_session *session = (struct backend_session *)&fake;
    if (route->prepare != NULL)
        route->prepare(&request);
    if (request.status == 0 && route->work == ROUTE_WRITE)
        request.write_result = fake_ops.write(session, request.writes, request.write_count);
    if (request.status == 0)
        route->answer(&request, session);
    assert_int_not_equal(request.status, 0);
    return buf_str(&request.answer);
}

static inline const char *call(const char *method, const char *path, const char *id,
                               const char *body)
{
    return ask(method, path, id, body, 1 << 20);
}

static inline void set_query(const char *name, const char *value)
{
    size_t i = 0;
    while (query[i] != NULL)
        i += 2;
    query[i] = name;
    query[i + 1] = value;
    query[i + 2] = NULL;
}

#endif
