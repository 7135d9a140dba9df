/* From a captured call to a span. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "llm/llm.h"
#include "span/fill.h"
#include "span/span.h"

/* Replaces the text when the call knows one. Out of memory: the field stays as it was. */
static void set_text(char **to, const char *from)
{
    if (from == NULL || (*to != NULL && strcmp(*to, from) == 0))
        return;
    char *copy = strdup(from);
    if (copy == NULL)
        return;
    free(*to);
    *to = copy;
}

static void set_figure(int64_t *to, int64_t from)
{
    if (from >= 0)
        *to = from;
}

static void set_name(struct span *s, const struct llm_call *call)
{
    const char *operation = llm_operation_name(call->operation);
    const char *model = call->request_model != NULL ? call->request_model : call->response_model;
    char *name;
    if (asprintf(&name, model == NULL ? "%s" : "%s %s", operation, model) < 0)
        return;
    set_text(&s->name, name);
    free(name);
}

static double milliseconds_between(int64_t from, int64_t to)
{
    return (double)(to - from) / (double)NS_PER_MS;
}

static void set_times(struct span *s, const struct llm_call *call, int64_t boot_to_wall)
{
    if (call->t_request != 0)
        s->start_time = call->t_request + boot_to_wall;
    if (call->t_end != 0)
        s->end_time = call->t_end + boot_to_wall;
    if (call->t_request != 0 && call->t_first_chunk >= call->t_request)
        s->ttfc_ms = milliseconds_between(call->t_request, call->t_first_chunk);
    if (call->t_request != 0 && call->t_first_content >= call->t_request)
        s->ttft_ms = milliseconds_between(call->t_request, call->t_first_content);
    if (call->stream)
        s->stream = 1;
    else if (call->status_code != 0)
        s->stream = 0;
    set_figure(&s->chunk_count, call->chunk_count);
}

static const char *cost_source_name(enum llm_cost_source source)
{
    switch (source) {
    case LLM_COST_REPORTED:
        return "reported";
    case LLM_COST_TABLE:
        return "table";
    case LLM_COST_UNKNOWN:
        break;
    }
    return NULL;
}

static void set_usage(struct span *s, const struct llm_call *call)
{
    set_figure(&s->tokens_input, call->usage.input);
    set_figure(&s->tokens_output, call->usage.output);
    set_figure(&s->tokens_cache_read, call->usage.cache_read);
    set_figure(&s->tokens_cache_write, call->usage.cache_write);
    set_figure(&s->tokens_reasoning, call->usage.reasoning);
    /* "missing" is said of a call that ended without usage, not of one that still runs. */
    if (call->usage_source != LLM_USAGE_MISSING || call->t_end != 0)
        set_text(&s->usage_source, llm_usage_source_name(call->usage_source));
    if (call->cost_usd >= 0) {
        s->cost_usd = call->cost_usd;
        set_text(&s->cost_source, cost_source_name(call->cost_source));
    }
}

static void note_figure(json *metadata, const char *key, int64_t value)
{
    if (value >= 0)
        json_set_int(metadata, key, value);
}

static int64_t count_messages(const json *data)
{
    const json *messages = json_get(data, "messages");
    return messages == NULL ? -1 : (int64_t)json_length(messages);
}

/* What has no field of its own in a span. */
static void set_metadata(struct span *s, struct llm_call *call, bool content)
{
    json *metadata = call->metadata != NULL ? call->metadata : json_object();
    call->metadata = NULL;
    json_set_text(metadata, "api", call->api);
    json_set_text(metadata, "service_tier", call->service_tier);
    json_set_text(metadata, "conversation_id", call->conversation_id);
    json_set_text(metadata, "previous_response_id", call->previous_response_id);
    json_set_text(metadata, "user_id", call->user_id);
    json_set_text(metadata, "session_id", call->session_id);
    note_figure(metadata, "tokens_cache_write_1h", call->usage.cache_write_1h);
    note_figure(metadata, "tokens_audio_input", call->usage.audio_input);
    note_figure(metadata, "tokens_audio_output", call->usage.audio_output);
    note_figure(metadata, "tokens_total_reported", call->usage.total);
    note_figure(metadata, "web_searches", call->usage.web_searches);
    json_set(metadata, "price", call->price);
    call->price = NULL;
    if (!content) {
        note_figure(metadata, "messages_input", count_messages(call->input));
        note_figure(metadata, "messages_output", count_messages(call->output));
    }
    if (json_first(metadata) == NULL)
        json_free(metadata);
    else
        json_merge(&s->metadata, metadata, true);
}

void span_from_call(struct span *s, struct llm_call *call, int64_t boot_to_wall, bool content)
{
    s->type = call->operation == LLM_OP_EMBEDDINGS ? SPAN_EMBEDDING : SPAN_LLM;
    set_name(s, call);
    set_text(&s->provider, call->provider);
    set_text(&s->operation, llm_operation_name(call->operation));
    set_text(&s->request_model, call->request_model);
    set_text(&s->response_model, call->response_model);
    set_text(&s->response_id, call->response_id);
    set_text(&s->model, call->response_model != NULL ? call->response_model : call->request_model);
    set_times(s, call, boot_to_wall);
    set_usage(s, call);
    json_move(&s->finish_reasons, &call->finish_reasons);
    if (call->status_code > 0)
        s->status_code = call->status_code;
    set_figure(&s->retry, call->retry);
    set_text(&s->error, call->error);
    set_text(&s->error_type, call->error_type);
    s->partial = call->partial;
    if (call->lost > 0)
        s->dropped_bytes = call->lost < INT64_MAX ? (int64_t)call->lost : INT64_MAX;
    set_metadata(s, call, content);
    if (content) {
        json_move(&s->input_data, &call->input);
        json_move(&s->output_data, &call->output);
    }
    json_free(call->input);
    json_free(call->output);
    call->input = call->output = NULL;
}
