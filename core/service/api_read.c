/* Traces and spans as they are asked for, printed straight into the answer. */
#include <stdlib.h>

#include "service/api.h"
#include "service/print.h"

#define LIMIT_USUAL  50
#define LIMIT_MAX    1000
#define CURSOR_CHARS 2048
#define NAME_CHARS   255
#define QUERY_CHARS  1000

static const char *const statuses[] = {"running", "ok", "error", NULL};
static const enum stored_status status_of[] = {STORED_RUNNING, STORED_OK, STORED_ERROR};
static const char *const sorts[] = {"start_time", "duration", "cost", "tokens", "ttft", NULL};
static const char *const orders[] = {"desc", "asc", NULL};

/* What a call of the backend prints into the answer. */
struct printing {
    struct buf *out;
    size_t count;
    int err;   /* of printing, which is not the backend's */
    bool bare; /* traces without metadata and output, which may be large */
};

void api_list_prepare(struct request *r)
{
    struct api_state *state = api_state(r);
    if (state == NULL)
        return;
    struct stored_filter *f = &state->filter;
    struct problems *p = &state->problems;
    int64_t limit = LIMIT_USUAL;
    size_t status = sizeof(statuses), sort = SORT_START, order = 0;
    state->content = true;
    f->project_id = r->project_id;
    query_bool(r, p, "content", &state->content);
    query_int(r, p, "limit", 1, LIMIT_MAX, &limit);
    query_text(r, p, "cursor", CURSOR_CHARS, &f->cursor);
    query_text(r, p, "user_id", NAME_CHARS, &f->user_id);
    query_text(r, p, "session_id", NAME_CHARS, &f->session_id);
    query_tags(r, p, f);
    query_text(r, p, "name", NAME_CHARS, &f->name);
    query_text(r, p, "model", NAME_CHARS, &f->model);
    query_text(r, p, "q", QUERY_CHARS, &f->q);
    query_choice(r, p, "status", statuses, "'running', 'ok', 'error'", &status);
    query_time(r, p, "from", &f->from);
    query_time(r, p, "to", &f->to);
    query_int(r, p, "min_duration_ms", 0, INT64_MAX / 1000000, &f->min_duration_ms);
    query_choice(r, p, "sort", sorts, "'start_time', 'duration', 'cost', 'tokens', 'ttft'", &sort);
    query_choice(r, p, "order", orders, "'desc', 'asc'", &order);
    f->limit = (size_t)limit;
    f->status = status < sizeof(statuses) ? status_of[status] : STORED_ANY;
    f->sort = (enum stored_sort)sort;
    f->ascending = order == 1;
    if (p->count > 0)
        problems_answer(p, r);
}

static int each_trace(void *user, const struct stored_trace *trace)
{
    struct printing *p = user;
    struct stored_trace shown = *trace;
    if (p->bare)
        shown.metadata = shown.output = (struct text){0};
    if (p->count++ > 0)
        p->err = buf_append_char(p->out, ',');
    if (p->err == ERR_OK)
        p->err = print_trace(p->out, &shown);
    return p->err;
}

static int each_span(void *user, const struct stored_span *span)
{
    struct printing *p = user;
    if (p->count++ > 0)
        p->err = buf_append_char(p->out, ',');
    if (p->err == ERR_OK)
        p->err = print_span(p->out, span);
    return p->err;
}

static int print_list_end(struct buf *out, const char *cursor, size_t count)
{
    int err = buf_append_str(out, "],\"next_cursor\":");
    if (err == ERR_OK)
        err = print_text(out, text_of(cursor));
    if (err == ERR_OK)
        err = buf_printf(out, ",\"has_more\":%s,\"count\":%zu}", cursor != NULL ? "true" : "false",
                         count);
    return err;
}

void api_list(struct request *r, struct backend_session *session)
{
    struct api_state *state = r->state;
    struct printing p = {.out = &r->answer, .bare = !state->content};
    char *cursor = NULL;
    p.err = buf_append_str(&r->answer, "{\"traces\":[");
    const int err = r->backend->list(session, &state->filter, each_trace, &p, &cursor);
    if (p.err == ERR_OK && err == ERR_BAD && state->filter.cursor.at != NULL) {
        state->problems.where = "query";
        problems_add(&state->problems,
                     (struct problem){.kind = PROBLEM_CURSOR, .field = "cursor", .index = -1});
        problems_answer(&state->problems, r);
    } else if (p.err == ERR_OK && err != ERR_OK) {
        request_fail_store(r, err, session);
    } else {
        if (p.err == ERR_OK)
            p.err = print_list_end(&r->answer, cursor, p.count);
        api_finish(r, p.err);
    }
    free(cursor);
}

void api_trace_prepare(struct request *r)
{
    struct api_state *state = api_state(r);
    if (state == NULL)
        return;
    state->content = true;
    query_bool(r, &state->problems, "content", &state->content);
    if (state->problems.count > 0)
        problems_answer(&state->problems, r);
}

static void fail_read(struct request *r, int err, struct backend_session *session, const char *what)
{
    if (err == ERR_NOENT)
        request_fail(r, 404, "%s not found", what);
    else
        request_fail_store(r, err, session);
}

void api_trace(struct request *r, struct backend_session *session)
{
    const struct api_state *state = r->state;
    struct printing trace = {.out = &r->answer}, spans = {.out = &r->answer};
    trace.err = buf_append_str(&r->answer, "{\"trace\":");
    int err = r->backend->trace(session, r->project_id, r->ids[0], each_trace, &trace);
    if (trace.err == ERR_OK && err == ERR_OK)
        trace.err = buf_append_str(&r->answer, ",\"spans\":[");
    if (trace.err == ERR_OK && err == ERR_OK)
        err =
            r->backend->spans(session, r->project_id, r->ids[0], state->content, each_span, &spans);
    if (trace.err != ERR_OK || spans.err != ERR_OK) {
        api_finish(r, trace.err != ERR_OK ? trace.err : spans.err);
    } else if (err != ERR_OK) {
        fail_read(r, err, session, "Trace");
    } else {
        api_finish(r, buf_printf(&r->answer, "],\"span_count\":%zu}", spans.count));
    }
}

void api_span(struct request *r, struct backend_session *session)
{
    struct printing p = {.out = &r->answer};
    p.err = buf_append_str(&r->answer, "{\"span\":");
    const int err = r->backend->span(session, r->project_id, r->ids[0], each_span, &p);
    if (p.err == ERR_OK && err != ERR_OK) {
        fail_read(r, err, session, "Span");
        return;
    }
    if (p.err == ERR_OK)
        p.err = buf_append_char(&r->answer, '}');
    api_finish(r, p.err);
}
