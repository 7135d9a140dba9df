/* error.c - an error is told to the span and returned all the same: whoever called decides what
 * becomes of the trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm_tracer.h"

/* Stands for a service that may be down. Returns NULL, or what went wrong. */
static const char *external_api(void)
{
    const char *state = getenv("EXTERNAL_API");
    return state != NULL && strcmp(state, "up") == 0 ? NULL : "the external service is down";
}

static const char *operate(llmt_trace *trace)
{
    LLMT_SPAN(span, trace, "external-api", "tool");
    const char *error = external_api();
    if (error != NULL) {
        llmt_span_set_error(span, error);
        return error; /* leaving the block ends the span, as one that failed */
    }
    LLMT_SET_OUTPUT(span, LLMT_TEXT("status", "success"));
    return NULL;
}

int main(void)
{
    LLMT_CLIENT(tracer);
    LLMT_TRACE(trace, tracer, "risky-operation");
    const char *error = operate(trace);
    if (error != NULL) {
        char output[128];
        snprintf(output, sizeof(output), "Error: %s", error);
        llmt_trace_set_output(trace, output);
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    return 0;
}
