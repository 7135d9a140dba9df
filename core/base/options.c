#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

#define CONFIG_LINE_MAX 8192

const struct option_entry option_table[OPTION_COUNT] = {
    [OPTION_TRACER_URL] = {"TRACER_URL", OPTION_TEXT, "http://localhost:8001", 0, 0, NULL, NULL,
                           "Base URL of the tracing service."},
    [OPTION_TRACER_API_KEY] = {"TRACER_API_KEY", OPTION_SECRET, NULL, 0, 0, NULL, NULL,
                               "Key of the tracing service, project-{id}; without it spans are "
                               "kept locally only."},
    [OPTION_TRACER_PROJECT_ID] = {"TRACER_PROJECT_ID", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                  "Project of the traces; what follows project- in the key when "
                                  "unset."},
    [OPTION_TRACING_ENABLED] = {"TRACING_ENABLED", OPTION_BOOL, "true", 0, 0, NULL, NULL,
                                "false turns everything off: every hook passes straight through."},
    [OPTION_TRACER_ENDPOINTS] = {"TRACER_ENDPOINTS", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                 "Further endpoints to capture: [host][:port][/path],... or base "
                                 "URLs. A path means what lies under it too, unless it has * or ? "
                                 "as in file names; * alone is everything."},
    [OPTION_TRACER_CAPTURE_CONTENT] = {"TRACER_CAPTURE_CONTENT", OPTION_CHOICE, "full", 0, 0,
                                       "full|metadata", NULL,
                                       "full keeps prompts and answers, metadata leaves them out."},
    [OPTION_TRACER_DATA_DIR] = {"TRACER_DATA_DIR", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                "Folder of the store; $XDG_DATA_HOME/llm-tracer when unset."},
    [OPTION_TRACER_RUNTIME_DIR] = {"TRACER_RUNTIME_DIR", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                   "Folder of the shared memory; $XDG_RUNTIME_DIR/llm-tracer or "
                                   "/dev/shm/llm-tracer-UID when unset."},
    [OPTION_TRACER_CONFIG] = {"TRACER_CONFIG", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                              "Config file of NAME=value lines."},
    [OPTION_TRACER_RING_MAX_MB] = {"TRACER_RING_MAX_MB", OPTION_INT, "64", 1, 1024, NULL, "MB",
                                   "Most shared memory that one traced process may use."},
    [OPTION_TRACER_MAX_STORE_MB] = {"TRACER_MAX_STORE_MB", OPTION_INT, "2048", 1, 1048576, NULL,
                                    "MB",
                                    "Size of the store above which the oldest delivered traces "
                                    "are deleted."},
    [OPTION_TRACER_MAX_CONTENT_BYTES] = {"TRACER_MAX_CONTENT_BYTES", OPTION_INT, "33554432", 1024,
                                         268435456, NULL, "bytes",
                                         "Most bytes kept of one request or answer; the rest is "
                                         "cut, marked and counted."},
    [OPTION_TRACE_TTL_DAYS] = {"TRACE_TTL_DAYS", OPTION_INT, "90", 1, 36500, NULL, "days",
                               "Traces older than this are deleted."},
    [OPTION_TRACER_EXIT_WAIT_MS] = {"TRACER_EXIT_WAIT_MS", OPTION_INT, "5000", 0, 600000, NULL,
                                    "ms",
                                    "Longest wait at the end of a command for its spans to be "
                                    "stored and, in a container, delivered."},
    [OPTION_TRACER_SUMMARY] = {"TRACER_SUMMARY", OPTION_CHOICE, "auto", 0, 0, "auto|always|never",
                               NULL,
                               "The line that llm-trace prints at the end: on a terminal, always, "
                               "or never."},
    [OPTION_TRACER_ROLE] = {"TRACER_ROLE", OPTION_CHOICE, "client", 0, 0, "client|server", NULL,
                            "server also looks at connections that the program accepted."},
    [OPTION_TRACER_HOOKS] = {"TRACER_HOOKS", OPTION_CHOICE, "auto", 0, 0, "auto|curl", NULL,
                             "curl captures libcurl's transfers in its own layer even where its "
                             "TLS library is hooked."},
    [OPTION_TRACER_EXPORT] = {"TRACER_EXPORT", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                              "Further exporters, comma-separated: file:PATH (one span a line), "
                              "console."},
    [OPTION_TRACER_BUILD_DIR] = {"TRACER_BUILD_DIR", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                 "Build folder in which llm-trace looks for the program and the "
                                 "preloaded object."},
    [OPTION_TRACER_LIBRARY] = {"TRACER_LIBRARY", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                               "Path of the libllmtracer.so that the Python package loads; its "
                               "own copy when unset."},
    [OPTION_TRACER_LOG_LEVEL] = {"TRACER_LOG_LEVEL", OPTION_CHOICE, "warn", 0, 0,
                                 "error|warn|info|debug", NULL, "How much the collector logs."},
    [OPTION_API_KEYS] = {"API_KEYS", OPTION_SECRET, NULL, 0, 0, NULL, NULL,
                         "Keys that the server takes, comma-separated, each project-{id}; unset "
                         "on a loopback address, any well-formed key is its own project."},
    [OPTION_API_KEY_REQUIRED] = {"API_KEY_REQUIRED", OPTION_BOOL, "true", 0, 0, NULL, NULL,
                                 "false: requests without a key count as those of "
                                 "DEFAULT_PROJECT_KEY."},
    [OPTION_DEFAULT_PROJECT_KEY] = {"DEFAULT_PROJECT_KEY", OPTION_TEXT, "project-public", 0, 0,
                                    NULL, NULL,
                                    "Key that a request without one stands for, where none is "
                                    "required."},
    [OPTION_RATE_LIMIT_RPM] = {"RATE_LIMIT_RPM", OPTION_INT, "0", 0, 1000000000, NULL,
                               "requests/min",
                               "Most requests a minute that the server takes from one address; 0 "
                               "is no limit."},
    [OPTION_CORS_ORIGINS] = {"CORS_ORIGINS", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                             "Origins whose pages may call the server, comma-separated; none when "
                             "unset."},
    [OPTION_MAX_BODY_MB] = {"MAX_BODY_MB", OPTION_INT, "64", 1, 1024, NULL, "MB",
                            "Largest body that the server takes, before and after decompression."},
    [OPTION_STORAGE_TYPE] = {"STORAGE_TYPE", OPTION_CHOICE, "sqlite", 0, 0, "sqlite|dynamodb", NULL,
                             "Where the server keeps traces."},
    [OPTION_DYNAMODB_TRACES_TABLE] = {"DYNAMODB_TRACES_TABLE", OPTION_TEXT, "llm-tracer-dev-traces",
                                      0, 0, NULL, NULL, "DynamoDB table of the traces."},
    [OPTION_DYNAMODB_SPANS_TABLE] = {"DYNAMODB_SPANS_TABLE", OPTION_TEXT, "llm-tracer-dev-spans", 0,
                                     0, NULL, NULL, "DynamoDB table of the spans."},
    [OPTION_DYNAMODB_ENDPOINT_URL] = {"DYNAMODB_ENDPOINT_URL", OPTION_TEXT, NULL, 0, 0, NULL, NULL,
                                      "Where DynamoDB is, if not at AWS's address of the region."},
    [OPTION_AWS_REGION] = {"AWS_REGION", OPTION_TEXT, "eu-central-1", 0, 0, NULL, NULL,
                           "AWS region of the DynamoDB tables; unset: AWS_DEFAULT_REGION, then "
                           "the profile in ~/.aws/config."},
    [OPTION_AWS_ACCESS_KEY_ID] = {"AWS_ACCESS_KEY_ID", OPTION_SECRET, NULL, 0, 0, NULL, NULL,
                                  "AWS access key; unset: the credentials file, then the "
                                  "container's and the instance's role."},
    [OPTION_AWS_SECRET_ACCESS_KEY] = {"AWS_SECRET_ACCESS_KEY", OPTION_SECRET, NULL, 0, 0, NULL,
                                      NULL, "Secret of AWS_ACCESS_KEY_ID."},
    [OPTION_AWS_SESSION_TOKEN] = {"AWS_SESSION_TOKEN", OPTION_SECRET, NULL, 0, 0, NULL, NULL,
                                  "Session token of temporary AWS credentials."},
};

