#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "cli/list.h"
#include "cli/text.h"

#define OUTPUT_MAX ((size_t)512 * 1024 * 1024)

static void put_line(struct buf *line, const struct term *term, enum paint paint, struct buf *out)
{
    struct buf fitted;
    buf_init(&fitted, 65536);
    text_fit(&fitted, buf_str(line), term->columns, term->utf8);
    term_paint(out, term, paint, buf_str(&fitted));
    term_put(out, "\n");
    buf_release(&fitted);
    buf_clear(line);
}

static void put_title(const struct trace *t, const struct term *term, struct buf *out)
{
    char hex[TRACE_ID_HEX];
    struct buf name;
    struct buf fitted;
    buf_init(&name, 4096);
    buf_init(&fitted, 4096);
    const char *text = t->name != NULL && t->name[0] != '\0' ? t->name : "(no name)";
    text_escape(&name, text, strlen(text), TEXT_LINE);
    int used = text_fit(&fitted, buf_str(&name), term->columns - 34, term->utf8);
    term_paint(out, term, PAINT_BOLD, buf_str(&fitted));
    term_repeat(out, " ", term->columns - 32 - used < 40 ? term->columns - 32 - used : 2);
    term_paint(out, term, PAINT_DIM, id_to_hex(t->trace_id, TRACE_ID_LEN, hex));
    term_put(out, "\n");
    buf_release(&name);
    buf_release(&fitted);
}

static void add_figures(const struct trace *t, const struct tree *tree, bool cached,
                        const struct term *term, struct buf *line)
{
    const char *dot = term->utf8 ? " · " : " | ";
    char a[TEXT_FIGURE_MAX];
    char b[TEXT_FIGURE_MAX];
    int64_t end = t->end_time != 0 ? t->end_time : term->now;
    buf_clear(line);
    term_putf(line, "%s%s%s%s%zu span%s", text_time(t->start_time, term->now, a), dot,
              text_duration(end - t->start_time, b), dot, tree->count, tree->count == 1 ? "" : "s");
    if (t->tokens_input >= 0) {
        term_putf(line, "%s%s in", dot, text_tokens(t->tokens_input, a));
        if (cached)
            term_putf(line, " (%s cached)", text_tokens(tree->cached, a));
    }
    if (t->tokens_output >= 0)
        term_putf(line, "%s%s out",
                  t->tokens_input < 0 ? dot
                  : term->utf8        ? " → "
                                      : " -> ",
                  text_tokens(t->tokens_output, a));
    if (t->total_cost >= 0)
        term_putf(line, "%s%s", dot, text_cost(t->total_cost, a));
    term_put(line, dot);
}

static void put_figures(const struct trace *t, const struct tree *tree, const struct term *term,
                        struct buf *out)
{
    bool running = tree->running > 0 || t->end_time == 0;
    bool failed = tree->errors > 0 || t->error != NULL;
    const char *status = failed ? "error" : running ? "running" : "ok";
    struct buf line;
    struct buf fitted;
    buf_init(&line, 1024);
    buf_init(&fitted, 1024);
    int room = term->columns - (int)strlen(status);
    add_figures(t, tree, tree->cached > 0, term, &line);
    if (text_width(buf_str(&line)) > room)
        add_figures(t, tree, false, term, &line);
    text_fit(&fitted, buf_str(&line), room, term->utf8);
    term_put(out, buf_str(&fitted));
    term_paint(out, term, failed ? PAINT_RED : running ? PAINT_YELLOW : PAINT_GREEN, status);
    term_put(out, "\n");
    buf_release(&fitted);
    buf_release(&line);
}

/* "user ada  session s-42  tags alps, demo" and "metadata env prod  attempt 2" */
static void add_label(struct buf *line, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    term_putf(line, "%s%s ", line->len > 0 ? "  " : "", label);
    text_escape(line, text, strlen(text), TEXT_LINE);
}

static void put_metadata(const json *metadata, const struct term *term, struct buf *out)
{
    struct buf line, key, value;
    buf_init(&line, 65536);
    buf_init(&key, 4096);
    buf_init(&value, 65536);
    for (const json *e = json_first(metadata); e != NULL; e = json_next(e)) {
        const char *name = json_key(e) != NULL ? json_key(e) : "";
        buf_clear(&key);
        buf_clear(&value);
        if (line.len == 0)
            term_put(&key, "metadata ");
        text_escape(&key, name, strlen(name), TEXT_LINE);
        if (json_text(e) != NULL)
            term_put(&value, json_text(e));
        else if (json_print(e, &value) != ERR_OK)
            buf_clear(&value);
        add_label(&line, buf_str(&key), value.len > 0 ? buf_str(&value) : "\"\"");
    }
    if (line.len > 0)
        put_line(&line, term, PAINT_DIM, out);
    buf_release(&value);
    buf_release(&key);
    buf_release(&line);
}

