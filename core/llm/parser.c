/* The life of an exchange: request and answer are gathered, framed and handed to the API. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "llm/call.h"
#include "llm/headers.h"
#include "llm/provider.h"
#include "llm/recognise.h"
#include "llm/redact.h"

#define ANSWER_BYTES_MIN 4096

int llm_parser_new(struct llm_parser **out, const struct http_exchange *x, const char *host,
                   const char *endpoints, bool tls, size_t content_max)
{
    struct route route;
    if (!route_find(&route, &x->request, host, endpoints, tls))
        return ERR_UNSUPPORTED;
    struct llm_parser *p = calloc(1, sizeof(*p));
    if (!p)
        return ERR_NOMEM;
    p->call = llm_call_new();
    if (!p->call) {
        free(p);
        return ERR_NOMEM;
    }
    p->api = route.api;
    p->host_provider = route.provider;
    p->raw_input = LLM_UNKNOWN;
    body_init(&p->request, content_max, false);
    answer_init(&p->answer, content_max > ANSWER_BYTES_MIN ? content_max : ANSWER_BYTES_MIN);
    sse_init(&p->sse);
    ndjson_init(&p->ndjson);
    body_init(&p->response, content_max, route.api && route.api->vectors);
    p->call->metadata = json_object();
    p->call->t_request = x->t_request;
    headers_of_request(p, &route, &x->request);
    *out = p;
    return ERR_OK;
}

void llm_parser_free(struct llm_parser *p)
{
    if (!p)
        return;
    body_release(&p->request);
    body_release(&p->response);
    answer_release(&p->answer);
    sse_release(&p->sse);
    ndjson_release(&p->ndjson);
    json_free(p->citations);
    llm_call_free(p->call);
    free(p);
}

void llm_parser_request_body(struct llm_parser *p, const char *data, size_t len)
{
    body_feed(&p->request, data, len);
}

/* An endpoint that the user named, with a path that says nothing. */
static const struct llm_api *api_of_body(const json *body)
{
    for (size_t i = 0; body && i < llm_api_count; i++)
        if (llm_apis[i]->recognise && llm_apis[i]->recognise(body))
            return llm_apis[i];
    return NULL;
}

static void request_read(struct llm_parser *p)
{
    struct llm_call *call = p->call;
    json *body = body_parse(&p->request);
    if (!p->api) {
        p->api = api_of_body(body);
        p->response.counting = p->response.filtering = p->api && p->api->vectors;
    }
    if (!p->api) {
        json_free(body);
        return;
    }
    call->api = p->api->name;
    call->operation = p->api->operation;
    llm_set_once(&call->provider, p->host_provider ? p->host_provider : p->api->provider);
    const json *stream = json_get(body, "stream");
    p->wants_stream = stream ? json_is_true(stream) : p->api->stream_default;
    if (!body)
        json_set_bool(call->metadata, "request_unreadable", true);
    p->inference = p->api->request(p, json_is_object(body) ? body : NULL);
    json_free(body);
}

struct llm_call *llm_parser_request_end(struct llm_parser *p, const struct http_exchange *x)
{
    if (!p->call)
        return NULL;
    if (!p->request_done) {
        p->request_done = true;
        request_read(p);
        body_release(&p->request);
    }
    p->call->lost = x->request_lost + p->request.cut;
    return p->inference ? p->call : NULL;
}

void llm_parser_response(struct llm_parser *p, const struct http_exchange *x)
{
    if (!p->call)
        return;
    p->call->status_code = x->response.status;
    p->framing = headers_framing(&x->response);
    headers_of_response(p, &x->response);
}

/* The content type does not always tell: many servers stream as text/plain or without any. */
static enum llm_framing framing_by_look(const struct llm_parser *p, const char *data, size_t len)
{
    if (!p->wants_stream || p->call->status_code >= 300)
        return LLM_FRAMING_JSON;
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", data[i]))
        i++;
    if (i == len)
        return LLM_FRAMING_UNKNOWN;
    if (data[i] != '{' && data[i] != '[')
        return LLM_FRAMING_SSE;
    return p->api && p->api->stream_default ? LLM_FRAMING_NDJSON : LLM_FRAMING_JSON;
}

static void count_chunk(struct llm_parser *p)
{
    struct llm_call *call = p->call;
    call->stream = true;
    call->chunk_count = call->chunk_count == LLM_UNKNOWN ? 1 : call->chunk_count + 1;
    if (call->t_first_chunk == 0) {
        call->t_first_chunk = p->now;
        p->changed = true;
    }
}

static void on_frame(void *user, const struct frame *frame)
{
    struct llm_parser *p = user;
    if (frame->data_len == 0)
        return;
    if (frame->data_len == 6 && memcmp(frame->data, "[DONE]", 6) == 0) {
        p->finished = true;
        return;
    }
    json *data = json_parse(frame->data, frame->data_len);
    if (!data && p->ending) /* the half of an event that an aborted stream ends with */
        return;
    count_chunk(p);
    if (!data) {
        json_set_bool(p->call->metadata, "response_unreadable", true);
        return;
    }
    if (p->inference && p->api->chunk)
        p->api->chunk(p, frame->event, data);
    else if (p->inference && !llm_error_from(p, data))
        p->api->response(p, data);
    json_free(data);
}

