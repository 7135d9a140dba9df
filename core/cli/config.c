#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"

#define OUTPUT_MAX   ((size_t)1024 * 1024)
#define WIDE_COLUMNS 120 /* where a table has room for the meanings */
#define INDENT       2

static void append_value(struct buf *out, enum option_id id)
{
    const char *text = option_text(id);
    if (text[0] == '\0')
        term_put(out, "-");
    else if (option_table[id].type == OPTION_SECRET)
        term_put(out, "(set, not shown)");
    else
        text_escape(out, text, strlen(text), TEXT_LINE);
    if (text[0] != '\0' && option_table[id].unit != NULL)
        term_putf(out, " %s", option_table[id].unit);
}

static const char *shown_source(enum option_id id)
{
    return option_text(id)[0] == '\0' ? "unset" : option_source(id);
}

static bool is_chosen(const char *source)
{
    return strcmp(source, "default") != 0 && strcmp(source, "unset") != 0;
}

static void print_table(const struct term *term, struct buf *out)
{
    static const struct table_column columns[] = {{.header = "SETTING"},
                                                  {.header = "VALUE", .min = 16},
                                                  {.header = "FROM", .min = 11},
                                                  {.header = "MEANING", .min = 20, .drop = 1}};
    struct table table;
    struct buf value;
    table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    buf_init(&value, 8192);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *source = shown_source((enum option_id)i);
        buf_clear(&value);
        append_value(&value, (enum option_id)i);
        table_add(&table, PAINT_BOLD, option_table[i].name);
        table_add(&table, is_chosen(source) ? PAINT_CYAN : PAINT_NONE, buf_str(&value));
        buf_clear(&value);
        text_escape(&value, source, strlen(source), TEXT_LINE);
        table_add(&table, PAINT_DIM, buf_str(&value));
        table_add(&table, PAINT_NONE, option_table[i].help);
    }
    table_print(&table, term, out);
    table_release(&table);
    buf_release(&value);
}

static void put_indented(const struct term *term, struct buf *out, enum paint paint,
                         const char *text)
{
    struct buf fitted;
    buf_init(&fitted, 8192);
    text_fit(&fitted, text, term->columns - INDENT, term->utf8);
    term_repeat(out, " ", INDENT);
    term_paint(out, term, paint, buf_str(&fitted));
    term_put(out, "\n");
    buf_release(&fitted);
}

/* Words of ASCII in lines of the terminal's width. */
static void put_wrapped(const struct term *term, struct buf *out, const char *text)
{
    size_t room = (size_t)(term->columns - INDENT);
    while (*text != '\0') {
        size_t len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
            len = len == 0 ? room : len;
        }
        term_repeat(out, " ", INDENT);
        buf_append_cut(out, text, len);
        term_put(out, "\n");
        text += len;
        text += strspn(text, " ");
    }
}

/* A setting as a paragraph: its name, value and source, the meaning below. What has no room in the
 * first line gets one of its own. */
static void put_setting(const struct term *term, struct buf *out, enum option_id id, int name_width)
{
    const char *name = option_table[id].name;
    const char *source = shown_source(id);
    enum paint paint = is_chosen(source) ? PAINT_CYAN : PAINT_NONE;
    struct buf value, from;
    buf_init(&value, 8192);
    buf_init(&from, 8192);
    append_value(&value, id);
    text_escape(&from, source, strlen(source), TEXT_LINE);
    int used = name_width + INDENT + text_width(buf_str(&value));
    bool whole = used <= term->columns;
    bool sourced = whole && used + INDENT + text_width(buf_str(&from)) <= term->columns;
    term_paint(out, term, PAINT_BOLD, name);
    if (whole) {
        term_repeat(out, " ", name_width - text_width(name) + INDENT);
        term_paint(out, term, paint, buf_str(&value));
    }
    if (sourced) {
        term_repeat(out, " ", INDENT);
        term_paint(out, term, PAINT_DIM, buf_str(&from));
    }
    term_put(out, "\n");
    if (!whole)
        put_indented(term, out, paint, buf_str(&value));
    if (!sourced)
        put_indented(term, out, PAINT_DIM, buf_str(&from));
    put_wrapped(term, out, option_table[id].help);
    buf_release(&value);
    buf_release(&from);
}

