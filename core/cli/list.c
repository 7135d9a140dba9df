#include "cli/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/text.h"

#define OUTPUT_MAX ((size_t)256 * 1024 * 1024)

struct list {
    struct table table;
};

static const struct table_column columns[] = {
    {.header = "STARTED"},
    {.header = "ID"},
    {.header = "NAME", .min = 10},
    {.header = "MODEL", .min = 9, .drop = 1},
    {.header = "SPANS", .right = true, .drop = 3},
    {.header = "IN", .right = true},
    {.header = "OUT", .right = true},
    {.header = "COST", .right = true},
    {.header = "TOOK", .right = true, .drop = 2},
    {.header = "STATUS"},
};

struct list *list_new(void)
{
    struct list *l = calloc(1, sizeof(*l));
    if (l != NULL)
        table_init(&l->table, columns, sizeof(columns) / sizeof(columns[0]));
    return l;
}

void list_free(struct list *l)
{
    if (l == NULL)
        return;
    table_release(&l->table);
    free(l);
}

const char *trace_row_status(const struct trace_row *row)
{
    if (row->errors > 0 || row->trace->error != NULL)
        return "error";
    return row->running > 0 || row->trace->end_time == 0 ? "running" : "ok";
}

static enum paint status_paint(const char *status)
{
    return status[0] == 'e' ? PAINT_RED : status[0] == 'r' ? PAINT_YELLOW : PAINT_GREEN;
}

/* A name given by a program, as one escaped line. */
static void add_text(struct list *l, enum paint paint, const char *text, const char *suffix)
{
    struct buf line;
    buf_init(&line, 4096);
    if (text != NULL)
        text_escape(&line, text, strlen(text), TEXT_LINE);
    else
        buf_append_cut(&line, "-", 1);
    buf_append_cut(&line, suffix, strlen(suffix));
    table_add(&l->table, paint, buf_str(&line));
    buf_release(&line);
}

void list_add(struct list *l, const struct trace_row *row, const struct term *term)
{
    const struct trace *t = row->trace;
    const char *status = trace_row_status(row);
    char figure[TEXT_FIGURE_MAX];
    char hex[TRACE_ID_HEX];
    char more[32] = "";
    int64_t end = t->end_time != 0 ? t->end_time : term->now;
    if (row->models > 1)
        snprintf(more, sizeof(more), " +%lld", (long long)row->models - 1);
    table_add(&l->table, PAINT_DIM, text_time(t->start_time, term->now, figure));
    id_to_hex(t->trace_id, TRACE_ID_LEN, hex);
    hex[8] = '\0';
    table_add(&l->table, PAINT_CYAN, hex);
    add_text(l, PAINT_BOLD, t->name, "");
    add_text(l, PAINT_NONE, row->model, more);
    table_add(&l->table, PAINT_NONE, text_tokens(t->span_count, figure));
    table_add(&l->table, PAINT_NONE, text_tokens(t->tokens_input, figure));
    table_add(&l->table, PAINT_NONE, text_tokens(t->tokens_output, figure));
    table_add(&l->table, PAINT_NONE, text_cost(t->total_cost, figure));
    table_add(&l->table, PAINT_NONE, text_duration(end - t->start_time, figure));
    table_add(&l->table, status_paint(status), status);
}

void list_print(const struct list *l, const struct term *term, struct buf *out)
{
    table_print(&l->table, term, out);
}

static void set_time(json *object, const char *key, int64_t wall_ns)
{
    char text[CLOCK_ISO_MAX];
    if (wall_ns != 0)
        json_set_text(object, key, clock_iso(wall_ns, text));
}

void trace_row_json(const struct trace_row *row, struct buf *out)
{
    const struct trace *t = row->trace;
    char hex[TRACE_ID_HEX];
    json *o = json_object();
    json_set_text(o, "trace_id", id_to_hex(t->trace_id, TRACE_ID_LEN, hex));
    json_set_text(o, "name", t->name);
    json_set_text(o, "project_id", t->project_id);
    set_time(o, "start_time", t->start_time);
    set_time(o, "end_time", t->end_time);
    if (t->end_time != 0)
        json_set_int(o, "duration_ms", (t->end_time - t->start_time) / NS_PER_MS);
    json_set_text(o, "status", trace_row_status(row));
    json_set_text(o, "model", row->model);
    if (row->models > 0)
        json_set_int(o, "models", row->models);
    json_set_int(o, "span_count", t->span_count);
    json_set_int(o, "errors", row->errors);
    json_set_int(o, "running", row->running);
    if (t->tokens_input >= 0)
        json_set_int(o, "tokens_input", t->tokens_input);
    if (t->tokens_output >= 0)
        json_set_int(o, "tokens_output", t->tokens_output);
    if (t->total_cost >= 0)
        json_set_number(o, "cost_usd", t->total_cost);
    json_set_text(o, "user_id", t->user_id);
    json_set_text(o, "session_id", t->session_id);
    json_set_text(o, "output", t->output);
    json_set_text(o, "error", t->error);
    if (t->tags != NULL)
        json_set(o, "tags", json_copy(t->tags));
    if (t->metadata != NULL)
        json_set(o, "metadata", json_copy(t->metadata));
    if (json_print(o, out) != ERR_OK)
        out->dropped++;
    json_free(o);
}

