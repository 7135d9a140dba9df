/* The four writes, one a request. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/api.h"
#include "service/print.h"

static bool same(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The one write of the request; NULL: answered. */
static struct stored_write *read_body(struct request *r, enum body_kind kind)
{
    if (!api_may_write(r))
        return NULL;
    struct api_state *state = api_state(r);
    if (state == NULL)
        return NULL;
    struct stored_write *write = arena_get(&state->arena, sizeof(*write));
    r->writes = malloc(sizeof(struct stored_write *));
    int err = write == NULL || r->writes == NULL
                  ? ERR_NOMEM
                  : body_read(kind, api_body(r), &state->arena, write, &state->problems);
    if (err == ERR_OK)
        err = write_finish(write, &state->arena, clock_wall_ns());
    if (err == ERR_OK) {
        write->project_id = r->project_id;
        r->writes[0] = write;
        r->write_count = 1;
        return write;
    }
    if (err == ERR_BAD)
        problems_answer(&state->problems, r);
    else
        request_fail(r, 503, "out of memory");
    return NULL;
}

void api_create_trace(struct request *r)
{
    const struct stored_write *write = read_body(r, BODY_CREATE_TRACE);
    if (write != NULL && !same(write->trace.project_id, r->project_id))
        request_fail(r, 403, "project_id is not the project of the API key");
}

void api_create_span(struct request *r)
{
    struct stored_write *write = read_body(r, BODY_CREATE_SPAN);
    if (write != NULL)
        write->span.trace_id = r->ids[0];
}

void api_complete_span(struct request *r)
{
    struct stored_write *write = read_body(r, BODY_COMPLETE_SPAN);
    if (write != NULL)
        write->span.span_id = r->ids[0];
}

void api_complete_trace(struct request *r)
{
    struct stored_write *write = read_body(r, BODY_COMPLETE_TRACE);
    if (write != NULL)
        write->trace.trace_id = r->ids[0];
}

static bool is_trace(const struct stored_write *write)
{
    return write->op == STORED_CREATE_TRACE || write->op == STORED_COMPLETE_TRACE;
}

void api_tell(const struct request *r, const struct stored_write *write)
{
    struct service *s = (struct service *)r->service; /* events keep their own locks */
    if (write->existed)
        return;
    if (is_trace(write))
        events_tell(s, EVENT_TRACE, write->project_id, write->trace.trace_id, (struct text){0});
    else if (write->op == STORED_CREATE_SPAN)
        events_tell(s, EVENT_SPAN, write->project_id, write->span.trace_id, write->span.span_id);
    else if (write->trace_id.at != NULL)
        events_tell(s, EVENT_SPAN, write->project_id, write->trace_id, write->span.span_id);
}

static const char *detail(const struct stored_write *write)
{
    if (write->result == ERR_DENIED)
        return "the span belongs to a trace of another project";
    return write->op == STORED_COMPLETE_SPAN ? "Span not found" : "Trace not found";
}

static int print_written(struct buf *out, const struct stored_write *write)
{
    const bool trace = is_trace(write);
    const bool created = write->op == STORED_CREATE_TRACE || write->op == STORED_CREATE_SPAN;
    int err = buf_append_str(out, trace ? "{\"trace_id\":" : "{\"span_id\":");
    if (err == ERR_OK)
        err = print_text(out, trace ? write->trace.trace_id : write->span.span_id);
    if (err == ERR_OK)
        err = buf_append_str(out,
                             created ? ",\"status\":\"created\"}" : ",\"status\":\"completed\"}");
    return err;
}

void api_written(struct request *r, struct backend_session *session)
{
    const struct stored_write *write = r->writes[0];
    if (r->write_result != ERR_OK) {
        request_fail_store(r, r->write_result, session);
    } else if (write->result == ERR_OK) {
        api_tell(r, write);
        api_finish(r, print_written(&r->answer, write));
    } else if (write->result == ERR_NOENT || write->result == ERR_DENIED) {
        request_fail(r, write->result == ERR_DENIED ? 403 : 404, "%s", detail(write));
    } else if (write->result == ERR_BAD) {
        request_fail(r, 422, REFUSED_INVALID);
    } else {
        request_fail_store(r, write->result, session);
    }
}
