/* What the header offers to C, with every macro: compiled, never run, by header.sh. */
#include "llm_tracer.h"

#include "llm_tracer.h" /* twice does no harm */

int every_macro(void);

int every_macro(void)
{
    LLMT_CLIENT(plain);
    LLMT_CLIENT(client, .api_key = "project-demo", .mode = LLMT_SYNC, .flags = 0);
    LLMT_TRACE(bare, plain, "bare");
    LLMT_TRACE(trace, client, "chat", .user_id = "u1",
               .tags = (const char *const[]){"a", "b", NULL});
    LLMT_SPAN(span, trace, "answer", "llm");
    LLMT_SPAN(inner, span, "inner", "tool", .model = "gpt-4o", .flags = LLMT_DETACHED);
    llmt_span *third = llmt_span_begin(bare, "third", "chain", NULL);
    llmt_span *none = llmt_span_begin(NULL, "none", "other", NULL);
    if (LLMT_SET_OUTPUT(inner, LLMT_TEXT("t", "x"), LLMT_INT("i", 3), LLMT_NUMBER("n", 1.5),
                        LLMT_BOOL("b", true), LLMT_JSON("j", "[1]")) != LLMT_OK)
        return llmt_span_set_errorf(third, "%s", llmt_strerror(LLMT_EJSON));
    llmt_span_set_usage(span, 1, 2, LLMT_UNKNOWN);
    llmt_span_end(none);
    return llmt_span_end(third);
}
