#include "environment.h"

#include "text.h"

#define TEXT_SIZE     32768
#define TEXT_NEAR     2560 /* of the first variables: on the page that is written anyway */
#define COLLECTOR_MAX 64

LLMT_HOT_TABLE static const char names[ENV_NAMES][16] = {
    [ENV_TRACING_ENABLED] = "TRACING_ENABLED",
    [ENV_TRACER_ROLE] = "TRACER_ROLE",
    [ENV_TRACER_HOOKS] = "TRACER_HOOKS",
};

static char kept[TEXT_SIZE];

LLMT_HOT static struct {
    bool ready, enabled, server;
    const char *values[ENV_NAMES], *settings[OWNER_SETTINGS];
    char *collector[COLLECTOR_MAX + 1];
    size_t collector_count;
    size_t near_used, used;
    char near[TEXT_NEAR];
} env;

static int own_name(const char *variable)
{
    for (int i = 0; variable[0] == 'T' && i < ENV_NAMES; i++) {
        size_t len = text_length(names[i]);
        if (text_starts(variable, names[i]) && variable[len] == '=')
            return i;
    }
    return -1;
}

/* A copy of the variable, len bytes with its NUL; NULL when there is no room. */
static char *keep(const char *variable, size_t len)
{
    bool near = len <= TEXT_NEAR - env.near_used;
    if (!near && len > TEXT_SIZE - env.used)
        return NULL;
    char *copy = near ? env.near + env.near_used : kept + env.used;
    memcpy(copy, variable, len);
    *(near ? &env.near_used : &env.used) += len;
    return copy;
}

/* Of two variables with one name the first counts. */
static void note(const char **value, const char *copy, size_t len)
{
    if (*value == NULL)
        *value = copy + text_find(copy, 0, len, '=') + 1;
}

static void read_variable(const char *variable)
{
    int name = own_name(variable), setting = owner_setting_of(variable);
    bool collector = owner_is_for_collector(variable);
    if (name < 0 && setting < 0 && !collector)
        return;
    size_t len = text_length(variable) + 1;
    char *copy = keep(variable, len);
    if (copy == NULL)
        return;
    if (name >= 0)
        note(&env.values[name], copy, len);
    if (setting >= 0)
        note(&env.settings[setting], copy, len);
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

const char *environment_setting(enum owner_setting setting)
{
    return env.settings[setting];
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
