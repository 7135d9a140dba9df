/* Exchanges to spans: what http/ finds in a connection is handed to llm/, and the call becomes a
 * span at its request's end (running, in the store only if it outlasts a commit) and at its end. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

/* Out of the list that it is in. */
void call_leave(struct call *call)
{
    struct depot *d = call->ring->depot;
    struct call **firsts[] = {[CALL_FRESH] = &d->fresh,
                              [CALL_SHOWN] = &d->shown,
                              [CALL_UNDECIDED] = &call->ring->undecided,
                              [CALL_INSIDE] = joined_calls(call->inside)};
    if (call->list == CALL_IN_NONE)
        return;
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        *firsts[call->list] = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    else if (call->list == CALL_SHOWN)
        d->shown_last = call->prev;
    if (call->list == CALL_INSIDE)
        inside_left(call->inside);
    call->next = call->prev = NULL;
    call->list = CALL_IN_NONE;
    call->inside = NULL;
}

void call_enlist(struct call *call, enum call_list list, struct call **first)
{
    call_leave(call);
    call->list = list;
    call->next = *first;
    if (call->next != NULL)
        call->next->prev = call;
    *first = call;
}

void call_looked_at(struct call *call)
{
    struct depot *d = call->ring->depot;
    call_leave(call);
    call->list = CALL_SHOWN;
    call->prev = d->shown_last;
    if (call->prev != NULL)
        call->prev->next = call;
    else
        d->shown = call;
    d->shown_last = call;
    call->looked = d->collector->now;
}

uint64_t call_progress(const struct call *call)
{
    return call->bytes + (uint64_t)call->seen->status_code;
}

void call_settled(struct call *call)
{
    call_looked_at(call);
    call->written = call->looked;
    call->told = call_progress(call);
}

void call_free(struct call *call)
{
    call_leave(call);
    if (call->trace != NULL)
        call->trace->open--;
    call->ring->open_calls--;
    llm_parser_free(call->parser);
    span_free(call->ended);
    client_leave(call->client);
    free(call->place.name);
    free(call);
}

static void on_request(void *user, struct http_exchange *x)
{
    struct conn *c = user;
    struct ring *r = c->ring;
    c->touched = true;
    struct llm_parser *parser = NULL;
    const char *endpoints = r->process.endpoints != NULL ? r->process.endpoints : "";
    if (llm_parser_new(&parser, x, c->host != NULL ? c->host : "", endpoints, c->tls,
                       (size_t)r->process.content_max) != ERR_OK)
        return;
    struct call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        llm_parser_free(parser);
        return;
    }
    call->ring = r;
    call->conn = c;
    call->parser = parser;
    call->began = r->collector->now;
    id_derive(r->id, c->id, x->request_offset, "span", call->span_id, SPAN_ID_LEN);
    const struct active_ids *active = conn_active_at(c, x->request_offset);
    if (active != NULL) {
        call->active = *active;
        call->has_active = true;
    }
    r->open_calls++;
    x->user = call;
}

static void on_request_body(void *user, struct http_exchange *x, const char *data, size_t len,
                            int64_t time)
{
    (void)user;
    (void)time;
    struct call *call = x->user;
    if (call == NULL)
        return;
    call->bytes += len;
    llm_parser_request_body(call->parser, data, len);
}

/* Whether the calls of the ring's process are put together by their conversations. */
static bool groups_conversations(struct ring *r)
{
    return r->process.run_trace == NULL && process_listens(&r->process);
}

/* Where the call goes if nobody else says so. False: out of memory. */
static bool find_place(struct call *call, const struct llm_call *seen)
{
    struct process *p = &call->ring->process;
    struct group_process group = {.ring_id = call->ring->id,
                                  .run_trace = p->run_trace,
                                  .run_name = p->run_name,
                                  .traceparent = p->traceparent,
                                  .command = p->command,
                                  .listens = groups_conversations(call->ring),
                                  .span_id = call->span_id};
    if (grouper_place(call->ring->collector->grouper, &group, seen, &call->place) != ERR_OK)
        return false;
    call->start = seen->t_request + p->boot_to_wall;
    call->operation = seen->operation;
    return true;
}

bool call_place(struct call *call)
{
    if (call->trace == NULL) {
        call->trace = trace_get(call->ring, &call->place, call->start);
        if (call->trace == NULL)
            return false;
        call->trace->open++;
    }
    return true;
}

static void on_request_end(void *user, struct http_exchange *x)
{
    struct conn *c = user;
    struct call *call = x->user;
    if (x->t_request_end != 0) /* 0: it only ended with its exchange */
        c->answerable++;
    if (call == NULL)
        return;
    call->seen = llm_parser_request_end(call->parser, x);
    if (call->seen == NULL || !find_place(call, call->seen) || !join_begin(call)) {
        x->user = NULL;
        call_free(call);
    }
}

static void on_response(void *user, struct http_exchange *x)
{
    (void)user;
    struct call *call = x->user;
    if (call != NULL)
        llm_parser_response(call->parser, x);
}

static void on_response_body(void *user, struct http_exchange *x, const char *data, size_t len,
                             int64_t time)
{
    (void)user;
    struct call *call = x->user;
    if (call == NULL)
        return;
    call->bytes += len;
    llm_parser_response_body(call->parser, data, len, time);
}

