#include "span/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const type_names[SPAN_TYPE_COUNT] = {
    [SPAN_LLM] = "llm",           [SPAN_TOOL] = "tool",           [SPAN_AGENT] = "agent",
    [SPAN_FUNCTION] = "function", [SPAN_RETRIEVAL] = "retrieval", [SPAN_EMBEDDING] = "embedding",
    [SPAN_CHAIN] = "chain",       [SPAN_OTHER] = "other",
};

struct span *span_new(void)
{
    struct span *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->type = SPAN_OTHER;
    s->stream = -1;
    s->chunk_count = SPAN_UNKNOWN;
    s->ttfc_ms = s->ttft_ms = s->cost_usd = SPAN_UNKNOWN;
    s->tokens_input = s->tokens_output = SPAN_UNKNOWN;
    s->tokens_cache_read = s->tokens_cache_write = s->tokens_reasoning = SPAN_UNKNOWN;
    s->status_code = s->retry = SPAN_UNKNOWN;
    return s;
}

void span_free(struct span *s)
{
    if (s == NULL)
        return;
    char *const texts[] = {s->name,          s->model,          s->provider,    s->operation,
                           s->request_model, s->response_model, s->response_id, s->usage_source,
                           s->cost_source,   s->error,          s->error_type,  s->process.exe,
                           s->capture_route, s->printed,        s->state};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    json_free(s->finish_reasons);
    json_free(s->input_data);
    json_free(s->output_data);
    json_free(s->metadata);
    json_free(s->process.argv);
    free(s);
}

struct trace *trace_new(void)
{
    struct trace *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->tokens_input = t->tokens_output = SPAN_UNKNOWN;
    t->total_cost = SPAN_UNKNOWN;
    return t;
}

void trace_free(struct trace *t)
{
    if (t == NULL)
        return;
    free(t->name);
    free(t->project_id);
    json_free(t->metadata);
    json_free(t->tags);
    free(t->user_id);
    free(t->session_id);
    free(t->output);
    free(t->error);
    free(t->state);
    free(t);
}

struct span_figures span_counted(const struct span *s)
{
    if (s->uncounted)
        return (struct span_figures){SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN};
    return (struct span_figures){s->tokens_input, s->tokens_output, s->cost_usd};
}

const char *span_type_name(enum span_type type)
{
    return (unsigned)type < SPAN_TYPE_COUNT ? type_names[type] : type_names[SPAN_OTHER];
}

int span_type_parse(const char *name, enum span_type *out)
{
    *out = SPAN_OTHER;
    for (int i = 0; name != NULL && i < SPAN_TYPE_COUNT; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *out = (enum span_type)i;
            return ERR_OK;
        }
    }
    return ERR_BAD;
}
