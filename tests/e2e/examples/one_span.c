/* one_span.c - the smallest trace: one call to a model, with what it cost. The key comes from
 * TRACER_API_KEY. */
#include <stdio.h>

#include "llm_tracer.h"
#include "openai.h"

int main(void)
{
    struct answer answer;
    LLMT_CLIENT(tracer);
    LLMT_TRACE(trace, tracer, "user-request");
    {
        LLMT_SPAN(span, trace, "llm-call", "llm", .model = "gpt-4");
        if (openai_chat("gpt-4", NULL, "What is up today?", &answer) != 0)
            return llmt_span_set_error(span, answer.text), 1;
        LLMT_SET_OUTPUT(span, LLMT_TEXT("content", answer.text));
        llmt_span_set_usage(span, answer.prompt_tokens, answer.completion_tokens, 0.003);
    }
    llmt_trace_set_output(trace, "Request completed");
    return 0;
}
