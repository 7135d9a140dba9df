/* The program as a person meets it: exit codes, one-line errors, figures as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "json/json.h"

static char dir[] = "/tmp/commands-XXXXXX";

/* Runs `llm-tracer WORDS`; its output with stderr's. Returns the exit code. */
static int run(const char *words, struct buf *out)
{
    char command[4096];
    char chunk[4096];
    size_t n;
    snprintf(command, sizeof(command), "exec %s %s 2>&1", LLM_TRACER, words);
    buf_clear(out);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append_cut(out, chunk, n);
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *words, int code, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int got = run(words, &out);
    if (got != code || strstr(buf_str(&out), text) == NULL)
        fail_msg("llm-tracer %s: exit code %d (%d expected), said:\n%s", words, got, code,
                 buf_str(&out));
    if (code == 2) /* an error is one line */
        assert_ptr_equal(strchr(buf_str(&out), '\n'), buf_str(&out) + out.len - 1);
    buf_release(&out);
}

/* The words have redirections of their own. */
static void expect_only(const char *words, int code, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int got = run(words, &out);
    if (got != code || strcmp(buf_str(&out), text) != 0)
        fail_msg("llm-tracer %s: exit code %d (%d expected), said:\n%s", words, got, code,
                 buf_str(&out));
    buf_release(&out);
}

static void errors_are_one_line(void **state)
{
    (void)state;
    expect("lst", 2, "llm-tracer: no command \"lst\"; `llm-tracer help` lists them");
    expect("sh app.sh", 2, "did you mean `llm-trace sh app.sh`?");
    expect("--odd", 2, "no option --odd");
    expect("list --limit many", 2, "--limit takes a number from 1 to 1000000, not \"many\"");
    expect("list --limit", 2, "--limit wants a value");
    expect("list --json=1", 2, "--json takes no value");
    expect("list more", 2, "unexpected \"more\"");
    expect("list --since yesterday", 2, "--since takes");
    expect("list --color=blue", 2, "--color takes auto, always or never");
    expect("show xyz", 2, "is no trace id");
    expect("doctor", 2, "which program?");
    expect("doctor /nowhere", 2, "there is no program /nowhere");
    expect("\"$(printf 'lst\\033[2J')\"", 2, "\\x1b[2J");
}

static void every_command_has_help(void **state)
{
    static const char *const names[] = {"run",    "list", "show",    "spans", "status",  "doctor",
                                        "config", "env",  "collect", "serve", "version", "help"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char words[64];
        char usage[64];
        snprintf(words, sizeof(words), "%s --help", names[i]);
        snprintf(usage, sizeof(usage), "Usage: llm-tracer %s", names[i]);
        expect(words, 0, usage);
        expect("help", 0, names[i]);
    }
    expect("--version", 0, "llm-tracer " TRACER_VERSION);
    expect("version", 0, "prices ");
    expect("version", 0, "genai-prices");
}

static void without_a_store_there_is_nothing(void **state)
{
    (void)state;
    setenv("TRACER_DATA_DIR", "/tmp/commands-none-such", 1);
    expect("list", 1, "nothing was traced yet");
    expect("show", 1, "nothing was traced yet");
    expect("spans", 1, "nothing was traced yet");
    expect("status", 0, "store      empty");
    rmdir("/tmp/commands-none-such");
}

static void damaged_store_is_said(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/bad", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    setenv("TRACER_DATA_DIR", path, 1);
    strcat(path, "/traces.db");
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (int i = 0; i < 3000; i++)
        fputs("no data", f);
    fclose(f);
    expect("list", 2, "cannot read the store in");
    expect("status", 1, "cannot be read");
}

static void failed_writes_are_said(void **state)
{
    static const char *const words[] = {"version",  "help",         "config", "list --json",
                                        "list",     "spans --json", "spans",  "show 3b42 --json",
                                        "show 3b42"};
    char line[256];
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(line, sizeof(line), "%s 2>&1 >/dev/full #", words[i]);
        expect_only(line, 2, "llm-tracer: cannot write: No space left on device\n");
    }
    expect_only("list 2>&1 >&- #", 2, "llm-tracer: cannot write: Bad file descriptor\n");
}