static void put_labels(const struct trace *t, const struct term *term, struct buf *out)
{
    struct buf line;
    struct buf tags;
    buf_init(&line, 65536);
    buf_init(&tags, 65536);
    for (const json *e = json_first(t->tags); e != NULL; e = json_next(e))
        term_putf(&tags, "%s%s", tags.len > 0 ? ", " : "",
                  json_text(e) != NULL ? json_text(e) : "");
    add_label(&line, "project", t->project_id);
    add_label(&line, "user", t->user_id);
    add_label(&line, "session", t->session_id);
    if (line.len > 0 && text_width(buf_str(&line)) + text_width(buf_str(&tags)) + 7 > term->columns)
        put_line(&line, term, PAINT_DIM, out);
    add_label(&line, "tags", buf_str(&tags));
    if (line.len > 0)
        put_line(&line, term, PAINT_DIM, out);
    put_metadata(t->metadata, term, out);
    add_label(&line, "output", t->output);
    if (line.len > 0)
        put_line(&line, term, PAINT_NONE, out);
    buf_release(&tags);
    buf_release(&line);
}

void show_head(const struct trace *t, const struct tree *tree, const char *command, int64_t pid,
               size_t processes, const struct term *term, struct buf *out)
{
    struct buf line;
    buf_init(&line, 65536);
    put_title(t, term, out);
    put_figures(t, tree, term, out);
    if (command != NULL) {
        if (processes > 1)
            term_putf(&line, "%zu processes: ", processes);
        text_escape(&line, command, strlen(command), TEXT_LINE);
        if (processes == 1)
            term_putf(&line, " (pid %lld)", (long long)pid);
        put_line(&line, term, PAINT_DIM, out);
    }
    put_labels(t, term, out);
    term_put(out, "\n");
    buf_release(&line);
}

/* -------------------------------------------------------------------------- the command */

struct showing {
    struct store *store;
    struct trace *trace;
    struct tree tree;
    struct term term;
    struct buf out;
    char *command; /* of the first process */
    int64_t pid;
    struct map pids;
    struct buf programs; /* their names, by first call */
    bool first;
};

static char *join_argv(const struct span *s)
{
    struct buf line;
    buf_init(&line, 8192);
    for (const json *e = json_first(s->process.argv); e != NULL; e = json_next(e)) {
        if (line.len > 0)
            buf_append_cut(&line, " ", 1);
        if (json_text(e) != NULL)
            buf_append_cut(&line, json_text(e), strlen(json_text(e)));
    }
    if (line.len == 0 && s->process.exe != NULL)
        buf_append_cut(&line, s->process.exe, strlen(s->process.exe));
    return buf_take(&line);
}

static void add_program(struct buf *out, const struct span *s)
{
    const char *text = json_text(json_at(s->process.argv, 0));
    if (text == NULL || *text == '\0')
        text = s->process.exe != NULL ? s->process.exe : "?";
    const char *slash = strrchr(text, '/');
    if (slash != NULL && slash[1] != '\0')
        text = slash + 1;
    if (out->len > 0)
        buf_append_cut(out, ", ", 2);
    buf_append_cut(out, text, strlen(text));
}

static int collect_span(void *user, const struct span *s)
{
    struct showing *w = user;
    int64_t pid = s->process.pid;
    if (pid > 0 && map_get(&w->pids, &pid, sizeof(pid)) == NULL) {
        if (map_set(&w->pids, &pid, sizeof(pid), w) != ERR_OK)
            return ERR_NOMEM;
        add_program(&w->programs, s);
        if (w->command == NULL) {
            w->command = join_argv(s);
            w->pid = pid;
        }
    }
    return tree_add(&w->tree, s);
}

static int print_messages(void *user, const struct span *s)
{
    struct showing *w = user;
    messages_print(s, &w->term, &w->out);
    return term_flush(&w->out) == CLI_OK ? ERR_OK : ERR_IO;
}

static int print_json_span(void *user, const struct span *s)
{
    struct showing *w = user;
    term_put(&w->out, w->first ? "" : ",");
    w->first = false;
    int err = span_print(s, &w->out);
    return err == ERR_OK && term_flush(&w->out) != CLI_OK ? ERR_IO : err;
}

static int print_json(struct showing *w)
{
    const struct trace_row row = {
        .trace = w->trace, .errors = w->tree.errors, .running = w->tree.running};
    term_put(&w->out, "{\"trace\":");
    trace_row_json(&row, &w->out);
    term_put(&w->out, ",\"spans\":[");
    w->first = true;
    int err = store_each_span(w->store, w->trace->trace_id, print_json_span, w);
    term_put(&w->out, "]}\n");
    if (err < 0 && ferror(stdout))
        return CLI_USAGE; /* said by the write that failed */
    if (err < 0)
        return cli_error(&command_show, "cannot read the store: %s", store_error(w->store));
    return term_flush(&w->out);
}

