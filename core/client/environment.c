#include "client/environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLLECTOR_MAX 256

/* Whole variables: what only points into one looks lost to a leak checker. */
static const char *settings[OWNER_SETTINGS];
static char *for_collector[COLLECTOR_MAX + 1];

void environment_init(void)
{
    size_t count = 0;
    for (char **v = environ; v && *v; v++) {
        const int name = owner_setting_of(*v);
        const bool first = name >= 0 && !settings[name];
        const bool collector = owner_is_for_collector(*v) && count < COLLECTOR_MAX;
        char *copy = first || collector ? strdup(*v) : NULL;
        if (!copy)
            continue;
        if (first)
            settings[name] = copy;
        if (collector)
            for_collector[count++] = copy;
    }
}

const char *environment_setting(enum owner_setting name)
{
    const char *variable = settings[name];
    return variable ? variable + strcspn(variable, "=") + 1 : NULL;
}

char *const *environment_for_collector(void)
{
    return for_collector;
}