/* Folders that are of no use are named, with the reason; relative ones count from here. */
static void folders_are_told(void **state)
{
    char path[128], words[256], kept[128];
    struct buf out;
    (void)state;
    snprintf(kept, sizeof(kept), "%s", getenv("TRACER_RUNTIME_DIR"));
    snprintf(path, sizeof(path), "%s/file", dir);
    fclose(fopen(path, "we"));
    setenv("TRACER_DATA_DIR", path, 1);
    setenv("TRACER_RUNTIME_DIR", path, 1);
    snprintf(words, sizeof(words), "llm-tracer list: no data directory: %s: Not a directory", path);
    expect("list", 2, words);
    expect("status", 1, "Not a directory");
    assert_int_equal(chdir(dir), 0);
    setenv("TRACER_RUNTIME_DIR", "run", 1);
    setenv("TRACER_DATA_DIR", "relative", 1);
    snprintf(words, sizeof(words), "data       %s/relative", dir);
    expect("status", 0, words);
    snprintf(words, sizeof(words), "runtime    %s/run (0 rings)", dir);
    expect("status", 0, words);
    snprintf(words, sizeof(words), "export TRACER_RUNTIME_DIR='%s/run'", dir);
    expect("env", 0, words);
    snprintf(path, sizeof(path), "%s/llm-tracer.env", dir);
    FILE *f = fopen(path, "we");
    fputs("TRACER_DATA_DIR=from-file\n", f);
    fclose(f);
    setenv("TRACER_CONFIG", path, 1);
    unsetenv("TRACER_DATA_DIR");
    snprintf(words, sizeof(words), "export TRACER_DATA_DIR='%s/from-file'", dir);
    expect("env", 0, words);
    unsetenv("TRACER_CONFIG");
    setenv("TRACER_RUNTIME_DIR", kept, 1);
    buf_init(&out, 1 << 16); /* ours is in the list as a whole item, not as a part of one */
    setenv("LD_PRELOAD", "/none/libllmtracer_preload.so.old", 1);
    assert_int_equal(run("env 2>/dev/null #", &out), 0);
    unsetenv("LD_PRELOAD");
    assert_non_null(strstr(buf_str(&out), "libllmtracer_preload.so:/none/"));
    buf_release(&out);
}

/* As execvp looks: an empty element of PATH is the current folder, folders are none. */
static void programs_are_found_as_execvp_does(void **state)
{
    char path[128], kept[4096];
    (void)state;
    snprintf(kept, sizeof(kept), "%s", getenv("PATH"));
    assert_int_equal(chdir(dir), 0);
    snprintf(path, sizeof(path), "%s/folder/true", dir);
    assert_int_equal(system("mkdir -p folder/true && cp /bin/true here-only && "
                            "printf 'print(1)' >plain.py"),
                     0);
    setenv("PATH", "folder:/usr/bin:/bin", 1);
    expect("doctor true", 0, "/bin/true");
    expect("doctor here-only", 2, "there is no program here-only");
    setenv("PATH", "/usr/bin:", 1);
    expect("doctor here-only", 0, "here-only: captured");
    expect("doctor plain.py", 2, "plain.py is not executable: try `llm-tracer doctor python3`");
    expect("doctor ./plain.py", 2, "try `llm-tracer doctor python3`");
    setenv("PATH", kept, 1);
}

static void the_store_is_shown(void **state)
{
    char command[512];
    struct buf out;
    (void)state;
    setenv("TRACER_DATA_DIR", dir, 1);
    snprintf(command, sizeof(command), "%s %s 150", CLI_FILL, dir);
    assert_int_equal(system(command), 0);
    expect("list --name alps --since 2026-01-01T00:00:00Z --limit 1", 0, "python re");
    expect("list --name nothing", 1, "no trace fits");
    expect("show 3b42", 0, "research agent");
    expect("show 3b42495", 0, "claude-sonnet-4-5");
    expect("show 1234", 1, "no trace starts with 1234; `llm-tracer list` shows them");
    expect("show 3b42 --messages", 0, "Mont Blanc is 4805.59 m high");
    expect("spans --trace 3b42", 0, "embeddings");
    expect("spans --trace 9999", 1, "no trace starts with 9999");
    expect("status", 0, "155 traces");
    buf_init(&out, 1 << 22);
    assert_int_equal(run("list --json --limit 1000", &out), 0);
    size_t lines = 0;
    for (char *line = strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        json *row = json_parse(line, strlen(line));
        assert_non_null(json_get_text(row, "trace_id"));
        json_free(row);
    }
    assert_int_equal(lines, 155);
    assert_int_equal(run("show 3b42 --json", &out), 0);
    json *shown = json_parse(buf_str(&out), out.len);
    assert_int_equal(json_length(json_get(shown, "spans")), 5);
    assert_string_equal(json_text(json_path(shown, "trace.status")), "ok");
    json_free(shown);
    assert_int_equal(run("spans --json", &out), 0);
    assert_null(memchr(out.data, '\033', out.len));
    assert_int_equal(run("status --json", &out), 0);
    shown = json_parse(buf_str(&out), out.len);
    assert_true(json_is_true(json_get(shown, "healthy")));
    json_free(shown);
    buf_release(&out);
}

