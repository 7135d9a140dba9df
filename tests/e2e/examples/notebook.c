/* notebook.c - a client that is made once and used for one experiment after another. It is
 * synchronous: what an experiment ended is at the service (or the timeout is over) before the next
 * line runs. */
#include <stdio.h>

#include "llm_tracer.h"
#include "openai.h"

static int experiment(llmt_client *tracer, const char *name, const char *tag, const char *system,
                      const char *output)
{
    const char *const tags[] = {tag, NULL};
    struct answer answer;
    LLMT_TRACE(trace, tracer, name, .tags = tags);
    {
        LLMT_SPAN(span, trace, "gpt-4-turbo", "llm", .model = "gpt-4-turbo");
        if (openai_chat("gpt-4-turbo", system, "Explain transformers", &answer) != 0)
            return llmt_span_set_error(span, answer.text), -1;
        LLMT_SET_OUTPUT(span, LLMT_TEXT("content", answer.text));
        llmt_span_set_usage(span, answer.prompt_tokens, answer.completion_tokens, LLMT_UNKNOWN);
    }
    llmt_trace_set_output(trace, output);
    return 0;
}

int main(void)
{
    llmt_client *tracer =
        llmt_client_new(&(llmt_client_options){.api_key = "project-notebook", .mode = LLMT_SYNC});

    int failed = experiment(tracer, "experiment-v1", "baseline", NULL, "Baseline complete") != 0;
    failed |= experiment(tracer, "experiment-v2", "with-system-prompt", "You are a ML expert.",
                         "With system prompt complete") != 0;

    llmt_client_close(tracer);
    return failed;
}
