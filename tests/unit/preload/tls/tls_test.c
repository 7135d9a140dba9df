/* Every scenario runs a client program twice, without and with the preloaded object: its output,
 * exit code and errno must be the same, and what was captured must equal, byte for byte and in both
 * directions, what the server at the other end has seen. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring_streams.h"
#include "scenarios.h"
#include "tls_peer.h"
#include "wire/record.h"

#define OUTPUT_MAX  (1 << 20)
#define RUN_SECONDS 20

static struct tls_peer *peer;
static char folder[] = "/tmp/tls-test-XXXXXX";
static char runtime[64], preload[64];

static void put_text(char *out, size_t size, const char *argument, bool plain)
{
    const char *mark = strchr(argument, '@');
    char value[64] = "";
    size_t skip = 0;

    if (mark != NULL && strncmp(mark, "@PORT", 5) == 0) {
        snprintf(value, sizeof(value), "%d", tls_peer_port(peer));
        skip = 5;
    } else if (mark != NULL && strncmp(mark, "@URL", 4) == 0) {
        snprintf(value, sizeof(value), "%s://127.0.0.1:%d", plain ? "http" : "https",
                 tls_peer_port(peer));
        skip = 4;
    }
    if (skip == 0) {
        snprintf(out, size, "%s", argument);
        return;
    }
    snprintf(out, size, "%.*s%s%s", (int)(mark - argument), argument, value, mark + skip);
}

static void child(const struct scenario *s, int output, bool traced)
{
    static char texts[ARGUMENTS][2048];
    char *argv[ARGUMENTS + 1] = {NULL};

    for (size_t i = 0; i < ARGUMENTS && s->arguments[i] != NULL; i++) {
        put_text(texts[i], sizeof(texts[i]), s->arguments[i], s->plain);
        argv[i] = texts[i];
    }
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    alarm(RUN_SECONDS);
    setenv("TRACER_ENDPOINTS", "*", 1);
    setenv("TRACER_RUNTIME_DIR", runtime, 1);
    if (s->environment != NULL) {
        putenv(strdup(s->environment));
    }
    if (traced) {
        setenv("LD_PRELOAD", preload, 1);
    }
    execvp(argv[0], argv);
    _exit(127);
}

/* Returns what the program printed; *status is its wait status. The caller frees the text. */
static char *run(const struct scenario *s, bool traced, int *status)
{
    char path[96], *text = calloc(1, OUTPUT_MAX);
    int output;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/output", folder);
    output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(text != NULL && output >= 0);
    pid = fork();
    if (pid == 0) {
        child(s, output, traced);
    }
    assert_int_equal(waitpid(pid, status, 0), pid);
    assert_true(pread(output, text, OUTPUT_MAX - 1, 0) >= 0);
    close(output);
    return text;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_stream(const struct scenario *s, const struct ring_stream *stream)
{
    char peer_text[64];

    assert_int_equal(stream->lost, 0);
    assert_true(stream->whole);
    assert_int_equal(stream->layer, s->layer);
    assert_int_equal(stream->tls, !s->plain);
    if (s->host != NULL) {
        assert_string_equal(stream->host, s->host);
        snprintf(peer_text, sizeof(peer_text), "127.0.0.1:%d", tls_peer_port(peer));
        assert_string_equal(stream->peer, peer_text);
    }
    if (s->eof) {
        assert_true(stream->eof);
    }
    assert_int_equal(stream->failed, s->failed);
}

/* A refused request has no answer and no counterpart on the server's side. */
static bool is_refused(const struct scenario *s, const struct ring_stream *stream)
{
    return s->refuse_early && stream->in.len == 0;
}

static void compare_each(const struct scenario *s, struct ring_streams *all,
                         const struct tls_peer_stream *seen, size_t count)
{
    static bool used[1024];
    size_t expected = 0, captured = 0;

    memset(used, 0, sizeof(used));
    for (size_t i = 0; i < all->count; i++) {
        captured += is_refused(s, &all->streams[i]) ? 0 : 1;
    }
    for (size_t i = 0; i < count; i++) {
        size_t j;

        if (seen[i].in.len == 0) {
            continue;
        }
        expected++;
        for (j = 0; j < all->count; j++) {
            if (!used[j] && same(&all->streams[j].out, &seen[i].in) &&
                same(&all->streams[j].in, &seen[i].out)) {
                break;
            }
        }
        if (j == all->count) {
            print_message("%s: connection %zu (%zu in, %zu out) was not captured so; %zu streams\n",
                          s->name, i, seen[i].in.len, seen[i].out.len, all->count);
            for (size_t k = 0; k < all->count; k++) {
                print_message("  captured: out %zu in %zu\n", all->streams[k].out.len,
                              all->streams[k].in.len);
            }
            fail();
        }
        used[j] = true;
        check_stream(s, &all->streams[j]);
    }
    assert_true(expected > 0);
    assert_int_equal(captured, expected);
}

static void append(struct buf *to, const struct buf *from)
{
    assert_int_equal(buf_append(to, from->data, from->len), 0);
}

static void compare_joined(const struct scenario *s, struct ring_streams *all,
                           const struct tls_peer_stream *seen, size_t count)
{
    struct buf out, in, peer_in, peer_out;

    buf_init(&out, OUTPUT_MAX * 64);
    buf_init(&in, OUTPUT_MAX * 64);
    buf_init(&peer_in, OUTPUT_MAX * 64);
    buf_init(&peer_out, OUTPUT_MAX * 64);
    for (size_t i = 0; i < all->count; i++) {
        check_stream(s, &all->streams[i]);
        append(&out, &all->streams[i].out);
        append(&in, &all->streams[i].in);
    }
    for (size_t i = 0; i < count; i++) {
        append(&peer_in, &seen[i].in);
        append(&peer_out, &seen[i].out);
    }
    assert_true(peer_in.len > 0);
    if (!same(&out, &peer_in) || !same(&in, &peer_out)) {
        print_message("%s: captured %zu out, %zu in; the server saw %zu and %zu\n", s->name,
                      out.len, in.len, peer_in.len, peer_out.len);
        fail();
    }
    buf_release(&out);
    buf_release(&in);
    buf_release(&peer_in);
    buf_release(&peer_out);
}

static void compare(const struct scenario *s)
{
    size_t count;
    struct tls_peer_stream *seen = tls_peer_take(peer, &count);
    struct ring_streams *all = ring_streams_read(runtime);

    assert_non_null(all);
    if (s->comparison == NOTHING) {
        assert_int_equal(all->count, 0);
    } else if (s->comparison == EACH) {
        compare_each(s, all, seen, count);
    } else {
        compare_joined(s, all, seen, count);
    }
    ring_streams_free(all);
}

static bool is_missing(const struct scenario *s)
{
    char first[256];

    if (access(s->arguments[0], X_OK) != 0) {
        return true;
    }
    snprintf(first, sizeof(first), "%s", s->arguments[1]);
    first[strcspn(first, ",")] = '\0';
    return strstr(first, ".so") != NULL && access(first, R_OK) != 0;
}

static void test_scenario(void **state)
{
    const struct scenario *s = *state;
    int plain_status, traced_status;
    char *plain, *traced;
    size_t count;

    if (s->needs_file && is_missing(s)) {
        skip();
    }
    tls_peer_refuse_early_data(peer, s->refuse_early);
    tls_peer_set_plain(peer, s->plain);
    ring_streams_free(ring_streams_read(runtime)); /* what a failed test left */
    plain = run(s, false, &plain_status);
    tls_peer_take(peer, &count);
    traced = run(s, true, &traced_status);
    if (strcmp(plain, traced) != 0 || plain_status != traced_status) {
        print_message("%s without: status %x\n%s\nwith: status %x\n%s\n", s->name, plain_status,
                      plain, traced_status, traced);
        fail();
    }
    if (!WIFEXITED(plain_status) || WEXITSTATUS(plain_status) == 127 ||
        WEXITSTATUS(plain_status) == 9) {
        print_message("%s: status %x\n%s\n", s->name, plain_status, plain);
        fail();
    }
    compare(s);
    free(plain);
    free(traced);
}

/* One library's function is never called on the other's object, whoever calls it. */
static void test_two_libraries(void **state)
{
    const struct scenario s = {.name = "two",
                               .arguments = {CLIENTS "/tls_two", CLIENTS "/libtls_caller_a.so",
                                             CLIENTS "/libtls_caller_b.so"}};
    struct ring_streams *all;
    size_t of_a = 0, of_b = 0;
    char *text;
    int status;

    (void)state;
    text = run(&s, true, &status);
    assert_string_equal(text, "a by a: write 53 read 39 shutdown 1\n"
                              "b by b: write 53 read 39 shutdown 1\n"
                              "a by b: write 53 read 39 shutdown 1\n"
                              "b by a: write 53 read 39 shutdown 1\n"
                              "a by a: write 53 read 39 shutdown 1\n");
    assert_int_equal(status, 0);
    free(text);
    all = ring_streams_read(runtime);
    assert_non_null(all);
    assert_int_equal(all->count, 5);
    for (size_t i = 0; i < all->count; i++) {
        const struct ring_stream *stream = &all->streams[i];

        of_a += strcmp(stream->host, "a.test") == 0 && stream->in.data[38] == 'a' ? 1 : 0;
        of_b += strcmp(stream->host, "b.test") == 0 && stream->in.data[38] == 'b' ? 1 : 0;
        assert_true(stream->closed && !stream->failed);
    }
    assert_int_equal(of_a, 3);
    assert_int_equal(of_b, 2);
    ring_streams_free(all);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

/* An object that does not tell its library is of the one library whose objects never do, and is not
 * looked at. The callers call by a jump: where a call comes from tells nothing. */
static void test_untold_library(void **state)
{
    const struct scenario s = {.name = "untold",
                               .arguments = {CLIENTS "/tls_two", CLIENTS "/libtls_caller_a.so",
                                             CLIENTS "/libtls_caller_c.so"}};
    struct ring_streams *all;
    char *text;
    int status;

    (void)state;
    text = run(&s, true, &status);
    assert_int_equal(status, 0);
    assert_null(strstr(text, "not an object of"));
    assert_int_equal(count_of(text, "write 53 read 39 shutdown 1\n"), 5);
    free(text);
    all = ring_streams_read(runtime);
    assert_non_null(all);
    assert_int_equal(all->count, 3);
    for (size_t i = 0; i < all->count; i++) {
        assert_string_equal(all->streams[i].host, "a.test");
    }
    ring_streams_free(all);
}

/* Connections that the program accepted are looked at when it says so. */
static void check_role(const char *environment, size_t expected)
{
    const struct scenario s = {
        .name = "role",
        .arguments = {OPENSSL_CLIENT, "0", "pair", "/v1/chat/completions", "500", "1"},
        .environment = environment};
    struct ring_streams *all;
    int status;
    char *text = run(&s, true, &status);

    assert_int_equal(status, 3 << 8);
    assert_non_null(strstr(text, "client read 40\n"));
    free(text);
    all = ring_streams_read(runtime);
    assert_non_null(all);
    assert_int_equal(all->count, expected);
    assert_true(all->streams[0].out.len > 500 && !all->streams[0].server);
    if (expected == 2) {
        assert_true(all->streams[1].server);
        assert_true(same(&all->streams[0].out, &all->streams[1].in));
        assert_true(same(&all->streams[0].in, &all->streams[1].out));
    }
    ring_streams_free(all);
}

static void test_role(void **state)
{
    (void)state;
    check_role("TRACER_ROLE=client", 1);
    check_role("TRACER_ROLE=server", 2);
}

/* Two libcurl of different make in one process, one of them captured in its own layer. */
static void test_two_curls(void **state)
{
    const struct scenario s = {
        .name = "two curls",
        .arguments = {LOAD, PLUGIN("curl") "," PLUGIN("curl_gnutls") "," PLUGIN("curl_static"),
                      "@URL/cl/5000", "easy", "100", "2"}};
    size_t layers[WIRE_LAYER_LIMIT] = {0}, count;
    int plain_status, status;
    char *plain, *traced;
    struct ring_streams *all;

    (void)state;
    if (access(PLUGIN("curl_gnutls"), R_OK) != 0 || access(PLUGIN("curl_static"), R_OK) != 0) {
        skip();
    }
    tls_peer_set_plain(peer, false);
    plain = run(&s, false, &plain_status);
    traced = run(&s, true, &status);
    assert_string_equal(plain, traced);
    assert_int_equal(plain_status, status);
    assert_int_equal(status, 6 << 8);
    tls_peer_take(peer, &count);
    all = ring_streams_read(runtime);
    assert_non_null(all);
    for (size_t i = 0; i < all->count; i++) {
        assert_true(all->streams[i].whole && all->streams[i].in.len > 5000);
        layers[all->streams[i].layer]++;
    }
    assert_int_equal(layers[WIRE_LAYER_OPENSSL], 2); /* a connection a run */
    assert_int_equal(layers[WIRE_LAYER_GNUTLS], 2);
    assert_int_equal(layers[WIRE_LAYER_CURL], 4); /* a stream a request */
    ring_streams_free(all);
    free(plain);
    free(traced);
}

/* The object is copied away from the program beside it, so that no collector takes the rings. */
static int set_up(void **state)
{
    char command[512];

    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(runtime, sizeof(runtime), "%s/run", folder);
    snprintf(preload, sizeof(preload), "%s/libllmtracer_preload.so", folder);
    snprintf(command, sizeof(command), "cp '%s' '%s'", PRELOAD, preload);
    if (mkdir(runtime, 0700) != 0 || system(command) != 0) {
        return -1;
    }
    peer = tls_peer_new();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    tls_peer_free(peer);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_untold_library),
        cmocka_unit_test(test_role),
        cmocka_unit_test(test_two_libraries),
        cmocka_unit_test(test_two_curls),
    };
    enum { OTHERS = sizeof(others) / sizeof(others[0]), MAX = 200 };
    static struct CMUnitTest tests[MAX];

    if (OTHERS + scenario_count > MAX) {
        return 1;
    }
    memcpy(tests, others, sizeof(others));
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    for (size_t i = 0; i < scenario_count; i++) {
        tests[OTHERS + i].name = scenarios[i].name;
        tests[OTHERS + i].test_func = test_scenario;
        tests[OTHERS + i].initial_state = (void *)(uintptr_t)&scenarios[i];
    }
    return _cmocka_run_group_tests("tls", tests, OTHERS + scenario_count, set_up, tear_down);
}
