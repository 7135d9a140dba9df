/* Traces to look at, the same each time: an agent's run, a failed one, one that runs, and one whose
 * texts are hostile. */
#ifndef TRACER_TESTS_CLI_SAMPLE_H
#define TRACER_TESTS_CLI_SAMPLE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "span/span.h"

#define SAMPLE_START INT64_C(1767322800000000000) /* 2026-01-02T03:00:00Z */
#define SAMPLE_NOW   (SAMPLE_START + 600 * NS_PER_SEC)

struct sample_span {
    int trace, number, parent;
    enum span_type type;
    const char *name, *model;
    int start_ms, end_ms; /* end 0: running */
    double ttft_ms;       /* negative: unknown */
    int64_t in, out, cached;
    double cost;
    const char *error;
    int status;
    bool partial;
    const char *input, *output;
};

static const struct sample_span sample_spans[] = {
    {1, 1, 0, SPAN_AGENT, "research agent", NULL, 0, 4210, -1, -1, -1, -1, -1, NULL, 0, false, NULL,
     NULL},
    {1, 2, 1, SPAN_LLM, "chat gpt-4o-mini", "gpt-4o-mini-2024-07-18", 40, 1310, 420, 1834, 58, 1024,
     0.000312, NULL, 200, false,
     "{\"messages\":[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"You are a "
     "careful researcher. Answer in one sentence, and name the source of every figure that you "
     "give.\"}]},{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"How high is "
     "Mont Blanc?\\nIn metres, please.\"}]}]}",
     "{\"messages\":[{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"The "
     "figure changes with the ice; look it up.\"},{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":"
     "\"search\",\"arguments\":{\"q\":\"height of Mont Blanc\"}}],\"finish_reason\":"
     "\"tool_calls\"}]}"},
    {1, 3, 1, SPAN_TOOL, "search", NULL, 1340, 2150, -1, -1, -1, -1, -1, NULL, 0, false,
     "{\"q\":\"height of Mont Blanc\"}", "{\"height\":4805.59}"},
    {1, 4, 3, SPAN_EMBEDDING, "embeddings text-embedding-3-small", "text-embedding-3-small", 1400,
     1620, -1, 8, -1, -1, 0.00000016, NULL, 200, false, NULL, NULL},
    {1, 5, 1, SPAN_LLM, "chat claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 2200, 4180, 850,
     2210, 143, 1536, 0.00412, NULL, 200, false,
     "{\"messages\":[{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c1\","
     "\"response\":{\"height\":4805.59}}]}]}",
     "{\"messages\":[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Mont "
     "Blanc is 4805.59 m high (survey of 2023).\"}],\"finish_reason\":\"stop\"}]}"},
    {2, 1, 0, SPAN_LLM, "chat gpt-4o", "gpt-4o", 0, 312, -1, -1, -1, -1, -1,
     "Rate limit reached for gpt-4o in organization org-x on tokens per min", 429, false, NULL,
     NULL},
    {2, 2, 0, SPAN_LLM, "chat gpt-4o", "gpt-4o", 1320, 3020, 610, 40, 12, -1, 0.00022,
     "connection reset", 200, true, NULL, NULL},
    {3, 1, 0, SPAN_LLM, "chat llama3.2", "llama3.2", 0, 0, 95, 26, -1, -1, -1, NULL, 200, false,
     NULL, NULL},
    {4, 1, 0, SPAN_LLM, "chat \033[31mred\033[0m \xe2\x80\xae\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
     "m\007odel", 0, 90, -1, 1234567, 99999, -1, 12.5, NULL, 200, false,
     "{\"messages\":[{\"role\":\"user\\u001b[2J\",\"parts\":[{\"type\":\"text\",\"content\":"
     "\"clear \\u001b]0;title\\u0007 screen \\u009b31m\"}]}]}",
     NULL},
    {5, 1, 0, SPAN_CHAIN, "rag", NULL, 0, 2600, -1, -1, -1, -1, -1, NULL, 0, false,
     "{\"question\":\"How high is Mont Blanc?\"}", "{\"answer\":\"4805.59 m\",\"sources\":2}"},
    {5, 2, 1, SPAN_EMBEDDING, "embed-question", "text-embedding-3-small", 5, 110, -1, 8, -1, -1,
     0.00000016, NULL, -1, false, "{\"text\":\"How high is Mont Blanc?\"}", NULL},
    {5, 3, 1, SPAN_RETRIEVAL, "vector-search", NULL, 120, 400, -1, -1, -1, -1, -1,
     "index is being rebuilt", -1, false, "{\"top_k\":4,\"filter\":{\"lang\":\"en\"}}", NULL},
    {5, 4, 1, SPAN_LLM, "generate-answer", "gpt-4o-mini-2024-07-18", 420, 2500, 640, 912, 71, -1,
     0.000179, NULL, 200, false, NULL, "{\"content\":\"4805.59 m\"}"},
    {5, 5, 1, SPAN_FUNCTION, "post-process", NULL, 2510, 2600, -1, -1, -1, -1, -1,
     "process ended before the span was ended", -1, true, NULL, NULL},
};
#define SAMPLE_SPANS  (sizeof(sample_spans) / sizeof(sample_spans[0]))
#define SAMPLE_TRACES 5

