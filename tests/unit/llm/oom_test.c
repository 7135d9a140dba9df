/* Every allocation of an exchange fails once: nothing may crash or leak (under ASan), and what
 * comes out is a call, whole or not, or none. The linker sends the allocations here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "llm/llm.h"
#include "unit/cmocka_all.h"

static long countdown; /* the allocation that fails; 0: none */

static bool fails(void)
{
    return countdown > 0 && --countdown == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

struct script {
    const char *target, *request, *content_type, *response;
};

static const struct script scripts[] = {
    {"/v1/chat/completions?key=s",
     "{\"model\":\"gpt-4o\",\"stream\":true,\"user\":\"u\",\"messages\":[{\"role\":\"user\","
     "\"content\":[{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"image_url\",\"image_url\":{"
     "\"url\":"
     "\"data:image/png;base64,AAAA\"}}]},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\","
     "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"x\"}],"
     "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"stop\":"
     "\"x\"}",
     "text/event-stream",
     "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
     "\"assistant\",\"content\":\"a\",\"reasoning_content\":\"r\",\"refusal\":\"n\",\"audio\":{"
     "\"data\":"
     "\"AAAA\",\"transcript\":\"t\"}}},{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
     "\"t\","
     "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":"
     "\"tool_calls\"}]}\n\ndata: "
     "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":"
     "2,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\n\ndata: [DONE]\n\n"},
    {"/v1/responses",
     "{\"model\":\"gpt-5\",\"instructions\":\"i\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},"
     "{"
     "\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
     "\"reasoning\",\"summary\":[{\"text\":\"s\"}]}]}",
     "application/json",
     "{\"id\":\"r\",\"status\":\"completed\",\"model\":\"gpt-5\",\"output\":[{\"type\":\"web_"
     "search_call\""
     ",\"id\":\"w\"},{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{"
     "}\"},{"
     "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"x\"}]}],\"usage\":{"
     "\"input_tokens\":3,\"output_tokens\":2}}"},
    {"/v1/messages",
     "{\"model\":\"claude-sonnet-4-5\",\"system\":\"s\",\"max_tokens\":5,\"messages\":[{\"role\":"
     "\"user\""
     ",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"1\",\"content\":[{\"type\":"
     "\"text\","
     "\"text\":\"x\"}]}]}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]}",
     "text/event-stream",
     "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":"
     "\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":3}}}\n\ndata: "
     "{\"type\":\"content_block_start\","
     "\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"n\","
     "\"input\":{}"
     "}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
     "\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":1}\"}}\n\ndata: "
     "{\"type\":\"error\",\"error\":{"
     "\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"},
    {"/v1/embeddings", "{\"model\":\"text-embedding-3-small\",\"input\":\"a\"}", "application/json",
     "{\"data\":[{\"embedding\":[0.1,0.2]},{\"embedding\":[1]}],\"usage\":{\"prompt_tokens\":1}}"},
    {"/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
     "application/x-ndjson",
     "{\"model\":\"m\",\"message\":{\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":"
     "\"f\","
     "\"arguments\":{\"a\":1}}}]}}\n{\"done\":true,\"done_reason\":\"stop\",\"eval_count\":1}\n"},
    {"/v1/chat/completions", "{\"model\":\"gpt-4o\",\"messages\":[]", "text/html",
     "<html>Bad gateway</html>"},
};

/* True when a call came out. */
static bool play(const struct script *s, size_t content_max)
{
    static struct http_exchange x;
    struct llm_parser *p;
    bool called = false;
    x.request = (struct http_head){.method = "POST", .target = s->target, .header_count = 3};
    x.request.headers[0] = (struct http_header){"host", "api.openai.com"};
    x.request.headers[1] = (struct http_header){"traceparent", "00-1-2-01"};
    x.request.headers[2] = (struct http_header){"user-agent", "test"};
    x.response = (struct http_head){.status = 200, .header_count = 2};
    x.response.headers[0] = (struct http_header){"content-type", s->content_type};
    x.response.headers[1] = (struct http_header){"x-ratelimit-remaining-tokens", "1"};
    x.t_request = 1;
    if (llm_parser_new(&p, &x, NULL, "", true, content_max) != ERR_OK)
        return false;
    llm_parser_request_body(p, s->request, strlen(s->request));
    if (llm_parser_request_end(p, &x)) {
        llm_parser_response(p, &x);
        size_t len = strlen(s->response);
        for (size_t at = 0; at < len; at += 50)
            llm_parser_response_body(p, s->response + at, len - at < 50 ? len - at : 50, 5);
        struct llm_call *call = llm_parser_end(p, &x);
        called = call != NULL;
        llm_call_free(call);
    }
    llm_parser_free(p);
    return called;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        for (size_t content_max = 1024; content_max <= 1 << 20; content_max *= 1024) {
            long n = 0;
            do {
                countdown = ++n;
                play(&scripts[i], content_max);
            } while (countdown == 0 && n < 100000);
            assert_true(n > 20 && n < 100000);
            countdown = 0;
            assert_true(play(&scripts[i], content_max));
        }
    }
}

/* The table of prices is read when it is first used; a failure then is not for good. Runs first. */
static void prices_come_back(void **state)
{
    (void)state;
    for (long n = 1; n < 5000; n = n * 3 + 1) {
        countdown = n;
        assert_string_equal(llm_price_version(), "");
        assert_int_equal(countdown, 0);
    }
    assert_true(strlen(llm_price_version()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_come_back),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
