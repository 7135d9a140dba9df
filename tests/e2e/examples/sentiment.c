/* sentiment.c - a small synchronous command: client, trace and spans end with their blocks.
 *
 *     sentiment [TEXT] */
#include <stdio.h>

#include "llm_tracer.h"
#include "openai.h"

#define INSTRUCTION "Analyze sentiment. Reply: positive/negative/neutral"

static int analyze(const char *text, struct answer *answer)
{
    char output[128];
    LLMT_CLIENT(tracer, .api_key = "project-cli", .mode = LLMT_SYNC);
    LLMT_TRACE(trace, tracer, "text-analysis");
    {
        LLMT_SPAN(span, trace, "embed", "embedding");
        if (openai_embed("text-embedding-3-small", text, answer) != 0)
            return llmt_span_set_error(span, answer->text), -1;
        LLMT_SET_OUTPUT(span, LLMT_INT("dimensions", answer->dimensions));
    }
    {
        LLMT_SPAN(span, trace, "sentiment", "llm", .model = "gpt-4");
        if (openai_chat("gpt-4", INSTRUCTION, text, answer) != 0)
            return llmt_span_set_error(span, answer->text), -1;
        LLMT_SET_OUTPUT(span, LLMT_TEXT("sentiment", answer->text));
        llmt_span_set_usage(span, answer->prompt_tokens, answer->completion_tokens, LLMT_UNKNOWN);
    }
    snprintf(output, sizeof(output), "Analysis complete: %.100s", answer->text);
    llmt_trace_set_output(trace, output);
    return 0;
}

int main(int argc, char **argv)
{
    struct answer answer;
    if (analyze(argc > 1 ? argv[1] : "I love this product! It works great.", &answer) != 0) {
        fprintf(stderr, "sentiment: %s\n", answer.text);
        return 1;
    }
    puts(answer.text);
    return 0;
}
