/* Spans of four types that tell the tokens and the cost of the calls made inside them, as programs
 * do that were written before anything was captured. Prints the usage that the provider told: both
 * sums. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "llm_tracer.h"
#include "openai.h"

static int64_t input, output;

static void need(int result)
{
    if (result != 0)
        exit(2);
}

static void tell(llmt_span *span, const struct answer *answer)
{
    input += answer->prompt_tokens;
    output += answer->completion_tokens;
    llmt_span_set_usage(span, answer->prompt_tokens, answer->completion_tokens, 0.25);
}

int main(void)
{
    struct answer answer = {0};
    LLMT_CLIENT(tracer);
    LLMT_TRACE(trace, tracer, "counted");
    {
        LLMT_SPAN(span, trace, "embed", "embedding");
        need(openai_embed("text-embedding-3-small", "one two three", &answer));
        tell(span, &answer);
    }
    LLMT_SPAN(agent, trace, "agent", "agent");
    {
        LLMT_SPAN(tool, agent, "tool", "tool");
        need(openai_chat("gpt-4", NULL, "What is up today?", &answer));
        tell(tool, &answer);
    }
    llmt_span_set_usage(agent, answer.prompt_tokens, answer.completion_tokens, 0.25);
    printf("[%" PRId64 ", %" PRId64 "]\n", input, output);
    return 0;
}
