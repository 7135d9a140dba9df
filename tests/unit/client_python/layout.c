/* Prints the header's structures and numbers, to be compared with what the Python package says. */
#include <stddef.h>
#include <stdio.h>

#include "llm_tracer.h"

#define SAY(type, member) printf(#type "." #member " %zu\n", offsetof(type, member))

int main(void)
{
    SAY(llmt_client_options, flags);
    SAY(llmt_client_options, mode);
    SAY(llmt_client_options, base_url);
    SAY(llmt_client_options, api_key);
    SAY(llmt_client_options, project_id);
    SAY(llmt_client_options, timeout_ms);
    SAY(llmt_client_options, on_warning);
    SAY(llmt_client_options, user);
    SAY(llmt_trace_options, flags);
    SAY(llmt_trace_options, metadata);
    SAY(llmt_trace_options, tags);
    SAY(llmt_trace_options, user_id);
    SAY(llmt_trace_options, session_id);
    SAY(llmt_trace_options, project_id);
    SAY(llmt_trace_options, traceparent);
    SAY(llmt_span_options, flags);
    SAY(llmt_span_options, input);
    SAY(llmt_span_options, metadata);
    SAY(llmt_span_options, model);
    SAY(llmt_span_options, parent_span_id);
    printf("sizes %zu %zu %zu\n", sizeof(llmt_client_options), sizeof(llmt_trace_options),
           sizeof(llmt_span_options));
    printf("errors %d %d %d %d %d %d %d %d %d %d\n", LLMT_OK, LLMT_EINVAL, LLMT_ERANGE, LLMT_ETYPE,
           LLMT_EJSON, LLMT_EENDED, LLMT_ENOBUFS, LLMT_ETIMEDOUT, LLMT_ENOMEM, LLMT_EDISABLED);
    printf("limits %d %d %d %lld %.0f %d\n", LLMT_TRACE_ID_SIZE, LLMT_SPAN_ID_SIZE, LLMT_UNKNOWN,
           (long long)LLMT_TOKENS_MAX, LLMT_COST_MAX, LLMT_VERSION_NUMBER);
    return 0;
}
