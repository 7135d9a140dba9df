/* What the environment said when the first client was opened. Copied, since programs change their
 * environment while other threads read it. */
#ifndef TRACER_CLIENT_ENVIRONMENT_H
#define TRACER_CLIENT_ENVIRONMENT_H

#include "wire/owner.h"

/* Takes the copy; called once, before the functions below. Without memory it stays empty. */
void environment_init(void);
/* A setting of the ring, or NULL when it was not set. Lives as long as the process. */
const char *environment_setting(enum owner_setting name);
/* The variables that a collector started from here needs, NAME=value, NULL-terminated. */
char *const *environment_for_collector(void);

#endif
