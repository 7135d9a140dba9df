/* What this room costs the collector: CPU time of one core, the minimum of several batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http.h"
#include "llm/llm.h"

#define BATCHES 7

struct bench {
    const char *target, *content_type;
    struct buf request, response;
};

static void add(struct buf *b, const char *text)
{
    if (buf_append_str(b, text) != ERR_OK)
        abort();
}

static void run_once(const struct bench *b)
{
    static struct http_exchange x;
    struct llm_parser *p;
    x.request.method = "POST";
    x.request.target = b->target;
    x.request.header_count = 3;
    x.request.headers[0] = (struct http_header){"host", "api.openai.com"};
    x.request.headers[1] = (struct http_header){"user-agent", "OpenAI/Python 3.3.1"};
    x.request.headers[2] = (struct http_header){"x-stainless-retry-count", "0"};
    x.response.status = 200;
    x.response.header_count = 2;
    x.response.headers[0] = (struct http_header){"content-type", b->content_type};
    x.response.headers[1] = (struct http_header){"x-request-id", "req_1"};
    x.t_request = 1000000000;
    x.t_response_end = 2000000000;
    if (llm_parser_new(&p, &x, NULL, "", true, 32 << 20) != ERR_OK)
        abort();
    llm_parser_request_body(p, b->request.data, b->request.len);
    if (!llm_parser_request_end(p, &x))
        abort();
    llm_parser_response(p, &x);
    for (size_t at = 0; at < b->response.len; at += 16384) {
        size_t n = b->response.len - at < 16384 ? b->response.len - at : 16384;
        llm_parser_response_body(p, b->response.data + at, n, 1500000000);
    }
    struct llm_call *call = llm_parser_end(p, &x);
    if (!call || call->usage.input < 0 || call->cost_source != LLM_COST_TABLE)
        abort();
    llm_call_free(call);
    llm_parser_free(p);
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* us of one call. */
static double measure(const struct bench *b, int calls)
{
    double best = 1e30;
    run_once(b);
    for (int batch = 0; batch < BATCHES; batch++) {
        double start = cpu_us();
        for (int i = 0; i < calls; i++)
            run_once(b);
        double us = (cpu_us() - start) / calls;
        best = us < best ? us : best;
    }
    return best;
}

static void init(struct bench *b, const char *target, const char *content_type)
{
    b->target = target;
    b->content_type = content_type;
    buf_init(&b->request, (size_t)64 << 20);
    buf_init(&b->response, (size_t)64 << 20);
}

static void release(struct bench *b)
{
    buf_release(&b->request);
    buf_release(&b->response);
}

static void chat_request(struct bench *b, size_t prompt, bool stream)
{
    add(&b->request, "{\"messages\":[{\"role\":\"system\",\"content\":\"You are helpful.\"},"
                     "{\"role\":\"user\",\"content\":\"");
    while (b->request.len < prompt)
        add(&b->request, "The quick brown fox jumps over the lazy dog, again and again.\\n");
    add(&b->request, "\"}],\"model\":\"gpt-4o-mini\",\"temperature\":0.2,\"max_tokens\":64");
    add(&b->request,
        stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" : "}");
}

static void chat_answer(struct bench *b)
{
    add(&b->response,
        "{\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion\","
        "\"created\":1741570283,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"");
    for (int i = 0; i < 6; i++)
        add(&b->response, "Paris is the capital of France and has been for a long time. ");
    add(&b->response,
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
        "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_06737a9306\"}");
}

#define CHUNKS 1000

static void chunk(struct bench *b, const char *delta, const char *rest)
{
    if (buf_printf(&b->response,
                   "data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":"
                   "\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4o-mini-2024-"
                   "07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_06737a9306\","
                   "\"choices\":[%s],%s,\"obfuscation\":\"Ab3dEf9\"}\n\n",
                   delta, rest) != ERR_OK)
        abort();
}

static void stream_answer(struct bench *b)
{
    for (int i = 0; i < CHUNKS; i++)
        chunk(b,
              "{\"index\":0,\"delta\":{\"content\":\" "
              "word\"},\"logprobs\":null,\"finish_reason\":null}",
              "\"usage\":null");
    chunk(b, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}",
          "\"usage\":null");
    chunk(b, "",
          "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":1000,\"total_tokens\":1019}");
    add(&b->response, "data: [DONE]\n\n");
}

static void vector_answer(struct bench *b)
{
    add(&b->response,
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[");
    for (int i = 0; i < 1536; i++)
        add(&b->response, i ? ",-0.0123456789012345" : "0.0023064255");
    add(&b->response, "]}],\"model\":\"text-embedding-3-small\",\"usage\":{\"prompt_tokens\":8,"
                      "\"total_tokens\":8}}");
}

int main(void)
{
    struct bench b;
    init(&b, "/v1/chat/completions", "application/json");
    chat_request(&b, 0, false);
    chat_answer(&b);
    size_t bytes = b.request.len + b.response.len;
    printf("small chat (%zu bytes both ways)   %8.2f us a call\n", bytes, measure(&b, 20000));
    release(&b);

    init(&b, "/v1/chat/completions", "text/event-stream");
    chat_request(&b, 0, true);
    stream_answer(&b);
    printf("stream of %d chunks (%zu bytes)  %7.3f us a chunk\n", CHUNKS, b.response.len,
           measure(&b, 200) / CHUNKS);
    release(&b);

    init(&b, "/v1/chat/completions", "application/json");
    chat_request(&b, 204800, false);
    chat_answer(&b);
    double us = measure(&b, 500);
    printf("200 KB prompt                       %8.2f us, %.0f MB/s\n", us,
           (double)b.request.len / us);
    release(&b);

    init(&b, "/v1/embeddings", "application/json");
    add(&b.request, "{\"model\":\"text-embedding-3-small\",\"input\":\"one\"}");
    vector_answer(&b);
    us = measure(&b, 2000);
    printf("embedding answer (%zu bytes)       %8.2f us, %.0f MB/s\n", b.response.len, us,
           (double)b.response.len / us);
    release(&b);
    return 0;
}
