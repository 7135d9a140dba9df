/* Calls to spans, and captured spans into explicit ones. */
#include "support.h"

#define SECOND INT64_C(1000000000)

static struct llm_call *full_call(void)
{
    struct llm_call *c = make_call();
    c->provider = strdup("openai");
    c->api = "openai.chat";
    c->request_model = strdup("gpt-4o");
    c->response_model = strdup("gpt-4o-2024-08-06");
    c->response_id = strdup("chatcmpl-1");
    c->stream = true;
    c->chunk_count = 12;
    c->t_request = 5 * SECOND;
    c->t_first_chunk = 5 * SECOND + 250000000;
    c->t_first_content = 5 * SECOND + 500000000;
    c->t_end = 7 * SECOND;
    c->usage.input = 10;
    c->usage.output = 20;
    c->usage.reasoning = 5;
    c->usage.audio_input = 0;
    c->usage_source = LLM_USAGE_REPORTED;
    c->cost_usd = 0.25;
    c->cost_source = LLM_COST_TABLE;
    c->status_code = 200;
    c->retry = 1;
    c->lost = 9;
    c->input = messages("[{\"role\":\"user\",\"parts\":[]},{\"role\":\"user\",\"parts\":[]}]");
    c->output = messages("[{\"role\":\"assistant\",\"parts\":[]}]");
    c->metadata = json_object();
    json_set_text(c->metadata, "request_id", "req-1");
    c->finish_reasons = json_array();
    c->service_tier = strdup("flex");
    return c;
}

static void test_full(void **state)
{
    (void)state;
    struct llm_call *c = full_call();
    struct span *s = span_new();
    span_from_call(s, c, 100 * SECOND, true);
    assert_int_equal(s->type, SPAN_LLM);
    assert_string_equal(s->name, "chat gpt-4o");
    assert_string_equal(s->model, "gpt-4o-2024-08-06");
    assert_string_equal(s->operation, "chat");
    assert_int_equal(s->start_time, 105 * SECOND);
    assert_int_equal(s->end_time, 107 * SECOND);
    assert_true(s->ttfc_ms == 250 && s->ttft_ms == 500);
    assert_int_equal(s->stream, 1);
    assert_int_equal(s->chunk_count, 12);
    assert_int_equal(s->tokens_input, 10);
    assert_int_equal(s->tokens_output, 20);
    assert_int_equal(s->tokens_reasoning, 5);
    assert_int_equal(s->tokens_cache_read, SPAN_UNKNOWN);
    assert_string_equal(s->usage_source, "reported");
    assert_true(s->cost_usd == 0.25);
    assert_string_equal(s->cost_source, "table");
    assert_int_equal(s->status_code, 200);
    assert_int_equal(s->retry, 1);
    assert_int_equal(s->dropped_bytes, 9);
    assert_int_equal(json_length(json_get(s->input_data, "messages")), 2);
    assert_non_null(s->output_data);
    assert_string_equal(json_get_text(s->metadata, "request_id"), "req-1");
    assert_string_equal(json_get_text(s->metadata, "service_tier"), "flex");
    int64_t audio = -1;
    assert_true(json_get_int(s->metadata, "tokens_audio_input", &audio));
    assert_int_equal(audio, 0);
    assert_null(json_get(s->metadata, "tokens_audio_output"));
    assert_null(c->input);
    assert_null(c->metadata);
    span_free(s);
    llm_call_free(c);
}

static void test_without_content(void **state)
{
    (void)state;
    struct llm_call *c = full_call();
    struct span *s = span_new();
    span_from_call(s, c, 0, false);
    assert_null(s->input_data);
    assert_null(s->output_data);
    int64_t n = 0;
    assert_true(json_get_int(s->metadata, "messages_input", &n));
    assert_int_equal(n, 2);
    assert_int_equal(s->tokens_input, 10);
    assert_null(c->input);
    span_free(s);
    llm_call_free(c);
}

/* At the request nothing of the answer is known, and nothing is claimed; at the end it is added. */
static void test_at_request_then_at_end(void **state)
{
    (void)state;
    struct llm_call *c = make_call();
    c->operation = LLM_OP_EMBEDDINGS;
    c->request_model = strdup("m");
    c->t_request = SECOND;
    c->input = json_object();
    struct span *s = span_new();
    span_from_call(s, c, 0, true);
    assert_int_equal(s->type, SPAN_EMBEDDING);
    assert_int_equal(s->end_time, 0);
    assert_int_equal(s->stream, -1);
    assert_int_equal(s->status_code, SPAN_UNKNOWN);
    assert_null(s->usage_source);
    assert_null(s->metadata);
    assert_true(s->ttfc_ms < 0 && s->cost_usd < 0);
    assert_string_equal(s->model, "m");
    c->t_end = 2 * SECOND;
    c->status_code = 500;
    c->error = strdup("boom");
    c->partial = true;
    span_from_call(s, c, 0, true);
    assert_non_null(s->input_data); /* of the first time */
    assert_string_equal(s->error, "boom");
    assert_true(s->partial);
    assert_int_equal(s->stream, 0);
    assert_string_equal(s->usage_source, "missing");
    assert_int_equal(s->tokens_input, SPAN_UNKNOWN);
    span_free(s);
    llm_call_free(c);
}

static void test_fill(void **state)
{
    (void)state;
    struct llm_call *c = full_call();
    struct span *captured = span_new();
    span_from_call(captured, c, 0, true);
    struct span *s = span_new();
    s->name = strdup("my step");
    s->type = SPAN_AGENT;
    s->start_time = 1;
    s->tokens_input = 7;
    s->model = strdup("mine");
    s->metadata = json_object();
    json_set_text(s->metadata, "request_id", "mine");
    span_fill(s, captured);
    span_free(captured);
    assert_string_equal(s->name, "my step");
    assert_int_equal(s->type, SPAN_AGENT);
    assert_int_equal(s->start_time, 1);
    assert_string_equal(s->model, "mine");
    assert_string_equal(s->response_model, "gpt-4o-2024-08-06");
    assert_int_equal(s->tokens_input, 7);
    assert_int_equal(s->tokens_output, 20);
    assert_null(s->usage_source); /* a figure is the program's own */
    assert_true(s->cost_usd == 0.25);
    assert_string_equal(json_get_text(s->metadata, "request_id"), "mine");
    assert_string_equal(json_get_text(s->metadata, "service_tier"), "flex");
    assert_non_null(s->input_data);
    span_free(s);
    llm_call_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_without_content),
        cmocka_unit_test(test_at_request_then_at_end),
        cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
