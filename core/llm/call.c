#include <stdlib.h>

#include "llm/call.h"
#include "llm/llm.h"

void llm_usage_init(struct llm_usage *u)
{
    *u = (struct llm_usage){
        .input = LLM_UNKNOWN,
        .output = LLM_UNKNOWN,
        .cache_read = LLM_UNKNOWN,
        .cache_write = LLM_UNKNOWN,
        .cache_write_1h = LLM_UNKNOWN,
        .reasoning = LLM_UNKNOWN,
        .audio_input = LLM_UNKNOWN,
        .audio_output = LLM_UNKNOWN,
        .total = LLM_UNKNOWN,
        .web_searches = LLM_UNKNOWN,
        .cost_usd = -1,
    };
}

struct llm_call *llm_call_new(void)
{
    struct llm_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    llm_usage_init(&call->usage);
    call->chunk_count = LLM_UNKNOWN;
    call->retry = LLM_UNKNOWN;
    call->cost_usd = -1;
    return call;
}

void llm_call_free(struct llm_call *call)
{
    if (!call)
        return;
    free(call->provider);
    free(call->request_model);
    free(call->response_model);
    free(call->response_id);
    free(call->service_tier);
    free(call->error);
    free(call->error_type);
    free(call->traceparent);
    free(call->conversation_id);
    free(call->previous_response_id);
    free(call->user_id);
    free(call->session_id);
    json_free(call->price);
    json_free(call->finish_reasons);
    json_free(call->input);
    json_free(call->output);
    json_free(call->metadata);
    free(call);
}

const char *llm_operation_name(enum llm_operation operation)
{
    switch (operation) {
    case LLM_OP_CHAT:
        return "chat";
    case LLM_OP_TEXT_COMPLETION:
        return "text_completion";
    case LLM_OP_GENERATE_CONTENT:
        return "generate_content";
    case LLM_OP_EMBEDDINGS:
        return "embeddings";
    case LLM_OP_OTHER:
        return "other";
    case LLM_OP_NONE:
        break;
    }
    return "none";
}

const char *llm_usage_source_name(enum llm_usage_source source)
{
    switch (source) {
    case LLM_USAGE_REPORTED:
        return "reported";
    case LLM_USAGE_HEADER:
        return "header";
    case LLM_USAGE_ESTIMATED:
        return "estimated";
    case LLM_USAGE_MISSING:
        break;
    }
    return "missing";
}
