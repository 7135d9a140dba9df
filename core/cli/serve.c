/* `llm-tracer serve`: the tracing service, the other end of TRACER_URL. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "cli/cli.h"
#include "service/service.h"

#define LISTEN_DEFAULT "127.0.0.1:8001"

struct arguments {
    const char *listen;
    const char *socket;
    bool init_tables;
};

/* The line that programs wait for which start a server on a free port. */
static void say_ready(void *user, const char *url)
{
    (void)user;
    printf("Listening on %s\n", url);
    fflush(stdout);
    if (isatty(STDOUT_FILENO) && strncmp(url, "http", 4) == 0)
        printf("The dashboard is %s/dashboard, Ctrl-C ends the server.\n", url);
    fflush(stdout);
}

static void set_store(struct service_settings *s, const char *data_dir, const struct arguments *a)
{
    const char *endpoint = option_text(OPTION_DYNAMODB_ENDPOINT_URL);
    s->store = (struct backend_settings){
        .data_dir = data_dir,
        .traces_table = option_text(OPTION_DYNAMODB_TRACES_TABLE),
        .spans_table = option_text(OPTION_DYNAMODB_SPANS_TABLE),
        .endpoint_url = *endpoint != '\0' ? endpoint : NULL,
        .region = option_text(OPTION_AWS_REGION),
        .ttl_days = option_int(OPTION_TRACE_TTL_DAYS),
        .init = a->init_tables,
    };
}

static struct service_settings settings_of(const struct arguments *a)
{
    return (struct service_settings){
        .listen = a->listen != NULL || a->socket != NULL ? a->listen : LISTEN_DEFAULT,
        .socket = a->socket,
        .keys = option_text(OPTION_API_KEYS),
        .key_required = option_bool(OPTION_API_KEY_REQUIRED),
        .default_key = option_text(OPTION_DEFAULT_PROJECT_KEY),
        .cors_origins = option_text(OPTION_CORS_ORIGINS),
        .rate_limit = option_int(OPTION_RATE_LIMIT_RPM),
        .body_max = (size_t)option_int(OPTION_MAX_BODY_MB) * 1024 * 1024,
        .ready = say_ready,
    };
}

/* What the setting takes, for a sentence. */
static void describe(char *out, size_t room, const struct option_entry *entry)
{
    switch (entry->type) {
    case OPTION_BOOL:
        snprintf(out, room, "true or false");
        return;
    case OPTION_INT:
        snprintf(out, room, "a number from %" PRId64 " to %" PRId64, entry->min, entry->max);
        return;
    case OPTION_CHOICE:
        snprintf(out, room, "one of %s", entry->choices);
        return;
    case OPTION_TEXT:
    case OPTION_SECRET:
        break;
    }
    snprintf(out, room, "another text");
}

/* Says which setting has a value that cannot be taken, and what it takes. Another program would go
 * on with the default; a server would keep what it gets in another store, or longer, than was
 * meant. */
static bool settings_are_good(void)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        const char *source;
        char takes[128];
        if (!option_is_servers((enum option_id)id) && id != OPTION_TRACE_TTL_DAYS)
            continue;
        const char *text = option_refused((enum option_id)id, &source);
        if (text == NULL)
            continue;
        describe(takes, sizeof(takes), &option_table[id]);
        cli_error(&command_serve, "%s=%.64s (%s): it takes %s", option_table[id].name, text, source,
                  takes);
        return false;
    }
    return true;
}

static int serve(const struct arguments *a, const char *data_dir)
{
    struct service_settings settings = settings_of(a);
    char *why = NULL;
    settings.backend = backend_find(option_text(OPTION_STORAGE_TYPE));
    if (settings.backend == NULL)
        return cli_error(&command_serve, "this program was built without %s",
                         option_text(OPTION_STORAGE_TYPE));
    set_store(&settings, data_dir, a);
    int err = service_run(&settings, &why);
    if (err != ERR_OK)
        cli_error(&command_serve, "%s", why != NULL ? why : err_str(err));
    free(why);
    return err == ERR_OK ? CLI_OK : CLI_USAGE;
}

static int run(int argc, char **argv)
{
    struct arguments a = {0};
    char data_dir[CLI_PATH_MAX] = "";
    bool fallback = false;
    const struct cli_option options[] = {
        {.name = "listen", .type = CLI_TEXT, .value = &a.listen},
        {.name = "socket", .type = CLI_TEXT, .value = &a.socket},
        {.name = "init-tables", .type = CLI_FLAG, .value = &a.init_tables},
    };
    const char *words[1];
    int count = cli_parse(&command_serve, argc, argv, options, sizeof(options) / sizeof(options[0]),
                          words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    if (!settings_are_good())
        return CLI_USAGE;
    umask(077);
    log_set_level(LOG_INFO);
    /* The fallback of the collector, a folder in memory, is no place for what is acknowledged. */
    if (strcmp(option_text(OPTION_STORAGE_TYPE), "sqlite") == 0 &&
        (cli_data_dir(data_dir, sizeof(data_dir), &fallback) != ERR_OK || fallback))
        return cli_error(&command_serve,
                         "the data directory cannot be written; set TRACER_DATA_DIR to a folder "
                         "that can");
    return serve(&a, data_dir);
}

const struct cli_command command_serve = {
    .name = "serve",
    .summary = "Runs the tracing service: the HTTP API and the dashboard",
    .usage = "[--listen ADDRESS:PORT] [--socket PATH] [--init-tables]",
    .help =
        "Keeps what programs with TRACER_URL and TRACER_API_KEY send, and shows it in a browser.\n"
        "Runs until SIGTERM or Ctrl-C, then finishes what it has begun.\n"
        "\n"
        "  --listen ADDRESS:PORT  where to listen (127.0.0.1:8001); [::1]:8001 for IPv6, port 0\n"
        "                         for a free one. Anything but a loopback address needs API_KEYS\n"
        "  --socket PATH          listens on a Unix socket that only this user can open;\n"
        "                         with --listen on both\n"
        "  --init-tables          makes the DynamoDB tables, indexes and TTL that are missing\n"
        "\n"
        "Settings come from the environment or the config file; `llm-tracer config` lists them:\n"
        "API_KEYS, API_KEY_REQUIRED, DEFAULT_PROJECT_KEY, RATE_LIMIT_RPM, CORS_ORIGINS,\n"
        "MAX_BODY_MB, TRACE_TTL_DAYS, STORAGE_TYPE, DYNAMODB_*, AWS_*, TRACER_DATA_DIR.\n",
    .run = run,
};
