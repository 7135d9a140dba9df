/* Which variables mean something here, and which are a collector's. Looked through at every start
 * of every program, so code and tables lie together, with what else runs then. */
#include "wire/owner.h"

#define AT_START       __attribute__((section(".text.startup")))
#define TABLE_AT_START __attribute__((section(".text.startup.tables")))

TABLE_AT_START static const char settings[OWNER_SETTINGS][28] = {
    [OWNER_URL] = "TRACER_URL",
    [OWNER_KEY] = "TRACER_API_KEY",
    [OWNER_PROJECT] = "TRACER_PROJECT_ID",
    [OWNER_CONTENT] = "TRACER_CAPTURE_CONTENT",
    [OWNER_ENDPOINTS] = "TRACER_ENDPOINTS",
    [OWNER_RUN_TRACE] = "TRACER_RUN_TRACE",
    [OWNER_RUN_NAME] = "TRACER_RUN_NAME",
    [OWNER_TRACEPARENT] = "TRACEPARENT",
    [OWNER_DATA_DIR] = "TRACER_DATA_DIR",
    [OWNER_EXPORT] = "TRACER_EXPORT",
    [OWNER_MAX_CONTENT] = "TRACER_MAX_CONTENT_BYTES",
    [OWNER_RUNTIME_DIR] = "TRACER_RUNTIME_DIR",
    [OWNER_XDG_RUNTIME_DIR] = "XDG_RUNTIME_DIR",
    [OWNER_RING_MAX_MB] = "TRACER_RING_MAX_MB",
    [OWNER_PATH] = "PATH",
};

/* What the collector gets: where its files are, how it reaches the network and its stores. Where
 * spans are delivered to is not among it: every process tells that of itself. A name that ends in
 * `*` is a prefix. Sorted, so that most variables are looked for in half of it. */
TABLE_AT_START static const char for_collector[][28] = {
    "ALL_PROXY",
    "AWS_*",
    "CURL_CA_BUNDLE",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_*",
    "LOGNAME",
    "NO_PROXY",
    "OTEL_*",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TRACER_CONFIG",
    "TRACER_DATA_DIR",
    "TRACER_EXPORT",
    "TRACER_LOG_LEVEL",
    "TRACER_MAX_CONTENT_BYTES",
    "TRACER_MAX_STORE_MB",
    "TRACER_RUNTIME_DIR",
    "TRACER_STORE*",
    "TRACE_TTL_DAYS",
    "TZ",
    "USER",
    "XDG_*",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
};

AT_START static bool is_named(const char *variable, const char *name)
{
    size_t i = 0;
    while (name[i] && name[i] != '*' && variable[i] == name[i])
        i++;
    return name[i] == '*' || (!name[i] && variable[i] == '=');
}

AT_START int owner_setting_of(const char *variable)
{
    if (variable[0] != 'T' && variable[0] != 'X' && variable[0] != 'P')
        return -1;
    for (int i = 0; i < OWNER_SETTINGS; i++)
        if (variable[0] == settings[i][0] && is_named(variable, settings[i]))
            return i;
    return -1;
}

const char *owner_setting_name(enum owner_setting setting)
{
    return settings[setting];
}

AT_START bool owner_is_for_collector(const char *variable)
{
    const size_t count = sizeof(for_collector) / sizeof(for_collector[0]);
    for (size_t i = 0; i < count && for_collector[i][0] <= variable[0]; i++)
        if (variable[0] == for_collector[i][0] && is_named(variable, for_collector[i]))
            return true;
    return false;
}