/* What the collector wrote about itself becomes sentences that say what to do. */
static void losses_are_said(void **state)
{
    char path[256];
    (void)state;
    setenv("TRACER_DATA_DIR", dir, 1);
    snprintf(path, sizeof(path), "%s/run/collector.json", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("{\"pid\":1,\"calls\":7,\"lost_records\":3,\"lost_messages\":2,\"bad_messages\":1,\"lost_"
          "bytes\":2048,\"http2\":{"
          "\"api.openai.com\":2,\"evil\\u001b[2J\":1},\"notices\":[\"delivery to x: y\"]}",
          f);
    fclose(f);
    expect("status", 1, "3 records (2.0 KB) found no room in shared memory: raise TRACER_RING");
    expect("status", 1, "2 messages on traces made by hand could not be used");
    expect("status", 1, "1 message on traces made by hand was malformed");
    expect("status", 1, "2 connections to api.openai.com spoke HTTP/2");
    expect("status", 1, "evil\\x1b[2J");
    expect("status", 1, "last run   7 calls");
    f = fopen(path, "we");
    assert_non_null(f);
    fputs("{\"pid\":\"x\",\"http2\":[1,2],\"rings\":7,\"notices\":{}", f);
    fclose(f);
    expect("status", 0, "not running");
    unlink(path);
    snprintf(path, sizeof(path), "%s/run/ring-1-abc", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    expect("status", 1, "`llm-tracer collect` reads it");
    unlink(path);
}

static void settings_are_told_without_secrets(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/my.env", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("TRACER_API_KEY=project-secret\nTRACER_URL=\"http://it's\"\n", f);
    fclose(f);
    setenv("TRACER_CONFIG", path, 1);
    setenv("TRACER_SUMMARY", "never", 1);
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(run("config", &out), 0);
    assert_null(strstr(buf_str(&out), "secret"));
    assert_non_null(strstr(buf_str(&out), "(set, not shown)"));
    assert_non_null(strstr(buf_str(&out), "environment"));
    assert_int_equal(run("config --json", &out), 0);
    assert_null(strstr(buf_str(&out), "secret"));
    buf_release(&out);
    unsetenv("TRACER_CONFIG");
}

static void read_file(const char *path, struct buf *text)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append_cut(text, chunk, n);
    fclose(f);
}

/* config/llm-tracer.env is what the program prints, whatever is set, and with its settings
 * uncommented it is a file without a bad line. */
/* In a narrow terminal nothing is cut: meanings are wrapped, long values have their own line. */
static void settings_fit_a_narrow_terminal(void **state)
{
    static const char url[] = "http://a-host.example.org:8080/with/a/long/path/that/fills/a/line";
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 16);
    setenv("COLUMNS", "80", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TRACER_URL", url, 1);
    assert_int_equal(run("config", &out), 0);
    unsetenv("TRACER_URL");
    unsetenv("COLUMNS");
    assert_non_null(strstr(buf_str(&out), url));
    assert_non_null(strstr(buf_str(&out), "TRACER_SUMMARY"));
    assert_non_null(strstr(buf_str(&out), "Traces older than this are deleted.\n"));
    assert_null(strstr(buf_str(&out), "…"));
    for (char *line = strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strlen(line) > 80)
            fail_msg("longer than 80 columns: %s", line);
    buf_release(&out);
}

static void config_file_to_start_from(void **state)
{
    struct buf out;
    struct buf file;
    char path[128];
    (void)state;
    buf_init(&out, 1 << 20);
    buf_init(&file, 1 << 20);
    assert_int_equal(run("config --env-file", &out), 0);
    read_file(TESTS_DIR "/../config/llm-tracer.env", &file);
    if (strcmp(buf_str(&out), buf_str(&file)) != 0)
        fail_msg("config/llm-tracer.env is not what `llm-tracer config --env-file` prints:\n%s",
                 buf_str(&out));
    snprintf(path, sizeof(path), "%s/all.env", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (size_t i = 0; i < file.len; i++)
        if (file.data[i] != '#' || file.data[i + 1] == ' ')
            fputc(file.data[i], f);
    fclose(f);
    setenv("TRACER_CONFIG", path, 1);
    assert_int_equal(run("config", &out), 0);
    assert_null(strstr(buf_str(&out), "all.env:"));
    assert_non_null(strstr(buf_str(&out), "all.env"));
    unsetenv("TRACER_CONFIG");
    buf_release(&out);
    buf_release(&file);
}

static int clean_up(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    char runtime[64];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_one_line),
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(without_a_store_there_is_nothing),
        cmocka_unit_test(damaged_store_is_said),
        cmocka_unit_test(folders_are_told),
        cmocka_unit_test(programs_are_found_as_execvp_does),
        cmocka_unit_test(the_store_is_shown),
        cmocka_unit_test(failed_writes_are_said),
        cmocka_unit_test(losses_are_said),
        cmocka_unit_test(settings_are_told_without_secrets),
        cmocka_unit_test(settings_fit_a_narrow_terminal),
        cmocka_unit_test(config_file_to_start_from),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(runtime, sizeof(runtime), "%s/run", dir);
    mkdir(runtime, 0700);
    setenv("TRACER_RUNTIME_DIR", runtime, 1);
    unsetenv("TRACER_API_KEY");
    unsetenv("TRACER_CONFIG");
    setenv("HOME", dir, 1);
    unsetenv("XDG_CONFIG_HOME");
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
