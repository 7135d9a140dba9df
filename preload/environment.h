/* What the environment said when the program started. Copied by the constructor, since programs
 * change their environment while other threads read it, and overwrite it with their title. */
#ifndef TRACER_PRELOAD_ENVIRONMENT_H
#define TRACER_PRELOAD_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum environment_name {
    ENV_TRACING_ENABLED,
    ENV_TRACER_ENDPOINTS,
    ENV_TRACER_ROLE,
    ENV_TRACER_HOOKS,
    ENV_TRACER_URL,
    ENV_TRACER_API_KEY,
    ENV_TRACER_PROJECT_ID,
    ENV_TRACER_CAPTURE_CONTENT,
    ENV_TRACER_RUNTIME_DIR,
    ENV_TRACER_RING_MAX_MB,
    ENV_TRACER_RUN_TRACE,
    ENV_TRACER_RUN_NAME,
    ENV_TRACEPARENT,
    ENV_TRACER_DATA_DIR,
    ENV_TRACER_EXPORT,
    ENV_TRACER_MAX_CONTENT_BYTES,
    ENV_XDG_RUNTIME_DIR,
    ENV_NAMES
};

/* Reads the variables; called once, by the constructor. Values that do not fit into 32 KB together
 * are left out. */
void environment_init(char **variables);
/* The value, or NULL when it was not set. Lives as long as the process. */
const char *environment_get(enum environment_name name);
/* The variables that a collector started from here needs, NAME=value, NULL-terminated. */
char *const *environment_for_collector(void);

/* TRACING_ENABLED is not false, and the constructor ran. */
bool environment_enabled(void);
/* TRACER_ROLE=server. */
bool environment_is_server(void);

#endif
