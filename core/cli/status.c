/* `llm-tracer status`: what runs, what was lost, what waits, and what to do about it. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/options.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"
#include "collector/collector.h"
#include "wire/reader.h"

#define OUTPUT_MAX   ((size_t)4 * 1024 * 1024)
#define HEARTBEAT_NS (10 * NS_PER_SEC)

struct status {
    struct term term;
    struct buf out;
    json *problems;  /* array of text */
    json *report;    /* for --json */
    json *collector; /* collector.json, or NULL */
    int64_t pid;     /* of the running collector; 0: none */
    int64_t rings;   /* files in the runtime directory */
    char runtime[CLI_PATH_MAX];
    char data[CLI_PATH_MAX];
};

/* Something that a person should act on. */
static void problem(struct status *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void problem(struct status *s, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_add(s->problems, json_string(text));
}

static void line(struct status *s, const char *title, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void line(struct status *s, const char *title, const char *format, ...)
{
    char text[2048];
    char head[16];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(head, sizeof(head), "%-11s", title);
    term_paint(&s->out, &s->term, PAINT_BOLD, head);
    text_escape(&s->out, text, strlen(text), TEXT_LINE);
    term_put(&s->out, "\n");
}

static int64_t figure(const json *object, const char *key)
{
    int64_t value = 0;
    (void)json_get_int(object, key, &value);
    return value;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* -------------------------------------------------------------------------- the collector */

static int64_t count_rings(const char *dir)
{
    int64_t count = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        count += strncmp(e->d_name, "ring-", 5) == 0;
    if (d != NULL)
        closedir(d);
    return count;
}

static void check_losses(struct status *s)
{
    const json *c = s->collector;
    char bytes[TEXT_FIGURE_MAX];
    if (figure(c, "lost_records") > 0)
        problem(s,
                "%lld record%s (%s) found no room in shared memory: raise TRACER_RING_MAX_MB, or "
                "give /dev/shm more room",
                (long long)figure(c, "lost_records"), plural(figure(c, "lost_records")),
                text_bytes(figure(c, "lost_bytes"), bytes));
    if (figure(c, "corrupt_blocks") > 0)
        problem(s, "%lld block%s of shared memory did not hold together and %s left out",
                (long long)figure(c, "corrupt_blocks"), plural(figure(c, "corrupt_blocks")),
                figure(c, "corrupt_blocks") == 1 ? "was" : "were");
    if (figure(c, "lost_messages") > 0)
        problem(
            s,
            "%lld message%s on traces made by hand could not be used: what they belong to was lost",
            (long long)figure(c, "lost_messages"), plural(figure(c, "lost_messages")));
    if (figure(c, "bad_messages") > 0)
        problem(
            s,
            "%lld message%s on traces made by hand %s malformed: are the library in the program "
            "and the collector of one version?",
            (long long)figure(c, "bad_messages"), plural(figure(c, "bad_messages")),
            figure(c, "bad_messages") == 1 ? "was" : "were");
    if (figure(c, "untracked") > 0)
        problem(s, "%lld connection%s too many at once to follow",
                (long long)figure(c, "untracked"), figure(c, "untracked") == 1 ? " was" : "s were");
    for (const json *e = json_first(json_get(c, "http2")); e != NULL; e = json_next(e)) {
        int64_t count = 0;
        if (json_int(e, &count) && count > 0)
            problem(s,
                    "%lld connection%s to %.200s spoke HTTP/2, which is not decoded: use "
                    "--http1.1, or TRACER_HOOKS=curl for programs on libcurl",
                    (long long)count, plural(count), json_key(e));
    }
    if (json_get_text(c, "store_error") != NULL)
        problem(s, "the collector cannot write the store: %.300s", json_get_text(c, "store_error"));
    for (const json *e = json_first(json_get(c, "notices")); e != NULL; e = json_next(e))
        /* how delivery stands is told by its destination's own state */
        if (json_text(e) != NULL && strncmp(json_text(e), "delivery to ", 12) != 0)
            problem(s, "%.400s", json_text(e));
}

static void show_collector(struct status *s)
{
    char since[TEXT_FIGURE_MAX];
    char age[TEXT_FIGURE_MAX];
    const json *c = s->collector;
    int64_t beat = s->term.now - figure(c, "updated");
    bool told = c != NULL && figure(c, "pid") == s->pid;
    if (s->pid == 0) {
        line(s, "collector", "not running (it starts with the next traced call)");
        if (s->rings > 0)
            problem(
                s, "%lld process%s wrote what no collector has read: `llm-tracer collect` reads it",
                (long long)s->rings, s->rings == 1 ? "" : "es");
    } else if (!told) {
        line(s, "collector", "running (pid %lld)", (long long)s->pid);
    } else {
        line(s, "collector", "running (pid %lld, since %s, heartbeat %s ago)", (long long)s->pid,
             text_time(figure(c, "started"), s->term.now, since), text_age(beat, age));
        if (beat > HEARTBEAT_NS)
            problem(s,
                    "the collector (pid %lld) has not moved for %s: end it, and the next call "
                    "starts another",
                    (long long)s->pid, age);
    }
    if (c != NULL)
        line(s, s->pid != 0 ? "" : "last run", "%lld call%s, %lld span%s%s",
             (long long)figure(c, "calls"), plural(figure(c, "calls")),
             (long long)figure(c, "spans"), plural(figure(c, "spans")),
             figure(c, "waiting_spans") > 0 ? ", some wait to be stored" : "");
    check_losses(s);
    json *o = json_object();
    json_set_bool(o, "running", s->pid != 0);
    if (s->pid != 0)
        json_set_int(o, "pid", s->pid);
    if (c != NULL)
        json_set(o, "counters", json_copy(c));
    json_set(s->report, "collector", o);
}

/* collector.json may be a second old: what became of a ring since is seen in the ring itself. */
static void check_rings(struct status *s)
{
    const json *rings = json_get(s->collector, "rings");
    if (json_length(rings) == 0)
        return;
    json *there = json_array();
    for (const json *r = json_first(rings); r != NULL; r = json_next(r)) {
        char path[CLI_PATH_MAX + 64];
        const char *id = json_get_text(r, "ring_id");
        struct ring_reader *reader = NULL;
        snprintf(path, sizeof(path), "%s/%s%lld-%.16s", s->runtime, RING_NAME_PREFIX,
                 (long long)figure(r, "pid"), id != NULL ? id : "");
        if (ring_reader_new(&reader, path) != ERR_OK)
            continue;
        json *now = json_copy(r);
        if (!ring_reader_alive(reader))
            json_set_bool(now, "alive", false);
        json_add(there, now);
        ring_reader_free(reader);
    }
    json_set(s->collector, "rings", there);
}

/* Where no ring finds room a program that starts is not captured, and nothing but this tells. */
static void check_room(struct status *s)
{
    struct statvfs system;
    uint64_t needed =
        8 * ring_file_size(2); /* an eighth is what a ring takes, two blocks at least */
    char size[TEXT_FIGURE_MAX];
    if (statvfs(s->runtime, &system) != 0 || system.f_blocks == 0)
        return;
    uint64_t room = (uint64_t)system.f_bavail * system.f_frsize;
    if (room < needed)
        problem(s,
                "the shared memory in %.300s is full (%s left): programs that start now are not "
                "captured; free some of it, or set TRACER_RUNTIME_DIR",
                s->runtime, text_bytes((int64_t)room, size));
}

static void show_rings(struct status *s)
{
    static const struct table_column columns[] = {{.header = "PID", .right = true},
                                                  {.header = "PROGRAM", .min = 12},
                                                  {.header = "STATE"},
                                                  {.header = "OPEN", .right = true},
                                                  {.header = "CALLS", .right = true},
                                                  {.header = "LOST", .right = true},
                                                  {.header = "BLOCKS", .right = true}};
    struct table table;
    struct buf cell;
    const json *rings = json_get(s->collector, "rings");
    line(s, "runtime", "%s (%lld ring%s)", s->runtime, (long long)s->rings, plural(s->rings));
    json_set_text(s->report, "runtime_dir", s->runtime);
    check_room(s);
    if (s->pid == 0 || json_length(rings) == 0)
        return;
    table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    buf_init(&cell, 8192);
    for (const json *r = json_first(rings); r != NULL; r = json_next(r)) {
        char text[64];
        const char *exe = json_get_text(r, "exe");
        bool alive = json_is_true(json_get(r, "alive"));
        snprintf(text, sizeof(text), "  %lld", (long long)figure(r, "pid"));
        table_add(&table, PAINT_NONE, text);
        buf_clear(&cell);
        text_escape(&cell, exe != NULL ? exe : "-", strlen(exe != NULL ? exe : "-"), TEXT_LINE);
        table_add(&table, PAINT_NONE, buf_str(&cell));
        table_add(&table, alive ? PAINT_GREEN : PAINT_DIM, alive ? "alive" : "ended");
        table_add(&table, PAINT_NONE, text_tokens(figure(r, "open_calls"), text));
        table_add(&table, PAINT_NONE, text_tokens(figure(r, "calls"), text));
        table_add(&table, figure(r, "lost_records") > 0 ? PAINT_RED : PAINT_NONE,
                  text_tokens(figure(r, "lost_records"), text));
        snprintf(text, sizeof(text), "%lld/%lld", (long long)figure(r, "blocks_used"),
                 (long long)figure(r, "blocks_reserved"));
        table_add(&table, PAINT_NONE, text);
    }
    table_print(&table, &s->term, &s->out);
    table_release(&table);
    buf_release(&cell);
}

/* -------------------------------------------------------------------------- store, delivery */

static void show_totals(struct status *s, struct store *store)
{
    struct store_totals t = {0};
    char size[TEXT_FIGURE_MAX];
    if (store_totals(store, &t) != ERR_OK) {
        problem(s, "the store cannot be read: %.300s", store_error(store));
        return;
    }
    line(s, "store", "%lld trace%s, %lld span%s, %s%s", (long long)t.traces, plural(t.traces),
         (long long)t.spans, plural(t.spans), text_bytes(t.bytes, size),
         t.purged_traces > 0 ? " (older ones were deleted)" : "");
    json *o = json_object();
    json_set_int(o, "traces", t.traces);
    json_set_int(o, "spans", t.spans);
    json_set_int(o, "bytes", t.bytes);
    json_set_int(o, "outbox", t.outbox);
    json_set_int(o, "purged_traces", t.purged_traces);
    json_set(s->report, "store", o);
}

/* What to do about a failure; the exporters' own texts name settings already. */
static const char *advice(const char *error)
{
    if (strstr(error, "TRACER_") != NULL)
        return "; what waits is kept";
    if (strncmp(error, "no answer", 9) == 0)
        return "; is it running, is TRACER_URL right? What waits is kept and sent when it answers";
    if (strstr(error, "rate") != NULL)
        return "; delivery goes on by itself, slower";
    return "; delivery is tried again by itself";
}

static void set_time(json *object, const char *key, int64_t wall_ns)
{
    char text[CLOCK_ISO_MAX];
    if (wall_ns > 0)
        json_set_text(object, key, clock_iso(wall_ns, text));
}

static int show_delivery(void *user, const struct delivery_state *d)
{
    struct status *s = user;
    const char *kind = d->destination.kind != NULL ? d->destination.kind : "?";
    const char *url = d->destination.url != NULL ? d->destination.url : "";
    char project[160] = "";
    char age[TEXT_FIGURE_MAX];
    if (d->destination.project_id != NULL)
        snprintf(project, sizeof(project), " (project %.100s)", d->destination.project_id);
    line(s, "delivery", "%.40s %.300s%s: %lld waiting, %lld write%s delivered, %lld rejected", kind,
         url, project, (long long)d->waiting, (long long)d->delivered, plural(d->delivered),
         (long long)d->rejected);
    if (d->last_error != NULL)
        problem(s, "%.40s %.300s: %.500s (%s ago)%s", kind, url, d->last_error,
                text_age(s->term.now - d->last_error_time, age), advice(d->last_error));
    else if (d->rejected > 0)
        problem(s, "%.40s %.300s refused %lld write%s for good; what they told is kept here only",
                kind, url, (long long)d->rejected, plural(d->rejected));
    json *o = json_object();
    json_set_text(o, "kind", kind);
    json_set_text(o, "url", url);
    json_set_text(o, "project_id", d->destination.project_id);
    json_set_int(o, "waiting", d->waiting);
    json_set_int(o, "delivered", d->delivered);
    json_set_int(o, "rejected", d->rejected);
    json_set_text(o, "last_error", d->last_error);
    set_time(o, "last_error_time", d->last_error_time);
    set_time(o, "last_success_time", d->last_success_time);
    json_add(json_get(s->report, "deliveries"), o);
    return ERR_OK;
}

static void show_store(struct status *s)
{
    bool fallback = false;
    struct store *store = NULL;
    int err = store_data_dir(s->runtime, s->data, sizeof(s->data), &fallback);
    json_set(s->report, "deliveries", json_array());
    if (err != ERR_OK) {
        problem(s,
                "no data directory: %.300s: %s; set TRACER_DATA_DIR to a folder that can be "
                "written",
                s->data, err == ERR_IO ? strerror(errno) : err_str(err));
        return;
    }
    line(s, "data", "%s", s->data);
    json_set_text(s->report, "data_dir", s->data);
    json_set_bool(s->report, "data_fallback", fallback);
    if (fallback)
        problem(s,
                "the data directory cannot be written, so spans are kept in %s and are gone "
                "with the next boot: set TRACER_DATA_DIR",
                s->data);
    char *notice = NULL;
    err = store_open(&store, s->data, STORE_READ, &notice);
    if (err == ERR_NOENT)
        line(s, "store", "empty: nothing was traced yet");
    else if (err != ERR_OK)
        problem(s, "the store in %s cannot be read: %.400s", s->data,
                notice != NULL ? notice : err_str(err));
    free(notice);
    if (err != ERR_OK)
        return;
    show_totals(s, store);
    if (store_each_delivery(store, show_delivery, s) < 0)
        problem(s, "the state of delivery cannot be read: %.300s", store_error(store));
    store_close(store);
    if (json_length(json_get(s->report, "deliveries")) == 0)
        line(s, "delivery", "%s",
             option_text(OPTION_TRACER_API_KEY)[0] != '\0'
                 ? "nothing yet"
                 : "off (no TRACER_API_KEY): spans are kept here only");
}

/* -------------------------------------------------------------------------- the command */

static void show_problems(struct status *s)
{
    const char *mark = s->term.utf8 ? "✗ " : "! ";
    if (!option_bool(OPTION_TRACING_ENABLED))
        line(s, "tracing", "off (TRACING_ENABLED, from %s)", option_source(OPTION_TRACING_ENABLED));
    if (json_length(s->problems) > 0)
        term_put(&s->out, "\n");
    for (const json *e = json_first(s->problems); e != NULL; e = json_next(e)) {
        term_paint(&s->out, &s->term, PAINT_RED, mark);
        text_escape(&s->out, json_text(e), strlen(json_text(e)), TEXT_LINE);
        term_put(&s->out, "\n");
    }
}

static int print_status(struct status *s, bool as_json)
{
    bool healthy = json_length(s->problems) == 0;
    show_problems(s);
    if (as_json) {
        buf_clear(&s->out);
        json_set_bool(s->report, "healthy", healthy);
        json_set(s->report, "problems", json_copy(s->problems));
        if (json_print(s->report, &s->out) != ERR_OK)
            return cli_error(&command_status, "out of memory");
        term_put(&s->out, "\n");
    }
    int code = term_flush(&s->out);
    return code == CLI_OK && !healthy ? CLI_NOTHING : code;
}

static int run(int argc, char **argv)
{
    const char *colour = NULL;
    bool as_json = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, &as_json, 0, 0},
                                         {"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    int count = cli_parse(&command_status, argc, argv, options, 2, words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    struct status *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return cli_error(&command_status, "out of memory");
    int code = term_detect(&s->term, &command_status, colour);
    if (code != CLI_OK) {
        free(s);
        return code;
    }
    buf_init(&s->out, OUTPUT_MAX);
    s->problems = json_array();
    s->report = json_object();
    if (cli_runtime_dir(s->runtime, sizeof(s->runtime)) != ERR_OK) {
        problem(s, "no folder for shared memory (%s): set TRACER_RUNTIME_DIR to one of yours",
                strerror(errno));
        s->runtime[0] = '\0';
    } else {
        s->collector = collector_status_read(s->runtime);
        s->pid = collector_running(s->runtime);
        s->rings = count_rings(s->runtime);
        check_rings(s);
        show_collector(s);
        show_rings(s);
    }
    show_store(s);
    code = print_status(s, as_json);
    json_free(s->collector);
    json_free(s->problems);
    json_free(s->report);
    buf_release(&s->out);
    free(s);
    return code;
}

const struct cli_command command_status = {
    .name = "status",
    .summary = "Tells what runs, waits, was delivered, was lost, and what to do",
    .usage = "[options]",
    .help = "Options:\n"
            "  --json           one JSON object\n"
            "  --color WHEN     auto, always or never\n"
            "\nExit code: 0 when all is well, 1 when something is wrong.\n",
    .run = run,
};
