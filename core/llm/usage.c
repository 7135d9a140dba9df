#include "llm/provider.h"

#include <stddef.h>
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

/* Where a count of OpenAI's form goes. The names of cached tokens are Moonshot's, Mistral's,
 * DeepSeek's; reasoning_tokens and num_search_queries at the top are Perplexity's. */
struct count_rule {
    const char *name;
    size_t field;
};

#define FIELD(name) offsetof(struct llm_usage, name)

static const struct count_rule top_rules[] = {
    {"prompt_tokens", FIELD(input)},          {"input_tokens", FIELD(input)},
    {"completion_tokens", FIELD(output)},     {"output_tokens", FIELD(output)},
    {"total_tokens", FIELD(total)},           {"cached_tokens", FIELD(cache_read)},
    {"num_cached_tokens", FIELD(cache_read)}, {"prompt_cache_hit_tokens", FIELD(cache_read)},
    {"reasoning_tokens", FIELD(reasoning)},   {"num_search_queries", FIELD(web_searches)},
};

static const struct count_rule input_rules[] = {
    {"cached_tokens", FIELD(cache_read)},
    {"cache_write_tokens", FIELD(cache_write)},
    {"audio_tokens", FIELD(audio_input)},
};

static const struct count_rule output_rules[] = {
    {"reasoning_tokens", FIELD(reasoning)},
    {"audio_tokens", FIELD(audio_output)},
};

static const struct detail_rule {
    const char *name;
    const struct count_rule *rules;
    size_t count;
} details[] = {
    {"prompt_tokens_details", input_rules, 3},
    {"prompt_token_details", input_rules, 3}, /* Mistral, at times */
    {"input_tokens_details", input_rules, 3},
    {"completion_tokens_details", output_rules, 2},
    {"output_tokens_details", output_rules, 2},
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static void read_counts(struct llm_usage *u, const json *object, const struct count_rule *rules,
                        size_t count)
{
    for (const json *e = json_first(object); json_is_object(object) && e; e = json_next(e))
        for (size_t i = 0; i < count; i++)
            if (strcmp(json_key(e), rules[i].name) == 0)
                llm_count_path((int64_t *)((char *)u + rules[i].field), e, "");
}

static void read_details(struct llm_usage *u, const json *usage)
{
    for (const json *e = json_first(usage); e; e = json_next(e))
        for (size_t i = 0; json_is_object(e) && i < LENGTH(details); i++)
            if (strcmp(json_key(e), details[i].name) == 0)
                read_counts(u, e, details[i].rules, details[i].count);
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
static void reasoning_inside(struct llm_parser *p)
{
    struct llm_usage *u = &p->call->usage;
    if (u->reasoning <= 0 || u->input < 0)
        return;
    bool outside = u->total >= 0 && u->total - u->input - u->output == u->reasoning;
    if (u->total < 0)
        outside = p->call->provider && strcmp(p->call->provider, "x_ai") == 0 &&
                  strcmp(p->api->name, "openai.chat") == 0;
    if (outside || u->output < u->reasoning)
        u->output += u->reasoning;
}

void llm_usage_openai(struct llm_parser *p, const json *usage)
{
    struct llm_usage *u = &p->call->usage;
    if (!json_is_object(usage))
        return;
    int64_t output = u->output;
    int64_t input = u->input;
    u->input = u->output = LLM_UNKNOWN;
    read_counts(u, usage, top_rules, LENGTH(top_rules));
    read_details(u, usage);
    reported_cost(u, usage);
    if (u->input >= 0 || u->output >= 0)
        llm_usage_reported(p);
    if (u->output < 0)
        u->output = output;
    else
        reasoning_inside(p);
    if (u->input < 0)
        u->input = input;
    else if (u->cache_read > u->input) /* xAI at times */
        u->input += u->cache_read;
}
