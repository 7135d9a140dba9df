/* The one table of settings: the parser of the environment and of the config file, `llm-tracer
 * config`, the man page and config/llm-tracer.env all come from it. */
#ifndef TRACER_BASE_OPTIONS_H
#define TRACER_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum option_type { OPTION_TEXT, OPTION_BOOL, OPTION_INT, OPTION_CHOICE, OPTION_SECRET };

enum option_id {
    OPTION_TRACER_URL,
    OPTION_TRACER_API_KEY,
    OPTION_TRACER_PROJECT_ID,
    OPTION_TRACING_ENABLED,
    OPTION_TRACER_ENDPOINTS,
    OPTION_TRACER_CAPTURE_CONTENT,
    OPTION_TRACER_DATA_DIR,
    OPTION_TRACER_RUNTIME_DIR,
    OPTION_TRACER_CONFIG,
    OPTION_TRACER_RING_MAX_MB,
    OPTION_TRACER_MAX_STORE_MB,
    OPTION_TRACER_MAX_CONTENT_BYTES,
    OPTION_TRACE_TTL_DAYS,
    OPTION_TRACER_EXIT_WAIT_MS,
    OPTION_TRACER_SUMMARY,
    OPTION_TRACER_ROLE,
    OPTION_TRACER_HOOKS,
    OPTION_TRACER_EXPORT,
    OPTION_TRACER_BUILD_DIR,
    OPTION_TRACER_LIBRARY,
    OPTION_TRACER_LOG_LEVEL,
    OPTION_API_KEYS, /* from here on: what `llm-tracer serve` alone reads */
    OPTION_API_KEY_REQUIRED,
    OPTION_DEFAULT_PROJECT_KEY,
    OPTION_RATE_LIMIT_RPM,
    OPTION_CORS_ORIGINS,
    OPTION_MAX_BODY_MB,
    OPTION_STORAGE_TYPE,
    OPTION_DYNAMODB_TRACES_TABLE,
    OPTION_DYNAMODB_SPANS_TABLE,
    OPTION_DYNAMODB_ENDPOINT_URL,
    OPTION_AWS_REGION,
    OPTION_AWS_ACCESS_KEY_ID,
    OPTION_AWS_SECRET_ACCESS_KEY,
    OPTION_AWS_SESSION_TOKEN,
    OPTION_COUNT
};

struct option_entry {
    const char *name;
    enum option_type type;
    const char *fallback; /* the default, as text; NULL: none */
    int64_t min, max;     /* OPTION_INT */
    const char *choices;  /* OPTION_CHOICE: "a|b|c" */
    const char *unit;     /* OPTION_INT: shown after the number; NULL: none */
    const char *help;     /* one sentence */
};

/* OPTION_COUNT entries, in the order of enum option_id. */
extern const struct option_entry option_table[];

/* Whether the setting is the server's alone: it is never handed to a traced program. */
bool option_is_servers(enum option_id id);

/* Loads the config file (TRACER_CONFIG, else $XDG_CONFIG_HOME/llm-tracer/llm-tracer.env, else
 * ~/.config/…, else /etc/llm-tracer/llm-tracer.env) behind the environment, which wins. A bad line
 * or value is one warning naming file and line, and is then left out. Call once, before threads
 * start. ERR_OK also when there is no file; ERR_NOMEM. */
int options_load(void);
/* The value in force: environment, else file, else default; "" when none of them has it. The text
 * lives as long as the process. */
const char *option_text(enum option_id id);
/* Where the value in force comes from: "environment", "default", or the config file's path. */
const char *option_source(enum option_id id);
bool option_bool(enum option_id id);
int64_t option_int(enum option_id id);
/* ERR_OK or ERR_BAD/ERR_RANGE for a text that the entry would refuse. */
int option_check(enum option_id id, const char *text);
/* The value that was given for the setting and cannot be taken, so that another one is in force,
 * and where it was given (as option_source says); NULL: there is none. */
const char *option_refused(enum option_id id, const char **source);
/* The file read by options_load, or NULL. */
const char *options_file(void);

#endif
