// The same for C++, without exceptions and type information too: compiled, never run, by header.sh.
#include "llm_tracer.h"

int every_class();

int every_class()
{
    llmt::Client client{llmt::ClientOptions()};
    llmt::Trace trace = client.trace("chat");
    llmt::SpanOptions options;
    options.model = "gpt-4o";
    llmt::Span span = trace.span("answer", "llm", options);
    llmt::Attached attached(span);
    llmt::Span moved;
    moved = span.span("inner", "tool");
    span.set_usage(1, 2);
    span.set_errorf("%d", 503);
    LLMT_SET_OUTPUT(span.get(), LLMT_NUMBER("n", 1.5), LLMT_BOOL("b", false));
    return moved.set_output({LLMT_TEXT("t", "x"), LLMT_INT("i", 3), LLMT_JSON("j", "[1]")});
}
