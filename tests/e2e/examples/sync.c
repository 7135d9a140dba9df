/* sync.c - without the macros: everything is ended by hand. Each llmt_span_end and llmt_trace_end
 * of this client waits until the service has what was ended, at most two seconds. */
#include <stdio.h>

#include "llm_tracer.h"

/* Stands for real work: returns the number of records. */
static int process_data(void)
{
    return 42;
}

int main(void)
{
    llmt_client *tracer =
        llmt_client_new(&(llmt_client_options){.mode = LLMT_SYNC, .timeout_ms = 2000});
    llmt_trace *trace = llmt_trace_begin(tracer, "batch-job", NULL);
    llmt_span *span = llmt_span_begin(trace, "process", "function", NULL);

    char output[32];
    snprintf(output, sizeof(output), "{\"records\": %d}", process_data());
    llmt_span_set_output(span, output);

    llmt_span_end(span);
    llmt_trace_end(trace);
    llmt_client_close(tracer);
    return 0;
}