/* -------------------------------------------------------------------------- the command */

struct listing {
    struct list *list;
    const struct term *term;
    struct buf *out;
    bool as_json;
    int64_t count;
};

static int each_row(void *user, const struct trace_row *row)
{
    struct listing *l = user;
    l->count++;
    if (!l->as_json) {
        list_add(l->list, row, l->term);
        return ERR_OK;
    }
    trace_row_json(row, l->out);
    buf_append_cut(l->out, "\n", 1);
    return term_flush(l->out) == CLI_OK ? ERR_OK : ERR_IO;
}

/* "2h", "30m", "90s", "7d", or an ISO time. Returns wall ns, or -1. */
static int64_t parse_since(const char *text, int64_t now)
{
    char *end;
    int64_t time;
    if (clock_parse_iso(text, &time) == ERR_OK)
        return time;
    long long number = strtoll(text, &end, 10);
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    if (end == text || number < 0 || number > 1000000 || end[0] == '\0' || end[1] != '\0')
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].unit == *end)
            return now - (int64_t)number * units[i].seconds * NS_PER_SEC;
    return -1;
}

/* Reads page after page until limit rows were shown. */
static int read_pages(struct store *store, struct trace_query *q, int64_t limit, struct listing *l)
{
    char *cursor = NULL;
    int err = ERR_OK;
    do {
        char *next = NULL;
        int64_t left = limit - l->count;
        q->limit = left < 1000 ? (size_t)left : 1000;
        q->cursor = cursor;
        err = store_list_traces(store, q, each_row, l, &next);
        free(cursor);
        cursor = next;
    } while (err >= 0 && cursor != NULL && l->count < limit);
    free(cursor);
    return err < 0 ? err : ERR_OK;
}

static int show_list(struct listing *l, struct trace_query *q, int64_t limit)
{
    int code = CLI_OK;
    struct store *store = cli_store_open(&command_list, &code);
    if (store == NULL)
        return code;
    int err = read_pages(store, q, limit, l);
    if (err != ERR_OK && ferror(stdout))
        code = CLI_USAGE; /* said by the write that failed */
    else if (err != ERR_OK)
        code = cli_error(&command_list, "cannot read the store: %s", store_error(store));
    store_close(store);
    if (err != ERR_OK)
        return code;
    if (l->count == 0) {
        cli_error(&command_list, "no trace%s",
                  q->name != NULL || q->model != NULL || q->from != 0
                      ? " fits"
                      : " yet; try "
                        "`llm-trace python app.py`");
        return CLI_NOTHING;
    }
    if (!l->as_json)
        list_print(l->list, l->term, l->out);
    return term_flush(l->out);
}

static int run(int argc, char **argv)
{
    int64_t limit = 20;
    const char *name = NULL;
    const char *model = NULL;
    const char *since = NULL;
    const char *colour = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        {"limit", CLI_INT, &limit, 1, 1000000}, {"name", CLI_TEXT, &name, 0, 0},
        {"model", CLI_TEXT, &model, 0, 0},      {"since", CLI_TEXT, &since, 0, 0},
        {"json", CLI_FLAG, &as_json, 0, 0},     {"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    int count = cli_parse(&command_list, argc, argv, options, sizeof(options) / sizeof(options[0]),
                          words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    struct term term;
    int code = term_detect(&term, &command_list, colour);
    if (code != CLI_OK)
        return code;
    struct trace_query q = {.name = name, .model = model};
    if (since != NULL && (q.from = parse_since(since, term.now)) < 0)
        return cli_error(&command_list,
                         "--since takes 30m, 2h, 7d or a time such as 2026-01-02T03:04:05Z, not "
                         "\"%.60s\"",
                         since);
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    struct listing l = {.list = list_new(), .term = &term, .out = &out, .as_json = as_json};
    code = l.list == NULL ? cli_error(&command_list, "out of memory") : show_list(&l, &q, limit);
    list_free(l.list);
    buf_release(&out);
    return code;
}

const struct cli_command command_list = {
    .name = "list",
    .summary = "Lists traces, newest first",
    .usage = "[options]",
    .help = "Options:\n"
            "  --limit N        how many (20)\n"
            "  --name TEXT      only those whose name contains TEXT\n"
            "  --model TEXT     only those that used a model whose name contains TEXT\n"
            "  --since WHEN     only those begun since: 30m, 2h, 7d, or an ISO time\n"
            "  --json           one JSON object a line\n"
            "  --color WHEN     auto, always or never\n"
            "\nExit code: 0, 1 when there is none, 2 for a wrong command line.\n",
    .run = run,
};
