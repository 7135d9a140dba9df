#include "environment.h"

#include "text.h"

#define TEXT_SIZE     32768
#define TEXT_NEAR     2560 /* of the first variables: on the page that is written anyway */
#define COLLECTOR_MAX 64

LLMT_HOT_TABLE static const char names[ENV_NAMES][24] = {
    [ENV_TRACING_ENABLED] = "TRACING_ENABLED",
    [ENV_TRACER_ENDPOINTS] = "TRACER_ENDPOINTS",
    [ENV_TRACER_ROLE] = "TRACER_ROLE",
    [ENV_TRACER_HOOKS] = "TRACER_HOOKS",
    [ENV_TRACER_URL] = "TRACER_URL",
    [ENV_TRACER_API_KEY] = "TRACER_API_KEY",
    [ENV_TRACER_PROJECT_ID] = "TRACER_PROJECT_ID",
    [ENV_TRACER_CAPTURE_CONTENT] = "TRACER_CAPTURE_CONTENT",
    [ENV_TRACER_RUNTIME_DIR] = "TRACER_RUNTIME_DIR",
    [ENV_TRACER_RING_MAX_MB] = "TRACER_RING_MAX_MB",
    [ENV_TRACER_RUN_TRACE] = "TRACER_RUN_TRACE",
    [ENV_TRACER_RUN_NAME] = "TRACER_RUN_NAME",
    [ENV_TRACEPARENT] = "TRACEPARENT",
    [ENV_TRACER_DATA_DIR] = "TRACER_DATA_DIR",
    [ENV_TRACER_EXPORT] = "TRACER_EXPORT",
    [ENV_TRACER_MAX_CONTENT_BYTES] = "TRACER_MAX_CONTENT_BYTES",
    [ENV_XDG_RUNTIME_DIR] = "XDG_RUNTIME_DIR",
};

/* What the collector gets: where its files are, how it reaches the network and its stores. Where
 * spans are delivered to is not among it: every process tells that of itself. A name that ends in
 * `*` is a prefix. */
LLMT_HOT_TABLE static const char for_collector[][24] = {
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "TZ",
    "TMPDIR",
    "LANG",
    "LC_*",
    "XDG_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "AWS_*",
    "OTEL_*",
    "TRACER_CONFIG",
    "TRACER_DATA_DIR",
    "TRACER_RUNTIME_DIR",
    "TRACER_MAX_STORE_MB",
    "TRACER_LOG_LEVEL",
    "TRACE_TTL_DAYS",
    "TRACER_STORE*",
    "TRACER_EXPORT",
    "TRACER_MAX_CONTENT_BYTES",
};

static char kept[TEXT_SIZE];

LLMT_HOT static struct {
    bool ready, enabled, server;
    const char *values[ENV_NAMES];
    char *collector[COLLECTOR_MAX + 1];
    size_t collector_count;
    size_t near_used, used;
    char near[TEXT_NEAR];
} env;

static bool is_named(const char *variable, const char *name)
{
    size_t i = 0;
    while (name[i] != '\0' && name[i] != '*' && variable[i] == name[i])
        i++;
    return name[i] == '*' || (name[i] == '\0' && variable[i] == '=');
}

static bool is_for_collector(const char *variable)
{
    for (size_t i = 0; i < sizeof(for_collector) / sizeof(for_collector[0]); i++)
        if (variable[0] == for_collector[i][0] && is_named(variable, for_collector[i]))
            return true;
    return false;
}

static int own_name(const char *variable)
{
    if (variable[0] != 'T' && variable[0] != 'X')
        return -1;
    for (int i = 0; i < ENV_NAMES; i++)
        if (is_named(variable, names[i]))
            return i;
    return -1;
}

/* A copy of the variable; NULL when there is no room. */
static char *keep(const char *variable)
{
    size_t len = text_length(variable) + 1;
    bool near = len <= TEXT_NEAR - env.near_used;
    if (!near && len > TEXT_SIZE - env.used)
        return NULL;
    char *copy = near ? env.near + env.near_used : kept + env.used;
    memcpy(copy, variable, len);
    *(near ? &env.near_used : &env.used) += len;
    return copy;
}

static void read_variable(const char *variable)
{
    int name = own_name(variable);
    bool collector = is_for_collector(variable);
    char *copy = name >= 0 || collector ? keep(variable) : NULL;
    if (copy == NULL)
        return;
    if (name >= 0 && env.values[name] == NULL)
        env.values[name] = copy + text_length(names[name]) + 1;
    if (collector && env.collector_count < COLLECTOR_MAX)
        env.collector[env.collector_count++] = copy;
}

static bool is_word(const char *value, const char *word)
{
    size_t i = 0;
    while (value[i] != '\0' && text_lower(value[i]) == word[i])
        i++;
    return value[i] == '\0' && word[i] == '\0';
}

static bool says_no(const char *value)
{
    return value != NULL && (is_word(value, "false") || is_word(value, "0") ||
                             is_word(value, "no") || is_word(value, "off"));
}

void environment_init(char **variables)
{
    if (variables == NULL || env.ready)
        return;
    for (char **v = variables; *v != NULL; v++)
        read_variable(*v);
    const char *role = env.values[ENV_TRACER_ROLE];
    env.server = role != NULL && is_word(role, "server");
    env.enabled = !says_no(env.values[ENV_TRACING_ENABLED]);
    env.ready = true;
}

const char *environment_get(enum environment_name name)
{
    return env.values[name];
}

char *const *environment_for_collector(void)
{
    return env.collector;
}

bool environment_enabled(void)
{
    return env.enabled;
}

bool environment_is_server(void)
{
    return env.server;
}
