#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "cli/text.h"
#include "wire/writer.h"

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

void cli_command_help(const struct cli_command *command)
{
    printf("Usage: llm-tracer %s%s%s\n\n%s.\n", command->name, command->usage[0] != '\0' ? " " : "",
           command->usage, command->summary);
    if (command->help[0] != '\0')
        printf("\n%s", command->help);
}

int cli_error(const struct cli_command *command, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct buf line;
    buf_init(&line, 16384);
    text_escape(&line, text, strlen(text), TEXT_LINE);
    fprintf(stderr, "llm-tracer%s%s: %s\n", command != NULL ? " " : "",
            command != NULL ? command->name : "", buf_str(&line));
    buf_release(&line);
    return CLI_USAGE;
}

int cli_write_failed(void)
{
    static bool said;
    int error = errno;
    if (!said && error != EPIPE)
        cli_error(NULL, "cannot write: %s", strerror(error));
    said = true;
    return CLI_USAGE;
}

static const struct cli_option *option_named(const struct cli_option *options, size_t count,
                                             const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static int option_set(const struct cli_command *command, const struct cli_option *option,
                      const char *value)
{
    if (option->type == CLI_TEXT) {
        *(const char **)option->value = value;
        return 0;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno == ERANGE || number < option->min ||
        number > option->max) {
        cli_error(command, "--%s takes a number from %lld to %lld, not \"%.40s\"", option->name,
                  (long long)option->min, (long long)option->max, value);
        return CLI_WRONG;
    }
    *(int64_t *)option->value = number;
    return 0;
}

/* Reads the option at argv[*at] and, where it has one, its value behind it. */
static int option_read(const struct cli_command *command, int argc, char **argv, int *at,
                       const struct cli_option *options, size_t count)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const struct cli_option *option = option_named(options, count, name, len);
    if (option == NULL) {
        cli_error(command, "no option %.60s; `llm-tracer %s --help` lists them", argv[*at],
                  command->name);
        return CLI_WRONG;
    }
    if (option->type == CLI_FLAG) {
        if (name[len] == '=') {
            cli_error(command, "--%s takes no value", option->name);
            return CLI_WRONG;
        }
        *(bool *)option->value = true;
        return 0;
    }
    if (name[len] == '=')
        return option_set(command, option, name + len + 1);
    if (*at + 1 >= argc) {
        cli_error(command, "--%s wants a value", option->name);
        return CLI_WRONG;
    }
    return option_set(command, option, argv[++*at]);
}

int cli_parse(const struct cli_command *command, int argc, char **argv,
              const struct cli_option *options, size_t option_count, const char **words,
              size_t words_max)
{
    size_t count = 0;
    bool literal = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!literal && strcmp(arg, "--") == 0) {
            literal = true;
        } else if (!literal && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            cli_command_help(command);
            return CLI_DONE;
        } else if (!literal && arg[0] == '-' && arg[1] == '-') {
            int err = option_read(command, argc, argv, &i, options, option_count);
            if (err < 0)
                return err;
        } else if (!literal && arg[0] == '-' && arg[1] != '\0') {
            cli_error(command, "no option %.60s; `llm-tracer %s --help` lists them", arg,
                      command->name);
            return CLI_WRONG;
        } else if (count == words_max) {
            cli_error(command, "unexpected \"%.60s\"; usage: llm-tracer %s %s", arg, command->name,
                      command->usage);
            return CLI_WRONG;
        } else {
            words[count++] = arg;
        }
    }
    return (int)count;
}

int cli_absolute(const char *path, char *out, size_t size)
{
    char here[CLI_PATH_MAX] = "";
    bool relative = path[0] != '/';
    if (relative && getcwd(here, sizeof(here)) == NULL)
        return ERR_IO;
    int n = snprintf(out, size, "%s%s%s", here, relative ? "/" : "", path);
    return n < 0 || (size_t)n >= size ? ERR_RANGE : ERR_OK;
}

int cli_runtime_dir(char *out, size_t size)
{
    char named[CLI_PATH_MAX] = "";
    const char *set = option_text(OPTION_TRACER_RUNTIME_DIR);
    int err = set[0] != '\0' ? cli_absolute(set, named, sizeof(named)) : ERR_OK;
    if (err == ERR_RANGE)
        errno = ENAMETOOLONG;
    if (err != ERR_OK)
        return ERR_IO;
    err = wire_runtime_dir(named[0] != '\0' ? named : NULL, getenv("XDG_RUNTIME_DIR"), out, size);
    if (err == 0)
        return ERR_OK;
    errno = -err;
    return ERR_IO;
}

int cli_data_dir(char *out, size_t size, bool *fallback)
{
    char runtime[CLI_PATH_MAX];
    if (cli_runtime_dir(runtime, sizeof(runtime)) != ERR_OK)
        runtime[0] = '\0';
    return store_data_dir(runtime, out, size, fallback);
}

