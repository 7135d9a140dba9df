#include "llm/provider.h"

#include <string.h>

bool llm_count(int64_t *field, const json *object, const char *key)
{
    return llm_count_path(field, json_get(object, key), "");
}

bool llm_count_path(int64_t *field, const json *object, const char *path)
{
    const json *value = *path ? json_path(object, path) : object;
    int64_t n;
    if (!json_int(value, &n) || n < 0)
        return false;
    *field = n;
    return true;
}

void llm_usage_reported(struct llm_parser *p)
{
    p->call->usage_source = LLM_USAGE_REPORTED;
}

/* Cached tokens have five names among those who speak OpenAI's form. */
static void cached(struct llm_usage *u, const json *usage)
{
    static const char *const names[] = {
        "cached_tokens",                       /* Moonshot */
        "num_cached_tokens",                   /* Mistral */
        "prompt_cache_hit_tokens",             /* DeepSeek */
        "prompt_token_details.cached_tokens",  /* Mistral */
        "prompt_tokens_details.cached_tokens", /* OpenAI */
        "input_tokens_details.cached_tokens",  /* OpenAI Responses */
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        llm_count_path(&u->cache_read, usage, names[i]);
}

/* What the provider charged, where it says so. */
static void reported_cost(struct llm_usage *u, const json *usage)
{
    double cost, upstream, ticks;
    bool own_key = json_is_true(json_get(usage, "is_byok"));
    if (json_number(json_path(usage, "cost.total_cost"), &cost) ||
        json_get_number(usage, "cost", &cost)) {
        /* With the user's own key OpenRouter's cost is its fee, upstream the rest. */
        if (own_key &&
            json_number(json_path(usage, "cost_details.upstream_inference_cost"), &upstream) &&
            upstream > 0)
            cost += upstream;
        if (cost >= 0)
            u->cost_usd = cost;
    }
    if (json_get_number(usage, "cost_in_usd_ticks", &ticks) && ticks >= 0) /* xAI: 1e-10 USD */
        u->cost_usd = ticks * 1e-10;
}

/* xAI's chat counts reasoning beside completion_tokens, all others inside; the total tells (§2.0,
 * trap 2). */
static void reasoning_inside(struct llm_parser *p, int64_t output)
{
    struct llm_usage *u = &p->call->usage;
    if (u->reasoning <= 0 || u->input < 0)
        return;
    bool outside = u->total >= 0 && u->total == u->input + output + u->reasoning;
    if (u->total < 0)
        outside = p->call->provider && strcmp(p->call->provider, "x_ai") == 0 &&
                  strcmp(p->api->name, "openai.chat") == 0;
    if (outside || output < u->reasoning)
        u->output = output + u->reasoning;
}

void llm_usage_openai(struct llm_parser *p, const json *usage)
{
    struct llm_usage *u = &p->call->usage;
    if (!json_is_object(usage))
        return;
    int64_t output = LLM_UNKNOWN;
    bool told = llm_count(&u->input, usage, "prompt_tokens");
    told |= llm_count(&u->input, usage, "input_tokens");
    llm_count(&output, usage, "completion_tokens");
    llm_count(&output, usage, "output_tokens");
    told |= output >= 0;
    llm_count(&u->total, usage, "total_tokens");
    cached(u, usage);
    llm_count_path(&u->cache_write, usage, "prompt_tokens_details.cache_write_tokens");
    llm_count_path(&u->cache_write, usage, "input_tokens_details.cache_write_tokens");
    llm_count_path(&u->audio_input, usage, "prompt_tokens_details.audio_tokens");
    llm_count_path(&u->audio_output, usage, "completion_tokens_details.audio_tokens");
    llm_count(&u->reasoning, usage, "reasoning_tokens"); /* Perplexity */
    llm_count_path(&u->reasoning, usage, "completion_tokens_details.reasoning_tokens");
    llm_count_path(&u->reasoning, usage, "output_tokens_details.reasoning_tokens");
    llm_count(&u->web_searches, usage, "num_search_queries");
    reported_cost(u, usage);
    if (output >= 0) {
        u->output = output;
        reasoning_inside(p, output);
    }
    if (u->cache_read > u->input && u->input >= 0) /* xAI at times */
        u->input += u->cache_read;
    if (told)
        llm_usage_reported(p);
}
