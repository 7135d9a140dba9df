/* What the command gets: the preloaded object, the settings of the config file, the run's trace;
 * and a collector to write to. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/options.h"
#include "cli/run.h"
#include "collector/collector.h"

#define RUN_NAME_MAX 200

/* The launcher of the bundle (scripts/launcher.c) kept the image's preloads from our own start. */
static void restore_preload(void)
{
    const char *saved = getenv("TRACER_SAVED_LD_PRELOAD");
    if (saved != NULL && *saved != '\0')
        setenv("LD_PRELOAD", saved, 1);
    unsetenv("TRACER_SAVED_LD_PRELOAD");
}

/* What starts a collector: this program, or in a bundle, where the loader runs it, its launcher. */
static bool find_launcher(char *out, size_t size)
{
    static const char loader[] = "/lib/ld.so";
    if (cli_program_path(out, size) != ERR_OK)
        return false;
    size_t len = strlen(out), n = strlen(loader);
    if (len < n || strcmp(out + len - n, loader) != 0)
        return true;
    int more = snprintf(out + len - n, size - (len - n), "/bin/llm-tracer");
    if (more < 0 || (size_t)more >= size - (len - n))
        return false;
    return true;
}

static void warn(const char *why)
{
    fprintf(stderr, "llm-tracer: %s; the command runs untraced\n", why);
}

/* Puts ours in front of what is preloaded already. False: its path cannot stand in LD_PRELOAD. */
static bool set_preload(const char *object)
{
    const char *others = getenv("LD_PRELOAD");
    if (strpbrk(object, " :\n\t") != NULL)
        return false;
    if (others == NULL || *others == '\0')
        return setenv("LD_PRELOAD", object, 1) == 0;
    if (cli_is_preloaded(others, object))
        return true;
    char *all;
    if (asprintf(&all, "%s:%s", object, others) < 0)
        return false;
    bool done = setenv("LD_PRELOAD", all, 1) == 0;
    free(all);
    return done;
}

/* A program built with AddressSanitizer aborts when anything is loaded in front of its runtime,
 * unless it is told not to look. */
static void set_asan(void)
{
    static const char option[] = "verify_asan_link_order=0";
    const char *others = getenv("ASAN_OPTIONS");
    char *all = NULL;
    if (others == NULL || *others == '\0')
        setenv("ASAN_OPTIONS", option, 1);
    else if (strstr(others, "verify_asan_link_order") == NULL &&
             asprintf(&all, "%s:%s", others, option) >= 0)
        setenv("ASAN_OPTIONS", all, 1);
    free(all);
}

/* Traced programs read the environment alone. Folders become absolute, since programs and the
 * collector change theirs. */
static void export_settings(void)
{
    char absolute[CLI_PATH_MAX];
    for (int i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        if (option_is_servers(id))
            continue;
        const char *value = option_text(id);
        bool folder = id == OPTION_TRACER_DATA_DIR || id == OPTION_TRACER_RUNTIME_DIR;
        if (folder && *value != '\0' && *value != '/' &&
            cli_absolute(value, absolute, sizeof(absolute)) == ERR_OK)
            setenv(option_table[i].name, absolute, 1);
        else if (strcmp(option_source(id), "environment") != 0 &&
                 strcmp(option_source(id), "default") != 0)
            setenv(option_table[i].name, value, 1);
    }
}

static void set_name(char **argv)
{
    json *words = json_array();
    for (size_t i = 0; argv[i] != NULL; i++) {
        const char *slash = i == 0 ? strrchr(argv[i], '/') : NULL;
        json_add(words, json_string(slash != NULL ? slash + 1 : argv[i]));
    }
    json *clean = redact_argv(words);
    struct buf name;
    buf_init(&name, RUN_NAME_MAX);
    for (json *word = json_first(clean); word != NULL; word = json_next(word)) {
        if (name.len > 0)
            buf_append_cut(&name, " ", 1);
        buf_append_cut(&name, json_text(word), strlen(json_text(word)));
    }
    setenv("TRACER_RUN_NAME", buf_str(&name), 1);
    buf_release(&name);
    json_free(clean);
    json_free(words);
}

static void set_run(struct run *r)
{
    uint8_t id[TRACE_ID_LEN];
    const char *outer = getenv("TRACER_RUN_TRACE");
    if (outer != NULL && id_from_hex(outer, TRACE_ID_LEN, id) == ERR_OK) {
        r->nested = true;
        id_to_hex(id, TRACE_ID_LEN, r->trace);
        return;
    }
    id_random(id, TRACE_ID_LEN);
    id_to_hex(id, TRACE_ID_LEN, r->trace);
    setenv("TRACER_RUN_TRACE", r->trace, 1);
    set_name(r->argv);
}

bool run_prepare(struct run *r)
{
    char object[CLI_PATH_MAX], text[CLI_PATH_MAX + 200];
    r->mark = -1;
    restore_preload();
    if (!option_bool(OPTION_TRACING_ENABLED))
        return false;
    if (cli_preload_path(object, sizeof(object)) != ERR_OK) {
        snprintf(text, sizeof(text), "%s is not there", object);
        warn(text);
        return false;
    }
    export_settings();
    if (cli_runtime_dir(r->runtime, sizeof(r->runtime)) != ERR_OK) {
        snprintf(text, sizeof(text),
                 "no folder in memory for the bytes of its calls (%s); set TRACER_RUNTIME_DIR to a "
                 "folder of your own",
                 strerror(errno));
        warn(text);
        return false;
    }
    if (!set_preload(object)) {
        snprintf(text, sizeof(text), "%s cannot be preloaded from a path like that", object);
        warn(text);
        return false;
    }
    set_asan();
    set_run(r);
    if (!r->nested)
        r->mark = run_mark_begin(r->runtime, r->trace);
    return true;
}

static void clean_environment(const char *runtime)
{
    unsetenv("LD_PRELOAD");
    unsetenv("TRACER_API_KEY"); /* each process tells its own */
    unsetenv("TRACER_RUN_TRACE");
    unsetenv("TRACER_RUN_NAME");
    setenv("TRACER_RUNTIME_DIR", runtime, 1);
}

static void reset_signals(void)
{
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &normal, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_collector(const struct run *r, const char *program)
{
    setsid();
    if (chdir("/") != 0)
        _exit(127);
    reset_signals();
    umask(077);
    clean_environment(r->runtime);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (close_range(3, ~0u, 0) != 0)
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
    execl(program, "llm-tracer", "collect", "--spawned", (char *)NULL);
    _exit(127);
}

void run_start_collector(const struct run *r)
{
    char program[CLI_PATH_MAX];
    if (collector_running(r->runtime) != 0 || !find_launcher(program, sizeof(program)))
        return;
    pid_t middle = fork();
    if (middle == 0) {
        pid_t pid = fork();
        if (pid == 0)
            become_collector(r, program);
        _exit(pid < 0);
    }
    if (middle > 0)
        waitpid(middle, NULL, 0);
}
