#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture fixture = {.host = PRELOAD_HOST};

static void copy_file(const char *from, const char *to)
{
    char data[65536];
    size_t got;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((got = fread(data, 1, sizeof(data), in)) > 0)
        assert_int_equal(fwrite(data, 1, got, out), got);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

int fixture_start(void **state)
{
    (void)state;
    char path[256];
    snprintf(fixture.folder, sizeof(fixture.folder), "/dev/shm/llmt-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    snprintf(path, sizeof(path), "%s/lib", fixture.folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/bin", fixture.folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(fixture.runtime, sizeof(fixture.runtime), "%s/run", fixture.folder);
    snprintf(fixture.program, sizeof(fixture.program), "%s/bin/llm-tracer", fixture.folder);
    snprintf(fixture.object, sizeof(fixture.object), "%s/lib/libllmtracer_preload.so",
             fixture.folder);
    copy_file(PRELOAD_OBJECT, fixture.object);
    server_start();
    return 0;
}

static void empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            unlink(name);
    }
    closedir(folder);
    rmdir(path);
}

int fixture_end(void **state)
{
    (void)state;
    char path[256];
    server_stop();
    empty_folder(fixture.runtime);
    unlink(fixture.program);
    unlink(fixture.object);
    snprintf(path, sizeof(path), "%s/lib", fixture.folder);
    empty_folder(path);
    snprintf(path, sizeof(path), "%s/bin", fixture.folder);
    empty_folder(path);
    empty_folder(fixture.folder);
    return 0;
}

int fixture_reset(void **state)
{
    (void)state;
    empty_folder(fixture.runtime);
    assert_int_equal(mkdir(fixture.runtime, 0700), 0);
    memset(fixture.variables, 0, sizeof(fixture.variables));
    fixture.prepare = NULL;
    server_clear();
    return 0;
}

int fixture_clean(void **state)
{
    (void)state;
    outcome_release(&fixture.outcome);
    capture_release(&fixture.capture);
    return 0;
}

static void run_with(const char *program, const char *const *arguments, const char *object,
                     struct outcome *outcome)
{
    char runtime[200];
    struct run run = {.program = program, .object = object, .prepare = fixture.prepare};
    for (size_t i = 0; arguments[i] != NULL && i < 6; i++)
        run.arguments[i] = arguments[i];
    size_t n = 0;
    snprintf(runtime, sizeof(runtime), "TRACER_RUNTIME_DIR=%s", fixture.runtime);
    run.variables[n++] = "PATH=/usr/local/bin:/usr/bin:/bin";
    run.variables[n++] = "TRACER_API_KEY=project-test";
    run.variables[n++] = "TRACER_URL=http://localhost:1";
    run.variables[n++] = "ASAN_OPTIONS=verify_asan_link_order=0";
    bool own_runtime = false;
    for (size_t i = 0; fixture.variables[i] != NULL; i++) {
        run.variables[n++] = fixture.variables[i];
        own_runtime |= strncmp(fixture.variables[i], "TRACER_RUNTIME_DIR=", 19) == 0;
    }
    if (!own_runtime)
        run.variables[n++] = runtime;
    run_program(&run, outcome);
    server_wait();
}

void compare_program(const char *program, const char *const *arguments)
{
    struct outcome plain;
    run_with(program, arguments, NULL, &plain);
    server_clear();
    run_with(program, arguments, fixture.object, &fixture.outcome);
    assert_string_equal(fixture.outcome.text, plain.text);
    assert_int_equal(fixture.outcome.status, plain.status);
    assert_int_equal(plain.status, 0);
    outcome_release(&plain);
    capture_read(&fixture.capture, fixture.runtime);
}

static void scenario_arguments(const char **out, const char *scenario, const char *argument)
{
    static char port[16];
    snprintf(port, sizeof(port), "%d", server_port());
    out[0] = scenario;
    out[1] = port;
    out[2] = argument;
    out[3] = NULL;
}

void compare(const char *scenario, const char *argument)
{
    const char *arguments[4];
    scenario_arguments(arguments, scenario, argument);
    compare_program(fixture.host, arguments);
}

void run_scenario(const char *scenario, const char *argument)
{
    const char *arguments[4];
    scenario_arguments(arguments, scenario, argument);
    run_with(fixture.host, arguments, fixture.object, &fixture.outcome);
    capture_read(&fixture.capture, fixture.runtime);
}

const struct captured *captured(const char *text)
{
    const struct captured *conn = capture_find(&fixture.capture, text);
    if (conn == NULL)
        fail_msg("nothing captured with \"%s\"", text);
    return conn;
}

static const struct transcript *transcript_of(const struct captured *conn)
{
    for (size_t i = 0; i < server_count(); i++) {
        const struct transcript *t = server_transcript(i);
        if (t->received_len == conn->out.len &&
            memcmp(t->received, conn->out.data, conn->out.len) == 0)
            return t;
    }
    return NULL;
}

void assert_whole(const struct captured *conn, bool closed)
{
    const struct transcript *t = transcript_of(conn);
    if (t == NULL)
        fail_msg("the server did not receive these bytes: %.200s", (char *)conn->out.data);
    assert_true(conn->has_connection);
    assert_int_equal(conn->in.len, t->sent_len);
    assert_memory_equal(conn->in.data, t->sent, t->sent_len);
    assert_int_equal(conn->out.seen, conn->out.len);
    assert_int_equal(conn->in.seen, conn->in.len);
    assert_int_equal(conn->out.lost, 0);
    assert_int_equal(conn->in.lost, 0);
    assert_false(conn->out.overlap);
    assert_false(conn->in.overlap);
    assert_true(conn->first_out_time <= conn->first_in_time);
    char peer[64];
    snprintf(peer, sizeof(peer), "127.0.0.1:%d", server_port());
    assert_string_equal(conn->peer, peer);
    assert_int_equal(conn->closed, closed);
    if (closed) {
        assert_false(conn->failed);
        assert_int_equal(conn->close_out, conn->out.len);
        assert_int_equal(conn->close_in, conn->in.len);
    }
}
