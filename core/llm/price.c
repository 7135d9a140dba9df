/* Costs by the built-in table. Units of which one is part of another (cached tokens of input
 * tokens) are priced by what is left of the whole without its priced parts, as genai-prices does.
 */
#include <stdio.h>
#include <string.h>

#include "llm/llm.h"
#include "llm/price_table.h"

/* Parts come before their whole. */
enum unit {
    UNIT_CACHE_WRITE_1H,
    UNIT_CACHE_READ,
    UNIT_CACHE_WRITE,
    UNIT_INPUT_AUDIO,
    UNIT_INPUT,
    UNIT_REASONING,
    UNIT_OUTPUT_AUDIO,
    UNIT_OUTPUT,
    UNIT_WEB_SEARCHES,
    UNIT_REQUESTS,
    UNIT_COUNT
};

#define PART_OF(unit) (1u << (unit))

static const struct unit_rule {
    const char *key;
    double per;
    unsigned wholes;
} rules[UNIT_COUNT] = {
    [UNIT_CACHE_WRITE_1H] = {"cache_write_1h_mtok", 1e6,
                             PART_OF(UNIT_CACHE_WRITE) | PART_OF(UNIT_INPUT)},
    [UNIT_CACHE_READ] = {"cache_read_mtok", 1e6, PART_OF(UNIT_INPUT)},
    [UNIT_CACHE_WRITE] = {"cache_write_mtok", 1e6, PART_OF(UNIT_INPUT)},
    [UNIT_INPUT_AUDIO] = {"input_audio_mtok", 1e6, PART_OF(UNIT_INPUT)},
    [UNIT_INPUT] = {"input_mtok", 1e6, 0},
    [UNIT_REASONING] = {"output_reasoning_mtok", 1e6, PART_OF(UNIT_OUTPUT)},
    [UNIT_OUTPUT_AUDIO] = {"output_audio_mtok", 1e6, PART_OF(UNIT_OUTPUT)},
    [UNIT_OUTPUT] = {"output_mtok", 1e6, 0},
    [UNIT_WEB_SEARCHES] = {"web_searches_kcount", 1e3, 0},
    [UNIT_REQUESTS] = {"requests_kcount", 1e3, 0},
};

/* Discounts and surcharges of service tiers are not in the table. Flex and batch cost half at
 * OpenAI and batch at Anthropic (their price pages); those of which the price is not published as
 * a factor make the cost unknown. */
static const struct tier_rule {
    const char *provider, *tier;
    double factor; /* 0: unknown */
} tier_rules[] = {
    {"openai", "flex", 0.5},  {"openai", "batch", 0.5},    {"openai", "priority", 0},
    {"openai", "fast", 0},    {"openai", "ultrafast", 0},  {"openai", "scale", 0},
    {"azure", "flex", 0.5},   {"azure", "batch", 0.5},     {"azure", "priority", 0},
    {"azure", "scale", 0},    {"anthropic", "batch", 0.5}, {"anthropic", "priority", 0},
    {"anthropic", "fast", 0},
};

static double tier_factor(const char *provider, const char *tier)
{
    for (size_t i = 0; tier && i < sizeof(tier_rules) / sizeof(*tier_rules); i++)
        if (strcmp(tier_rules[i].provider, provider) == 0 && strcmp(tier_rules[i].tier, tier) == 0)
            return tier_rules[i].factor;
    return 1;
}

static int64_t known(int64_t n)
{
    return n > 0 ? n : 0;
}

static void amounts(const struct llm_usage *u, int64_t *n)
{
    n[UNIT_CACHE_WRITE_1H] = known(u->cache_write_1h);
    n[UNIT_CACHE_READ] = known(u->cache_read);
    n[UNIT_CACHE_WRITE] = known(u->cache_write);
    n[UNIT_INPUT_AUDIO] = known(u->audio_input);
    n[UNIT_INPUT] = known(u->input);
    n[UNIT_REASONING] = known(u->reasoning);
    n[UNIT_OUTPUT_AUDIO] = known(u->audio_output);
    n[UNIT_OUTPUT] = known(u->output);
    n[UNIT_WEB_SEARCHES] = known(u->web_searches);
    n[UNIT_REQUESTS] = 1;
}

