/* span NAME: one trace with one span of that name. */
#include <stdio.h>

#include <llm_tracer.h>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "span";
    LLMT_CLIENT(client);
    LLMT_TRACE(trace, client, name);
    LLMT_SPAN(span, trace, name, "tool");
    int result = LLMT_SET_OUTPUT(span, LLMT_TEXT("language", "C"));
    if (result != LLMT_OK || llmt_version() != LLMT_VERSION_NUMBER) {
        fprintf(stderr, "%s, version %x\n", llmt_strerror(result), (unsigned)llmt_version());
        return 1;
    }
    return 0;
}