bool option_is_servers(enum option_id id)
{
    return id >= OPTION_API_KEYS;
}

static char *file_values[OPTION_COUNT];
static char *file_refused[OPTION_COUNT];
static char *file_path;

static bool parse_bool(const char *text, bool *value)
{
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcasecmp(text, "yes") == 0 ||
        strcasecmp(text, "on") == 0) {
        *value = true;
        return true;
    }
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcasecmp(text, "no") == 0 ||
        strcasecmp(text, "off") == 0) {
        *value = false;
        return true;
    }
    return false;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = choices; *p != '\0';) {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, text, n) == 0)
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

int option_check(enum option_id id, const char *text)
{
    const struct option_entry *entry = &option_table[id];
    bool flag;
    switch (entry->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        return ERR_OK;
    case OPTION_BOOL:
        return parse_bool(text, &flag) ? ERR_OK : ERR_BAD;
    case OPTION_CHOICE:
        return is_choice(entry->choices, text) ? ERR_OK : ERR_BAD;
    case OPTION_INT: {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0')
            return ERR_BAD;
        return errno == ERANGE || value < entry->min || value > entry->max ? ERR_RANGE : ERR_OK;
    }
    }
    return ERR_BAD;
}

static int option_find(const char *name, size_t len)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(option_table[i].name) == len && strncmp(option_table[i].name, name, len) == 0)
            return i;
    return -1;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int read_line(char *line, int number)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#')
        return ERR_OK;
    if (strncmp(text, "export ", 7) == 0)
        text = trim(text + 7);
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        log_warn("%s:%d: not a NAME=value line; it is left out", file_path, number);
        return ERR_OK;
    }
    *equals = '\0';
    char *value = trim(equals + 1);
    size_t len = strlen(value);
    if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
        value[len - 1] = '\0';
        value++;
    }
    char *name = trim(text);
    int id = option_find(name, strlen(name));
    if (id < 0) {
        log_warn("%s:%d: unknown setting %.64s; `llm-tracer config` lists them", file_path, number,
                 name);
        return ERR_OK;
    }
    char *copy = strdup(value);
    if (copy == NULL)
        return ERR_NOMEM;
    free(file_refused[id]);
    file_refused[id] = NULL;
    char **kept = &file_values[id];
    if (option_check((enum option_id)id, value) != ERR_OK) {
        log_warn("%s:%d: bad value for %s; it is left out", file_path, number, name);
        kept = &file_refused[id];
    }
    free(*kept);
    *kept = copy;
    return ERR_OK;
}

