/* The parser's own rules; what the providers say is in tests/golden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http.h"
#include "llm/llm.h"
#include "unit/cmocka_all.h"

static struct http_exchange exchange;

static struct llm_parser *begin(const char *target, size_t content_max)
{
    struct llm_parser *p = NULL;
    memset(&exchange, 0, sizeof(exchange));
    exchange.request.method = "POST";
    exchange.request.target = target;
    exchange.request.header_count = 1;
    exchange.request.headers[0] = (struct http_header){"host", "api.openai.com"};
    exchange.response.status = 200;
    exchange.t_request = 100;
    exchange.t_response_end = 900;
    assert_int_equal(llm_parser_new(&p, &exchange, NULL, "", true, content_max), ERR_OK);
    return p;
}

static void body(struct llm_parser *p, const char *text)
{
    llm_parser_request_body(p, text, strlen(text));
}

static bool answer(struct llm_parser *p, const char *text, int64_t time)
{
    return llm_parser_response_body(p, text, strlen(text), time);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What an open span shows: the request at its end, then the first chunk and the first content. */
static void a_call_is_seen_while_it_runs(void **state)
{
    (void)state;
    struct llm_parser *p = begin("/v1/chat/completions", 65536);
    body(p, "{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
            "\"a\"}]}");
    struct llm_call *call = llm_parser_request_end(p, &exchange);
    assert_non_null(call);
    assert_string_equal(call->request_model, "gpt-4o");
    assert_string_equal(call->provider, "openai");
    assert_int_equal(call->operation, LLM_OP_CHAT);
    assert_int_equal(json_length(json_get(call->input, "messages")), 1);
    assert_int_equal(call->usage.input, LLM_UNKNOWN);
    assert_int_equal(call->t_end, 0);
    llm_parser_response(p, &exchange);
    assert_int_equal(call->status_code, 200);
    assert_true(answer(p, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", 200));
    assert_false(answer(p, "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n", 250));
    assert_true(answer(p, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", 300));
    assert_false(answer(p, "data: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\n", 400));
    assert_int_equal(call->t_first_chunk, 200);
    assert_int_equal(call->t_first_content, 300);
    struct llm_call *ended = llm_parser_end(p, &exchange);
    assert_ptr_equal(ended, call);
    assert_int_equal(ended->chunk_count, 4);
    assert_int_equal(ended->t_end, 900);
    llm_parser_free(p); /* the call outlives it */
    assert_string_equal(ended->request_model, "gpt-4o");
    llm_call_free(ended);
}

/* Some servers answer before they have read the request, and it may be lost, too. */
static void an_answer_before_the_request_ends(void **state)
{
    (void)state;
    struct llm_parser *p = begin("/v1/chat/completions", 65536);
    body(p, "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"a lon");
    exchange.response.status = 413;
    llm_parser_response(p, &exchange);
    answer(p, "{\"error\":{\"message\":\"too large\",\"type\":\"too_large\"}}", 200);
    body(p, "g prompt\"}]}");
    assert_non_null(llm_parser_request_end(p, &exchange));
    struct llm_call *call = llm_parser_end(p, &exchange);
    assert_string_equal(call->request_model, "gpt-4o");
    assert_string_equal(call->error_type, "too_large");
    llm_call_free(call);
    llm_parser_free(p);

    p = begin("/v1/chat/completions", 65536); /* the request's end never came */
    body(p, "{\"model\":\"gpt-4o\"");
    exchange.how = HTTP_ABORTED;
    exchange.response.status = 0;
    call = llm_parser_end(p, &exchange);
    assert_non_null(call);
    assert_true(call->partial);
    assert_string_equal(call->error_type, "connection_closed");
    assert_int_equal(call->status_code, 0);
    llm_call_free(call);
    assert_null(llm_parser_end(p, &exchange)); /* once */
    llm_parser_free(p);
}

static void an_abandoned_parser_leaks_nothing(void **state)
{
    (void)state;
    struct llm_parser *p = begin("/v1/messages", 65536);
    body(p, "{\"model\":");
    llm_parser_free(p);
    llm_parser_free(NULL);
    llm_call_free(NULL);
}

/* Work must stay in proportion to the bytes, whatever they are. */
static void hostile_bodies_take_no_longer(void **state)
{
    (void)state;
    struct buf text;
    double start = cpu_seconds();
    buf_init(&text, (size_t)64 << 20);
    assert_int_equal(buf_append_str(&text, "{\"model\":\"m\""), ERR_OK);
    for (int i = 0; i < 200000; i++) /* members without end */
        assert_int_equal(buf_printf(&text, ",\"p%d\":%d", i, i), ERR_OK);
    assert_int_equal(buf_append_str(&text, "}"), ERR_OK);
    struct llm_parser *p = begin("/v1/chat/completions", (size_t)32 << 20);
    llm_parser_request_body(p, text.data, text.len);
    struct llm_call *call = llm_parser_request_end(p, &exchange);
    assert_non_null(call);
    assert_in_range(json_length(json_get(call->input, "parameters")), 200, 256);
    llm_parser_response(p, &exchange);
    for (int i = 0; i < 50000; i++) { /* tool calls and choices without end */
        char line[256];
        snprintf(
            line, sizeof(line),
            "data: {\"choices\":[{\"index\":%d,\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":"
            "\"i%d\",\"function\":{\"name\":\"f\",\"arguments\":\"x\"}}]}}]}\n\n",
            i % 300, i, i);
        exchange.response.header_count = 0;
        if (i == 0) {
            llm_parser_free(p);
            p = begin("/v1/chat/completions", (size_t)32 << 20);
            body(p, "{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
            assert_non_null(llm_parser_request_end(p, &exchange));
            llm_parser_response(p, &exchange);
        }
        answer(p, line, 500);
    }
    call = llm_parser_end(p, &exchange);
    assert_int_equal(json_length(json_get(call->output, "messages")), LLM_CHOICES_MAX);
    llm_call_free(call);
    llm_parser_free(p);
    buf_release(&text);
    assert_true(cpu_seconds() - start < 10); /* under sanitizers; 0.3 s without */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_seen_while_it_runs),
        cmocka_unit_test(an_answer_before_the_request_ends),
        cmocka_unit_test(an_abandoned_parser_leaks_nothing),
        cmocka_unit_test(hostile_bodies_take_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
