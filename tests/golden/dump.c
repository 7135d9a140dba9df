#include "golden/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/llm.h"

#define LINE_MAX_CHARS 96

static void put(struct buf *out, const char *text)
{
    if (buf_append_str(out, text) != ERR_OK)
        abort();
}

static void indent(struct buf *out, int depth)
{
    put(out, "\n");
    for (int i = 0; i < depth; i++)
        put(out, "  ");
}

static void pretty(struct buf *out, const json *value, int depth)
{
    char *line = json_print_new(value);
    bool object = json_is_object(value);
    if (!line)
        abort();
    if ((!object && !json_is_array(value)) || (int)strlen(line) + 2 * depth < LINE_MAX_CHARS) {
        put(out, line);
        free(line);
        return;
    }
    free(line);
    put(out, object ? "{" : "[");
    for (const json *e = json_first(value); e; e = json_next(e)) {
        indent(out, depth + 1);
        if (object) {
            if (json_quote(out, json_key(e), strlen(json_key(e))) != ERR_OK)
                abort();
            put(out, ": ");
        }
        pretty(out, e, depth + 1);
        if (json_next(e))
            put(out, ",");
    }
    indent(out, depth);
    put(out, object ? "}" : "]");
}

static void set_count(json *o, const char *key, int64_t n)
{
    if (n != LLM_UNKNOWN)
        json_set_int(o, key, n);
}

static void set_ms(json *o, const char *key, int64_t time, int64_t start)
{
    if (time != 0)
        json_set_number(o, key, (double)(time - start) / 1e6);
}

static json *usage_json(const struct llm_usage *u)
{
    json *o = json_object();
    set_count(o, "input", u->input);
    set_count(o, "output", u->output);
    set_count(o, "cache_read", u->cache_read);
    set_count(o, "cache_write", u->cache_write);
    set_count(o, "cache_write_1h", u->cache_write_1h);
    set_count(o, "reasoning", u->reasoning);
    set_count(o, "audio_input", u->audio_input);
    set_count(o, "audio_output", u->audio_output);
    set_count(o, "total", u->total);
    set_count(o, "web_searches", u->web_searches);
    if (u->cost_usd >= 0)
        json_set_number(o, "cost_usd", u->cost_usd);
    return o;
}

static const char *cost_source_name(enum llm_cost_source source)
{
    return source == LLM_COST_REPORTED ? "reported" : source == LLM_COST_TABLE ? "table" : NULL;
}

static void set_result(json *o, const struct llm_call *c)
{
    json_set(o, "usage", usage_json(&c->usage));
    json_set_text(o, "usage_source", llm_usage_source_name(c->usage_source));
    json_set_text(o, "service_tier", c->service_tier);
    if (c->cost_usd >= 0) { /* short of the last bits of a double */
        char cost[32];
        snprintf(cost, sizeof(cost), "%.12g", c->cost_usd);
        json_set_text(o, "cost_usd", cost);
    }
    json_set_text(o, "cost_source", cost_source_name(c->cost_source));
    if (c->price)
        json_set(o, "price", json_copy(c->price));
    if (c->finish_reasons)
        json_set(o, "finish_reasons", json_copy(c->finish_reasons));
    json_set_int(o, "status_code", c->status_code);
    set_count(o, "retry", c->retry);
    json_set_text(o, "error", c->error);
    json_set_text(o, "error_type", c->error_type);
    if (c->partial)
        json_set_bool(o, "partial", true);
    if (c->lost)
        json_set_int(o, "lost", (int64_t)c->lost);
}

void dump_call(struct buf *out, const struct llm_call *c)
{
    if (!c) {
        put(out, "no call\n");
        return;
    }
    json *o = json_object();
    json_set_text(o, "provider", c->provider);
    json_set_text(o, "operation", llm_operation_name(c->operation));
    json_set_text(o, "api", c->api);
    json_set_text(o, "request_model", c->request_model);
    json_set_text(o, "response_model", c->response_model);
    json_set_text(o, "response_id", c->response_id);
    json_set_bool(o, "stream", c->stream);
    set_count(o, "chunk_count", c->chunk_count);
    set_ms(o, "first_chunk_ms", c->t_first_chunk, c->t_request);
    set_ms(o, "first_content_ms", c->t_first_content, c->t_request);
    set_ms(o, "end_ms", c->t_end, c->t_request);
    set_result(o, c);
    json_set_text(o, "traceparent", c->traceparent);
    json_set_text(o, "conversation_id", c->conversation_id);
    json_set_text(o, "previous_response_id", c->previous_response_id);
    json_set_text(o, "user_id", c->user_id);
    json_set_text(o, "session_id", c->session_id);
    if (c->input)
        json_set(o, "input", json_copy(c->input));
    if (c->output)
        json_set(o, "output", json_copy(c->output));
    if (c->metadata)
        json_set(o, "metadata", json_copy(c->metadata));
    pretty(out, o, 0);
    put(out, "\n");
    json_free(o);
}
