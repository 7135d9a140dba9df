/* The program `llm-tracer`: one file a subcommand (each with one const struct cli_command), one
 * explicit array of them (commands.c), and the helpers that they share. Single-threaded unless a
 * command says otherwise. */
#ifndef TRACER_CLI_CLI_H
#define TRACER_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/* Exit codes of every command but `run` (which ends as the command it ran did). */
enum cli_exit {
    CLI_OK = 0,
    CLI_NOTHING = 1, /* nothing found, or something is unhealthy */
    CLI_USAGE = 2    /* the command line is wrong, or the question could not be answered */
};

#define CLI_PATH_MAX 4096

struct cli_command {
    const char *name;
    const char *summary; /* one line for `llm-tracer help` */
    const char *usage;   /* what follows `llm-tracer NAME`: "[options] ID" */
    const char *help;    /* the text of `llm-tracer NAME --help` behind the usage line; ends with a
                            newline; may be "" */
    bool hidden;         /* not in the list of `llm-tracer help` */
    /* argv[0] is the command's name. The options are loaded (base/options.h). Returns the exit
     * code. */
    int (*run)(int argc, char **argv);
};

/* NULL-terminated, in the order in which `help` shows them. */
extern const struct cli_command *const cli_commands[];

extern const struct cli_command command_list, command_show, command_spans, command_status,
    command_doctor, command_config, command_env, command_version, command_help;
extern const struct cli_command command_run;     /* run.c */
extern const struct cli_command command_ui;      /* ui.c */
extern const struct cli_command command_collect; /* collect.c */
extern const struct cli_command command_serve;   /* serve.c */

/* The whole program behind main(): finds the command and runs it. */
int cli_main(int argc, char **argv);
/* NULL when there is none of that name. */
const struct cli_command *cli_command_find(const char *name);
/* `llm-tracer NAME --help` on stdout. */
void cli_command_help(const struct cli_command *command);

/* One line on stderr: "llm-tracer NAME: text" (command NULL: "llm-tracer: text"). Control
 * characters in it are escaped. Returns CLI_USAGE, so that a command can return it. */
int cli_error(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says that stdout takes nothing more and why (errno), once and unless its reader went away.
 * Returns CLI_USAGE. */
int cli_write_failed(void);

/* Command-line options. A command lists its own; `--help` is always there. */
enum cli_option_type { CLI_FLAG, CLI_TEXT, CLI_INT };
struct cli_option {
    const char *name; /* without the two dashes */
    enum cli_option_type type;
    void *value;      /* bool *, const char **, int64_t * */
    int64_t min, max; /* CLI_INT */
};
/* Reads `--name`, `--name=value`, `--name value`; `--` ends the options. Words that are no options
 * go to words (argv's own memory, at most words_max). Returns their count; or CLI_DONE (--help was
 * given and answered: return CLI_OK) or CLI_WRONG (the mistake was said: return CLI_USAGE). */
#define CLI_DONE  (-1)
#define CLI_WRONG (-2)
int cli_parse(const struct cli_command *command, int argc, char **argv,
              const struct cli_option *options, size_t option_count, const char **words,
              size_t words_max);

/* Folders and files; out has room for size bytes. Errors as of the function behind each. */
int cli_runtime_dir(char *out, size_t size) WARN_UNUSED_RESULT;
int cli_data_dir(char *out, size_t size, bool *fallback) WARN_UNUSED_RESULT;
/* Looks a program up as execvp(3) does: an empty element of PATH is the current folder, without a
 * PATH it is /bin:/usr/bin, and only files that can be run count. A name with a slash is taken as
 * it is. ERR_NOENT, ERR_IO (errno), ERR_RANGE. */
int cli_find_program(const char *name, char *out, size_t size) WARN_UNUSED_RESULT;
/* Whether an LD_PRELOAD list (separated by colons and blanks) has the object in it. */
bool cli_is_preloaded(const char *list, const char *object);
/* A path made absolute from the current folder. ERR_IO, ERR_RANGE. */
int cli_absolute(const char *path, char *out, size_t size) WARN_UNUSED_RESULT;
/* The running program's own path. ERR_IO, ERR_RANGE. */
int cli_program_path(char *out, size_t size) WARN_UNUSED_RESULT;
/* libllmtracer_preload.so: in ../lib beside the program's folder. ERR_NOENT when it is not there
 * (out still says where it was looked for), ERR_IO, ERR_RANGE. */
int cli_preload_path(char *out, size_t size) WARN_UNUSED_RESULT;

/* Opens the store for reading. When there is none or it cannot be read, says so and returns NULL
 * with *code the exit code. */
struct store *cli_store_open(const struct cli_command *command, int *code);

#endif