static const char *layer_name(uint8_t layer)
{
    static const char *const names[] = {[WIRE_LAYER_LIBC] = "libc",
                                        [WIRE_LAYER_OPENSSL] = "openssl",
                                        [WIRE_LAYER_GNUTLS] = "gnutls",
                                        [WIRE_LAYER_CURL] = "curl",
                                        [WIRE_LAYER_NSS] = "nss"};
    return layer < sizeof(names) / sizeof(names[0]) ? names[layer] : NULL;
}

static void set_ids(const struct call *call, struct span *s)
{
    memcpy(s->trace_id, call->place.trace_id, TRACE_ID_LEN);
    memcpy(s->span_id, call->span_id, SPAN_ID_LEN);
    memcpy(s->parent_span_id, call->place.parent_span_id, SPAN_ID_LEN);
}

/* The span of a call, with everything but the figures and messages. */
static struct span *span_of(struct call *call)
{
    struct span *s = span_new();
    if (s == NULL)
        return NULL;
    struct ring *r = call->ring;
    const char *route = layer_name(call->conn->layer);
    set_ids(call, s);
    s->process.pid = r->process.pid;
    s->process.exe = r->process.exe != NULL ? strdup(r->process.exe) : NULL;
    s->process.argv = json_copy(r->process.argv);
    s->capture_route = route != NULL ? strdup(route) : NULL;
    s->ring_id = r->id;
    return s;
}

struct span *call_snapshot(struct call *call)
{
    struct span *s = span_of(call);
    if (s == NULL)
        return NULL;
    struct llm_call copy = *call->seen; /* span_from_call takes the JSON over, copies the texts */
    copy.input = json_copy(call->seen->input);
    copy.output = llm_parser_output(call->parser);
    copy.metadata = json_copy(call->seen->metadata);
    copy.price = json_copy(call->seen->price);
    copy.finish_reasons = json_copy(call->seen->finish_reasons);
    copy.t_end = 0;
    span_from_call(s, &copy, call->ring->process.boot_to_wall, call->ring->process.content);
    json_free(copy.input);
    json_free(copy.output);
    json_free(copy.metadata);
    json_free(copy.price);
    json_free(copy.finish_reasons);
    s->end_time = 0;
    return s;
}

static void set_error(struct span *s, const char *error, const char *type)
{
    free(s->error);
    free(s->error_type);
    s->error = strdup(error);
    s->error_type = strdup(type);
}

/* An answer that its process did not live to read to the end. */
static void mark_partial(struct span *s, const struct ring *r, const struct http_exchange *x)
{
    if (x->how != HTTP_ABORTED)
        return;
    s->partial = true;
    if (!r->alive)
        set_error(s, "process ended", "process_ended");
    else if (s->error == NULL)
        set_error(s, "connection closed before the end of the answer", "connection_closed");
}

struct client *call_client(const struct call *call)
{
    if (call->client != NULL || call->trace == NULL || call->trace->by_hand == NULL)
        return call->client;
    return call->trace->by_hand->client;
}

void call_commit(struct call *call)
{
    struct ring *r = call->ring;
    struct span *s = call->ended;
    if (!call_place(call))
        return;
    call->ended = NULL;
    set_ids(call, s);
    struct trace *t = call->trace->trace;
    if (s->error != NULL && t->error == NULL)
        t->error = strdup(s->error);
    if (span_seal(s, CONTENT_MAX) != ERR_OK)
        log_debug("a span is printed only at its commit, or refused there");
    struct finished f = {.span = s,
                         .ring = r,
                         .trace = call->trace,
                         .client = call_client(call),
                         .bytes = call->bytes};
    if (f.client != NULL)
        client_use(f.client);
    if (depot_add_span(r->depot, &f) != ERR_OK) {
        span_free(s);
        client_leave(f.client);
    }
}

/* The exchange has ended: its span, or NULL. */
static struct span *span_at_end(struct call *call, struct http_exchange *x)
{
    struct ring *r = call->ring;
    struct llm_call *seen = llm_parser_end(call->parser, x);
    struct span *s = seen != NULL ? span_of(call) : NULL;
    if (s != NULL) {
        if (groups_conversations(r)) /* nobody else would ask for it */
            grouper_finish(r->collector->grouper, seen, call->place.trace_id);
        span_from_call(s, seen, r->process.boot_to_wall, r->process.content);
        mark_partial(s, r, x);
        if (s->end_time <= 0)
            s->end_time = clock_wall_ns();
    }
    llm_call_free(seen);
    return s;
}

static void on_end(void *user, struct http_exchange *x)
{
    struct conn *c = user;
    struct ring *r = c->ring;
    c->touched = true;
    if (x->t_request_end != 0 && c->answerable > 0)
        c->answerable--;
    struct call *call = x->user;
    if (call == NULL)
        return;
    x->user = NULL;
    call->ended = r->abandoned ? NULL : span_at_end(call, x);
    if (call->ended == NULL) {
        call_free(call);
        return;
    }
    r->calls++;
    r->collector->totals.calls++;
    llm_parser_free(call->parser);
    call->parser = NULL;
    call->seen = NULL;
    call->conn = NULL;
    join_end(call);
}

const struct http_handler call_handler = {
    .request = on_request,
    .request_body = on_request_body,
    .request_end = on_request_end,
    .response = on_response,
    .response_body = on_response_body,
    .end = on_end,
};
