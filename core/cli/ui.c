/* `llm-tracer ui`: the dashboard over this user's own traces, in a browser. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/options.h"
#include "cli/cli.h"
#include "service/service.h"

#define BROWSER_WORDS 16
#define BROWSER_MAX   4096

struct ui {
    bool no_browser;
    bool any_user;
};

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

/* One that needs a terminal would fight with us for ours. */
static bool is_for_terminals(const char *program)
{
    static const char *const names[] = {"lynx",   "w3m",    "links",      "links2",
                                        "elinks", "browsh", "www-browser"};
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Splits a command of $BROWSER at its blanks; %s stands for the URL, which else comes last. text
 * and whole are changed and kept as long as the words are used. False: there is no such program. */
static bool split_command(char *text, const char *url, char *whole, size_t whole_size,
                          const char *words[BROWSER_WORDS + 2])
{
    size_t count = 0;
    bool has_url = false;
    char path[CLI_PATH_MAX];
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t", &rest); word != NULL && count < BROWSER_WORDS;
         word = strtok_r(NULL, " \t", &rest)) {
        char *place = strstr(word, "%s");
        words[count++] = word;
        if (place == NULL || has_url)
            continue;
        has_url = true;
        snprintf(whole, whole_size, "%.*s%s%s", (int)(place - word), word, url, place + 2);
        words[count - 1] = whole;
    }
    if (!has_url)
        words[count++] = url;
    words[count] = NULL;
    return count > 1 && !is_for_terminals(words[0]) &&
           cli_find_program(words[0], path, sizeof(path)) == ERR_OK;
}

/* By a process of its own that is nobody's child and has no terminal: what it prints, and when it
 * ends, is no matter of ours. */
static void start(const char *const *words)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (setsid() >= 0 && fork() == 0) {
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);
            for (int fd = 0; null >= 0 && fd < 3; fd++)
                (void)dup2(null, fd);
            execvp(words[0], (char *const *)(uintptr_t)words);
        }
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Of a list as in $BROWSER, the first that there is. */
static bool open_with(const char *list, const char *url)
{
    char text[BROWSER_MAX];
    char whole[BROWSER_MAX];
    const char *words[BROWSER_WORDS + 2];
    char *rest = NULL;
    if ((size_t)snprintf(text, sizeof(text), "%s", list) >= sizeof(text))
        return false;
    for (char *one = strtok_r(text, ":", &rest); one != NULL; one = strtok_r(NULL, ":", &rest)) {
        if (!split_command(one, url, whole, sizeof(whole), words))
            continue;
        start(words);
        return true;
    }
    return false;
}

/* A display that was forwarded by ssh is not where the person's browser is. */
static void open_browser(const char *url)
{
    if (is_set("BROWSER") && open_with(getenv("BROWSER"), url))
        return;
    if (is_set("WSL_DISTRO_NAME") && open_with("wslview", url))
        return;
    if ((is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")) && !is_set("SSH_CONNECTION"))
        (void)open_with("xdg-open:gio open:x-www-browser:firefox:chromium", url);
}

static void on_ready(void *user, const char *url)
{
    const struct ui *ui = user;
    char page[256];
    if (strncmp(url, "http", 4) != 0)
        return;
    snprintf(page, sizeof(page), "%s/", url);
    printf("The dashboard is %s (Ctrl-C ends it)\n", page);
    fflush(stdout);
    if (!ui->no_browser)
        open_browser(page);
}

static int serve(struct ui *ui, int64_t port, const char *data_dir)
{
    char listen[32];
    char *why = NULL;
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", (int)port);
    const struct service_settings settings = {
        .listen = listen,
        .keys = "",
        .cors_origins = "",
        .own_user = !ui->any_user,
        .body_max = (size_t)1024 * 1024, /* nothing is written */
        .backend = &backend_local,
        .store = {.data_dir = data_dir},
        .ready = on_ready,
        .user = ui,
    };
    int err = service_run(&settings, &why);
    if (err != ERR_OK)
        cli_error(&command_ui, "%s", why != NULL ? why : err_str(err));
    free(why);
    return err == ERR_OK ? CLI_OK : CLI_USAGE;
}

static int run(int argc, char **argv)
{
    struct ui ui = {0};
    int64_t port = 0;
    bool fallback = false;
    char data_dir[CLI_PATH_MAX];
    const char *words[1];
    const struct cli_option options[] = {
        {.name = "port", .type = CLI_INT, .value = &port, .min = 0, .max = 65535},
        {.name = "no-browser", .type = CLI_FLAG, .value = &ui.no_browser},
        {.name = "any-user", .type = CLI_FLAG, .value = &ui.any_user},
    };
    int count =
        cli_parse(&command_ui, argc, argv, options, sizeof(options) / sizeof(options[0]), words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    umask(077);
    if (cli_data_dir(data_dir, sizeof(data_dir), &fallback) != ERR_OK)
        return cli_error(&command_ui, "no data directory: %s; set TRACER_DATA_DIR to one",
                         data_dir);
    return serve(&ui, port, data_dir);
}

const struct cli_command command_ui = {
    .name = "ui",
    .summary = "Shows the traces of this machine in a browser",
    .usage = "[--port N] [--no-browser] [--any-user]",
    .help = "Serves the dashboard over the local store, live, on 127.0.0.1 until Ctrl-C. Nothing\n"
            "is changed in the store, no key is needed, and a collector need not run. Other users\n"
            "of the machine are refused. What makes search and sorting quick is kept in\n"
            "ui-index.db beside the store and may be deleted at any time.\n"
            "\n"
            "  --port N      instead of a free one\n"
            "  --no-browser  only prints the address\n"
            "  --any-user    answers other users of this machine too; they will see every prompt\n",
    .run = run,
};
