/* `llm-tracer collect`: the collector. Started by the wrapper, by a service manager, or by the
 * first ring of a bare LD_PRELOAD (--spawned). */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "collector/collector.h"

static struct collector *running;

static void on_signal(int signal)
{
    (void)signal;
    int saved = errno;
    collector_stop(running);
    errno = saved;
}

static void catch_signals(void)
{
    struct sigaction end = {.sa_handler = on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a full store is an error, not a death */
}

/* Our own requests are nobody's LLM calls: started under somebody's LD_PRELOAD, the program starts
 * once more without it. */
static void leave_preload(int argc, char **argv)
{
    if (getenv("LD_PRELOAD") == NULL)
        return;
    unsetenv("LD_PRELOAD");
    char **args = calloc((size_t)argc + 2, sizeof(char *));
    if (args == NULL)
        return;
    args[0] = (char *)"llm-tracer";
    for (int i = 0; i < argc; i++)
        args[i + 1] = argv[i];
    execv("/proc/self/exe", args); /* a failure leaves us as we are */
    free(args);
}

/* The log lies beside the spans, or beside the rings when that cannot be written. */
static void choose_log(const char *data, const char *runtime)
{
    char path[CLI_PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", data, COLLECTOR_LOG_NAME);
    if (log_to(path) == ERR_OK)
        return;
    snprintf(path, sizeof(path), "%s/%s", runtime, COLLECTOR_LOG_NAME);
    if (log_to(path) != ERR_OK)
        log_set_level(LOG_ERROR);
}

static int find_dirs(char *runtime, char *data, size_t size, bool *fallback)
{
    if (cli_runtime_dir(runtime, size) != ERR_OK)
        return cli_error(&command_collect,
                         "no folder for shared memory: %s; set TRACER_RUNTIME_DIR to one",
                         strerror(errno));
    int err = cli_data_dir(data, size, fallback);
    if (err != ERR_OK)
        return cli_error(&command_collect, "no data directory: %s: %s; set TRACER_DATA_DIR to one",
                         data, err == ERR_IO ? strerror(errno) : err_str(err));
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    bool foreground = false, spawned = false, fallback = false;
    const struct cli_option options[] = {
        {.name = "foreground", .type = CLI_FLAG, .value = &foreground},
        {.name = "spawned", .type = CLI_FLAG, .value = &spawned},
    };
    const char *words[1];
    int count = cli_parse(&command_collect, argc, argv, options,
                          sizeof(options) / sizeof(options[0]), words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    umask(077);
    leave_preload(argc, argv);
    /* A call is many small pieces of memory that are freed together, a thousand calls at a time:
     * glibc's fast bins only delay that work and then do it at once (a tenth of our time). */
    mallopt(M_MXFAST, 0);
    char runtime[CLI_PATH_MAX], data[CLI_PATH_MAX];
    int code = find_dirs(runtime, data, sizeof(data), &fallback);
    if (code != CLI_OK)
        return code;
    if (!foreground)
        choose_log(data, runtime);
    const struct collector_options o = {.runtime_dir = runtime,
                                        .data_dir = data,
                                        .data_fallback = fallback,
                                        .foreground = foreground};
    int err = collector_new(&running, &o);
    if (err == ERR_BUSY && spawned)
        return CLI_OK; /* two started at once: one is enough */
    if (err == ERR_BUSY)
        return cli_error(&command_collect, "a collector runs already (pid %lld)",
                         (long long)collector_running(runtime));
    if (err != ERR_OK)
        return cli_error(&command_collect, "cannot start in %s: %s", runtime, err_str(err));
    catch_signals();
    collector_run(running);
    collector_free(running);
    return CLI_OK;
}

const struct cli_command command_collect = {
    .name = "collect",
    .summary = "Runs the collector; `llm-trace` and traced programs start it by themselves",
    .usage = "[--foreground]",
    .help =
        "Reads what traced programs of this user write, stores and delivers it. Ends by itself\n"
        "when no traced program lives and nothing waits.\n"
        "\n"
        "  --foreground  stays until it is stopped, and logs to stderr: for service managers\n",
    .run = run,
};