static int show_trace(struct showing *w, bool messages, bool as_json)
{
    int err = store_each_span(w->store, w->trace->trace_id, collect_span, w);
    if (err >= 0)
        err = tree_link(&w->tree);
    if (err < 0)
        return cli_error(&command_show, "cannot read the spans: %s", err_str(err));
    if (as_json)
        return print_json(w);
    show_head(w->trace, &w->tree, w->pids.count > 1 ? buf_str(&w->programs) : w->command, w->pid,
              w->pids.count, &w->term, &w->out);
    tree_print(&w->tree, w->trace->start_time, w->trace->end_time, &w->term, &w->out);
    if (messages) {
        err = store_each_span(w->store, w->trace->trace_id, print_messages, w);
        output_print(w->trace, &w->term, &w->out);
    }
    return err < 0 ? CLI_USAGE : term_flush(&w->out);
}

static int take_newest(void *user, const struct trace_row *row)
{
    id_to_hex(row->trace->trace_id, TRACE_ID_LEN, user);
    return ERR_OK;
}

static bool is_trace_id(const char *id)
{
    size_t len = strlen(id);
    return len >= 4 && len <= 32 && id[strspn(id, "0123456789abcdefABCDEF")] == '\0';
}

/* Finds the trace by a prefix of its id, or the newest. Returns the exit code. */
static int find(struct showing *w, const char *id)
{
    char newest[TRACE_ID_HEX] = "";
    if (id == NULL) {
        const struct trace_query q = {.limit = 1};
        char *cursor = NULL;
        int err = store_list_traces(w->store, &q, take_newest, newest, &cursor);
        free(cursor);
        if (err < 0)
            return cli_error(&command_show, "cannot read the store: %s", store_error(w->store));
        if (newest[0] == '\0') {
            cli_error(&command_show, "no trace yet; try `llm-trace python app.py`");
            return CLI_NOTHING;
        }
        id = newest;
    }
    int err = store_find_trace(w->store, id, &w->trace);
    if (err == ERR_OK)
        return CLI_OK;
    if (err == ERR_NOENT)
        cli_error(&command_show, "no trace starts with %s; `llm-tracer list` shows them", id);
    else if (err == ERR_EXIST)
        cli_error(&command_show, "several traces start with %s; give more digits", id);
    else
        return cli_error(&command_show, "cannot read the store: %s", store_error(w->store));
    return CLI_NOTHING;
}

static int run(int argc, char **argv)
{
    const char *colour = NULL;
    bool messages = false;
    bool as_json = false;
    const struct cli_option options[] = {{"messages", CLI_FLAG, &messages, 0, 0},
                                         {"json", CLI_FLAG, &as_json, 0, 0},
                                         {"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    int count = cli_parse(&command_show, argc, argv, options, sizeof(options) / sizeof(options[0]),
                          words, 1);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    if (count == 1 && !is_trace_id(words[0]))
        return cli_error(&command_show,
                         "\"%.40s\" is no trace id: 4 to 32 hex digits; `llm-tracer list` shows "
                         "them",
                         words[0]);
    struct showing w = {.first = true};
    int code = term_detect(&w.term, &command_show, colour);
    if (code != CLI_OK)
        return code;
    w.store = cli_store_open(&command_show, &code);
    if (w.store == NULL)
        return code;
    buf_init(&w.out, OUTPUT_MAX);
    buf_init(&w.programs, 4096);
    tree_init(&w.tree);
    map_init(&w.pids);
    code = find(&w, count == 1 ? words[0] : NULL);
    if (code == CLI_OK)
        code = show_trace(&w, messages, as_json);
    map_release(&w.pids);
    tree_release(&w.tree);
    trace_free(w.trace);
    free(w.command);
    buf_release(&w.out);
    buf_release(&w.programs);
    store_close(w.store);
    return code;
}

const struct cli_command command_show = {
    .name = "show",
    .summary = "Shows one trace as a tree: time, tokens, cost",
    .usage = "[options] [ID]",
    .help = "ID is a trace's id or its first 4 or more digits; without it the newest trace is "
            "shown.\n\n"
            "Options:\n"
            "  --messages       also the conversations: prompts, answers, tool calls\n"
            "  --json           {\"trace\": ..., \"spans\": [...]}\n"
            "  --color WHEN     auto, always or never\n"
            "\nExit code: 0, 1 when there is no such trace, 2 for a wrong command line.\n",
    .run = run,
};
