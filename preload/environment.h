/* What the environment said when the program started. Copied by the constructor, since programs
 * change their environment while other threads read it, and overwrite it with their title. */
#ifndef TRACER_PRELOAD_ENVIRONMENT_H
#define TRACER_PRELOAD_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/owner.h"

/* What concerns the hooks alone. */
enum environment_name { ENV_TRACING_ENABLED, ENV_TRACER_ROLE, ENV_TRACER_HOOKS, ENV_NAMES };

/* Reads the variables; called once, by the constructor. Values that do not fit into 32 KB together
 * are left out. */
void environment_init(char **variables);
/* The value, or NULL when it was not set. Lives as long as the process. */
const char *environment_get(enum environment_name name);
const char *environment_setting(enum owner_setting setting);
/* The variables that a collector started from here needs, NAME=value, NULL-terminated. */
char *const *environment_for_collector(void);

/* TRACING_ENABLED is not false, and the constructor ran. */
bool environment_enabled(void);
/* TRACER_ROLE=server. */
bool environment_is_server(void);

#endif