int cli_program_path(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size);
    if (n < 0)
        return ERR_IO;
    if ((size_t)n >= size)
        return ERR_RANGE;
    out[n] = '\0';
    return ERR_OK;
}

int cli_preload_path(char *out, size_t size)
{
    char program[CLI_PATH_MAX];
    int err = cli_program_path(program, sizeof(program));
    if (err != ERR_OK)
        return err;
    for (int i = 0; i < 2; i++) { /* the program's name, then its folder */
        char *slash = strrchr(program, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    int n = snprintf(out, size, "%s/lib/libllmtracer_preload.so", program);
    if (n < 0 || (size_t)n >= size)
        return ERR_RANGE;
    return access(out, R_OK) == 0 ? ERR_OK : ERR_NOENT;
}

static int find_named(const char *name, char *out, size_t size)
{
    struct stat st;
    int n = snprintf(out, size, "%s", name);
    if (n < 0 || (size_t)n >= size)
        return ERR_RANGE;
    return stat(out, &st) == 0 ? ERR_OK : errno == ENOENT ? ERR_NOENT : ERR_IO;
}

int cli_find_program(const char *name, char *out, size_t size)
{
    struct stat st;
    const char *path = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return find_named(name, out, size);
    if (path == NULL)
        path = "/bin:/usr/bin";
    for (bool more = name[0] != '\0'; more; path++) {
        size_t len = strcspn(path, ":");
        int n = snprintf(out, size, "%.*s%s%s", (int)len, path, len > 0 ? "/" : "", name);
        if (n > 0 && (size_t)n < size && access(out, X_OK) == 0 && stat(out, &st) == 0 &&
            S_ISREG(st.st_mode))
            return ERR_OK;
        path += len;
        more = *path == ':';
    }
    return ERR_NOENT;
}

bool cli_is_preloaded(const char *list, const char *object)
{
    for (size_t len; *list != '\0'; list += len) {
        list += strspn(list, " :");
        len = strcspn(list, " :");
        if (len > 0 && len == strlen(object) && memcmp(list, object, len) == 0)
            return true;
    }
    return false;
}

struct store *cli_store_open(const struct cli_command *command, int *code)
{
    char dir[CLI_PATH_MAX];
    bool fallback = false;
    *code = CLI_NOTHING;
    int err = cli_data_dir(dir, sizeof(dir), &fallback);
    if (err != ERR_OK) {
        *code = cli_error(command,
                          "no data directory: %s: %s; set TRACER_DATA_DIR to a folder that "
                          "can be written",
                          dir, err == ERR_IO ? strerror(errno) : err_str(err));
        return NULL;
    }
    struct store *store = NULL;
    char *notice = NULL;
    err = store_open(&store, dir, STORE_READ, &notice);
    if (err == ERR_OK) {
        *code = CLI_OK;
        free(notice);
        return store;
    }
    if (err == ERR_NOENT)
        cli_error(command, "nothing was traced yet (no store in %s); try `llm-trace python app.py`",
                  dir);
    else
        *code = cli_error(command, "cannot read the store in %s: %s", dir,
                          notice != NULL ? notice : err_str(err));
    free(notice);
    return NULL;
}

/* A word that is no command of ours but a program: the wrapper was meant. */
static bool is_program(const char *word)
{
    char file[CLI_PATH_MAX];
    return cli_find_program(word, file, sizeof(file)) == ERR_OK && access(file, X_OK) == 0;
}

static int unknown_command(int argc, char **argv)
{
    if (argv[1][0] == '-')
        return cli_error(NULL, "no option %.60s; `llm-tracer help` lists the commands", argv[1]);
    if (!is_program(argv[1]))
        return cli_error(NULL, "no command \"%.60s\"; `llm-tracer help` lists them", argv[1]);
    struct buf line;
    buf_init(&line, 1024);
    for (int i = 1; i < argc; i++) {
        if (i > 1)
            buf_append_cut(&line, " ", 1);
        buf_append_cut(&line, argv[i], strlen(argv[i]));
    }
    cli_error(NULL, "did you mean `llm-trace %s%s`?", buf_str(&line), line.dropped > 0 ? "…" : "");
    buf_release(&line);
    return CLI_USAGE;
}

static void set_log_level(void)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(option_text(OPTION_TRACER_LOG_LEVEL), names[i]) == 0)
            log_set_level((enum log_level)i);
}

int cli_main(int argc, char **argv)
{
    if (options_load() != ERR_OK)
        return cli_error(NULL, "out of memory");
    set_log_level();
    if (argc < 2) {
        command_help.run(0, NULL);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct cli_command *command = cli_command_find(name);
    if (command == NULL)
        return unknown_command(argc, argv);
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        cli_command_help(command);
        return CLI_OK;
    }
    int code = command->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && code == CLI_OK)
        code = cli_write_failed(); /* the answer did not reach its reader */
    return code;
}
