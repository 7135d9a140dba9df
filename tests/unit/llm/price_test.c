/* Costs. That the rules of the table are followed is checked against its own package by
 * prices_match.sh; here are the rules that are ours, with figures worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "llm/call.h"
#include "llm/llm.h"
#include "unit/cmocka_all.h"

static int64_t wall(const char *text)
{
    int64_t ns = 0;
    assert_int_equal(clock_parse_iso(text, &ns), ERR_OK);
    return ns;
}

static struct llm_call *call_of(const char *provider, const char *model, int64_t input,
                                int64_t output)
{
    struct llm_call *call = llm_call_new();
    assert_non_null(call);
    call->operation = LLM_OP_CHAT;
    call->provider = strdup(provider);
    call->response_model = model ? strdup(model) : NULL;
    call->usage.input = input;
    call->usage.output = output;
    return call;
}

static void expect(struct llm_call *call, const char *at, enum llm_cost_source source, double usd)
{
    llm_price(call, wall(at));
    assert_int_equal(call->cost_source, source);
    if (fabs(call->cost_usd - usd) > 1e-12)
        fail_msg("%s: %.12g is not %.12g", call->response_model, call->cost_usd, usd);
    llm_call_free(call);
}

#define NOW "2026-09-01T12:00:00Z"

static void cached_tokens_have_their_own_price(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "gpt-4o-2024-08-06", 1000, 100);
    call->usage.cache_read = 400;
    expect(call, NOW, LLM_COST_TABLE, (600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6);
    call = call_of("anthropic", "claude-sonnet-4-5", 1000, 10);
    call->usage.cache_read = 300;
    call->usage.cache_write = 200;
    call->usage.cache_write_1h = 50;
    expect(call, NOW, LLM_COST_TABLE, (500 * 3 + 300 * 0.3 + 150 * 3.75 + 50 * 6 + 10 * 15) / 1e6);
}

static void a_tier_is_a_cliff(void **state)
{
    (void)state;
    expect(call_of("anthropic", "claude-sonnet-4-5", 200000, 1), NOW, LLM_COST_TABLE,
           (200000 * 3.0 + 15) / 1e6);
    expect(call_of("anthropic", "claude-sonnet-4-5", 200001, 1), NOW, LLM_COST_TABLE,
           (200001 * 6.0 + 22.5) / 1e6);
}

static void prices_change_with_the_date(void **state)
{
    (void)state;
    expect(call_of("openai", "o3", 1000000, 0), "2025-06-09T23:59:59Z", LLM_COST_TABLE, 10);
    expect(call_of("openai", "o3", 1000000, 0), "2025-06-10T00:00:00Z", LLM_COST_TABLE, 2);
}

static void the_answers_model_comes_first(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "gpt-4o-mini-2024-07-18", 1000000, 0);
    call->request_model = strdup("gpt-4o");
    expect(call, NOW, LLM_COST_TABLE, 0.15);
    call = call_of("openai", "something-of-their-own", 1000000, 0);
    call->request_model = strdup("gpt-4o");
    expect(call, NOW, LLM_COST_TABLE, 2.5);
    call = call_of("azure.ai.openai", "gpt-4o-2024-08-06", 1000000, 0);
    call->request_model = strdup("my-deployment");
    expect(call, NOW, LLM_COST_TABLE, 2.5);
}

static void unknown_is_not_nothing(void **state)
{
    (void)state;
    expect(call_of("openai", "no-such-model", 10, 10), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("ollama", "llama3.2", 10, 10), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("openai", NULL, 10, 10), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("openai", "gpt-4o", LLM_UNKNOWN, LLM_UNKNOWN), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("openai", "gpt-4o", 10, LLM_UNKNOWN), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("openai", "whisper-1", 10, 10), NOW, LLM_COST_UNKNOWN, -1); /* by the hour */
    struct llm_call *call = call_of("openai", "gpt-4o", 10, 10);
    call->usage.cache_read = 11; /* more than there was */
    expect(call, NOW, LLM_COST_UNKNOWN, -1);
    call = call_of("openai", "gpt-4o", 10, 10);
    call->service_tier = strdup("priority");
    expect(call, NOW, LLM_COST_UNKNOWN, -1);
}

static void free_is_nothing(void **state)
{
    (void)state;
    expect(call_of("openrouter", "deepseek/deepseek-r1:free", 10, 10), NOW, LLM_COST_TABLE, 0);
}

static void what_the_provider_charged_wins(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "gpt-4o", 10, 10);
    call->usage.cost_usd = 0.5;
    expect(call, NOW, LLM_COST_REPORTED, 0.5);
}

static void vectors_have_no_output(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "text-embedding-3-small", 1000000, LLM_UNKNOWN);
    call->operation = LLM_OP_EMBEDDINGS;
    expect(call, NOW, LLM_COST_TABLE, 0.02);
}

static void flex_is_half(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "gpt-5", 1000000, 0);
    call->service_tier = strdup("flex");
    expect(call, NOW, LLM_COST_TABLE, 1.25 / 2);
}

/* Names come from the network: any number of them must not fill the memory. */
static void hostile_names(void **state)
{
    (void)state;
    char name[2048];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "model-%d-20260101-2026", i);
        expect(call_of("moonshot_ai", name, 1, 1), NOW, LLM_COST_UNKNOWN, -1);
    }
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    expect(call_of("openai", name, 1, 1), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of(name, name, 1, 1), NOW, LLM_COST_UNKNOWN, -1);
    expect(call_of("openai", "\n\t ", 1, 1), NOW, LLM_COST_UNKNOWN, -1);
    for (size_t n = 500; n < 520; n++) { /* around the longest name that is looked for */
        memset(name, '-', n);
        memcpy(name + n - 9, "-20260101", 10);
        expect(call_of("openai", name, 1, 1), NOW, LLM_COST_UNKNOWN, -1);
    }
}

static void the_note_says_what_was_used(void **state)
{
    (void)state;
    struct llm_call *call = call_of("openai", "gpt-4o", 10, 10);
    llm_price(call, wall(NOW));
    double price = 0;
    assert_true(json_get_number(call->price, "input_mtok", &price));
    assert_true(price == 2.5);
    assert_string_equal(json_get_text(call->price, "table"), llm_price_version());
    assert_non_null(strstr(llm_price_version(), "genai-prices"));
    llm_price(call, wall(NOW)); /* again: the same */
    assert_int_equal(call->cost_source, LLM_COST_TABLE);
    llm_call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_tokens_have_their_own_price),
        cmocka_unit_test(a_tier_is_a_cliff),
        cmocka_unit_test(prices_change_with_the_date),
        cmocka_unit_test(the_answers_model_comes_first),
        cmocka_unit_test(unknown_is_not_nothing),
        cmocka_unit_test(free_is_nothing),
        cmocka_unit_test(what_the_provider_charged_wins),
        cmocka_unit_test(vectors_have_no_output),
        cmocka_unit_test(flex_is_half),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(the_note_says_what_was_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
