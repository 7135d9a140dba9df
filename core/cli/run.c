/* `llm-tracer run -- CMD...`: the wrapper behind scripts/llm-trace and scripts/entrypoint. The
 * command's behaviour is its own; the wrapper adds the preloaded object, a collector, and one line
 * at the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "cli/run.h"
#include "collector/collector.h"
#include "wire/reader.h"

#define WAIT_STEP_MS 2
#define COLLECTOR_MS 3000 /* for the collector's orderly end, as process 1 */
#define RESTART_MS   300  /* before a collector that is not there is started once more */

static void ring_bell(const struct run *r)
{
    struct doorbell_view *bell;
    if (doorbell_open(&bell, r->runtime) != ERR_OK)
        return;
    doorbell_ring(bell);
    doorbell_close(bell);
}

/* Waits until what the run's processes wrote is stored (as process 1: delivered). Bounded, and
 * given up at a signal. */
static bool wait_for_collector(struct run *r)
{
    const int64_t most = option_int(OPTION_TRACER_EXIT_WAIT_MS) * NS_PER_MS;
    const int64_t begin = clock_boot_ns();
    int64_t restart = begin + RESTART_MS * NS_PER_MS;
    if (r->mark < 0)
        return false;
    run_mark_end(r->mark, r->first ? RUN_MARK_DELIVERED : RUN_MARK_STORED);
    ring_bell(r);
    bool answered = false;
    while (!(answered = run_mark_answered(r->runtime, r->trace))) {
        int64_t now = clock_boot_ns();
        if (now - begin >= most || run_pause(WAIT_STEP_MS))
            break;
        if (now >= restart) {
            restart = now + most;
            run_start_collector(r);
        }
    }
    return answered;
}

/* As process 1 the collector would be killed with us: it is ended in order first. */
static void end_collector(const struct run *r)
{
    int64_t pid = collector_running(r->runtime);
    const int64_t until = clock_boot_ns() + COLLECTOR_MS * NS_PER_MS;
    if (pid <= 1 || kill((pid_t)pid, SIGTERM) != 0)
        return;
    while (collector_running(r->runtime) == pid && clock_boot_ns() < until)
        if (run_pause(WAIT_STEP_MS))
            break;
}

/* As a shell says it, with a shell's exit codes. */
static int say_not_started(const struct run *r, int error)
{
    if (error == ENOENT && strchr(r->argv[0], '/') == NULL)
        cli_error(NULL, "%s: command not found", r->argv[0]);
    else
        cli_error(NULL, "%s: %s", r->argv[0], strerror(error));
    return error == ENOENT ? 127 : 126;
}

static int run(int argc, char **argv)
{
    struct run r = {.argv = argv + 1, .first = getpid() == 1, .mark = -1};
    if (argc > 1 && strcmp(r.argv[0], "--") == 0)
        r.argv++;
    else if (argc > 1 && r.argv[0][0] == '-')
        return cli_error(&command_run, "no option %.60s; usage: llm-tracer run %s", r.argv[0],
                         command_run.usage);
    if (argc < 2 || r.argv[0] == NULL)
        return cli_error(&command_run, "no command; usage: llm-tracer run %s", command_run.usage);
    r.traced = run_prepare(&r);
    if (!r.traced && !r.first) { /* nothing to add: the command takes our place */
        execvp(r.argv[0], r.argv);
        return say_not_started(&r, errno);
    }
    if (r.traced) {
        r.before = collector_status_read(r.runtime);
        run_start_collector(&r);
    }
    struct run_end end = run_command(&r);
    if (!end.started) {
        if (r.mark >= 0)
            run_mark_close(r.mark, r.runtime, r.trace);
        return say_not_started(&r, end.error);
    }
    if (r.traced) {
        bool answered = wait_for_collector(&r);
        run_summary(&r, answered);
        if (r.first)
            end_collector(&r);
        if (r.mark >= 0 && !answered)
            close(r.mark); /* the free lock tells whoever collects next */
        json_free(r.before);
    }
    run_finish(&r, end.status);
}

const struct cli_command command_run = {
    .name = "run",
    .summary = "Runs a command and traces its LLM calls (`llm-trace COMMAND` for short)",
    .usage = "[--] COMMAND [ARGUMENT...]",
    .help = "The command keeps its terminal, signals, output and exit code. At its end one line\n"
            "says what was captured, when stderr is a terminal (TRACER_SUMMARY=always|never).\n"
            "As process 1 of a container it also reaps every process that ends, and waits up to\n"
            "TRACER_EXIT_WAIT_MS for the spans to be delivered.\n",
    .run = run,
};
