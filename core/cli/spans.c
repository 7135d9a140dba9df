#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"

#define OUTPUT_MAX ((size_t)512 * 1024 * 1024)

static const struct table_column columns[] = {
    {.header = "STARTED"},
    {.header = "TRACE"},
    {.header = "TYPE", .drop = 1},
    {.header = "NAME", .min = 10},
    {.header = "MODEL", .min = 9, .drop = 2},
    {.header = "IN", .right = true},
    {.header = "OUT", .right = true},
    {.header = "COST", .right = true},
    {.header = "TTFT", .right = true, .drop = 3},
    {.header = "TOOK", .right = true},
    {.header = "STATUS"},
};

struct printing {
    struct term term;
    struct table table;
    struct buf out;
    bool as_json;
    int64_t count;
};

static void add_text(struct table *t, enum paint paint, const char *text)
{
    struct buf line;
    buf_init(&line, 4096);
    if (text != NULL)
        text_escape(&line, text, strlen(text), TEXT_LINE);
    table_add(t, paint, text != NULL ? buf_str(&line) : "-");
    buf_release(&line);
}

/* In brackets: it is not in the trace's totals. */
static void add_counted(struct table *t, const struct span *s, const char *figure)
{
    char text[TEXT_FIGURE_MAX + 2];
    snprintf(text, sizeof(text), s->uncounted && figure[0] != '-' ? "(%s)" : "%s", figure);
    table_add(t, PAINT_NONE, text);
}

static void add_row(struct printing *p, const struct span *s)
{
    char figure[TEXT_FIGURE_MAX];
    char hex[TRACE_ID_HEX];
    const char *status = s->error != NULL   ? "error"
                         : s->end_time == 0 ? "running"
                         : s->partial       ? "partial"
                                            : "ok";
    enum paint paint = s->error != NULL                 ? PAINT_RED
                       : s->end_time == 0 || s->partial ? PAINT_YELLOW
                                                        : PAINT_GREEN;
    int64_t end = s->end_time != 0 ? s->end_time : p->term.now;
    struct table *t = &p->table;
    id_to_hex(s->trace_id, TRACE_ID_LEN, hex);
    hex[8] = '\0';
    table_add(t, PAINT_DIM, text_time(s->start_time, p->term.now, figure));
    table_add(t, PAINT_CYAN, hex);
    table_add(t, PAINT_NONE, span_type_name(s->type));
    add_text(t, PAINT_BOLD, s->name);
    add_text(t, PAINT_NONE, s->model);
    add_counted(t, s, text_tokens(s->tokens_input, figure));
    add_counted(t, s, text_tokens(s->tokens_output, figure));
    add_counted(t, s, text_cost(s->cost_usd, figure));
    bool ttft = s->ttft_ms >= 0 && s->ttft_ms < 1e9;
    table_add(t, PAINT_NONE, text_duration(ttft ? (int64_t)(s->ttft_ms * 1e6) : -1, figure));
    table_add(t, PAINT_NONE, text_duration(end - s->start_time, figure));
    table_add(t, paint, status);
}

static int each_span(void *user, const struct span *s)
{
    struct printing *p = user;
    p->count++;
    if (!p->as_json) {
        add_row(p, s);
        return ERR_OK;
    }
    int err = span_print(s, &p->out);
    buf_append_cut(&p->out, "\n", 1);
    if (err == ERR_OK && p->out.len > 65536 && term_flush(&p->out) != CLI_OK)
        err = ERR_IO;
    return err;
}

static int print_spans(struct printing *p, const char *trace)
{
    int code = CLI_OK;
    struct trace *t = NULL;
    struct store *store = cli_store_open(&command_spans, &code);
    if (store == NULL)
        return code;
    int err = trace != NULL ? store_find_trace(store, trace, &t) : ERR_OK;
    if (err == ERR_NOENT || err == ERR_BAD) {
        cli_error(&command_spans, "no trace starts with %.40s; `llm-tracer list` shows them",
                  trace);
        code = CLI_NOTHING;
    } else if (err == ERR_EXIST) {
        cli_error(&command_spans, "several traces start with %.40s; give more digits", trace);
        code = CLI_NOTHING;
    }
    if (err == ERR_OK) {
        err = store_each_span(store, t != NULL ? t->trace_id : NULL, each_span, p);
        if (err < 0 && ferror(stdout))
            code = CLI_USAGE; /* said by the write that failed */
        else if (err < 0)
            code = cli_error(&command_spans, "cannot read the store: %s", store_error(store));
    }
    trace_free(t);
    store_close(store);
    if (code != CLI_OK)
        return code;
    if (!p->as_json && p->count > 0)
        table_print(&p->table, &p->term, &p->out);
    if (p->count == 0)
        cli_error(&command_spans, "no span yet; try `llm-trace python app.py`");
    code = term_flush(&p->out);
    return code == CLI_OK && p->count == 0 ? CLI_NOTHING : code;
}

static int run(int argc, char **argv)
{
    const char *trace = NULL;
    const char *colour = NULL;
    struct printing p = {.count = 0};
    const struct cli_option options[] = {{"trace", CLI_TEXT, &trace, 0, 0},
                                         {"json", CLI_FLAG, &p.as_json, 0, 0},
                                         {"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    int count = cli_parse(&command_spans, argc, argv, options, sizeof(options) / sizeof(options[0]),
                          words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    int code = term_detect(&p.term, &command_spans, colour);
    if (code != CLI_OK)
        return code;
    buf_init(&p.out, OUTPUT_MAX);
    table_init(&p.table, columns, sizeof(columns) / sizeof(columns[0]));
    code = print_spans(&p, trace);
    table_release(&p.table);
    buf_release(&p.out);
    return code;
}

const struct cli_command command_spans = {
    .name = "spans",
    .summary = "Prints spans, oldest first, for people or for programs",
    .usage = "[options]",
    .help = "Options:\n"
            "  --json           one JSON object a line, with everything that is known\n"
            "  --trace ID       only those of one trace (its first 4 or more digits)\n"
            "  --color WHEN     auto, always or never\n"
            "\nExit code: 0, 1 when there is none, 2 for a wrong command line.\n",
    .run = run,
};
