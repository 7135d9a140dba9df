#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cli/cli.h"
#include "cli/term.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

/* A shell's single-quoted word. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_append_cut(out, "'", 1);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            term_put(out, "'\\''");
        else
            buf_append_cut(out, text, 1);
    }
    buf_append_cut(out, "'", 1);
}

static void put_export(struct buf *out, const char *name, const char *value)
{
    term_putf(out, "export %s=", name);
    put_quoted(out, value);
    buf_append_cut(out, "\n", 1);
}

/* Our object in front of what is preloaded already. */
static void put_preload(struct buf *out, const char *path)
{
    struct buf value;
    const char *present = getenv("LD_PRELOAD");
    buf_init(&value, 65536);
    term_put(&value, path);
    if (present != NULL && cli_is_preloaded(present, path)) {
        buf_clear(&value);
        term_put(&value, present);
    } else if (present != NULL && *present != '\0') {
        term_put(&value, ":");
        term_put(&value, present);
    }
    put_export(out, "LD_PRELOAD", buf_str(&value));
    buf_release(&value);
}

/* What the shell does not have yet. Folders become absolute: programs read nothing else. */
static void put_setting(struct buf *out, enum option_id id)
{
    const char *source = option_source(id);
    const char *value = option_text(id);
    char absolute[CLI_PATH_MAX];
    bool folder = id == OPTION_TRACER_DATA_DIR || id == OPTION_TRACER_RUNTIME_DIR;
    bool relative = folder && value[0] != '\0' && value[0] != '/' &&
                    cli_absolute(value, absolute, sizeof(absolute)) == ERR_OK;
    bool filed = strcmp(source, "default") != 0 && strcmp(source, "environment") != 0;
    if (id != OPTION_TRACER_CONFIG && (filed || relative))
        put_export(out, option_table[id].name, relative ? absolute : value);
}

static int run(int argc, char **argv)
{
    const char *words[1];
    char path[CLI_PATH_MAX];
    struct buf out;
    int count = cli_parse(&command_env, argc, argv, NULL, 0, words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    int err = cli_preload_path(path, sizeof(path));
    if (err == ERR_NOENT)
        return cli_error(&command_env, "%s is not there; install or build it", path);
    if (err != ERR_OK)
        return cli_error(&command_env, "cannot find libllmtracer_preload.so: %s", err_str(err));
    buf_init(&out, OUTPUT_MAX);
    put_preload(&out, path);
    for (int i = 0; i < OPTION_COUNT && !option_is_servers((enum option_id)i); i++)
        put_setting(&out, (enum option_id)i);
    int code = term_flush(&out);
    buf_release(&out);
    return code;
}

const struct cli_command command_env = {
    .name = "env",
    .summary = "Prints the lines that make a shell trace everything it starts",
    .usage = "",
    .help = "  eval \"$(llm-tracer env)\"\n\n"
            "sets LD_PRELOAD, and what the config file says (a program that is started without\n"
            "llm-trace sees only the environment). The lines hold the key of the config file.\n",
    .run = run,
};