static const char *const sample_names[] = {"",
                                           "python research.py --topic alps",
                                           "curl https://api.openai.com/v1/chat/completions",
                                           "ollama-chat",
                                           "evil\033]0;x\007 name",
                                           "chat-request"};
static const int sample_ends[] = {0, 4210, 3020, 0, 90, 2610};

static inline struct trace *sample_trace(int number)
{
    struct trace *t = trace_new();
    for (int i = 0; i < TRACE_ID_LEN; i++)
        t->trace_id[i] = (uint8_t)(number * 0x3b + i * 7);
    t->name = strdup(sample_names[number]);
    t->start_time = SAMPLE_START + number * 60 * NS_PER_SEC;
    if (sample_ends[number] != 0)
        t->end_time = t->start_time + sample_ends[number] * NS_PER_MS;
    if (number == 1) {
        t->user_id = strdup("ada");
        t->session_id = strdup("s-42");
        t->tags = json_parse("[\"alps\", \"demo\"]", 16);
        t->output = strdup("4805.59 m");
    }
    if (number == 5) { /* made by hand */
        static const char metadata[] =
            "{\"env\":\"staging\",\"attempt\":2,\"flags\":[\"a\",\"b\"],\"note\":\"\"}";
        t->project_id = strdup("demo");
        t->user_id = strdup("user-7");
        t->session_id = strdup("3f1c0d8e-6a53-4f0e-9a53-1f4b2b1c9a10");
        t->tags = json_parse("[\"production\", \"rag\", \"beta-\\u001b[31m\"]", 40);
        t->metadata = json_parse(metadata, sizeof(metadata) - 1);
        t->output = strdup("Mont Blanc is 4805.59 m high,\nas of the survey of 2023.");
    }
    return t;
}

static inline void sample_id(int trace, int number, uint8_t *id)
{
    if (number != 0)
        for (int i = 0; i < SPAN_ID_LEN; i++)
            id[i] = (uint8_t)(trace * 16 + number + i);
}

static inline struct span *sample_span(const struct sample_span *from)
{
    struct span *s = span_new();
    struct trace *t = sample_trace(from->trace);
    memcpy(s->trace_id, t->trace_id, TRACE_ID_LEN);
    sample_id(from->trace, from->number, s->span_id);
    sample_id(from->trace, from->parent, s->parent_span_id);
    s->name = strdup(from->name);
    s->type = from->type;
    s->model = from->model != NULL ? strdup(from->model) : NULL;
    s->start_time = t->start_time + from->start_ms * NS_PER_MS;
    s->end_time = from->end_ms != 0 ? t->start_time + from->end_ms * NS_PER_MS : 0;
    s->ttft_ms = from->ttft_ms;
    s->tokens_input = from->in;
    s->tokens_output = from->out;
    s->tokens_cache_read = from->cached;
    s->cost_usd = from->cost;
    s->error = from->error != NULL ? strdup(from->error) : NULL;
    s->status_code = from->status != 0 ? from->status : SPAN_UNKNOWN;
    s->partial = from->partial;
    s->input_data = from->input != NULL ? json_parse(from->input, strlen(from->input)) : NULL;
    s->output_data = from->output != NULL ? json_parse(from->output, strlen(from->output)) : NULL;
    if (from->status == -1) { /* made by hand */
        s->status_code = SPAN_UNKNOWN;
        s->metadata = json_parse("{\"step\":\"x\",\"try\":1}", 20);
        s->error_type = from->partial ? strdup("not_ended") : NULL;
    }
    s->process.pid = 4242;
    s->process.exe = strdup("/usr/bin/python3.11");
    s->process.argv = json_array();
    json_add(s->process.argv, json_string("python"));
    json_add(s->process.argv, json_string("research.py"));
    trace_free(t);
    return s;
}

#endif
