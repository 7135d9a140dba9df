// The same in C++.
#include <cstdio>

#include <llm_tracer.h>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "span";
    llmt::Client client;
    llmt::Trace trace = client.trace(name);
    llmt::Span span = trace.span(name, "tool");
    int result = span.set_output({LLMT_TEXT("language", "C++")});
    if (result != LLMT_OK || llmt_version() != LLMT_VERSION_NUMBER) {
        std::fprintf(stderr, "%s, version %x\n", llmt_strerror(result),
                     static_cast<unsigned>(llmt_version()));
        return 1;
    }
    return 0;
}
