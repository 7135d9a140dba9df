/* batch.c - a job with an end: each item becomes a trace, and the client closes with the block that
 * it was declared in.
 *
 *     batch [PROMPT...] */
#include <stdio.h>

#include "llm_tracer.h"
#include "openai.h"

static int process(llmt_client *tracer, int number, const char *prompt)
{
    char name[32];
    char output[64];
    struct answer answer;
    snprintf(name, sizeof(name), "batch-item-%d", number);
    LLMT_TRACE(trace, tracer, name);
    {
        LLMT_SPAN(span, trace, "embedding", "embedding");
        if (openai_embed("text-embedding-3-small", prompt, &answer) != 0)
            return llmt_span_set_error(span, answer.text), -1;
        LLMT_SET_OUTPUT(span, LLMT_INT("dimensions", answer.dimensions));
    }
    {
        LLMT_SPAN(span, trace, "completion", "llm", .model = "gpt-4");
        if (openai_chat("gpt-4", NULL, prompt, &answer) != 0)
            return llmt_span_set_error(span, answer.text), -1;
        LLMT_SET_OUTPUT(span, LLMT_TEXT("content", answer.text));
        llmt_span_set_usage(span, answer.prompt_tokens, answer.completion_tokens, LLMT_UNKNOWN);
    }
    snprintf(output, sizeof(output), "Processed prompt %d", number);
    llmt_trace_set_output(trace, output);
    return 0;
}

int main(int argc, char **argv)
{
    char *defaults[] = {"batch", "Explain quantum computing", "What is machine learning?",
                        "How do neural networks work?", NULL};
    char **prompts = argc > 1 ? argv : defaults;
    int failures = 0;

    LLMT_CLIENT(tracer, .api_key = "project-batch");
    for (int i = 0; prompts[i + 1] != NULL; i++)
        failures += process(tracer, i, prompts[i + 1]) != 0;
    return failures != 0;
}
