/* agent.c - spans in a span: an agent that searches, then lets a model write the answer. */
#include <stdio.h>

#include "llm_tracer.h"
#include "openai.h"

#define HITS 3

/* Stands for a real search: puts the hits, a line each, into results. */
static int search(const char *query, char *results, size_t size)
{
    size_t length = 0;
    for (int i = 0; i < HITS; i++)
        length += (size_t)snprintf(results + length, size - length, "%s %d\n", query, i);
    return HITS;
}

int main(void)
{
    char results[256];
    struct answer answer;
    LLMT_CLIENT(tracer);
    LLMT_TRACE(trace, tracer, "agent-task", .user_id = "user123");
    LLMT_SPAN(agent, trace, "agent-loop", "agent");
    {
        LLMT_SPAN(tool, agent, "search-tool", "tool");
        int hits = search("weather", results, sizeof(results));
        LLMT_SET_OUTPUT(tool, LLMT_INT("hits", hits));
    }
    {
        LLMT_SPAN(llm, agent, "synthesize", "llm", .model = "claude-3");
        if (openai_chat("gpt-4", NULL, results, &answer) != 0)
            return llmt_span_set_error(llm, answer.text), 1;
        LLMT_SET_OUTPUT(llm, LLMT_TEXT("answer", answer.text));
        llmt_span_set_usage(llm, 1500, 500, LLMT_UNKNOWN);
    }
    return 0;
}
