#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "cli/term.h"
#include "cli/text.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

static void put_line(const struct term *term, struct buf *out, const char *heading,
                     enum paint paint, const char *text)
{
    char head[16];
    struct buf escaped;
    buf_init(&escaped, 16384);
    text_escape(&escaped, text, strlen(text), TEXT_LINE);
    snprintf(head, sizeof(head), "  %-10s", heading);
    term_paint(out, term, PAINT_DIM, head);
    term_paint(out, term, paint, buf_str(&escaped));
    term_put(out, "\n");
    buf_release(&escaped);
}

static void print_inspection(const struct inspection *i, const struct term *term, struct buf *out)
{
    static const char *const words[] = {"captured", "partly", "not captured", "unknown"};
    static const enum paint paints[] = {PAINT_GREEN, PAINT_YELLOW, PAINT_RED, PAINT_YELLOW};
    struct buf path;
    buf_init(&path, 16384);
    text_escape(&path, i->path, strlen(i->path), TEXT_LINE);
    term_paint(out, term, PAINT_BOLD, buf_str(&path));
    term_put(out, ": ");
    term_paint(out, term, paints[i->verdict], words[i->verdict]);
    term_put(out, "\n");
    buf_release(&path);
    for (size_t k = 0; k < i->count; k++)
        put_line(term, out, i->findings[k].heading, PAINT_NONE, i->findings[k].text);
    if (i->reason != NULL)
        put_line(term, out, "so", paints[i->verdict], i->reason);
    if (i->advice != NULL)
        put_line(term, out, "try", PAINT_NONE, i->advice);
}

/* What runs a script that cannot be started by itself; NULL: it is none. */
static const char *interpreter_of(const char *name)
{
    static const struct {
        const char *ending, *program;
    } known[] = {{".py", "python3"}, {".js", "node"},  {".mjs", "node"}, {".cjs", "node"},
                 {".ts", "node"},    {".rb", "ruby"},  {".pl", "perl"},  {".php", "php"},
                 {".sh", "sh"},      {".bash", "bash"}};
    const char *dot = strrchr(name, '.');
    char path[CLI_PATH_MAX];
    bool listed = strchr(name, '/') == NULL && cli_find_program(name, path, sizeof(path)) == ERR_OK;
    if (dot == NULL || listed || access(name, F_OK) != 0 || access(name, X_OK) == 0)
        return NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(dot, known[i].ending) == 0)
            return known[i].program;
    return NULL;
}

static int run(int argc, char **argv)
{
    const char *colour = NULL;
    const struct cli_option options[] = {{"color", CLI_TEXT, &colour, 0, 0}};
    const char *words[1];
    struct term term;
    struct inspection i;
    struct buf out;
    int count = cli_parse(&command_doctor, argc, argv, options, 1, words, 1);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    if (count == 0)
        return cli_error(&command_doctor, "which program? usage: llm-tracer doctor PROGRAM");
    int code = term_detect(&term, &command_doctor, colour);
    if (code != CLI_OK)
        return code;
    const char *interpreter = interpreter_of(words[0]);
    if (interpreter != NULL)
        return cli_error(&command_doctor, "%.200s is not executable: try `llm-tracer doctor %s`",
                         words[0], interpreter);
    int err = inspect_program(&i, words[0]);
    if (err == ERR_NOENT)
        code = cli_error(&command_doctor, "there is no program %.200s", words[0]);
    else if (err == ERR_IO)
        code = cli_error(&command_doctor, "cannot read %.200s: %s", words[0], strerror(errno));
    else if (err != ERR_OK)
        code = cli_error(&command_doctor, "%s", err_str(err));
    if (err == ERR_OK) {
        buf_init(&out, OUTPUT_MAX);
        print_inspection(&i, &term, &out);
        code = term_flush(&out);
        buf_release(&out);
        if (code == CLI_OK && i.verdict == VERDICT_UNKNOWN)
            code = CLI_USAGE;
        else if (code == CLI_OK && i.verdict != VERDICT_YES)
            code = CLI_NOTHING;
    }
    inspect_release(&i);
    return code;
}

const struct cli_command command_doctor = {
    .name = "doctor",
    .summary = "Tells whether a program's calls would be captured, how, or why not",
    .usage = "[options] PROGRAM",
    .help = "Reads the program and its libraries; it does not run it.\n\n"
            "Options:\n"
            "  --color WHEN     auto, always or never\n"
            "\nExit code: 0 captured, 1 not or only in part, 2 when it cannot be told.\n",
    .run = run,
};
