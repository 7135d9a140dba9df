#include "client/warning.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const sentences[TROUBLES] = {
    [TROUBLE_NO_KEY] = "no API key: traces stay in the local store and are not delivered; set "
                       "TRACER_API_KEY=project-ID to deliver them",
    [TROUBLE_BAD_KEY] = "the API key is not of the form project-ID: traces stay in the local store "
                        "and are not delivered; correct TRACER_API_KEY",
    [TROUBLE_BAD_PROJECT] = "a project id is not 1 to 100 of A-Z a-z 0-9 _ -: it is passed over "
                            "and the key's project used; correct it",
    [TROUBLE_BAD_TIMEOUT] = "timeout_ms is not within 1..600000: the nearest that is, or 5000, is "
                            "used; correct it",
    [TROUBLE_BAD_TYPE] = "a span's type is none of llm, tool, agent, function, retrieval, "
                         "embedding, chain, other: it is recorded as other; correct it",
    [TROUBLE_BAD_JSON] = "a text that should be JSON is not: it is recorded as "
                         "{\"text\": ...}; pass JSON, metadata as an object",
    [TROUBLE_BAD_NUMBER] = "a figure is out of its range and not recorded; pass tokens within "
                           "0..1e12, costs within 0..1e9, or LLMT_UNKNOWN",
    [TROUBLE_BAD_TRACEPARENT] = "a traceparent is malformed and passed over: the trace gets ids of "
                                "its own; pass the header as it was received",
    [TROUBLE_NO_RING] = "no shared memory for traces: nothing is recorded; see that /dev/shm or "
                        "TRACER_RUNTIME_DIR is writable and has room (llm-tracer doctor)",
    [TROUBLE_RING_FULL] = "shared memory for traces is full: some are lost; see that the collector "
                          "runs (llm-tracer status), or raise TRACER_RING_MAX_MB",
    [TROUBLE_NO_COLLECTOR] = "no collector runs, and its program was not found: traces wait in "
                             "shared memory; put llm-tracer on the PATH, or start it",
    [TROUBLE_NO_WAIT] = "not confirmed within the timeout: it is kept and delivered later, and no "
                        "call waits for the next 30 s; see llm-tracer status",
    [TROUBLE_TOO_MANY] = "too many traces and spans are open: further ones are not recorded; end "
                         "each with llmt_span_end or llmt_trace_end",
};

/* One write, so that lines of several threads stay whole. */
static void say(const char *sentence)
{
    char line[320];
    const int saved = errno;
    const int len = snprintf(line, sizeof(line), "llm-tracer: %s\n", sentence);
    if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
        errno = saved; /* nobody to tell */
    errno = saved;
}

void warning_give(uint64_t client, enum trouble trouble)
{
    struct client_view c;
    const uint32_t bit = UINT32_C(1) << trouble;
    if (!client_look(client, &c) || client_warned(client, bit))
        return;
    if (c.on_warning)
        c.on_warning(c.user, sentences[trouble]);
    else if ((atomic_fetch_or(&c.settings->warned, bit) & bit) == 0)
        say(sentences[trouble]);
}