static void print_settings(const struct term *term, struct buf *out)
{
    int width = 0;
    if (term->columns >= WIDE_COLUMNS) {
        print_table(term, out);
    } else {
        for (int i = 0; i < OPTION_COUNT; i++)
            if (text_width(option_table[i].name) > width)
                width = text_width(option_table[i].name);
        for (int i = 0; i < OPTION_COUNT; i++)
            put_setting(term, out, (enum option_id)i, width);
    }
    if (options_file() != NULL) {
        term_put(out, "\nConfig file: ");
        text_escape(out, options_file(), strlen(options_file()), TEXT_LINE);
        term_put(out, "\n");
    }
}

static void print_json(struct buf *out)
{
    json *list = json_array();
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        const char *text = option_text((enum option_id)i);
        json *o = json_object();
        json_set_text(o, "name", entry->name);
        if (text[0] != '\0')
            json_set_text(o, "value", entry->type == OPTION_SECRET ? "(set, not shown)" : text);
        json_set_text(o, "source", shown_source((enum option_id)i));
        json_set_text(o, "default", entry->fallback);
        json_set_text(o, "unit", entry->unit);
        json_set_text(o, "choices", entry->choices);
        json_set_text(o, "help", entry->help);
        json_add(list, o);
    }
    if (json_print(list, out) != ERR_OK)
        out->dropped++;
    buf_append_cut(out, "\n", 1);
    json_free(list);
}

/* The settings as a config file in which every line is a comment: what is chosen here and now does
 * not show in it. */
static void print_env_file(struct buf *out)
{
    term_put(out,
             "# Settings of llm-tracer, each with its default. Copy this file to\n"
             "# ~/.config/llm-tracer/llm-tracer.env or /etc/llm-tracer/llm-tracer.env and take "
             "the # away\n# from what you set. The environment wins over the file.\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        if (i == OPTION_TRACER_CONFIG) /* it names this file */
            continue;
        term_putf(out, "\n# %s", entry->help);
        if (entry->type == OPTION_INT)
            term_putf(out, " %lld to %lld %s.", (long long)entry->min, (long long)entry->max,
                      entry->unit);
        else if (entry->type == OPTION_CHOICE)
            term_putf(out, " One of %s.", entry->choices);
        term_putf(out, "\n#%s=%s\n", entry->name, entry->fallback == NULL ? "" : entry->fallback);
    }
}

static int run(int argc, char **argv)
{
    const char *colour = NULL;
    bool as_json = false;
    bool env_file = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, &as_json, 0, 0},
                                         {"env-file", CLI_FLAG, &env_file, 0, 0},
                                         {"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    struct term term;
    struct buf out;
    int count = cli_parse(&command_config, argc, argv, options, 3, words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    int code = term_detect(&term, &command_config, colour);
    if (code != CLI_OK)
        return code;
    buf_init(&out, OUTPUT_MAX);
    if (as_json)
        print_json(&out);
    else if (env_file)
        print_env_file(&out);
    else
        print_settings(&term, &out);
    code = term_flush(&out);
    buf_release(&out);
    return code;
}

const struct cli_command command_config = {
    .name = "config",
    .summary = "Prints the settings, their values and where these come from",
    .usage = "[options]",
    .help = "Settings come from the environment, else from the config file, else they have their\n"
            "default. Keys are never printed.\n\n"
            "Options:\n"
            "  --json           one JSON array\n"
            "  --env-file       a config file to start from: every setting, commented out\n"
            "  --color WHEN     auto, always or never\n",
    .run = run,
};