/* Opens the first config file that there is and keeps its path. */
static FILE *open_config(void)
{
    char path[4096];
    const char *named = getenv("TRACER_CONFIG");
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    FILE *f = NULL;
    if (named != NULL && *named != '\0') {
        snprintf(path, sizeof(path), "%s", named);
        f = fopen(path, "re");
        if (f == NULL)
            log_warn("TRACER_CONFIG=%s: %s; only the environment is read", path, strerror(errno));
    } else {
        if (xdg != NULL && *xdg == '/')
            snprintf(path, sizeof(path), "%s/llm-tracer/llm-tracer.env", xdg);
        else
            snprintf(path, sizeof(path), "%s/.config/llm-tracer/llm-tracer.env",
                     home != NULL ? home : "");
        f = fopen(path, "re");
        if (f == NULL) {
            snprintf(path, sizeof(path), "/etc/llm-tracer/llm-tracer.env");
            f = fopen(path, "re");
        }
    }
    if (f != NULL) {
        file_path = strdup(path);
        if (file_path == NULL) {
            fclose(f);
            return NULL;
        }
    }
    return f;
}

int options_load(void)
{
    FILE *f = open_config();
    if (f == NULL)
        return ERR_OK;
    char line[CONFIG_LINE_MAX];
    int err = ERR_OK;
    for (int number = 1; err == ERR_OK && fgets(line, sizeof(line), f) != NULL; number++)
        err = read_line(line, number);
    fclose(f);
    return err;
}

/* The environment's value when it is set, not empty and valid; a bad one is warned of once. */
static const char *from_environment(enum option_id id)
{
    static bool warned[OPTION_COUNT];
    const char *text = getenv(option_table[id].name);
    if (text == NULL || *text == '\0')
        return NULL;
    if (option_check(id, text) == ERR_OK)
        return text;
    if (!warned[id]) {
        warned[id] = true;
        log_warn("%s: bad value \"%.64s\"; `llm-tracer config` tells what it takes",
                 option_table[id].name, text);
    }
    return NULL;
}

const char *option_text(enum option_id id)
{
    const char *text = from_environment(id);
    if (text == NULL)
        text = file_values[id];
    if (text == NULL)
        text = option_table[id].fallback;
    return text == NULL ? "" : text;
}

const char *option_source(enum option_id id)
{
    if (from_environment(id) != NULL)
        return "environment";
    return file_values[id] != NULL ? file_path : "default";
}

bool option_bool(enum option_id id)
{
    bool value = false;
    (void)parse_bool(option_text(id), &value);
    return value;
}

int64_t option_int(enum option_id id)
{
    return strtoll(option_text(id), NULL, 10);
}

const char *option_refused(enum option_id id, const char **source)
{
    const char *text = getenv(option_table[id].name);
    *source = "environment";
    if (text != NULL && *text != '\0')
        return option_check(id, text) == ERR_OK ? NULL : text;
    *source = file_path;
    return file_refused[id];
}

const char *options_file(void)
{
    return file_path;
}
