#include <stdio.h>
#include <string.h>

#include "llm/provider.h"
#include "llm/recognise.h"
#include "unit/cmocka_all.h"

/* What a request is taken for: "api provider", "body provider" when the body must tell, or "". */
static const char *find(const char *method, const char *target, const char *host,
                        const char *endpoints)
{
    static char text[256];
    struct http_head *head = test_calloc(1, sizeof(*head));
    struct route r;
    head->method = method;
    head->target = target;
    head->header_count = 1;
    head->headers[0] = (struct http_header){"host", host};
    text[0] = '\0';
    if (route_find(&r, head, NULL, endpoints, true))
        snprintf(text, sizeof(text), "%s %s", r.api ? r.api->name : "body",
                 r.provider ? r.provider : "-");
    test_free(head);
    return text;
}

static void endpoints_of_the_table(void **state)
{
    static const struct {
        const char *target, *host, *expected;
    } cases[] = {
        {"/v1/chat/completions", "api.openai.com", "openai.chat openai"},
        {"/v1/chat/completions?x=1", "API.OpenAI.com:443", "openai.chat openai"},
        {"/v1/chat/completions/", "eu.api.openai.com", "openai.chat openai"},
        {"/v1/responses", "api.openai.com", "openai.responses openai"},
        {"/v1/completions", "api.openai.com", "openai.completions openai"},
        {"/v1/embeddings", "api.openai.com", "openai.embeddings openai"},
        {"/v1/messages?beta=true", "api.anthropic.com", "anthropic.messages anthropic"},
        {"/api/chat", "localhost:11434", "ollama.chat ollama"},
        {"/api/chat", "[::1]:11434", "ollama.chat ollama"},
        {"/v1/chat/completions", "localhost:11434", "openai.chat ollama"},
        {"/v1/messages", "127.0.0.1:11434", "anthropic.messages ollama"},
        {"/v1/chat/completions", "127.0.0.1:8000", "openai.chat -"},
        {"/openai/v1/chat/completions", "api.groq.com", "openai.chat groq"},
        {"/api/v1/chat/completions", "openrouter.ai", "openai.chat openrouter"},
        {"/api/v1/presets/mine/messages", "openrouter.ai", "anthropic.messages openrouter"},
        {"/v1/openai/embeddings", "api.deepinfra.com", "openai.embeddings deepinfra"},
        {"/chat/completions", "api.deepseek.com", "openai.chat deepseek"},
        {"/openai/deployments/my-gpt/chat/completions?api-version=1", "a.openai.azure.com",
         "openai.chat azure.ai.openai"},
        {"/openai/v1/responses", "a.openai.azure.com", "openai.responses azure.ai.openai"},
        {"/anthropic/v1/messages", "a.services.ai.azure.com",
         "anthropic.messages azure.ai.inference"},
        {"http://api.openai.com/v1/chat/completions", "proxy.example", "openai.chat openai"},
        /* No inference. */
        {"/v1/models", "api.openai.com", ""},
        {"/v1/files", "api.openai.com", ""},
        {"/v1/batches", "api.openai.com", ""},
        {"/v1/responses/resp_1/cancel", "api.openai.com", ""},
        {"/v1/responses/input_tokens", "api.openai.com", ""},
        {"/v1/messages/count_tokens", "api.anthropic.com", ""},
        {"/v1/messages/batches", "api.anthropic.com", ""},
        {"/v1/threads/t/messages", "api.openai.com", ""},
        {"/", "example.com", ""},
        {"/chat", "example.com", ""},
        {"/embeddings", "example.com", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(find("POST", cases[i].target, cases[i].host, ""), cases[i].expected);
    assert_string_equal(find("GET", "/v1/chat/completions", "api.openai.com", ""), "");
    assert_string_equal(find("GET", "/v1/responses", "api.openai.com", "*"), "");
}

static void endpoints_of_the_user(void **state)
{
    static const struct {
        const char *endpoints, *target, *host, *expected;
    } cases[] = {
        {"*", "/anything", "example.com", "body -"},
        {"*", "/v1/chat/completions", "example.com", "openai.chat -"},
        {"llm.corp", "/ask", "llm.corp", "body -"},
        {"llm.corp", "/ask", "llm.corp:8443", "body -"},
        {"llm.corp:8443", "/ask", "llm.corp:8443", "body -"},
        {"llm.corp:8443", "/ask", "llm.corp", ""},
        {"LLM.corp", "/ask", "llm.CORP", "body -"},
        {"*.corp/ai/*", "/ai/ask", "llm.corp", "body -"},
        {"*.corp/ai/*", "/other", "llm.corp", ""},
        {"llm.corp/ai", "/ai/v2/responses", "llm.corp", "openai.responses -"},
        {"llm.corp/ai", "/ai", "llm.corp", "body -"},
        {"llm.corp/ai", "/airport", "llm.corp", ""},
        {"a, b ,llm.corp", "/ask", "llm.corp", "body -"},
        {"https://llm.corp/v9", "/v9/completions", "llm.corp", "openai.completions -"},
        {"[::1]:9000", "/ask", "[::1]:9000", "body -"},
        {"http://llm.corp:8080/v1", "/v1/ask", "LLM.corp:8080", "body -"},
        {"/ai", "/ai/ask", "llm.corp", "body -"},
        {"/ai", "/other", "llm.corp", ""},
        {"a llm.corp", "/ask", "llm.corp", ""},
        {"", "/ask", "llm.corp", ""},
        {",,,", "/ask", "llm.corp", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(find("POST", cases[i].target, cases[i].host, cases[i].endpoints),
                            cases[i].expected);
}

/* Captured by the name that TLS was told, whatever the Host header says. */
static void endpoints_by_the_name_of_tls(void **state)
{
    struct http_head *head = test_calloc(1, sizeof(*head));
    struct route r;
    (void)state;
    head->method = "POST";
    head->target = "/ask";
    head->header_count = 1;
    head->headers[0] = (struct http_header){"host", "other.host"};
    assert_true(route_find(&r, head, "llm.corp", "LLM.corp:443", true));
    assert_string_equal(r.host, "other.host");
    assert_false(route_find(&r, head, "llm.corp", "llm.corp/ask", true));
    assert_false(route_find(&r, head, "llm.corp", "llm.corp", false));
    head->header_count = 0;
    assert_true(route_find(&r, head, "llm.corp", "llm.corp/ask", false));
    assert_true(route_find(&r, head, NULL, "/ask", false));
    assert_string_equal(r.host, "");
    test_free(head);
}

static void every_api_of_ours_is_in_the_table_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < llm_api_count; i++) {
        assert_ptr_equal(llm_api_find(llm_apis[i]->name), llm_apis[i]);
        assert_non_null(llm_apis[i]->request);
        assert_non_null(llm_apis[i]->response);
        assert_int_not_equal(llm_apis[i]->operation, LLM_OP_NONE);
    }
    assert_null(llm_api_find("no.such"));
}

static void bodies_of_unknown_kind(void **state)
{
    static const char *const cases[][2] = {
        {"{\"model\":\"m\",\"messages\":[]}", "openai.chat"},
        {"{\"model\":\"m\",\"messages\":[],\"max_tokens\":1,\"system\":\"s\"}",
         "anthropic.messages"},
        {"{\"anthropic_version\":\"v\",\"messages\":[]}", "anthropic.messages"},
        {"{\"model\":\"m\",\"messages\":[],\"options\":{}}", "ollama.chat"},
        {"{\"model\":\"m\",\"prompt\":\"p\",\"keep_alive\":1}", "ollama.generate"},
        {"{\"model\":\"m\",\"prompt\":\"p\"}", "openai.completions"},
        {"{\"model\":\"m\",\"input\":\"text\"}", "openai.responses"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\"}]}", "openai.responses"},
        {"{\"model\":\"m\",\"input\":[\"text\"]}", "openai.embeddings"},
        {"{\"model\":\"m\",\"input\":\"t\",\"encoding_format\":\"float\"}", "openai.embeddings"},
        {"{\"prompt\":\"p\"}", ""},
        {"{\"query\":\"q\"}", ""},
        {"[]", ""},
        {"7", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json *body = json_parse(cases[i][0], strlen(cases[i][0]));
        const char *name = "";
        for (size_t j = llm_api_count; j > 0; j--)
            if (llm_apis[j - 1]->recognise && llm_apis[j - 1]->recognise(body))
                name = llm_apis[j - 1]->name; /* the first of the list */
        assert_string_equal(name, cases[i][1]);
        json_free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_of_the_table),
        cmocka_unit_test(endpoints_of_the_user),
        cmocka_unit_test(endpoints_by_the_name_of_tls),
        cmocka_unit_test(every_api_of_ours_is_in_the_table_once),
        cmocka_unit_test(bodies_of_unknown_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