bool llm_parser_response_body(struct llm_parser *p, const char *data, size_t len, int64_t time)
{
    if (!p->call)
        return false;
    if (!p->request_done) { /* an answer before the request's end: what is there must do */
        p->request_done = true;
        request_read(p);
    }
    p->changed = false;
    p->now = time;
    if (p->framing == LLM_FRAMING_UNKNOWN)
        p->framing = framing_by_look(p, data, len);
    if (p->framing == LLM_FRAMING_SSE)
        sse_feed(&p->sse, data, len, on_frame, p);
    else if (p->framing == LLM_FRAMING_NDJSON)
        ndjson_feed(&p->ndjson, data, len, on_frame, p);
    else if (p->framing == LLM_FRAMING_JSON)
        body_feed(&p->response, data, len);
    return p->changed;
}

/* An error answer that is no JSON: its beginning is the message. */
static void error_of_text(struct llm_parser *p)
{
    char message[256];
    size_t len =
        p->response.text.len < sizeof(message) - 1 ? p->response.text.len : sizeof(message) - 1;
    memcpy(message, buf_str(&p->response.text), len);
    message[len] = '\0';
    llm_error(p, NULL, len ? message : NULL);
}

static void response_read(struct llm_parser *p, enum http_end how)
{
    json *body = body_parse(&p->response);
    bool failed = llm_error_from(p, body);
    if (body && !failed && p->call->status_code < 400)
        p->api->response(p, body);
    else if (!failed && p->call->status_code >= 400)
        error_of_text(p);
    if (!body && p->response.text.len > 0)
        json_set_bool(p->call->metadata, "response_unreadable", true);
    if (!body && p->call->status_code < 300 && how == HTTP_COMPLETE)
        llm_error(p, "malformed_response", "the answer is not JSON");
    json_free(body);
}

/* How the exchange ended, where the answer itself did not say. */
static void read_end(struct llm_parser *p, const struct http_exchange *x)
{
    static const struct {
        const char *type, *message;
    } ends[] = {
        [HTTP_COMPLETE] = {"incomplete_response", "the stream ended before the answer did"},
        [HTTP_ABORTED] = {"connection_closed", "the connection was closed before the answer ended"},
        [HTTP_GAP] = {"data_lost", "bytes of the answer were not captured"},
        [HTTP_MALFORMED] = {"malformed_response", "the answer is not HTTP"},
    };
    struct llm_call *call = p->call;
    if (call->status_code >= 400) {
        llm_error(p, NULL, NULL);
        return;
    }
    bool stream = call->stream || p->framing == LLM_FRAMING_SSE || p->framing == LLM_FRAMING_NDJSON;
    if (stream && p->failed && !p->finished)
        call->partial = true;
    bool whole = p->finished || p->failed || (!stream && x->how == HTTP_COMPLETE);
    if (whole && call->status_code != 0)
        return;
    call->partial = true;
    llm_error(p, ends[x->how].type, ends[x->how].message);
}

json *llm_parser_output(const struct llm_parser *p)
{
    if (!p->call)
        return NULL;
    if (p->call->output)
        return json_copy(p->call->output);
    if (!answer_has_content(&p->answer))
        return NULL;
    json *output = json_object();
    json_set(output, "messages", answer_messages(&p->answer, NULL));
    return output;
}

static void put_together(struct llm_parser *p)
{
    struct llm_call *call = p->call;
    bool whole = p->answer.count > 0 && !call->error;
    if (!call->output && (answer_has_content(&p->answer) || whole)) {
        const char *fallback = call->partial || call->error ? "error" : NULL;
        call->output = json_object();
        json_set(call->output, "messages", answer_messages(&p->answer, fallback));
    }
    if (p->citations && call->output)
        json_set(call->output, "citations", json_take(p->citations, "citations"));
    if (!call->finish_reasons)
        call->finish_reasons = answer_finish_reasons(&p->answer);
}

static void finish_call(struct llm_parser *p, const struct http_exchange *x)
{
    struct llm_call *call = p->call;
    p->ending = true;
    if (p->framing == LLM_FRAMING_SSE)
        sse_finish(&p->sse, on_frame, p);
    else if (p->framing == LLM_FRAMING_NDJSON)
        ndjson_finish(&p->ndjson, on_frame, p);
    else if (call->status_code != 0)
        response_read(p, x->how);
    if (p->api->finish)
        p->api->finish(p);
    read_end(p, x);
    put_together(p);
    llm_mask_secrets(call->error, &x->request);
    llm_mask_secrets(call->error_type, &x->request);
    call->lost =
        x->request_lost + x->response_lost + p->request.cut + p->response.cut + p->answer.cut;
}

struct llm_call *llm_parser_end(struct llm_parser *p, const struct http_exchange *x)
{
    struct llm_call *call = p->call;
    if (!call)
        return NULL;
    call->t_end = x->t_response_end ? x->t_response_end : x->t_request_end;
    if (x->t_aborted > call->t_end)
        call->t_end = x->t_aborted; /* it was waited for until then */
    if (!p->request_done) {
        p->request_done = true;
        request_read(p);
    }
    if (!p->inference)
        return NULL;
    p->now = call->t_end;
    finish_call(p, x);
    llm_price(call, call->t_request + clock_boot_to_wall());
    p->call = NULL;
    return call;
}