/* A price that depends on the input's size is that of the last step below it, for all tokens. */
static double price_at(const json *price, int64_t input)
{
    double value = 0;
    if (json_number(price, &value))
        return value;
    json_get_number(price, "base", &value);
    for (const json *e = json_first(json_get(price, "tiers")); e; e = json_next(e)) {
        int64_t start;
        if (json_get_int(e, "start", &start) && input > start)
            json_get_number(e, "price", &value);
    }
    return value;
}

/* The sum in USD; negative when the counts contradict each other, or the table prices nothing of
 * what was used. Notes the prices used. */
static double sum_up(const struct llm_usage *usage, const json *prices, json *note)
{
    int64_t n[UNIT_COUNT], parts[UNIT_COUNT] = {0};
    double sum = 0;
    bool priced = json_length(prices) == 0; /* a model without any price is free */
    amounts(usage, n);
    for (int u = 0; u < UNIT_COUNT; u++) {
        const json *price = json_get(prices, rules[u].key);
        if (!price)
            continue;
        int64_t left = n[u] - parts[u];
        if (left < 0)
            return -1;
        for (int whole = 0; whole < UNIT_COUNT; whole++)
            if (rules[u].wholes & PART_OF(whole))
                parts[whole] += left;
        double value = price_at(price, n[UNIT_INPUT]);
        sum += (double)left * value / rules[u].per;
        if (left > 0)
            json_set_number(note, rules[u].key, value);
        priced = true;
    }
    return priced ? sum : -1;
}

/* Hugging Face's router names who serves the model in the path: /groq/v1/chat/completions. */
static const json *find_provider(const struct llm_call *call)
{
    char name[128];
    const char *path = json_get_text(call->metadata, "url_path");
    if (!call->provider || strcmp(call->provider, "huggingface") != 0 || !path || !*path)
        return price_provider(call->provider);
    snprintf(name, sizeof(name), "huggingface_%.*s", (int)strcspn(path + 1, "/?"), path + 1);
    return price_provider(name);
}

/* The table's entry by the answer's model, else by the request's. */
static const json *find_model(const struct llm_call *call, const json **provider)
{
    *provider = find_provider(call);
    if (!*provider)
        return NULL;
    const json *model = price_model(*provider, call->response_model);
    return model ? model : price_model(*provider, call->request_model);
}

static void price_by_table(struct llm_call *call, int64_t wall_ns)
{
    const json *provider;
    const json *model = find_model(call, &provider);
    if (!model)
        return;
    const char *provider_id = json_get_text(provider, "id");
    json *note = json_object();
    json_set_text(note, "table", price_table_source());
    json_set_text(note, "provider", provider_id);
    json_set_text(note, "model", json_get_text(model, "id"));
    double factor = tier_factor(provider_id, call->service_tier);
    double cost = sum_up(&call->usage, price_in_force(model, wall_ns), note);
    if (factor != 1)
        json_set_number(note, "service_tier_factor", factor);
    if (factor > 0 && cost >= 0) {
        call->cost_usd = cost * factor;
        call->cost_source = LLM_COST_TABLE;
        call->price = note;
    } else {
        json_free(note);
    }
}

/* Only vectors come without output tokens; else a count that is missing makes a wrong sum. */
static bool usage_is_whole(const struct llm_call *call)
{
    return call->usage.input >= 0 &&
           (call->usage.output >= 0 || call->operation == LLM_OP_EMBEDDINGS);
}

void llm_price(struct llm_call *call, int64_t wall_ns)
{
    json_free(call->price);
    call->price = NULL;
    call->cost_usd = -1;
    call->cost_source = LLM_COST_UNKNOWN;
    if (call->usage.cost_usd >= 0) {
        call->cost_usd = call->usage.cost_usd;
        call->cost_source = LLM_COST_REPORTED;
    } else if (usage_is_whole(call)) {
        price_by_table(call, wall_ns);
    }
}

const char *llm_price_version(void)
{
    return price_table_source();
}
