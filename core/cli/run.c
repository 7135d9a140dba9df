/* `llm-tracer run -- CMD...`: the wrapper behind scripts/llm-trace and scripts/entrypoint. The
 * command's behaviour is its own; the wrapper adds the preloaded object, a collector, and one line
 * at the end. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "cli/run.h"
#include "cli/text.h"
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

/* An executable that no loader loads anything into. */
static bool is_static(const char *path)
{
    Elf64_Ehdr head;
    bool dynamic = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
        memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64) {
        dynamic = false;
        for (size_t i = 0; i < head.e_phnum && !dynamic; i++) {
            Elf64_Phdr p;
            off_t at = (off_t)(head.e_phoff + i * sizeof(p));
            dynamic = pread(fd, &p, sizeof(p), at) == (ssize_t)sizeof(p) && p.p_type == PT_INTERP;
        }
    }
    close(fd);
    return !dynamic;
}

static int64_t connections(const json *status, const char *host)
{
    int64_t count = 0;
    (void)json_get_int(json_get(status, "http2"), host, &count);
    return count;
}

/* The collector counts connections that it cannot decode; those of this run are what came on top of
 * what it had, if it was the same one. */
static bool say_http2(struct run *r)
{
    json *now = collector_status_read(r->runtime);
    int64_t began = 0, same = -1, all = 0;
    const char *host = NULL;
    size_t hosts = 0;
    if (!json_get_int(r->before, "started", &same) || !json_get_int(now, "started", &began) ||
        began != same) {
        json_free(r->before);
        r->before = NULL;
    }
    for (const json *e = json_first(json_get(now, "http2")); e != NULL; e = json_next(e)) {
        int64_t more = connections(now, json_key(e)) - connections(r->before, json_key(e));
        if (more <= 0)
            continue;
        all += more;
        hosts++;
        host = hosts == 1 ? json_key(e) : host;
    }
    if (hosts > 0)
        cli_error(
            NULL,
            "%lld connection%s to %.300s%s spoke HTTP/2, which is not decoded: use --http1.1, "
            "or TRACER_HOOKS=curl for programs on libcurl",
            (long long)all, all == 1 ? "" : "s", host, hosts > 1 ? " and others" : "");
    json_free(now);
    return hosts > 0;
}

static void say_nothing_captured(struct run *r, bool answered)
{
    if (answered && say_http2(r))
        return;
    char path[CLI_PATH_MAX];
    struct stat st;
    const char *why = "no LLM call was seen";
    bool found = cli_find_program(r->argv[0], path, sizeof(path)) == ERR_OK;
    if (!answered)
        why = "the collector did not answer in time";
    else if (found && is_static(path))
        why = "nothing was captured: it is a static program";
    else if (found && stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
        why = "nothing was captured: it runs with privileges of its own";
    fprintf(stderr, "llm-tracer: %s · llm-tracer doctor %s\n", why, r->argv[0]);
}

static struct trace *read_trace(const struct run *r)
{
    char dir[CLI_PATH_MAX];
    bool fallback;
    struct store *store;
    struct trace *trace = NULL;
    uint8_t id[TRACE_ID_LEN];
    if (cli_data_dir(dir, sizeof(dir), &fallback) != ERR_OK ||
        store_open(&store, dir, STORE_READ, NULL) != ERR_OK)
        return NULL;
    if (id_from_hex(r->trace, TRACE_ID_LEN, id) != ERR_OK ||
        store_get_trace(store, id, &trace) != ERR_OK)
        trace = NULL;
    store_close(store);
    return trace;
}

static bool wants_summary(const struct run *r)
{
    const char *when = option_text(OPTION_TRACER_SUMMARY);
    if (r->nested || strcmp(when, "never") == 0)
        return false;
    return strcmp(when, "always") == 0 || isatty(STDERR_FILENO);
}

static void say_summary(struct run *r, bool answered)
{
    struct trace *t = read_trace(r);
    if (t == NULL || t->span_count == 0) {
        say_nothing_captured(r, answered);
        trace_free(t);
        return;
    }
    char in[TEXT_FIGURE_MAX], out[TEXT_FIGURE_MAX], cost[TEXT_FIGURE_MAX];
    struct buf line;
    buf_init(&line, 1024);
    int err = buf_printf(&line, "llm-tracer: %lld call%s", (long long)t->span_count,
                         t->span_count == 1 ? "" : "s");
    if (err == ERR_OK && (t->tokens_input >= 0 || t->tokens_output >= 0))
        err = buf_printf(&line, ", %s in + %s out tokens", text_tokens(t->tokens_input, in),
                         text_tokens(t->tokens_output, out));
    if (err == ERR_OK && t->total_cost >= 0)
        err = buf_printf(&line, ", %s", text_cost(t->total_cost, cost));
    if (err == ERR_OK)
        err = buf_printf(&line, "%s · llm-tracer show %.8s\n", t->error != NULL ? ", errors" : "",
                         r->trace);
    if (err == ERR_OK)
        fputs(buf_str(&line), stderr);
    buf_release(&line);
    trace_free(t);
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
        if (wants_summary(&r))
            say_summary(&r, answered);
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
