/* No room, no directory, no memory for a second ring: the program goes on, and is told once. Each
 * case runs in a process of its own, since a process keeps its ring. */
#include "told.h"

#include <fcntl.h>
#include <sys/stat.h>

static bool all_goes_on(int expected)
{
    llmt_client *client = told_client();
    for (int i = 0; i < 3; i++) {
        llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
        llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
        char id[LLMT_TRACE_ID_SIZE];
        if (!trace || !span || !told_is_hex(llmt_span_id(span, id), 16) ||
            llmt_span_set_output(span, "{}") != expected ||
            llmt_span_set_error(span, "e") != expected || llmt_span_end(span) != expected ||
            llmt_span_end(span) != LLMT_EENDED || llmt_trace_end(trace) != expected ||
            llmt_create_trace(client, "t", NULL, id) != expected || !told_is_hex(id, 32) ||
            llmt_complete_trace(client, id, "x") != expected)
            return false;
    }
    return llmt_client_close(client) == LLMT_OK;
}

static int without_directory(void)
{
    setenv("TRACER_RUNTIME_DIR", "/proc/nowhere", 1);
    return all_goes_on(LLMT_ENOBUFS) && told_warning_count == 1 &&
                   strstr(told_warnings, "no shared memory")
               ? 0
               : 1;
}

static void no_directory(void **state)
{
    (void)state;
    assert_int_equal(in_child(without_directory), 0);
}

static int with_foreign_directory(void)
{
    char dir[] = "/tmp/client-open-XXXXXX";
    if (!mkdtemp(dir) || chmod(dir, 0777) != 0)
        return 2;
    setenv("TRACER_RUNTIME_DIR", dir, 1);
    const bool good = all_goes_on(LLMT_ENOBUFS) && told_warning_count == 1;
    return rmdir(dir) == 0 && good ? 0 : 1;
}

static void directory_open_to_all(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_foreign_directory), 0);
}

static int into_a_tiny_ring(void)
{
    setenv("TRACER_RING_MAX_MB", "1", 1);
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    static char text[60002];
    memset(text, 'x', sizeof(text) - 1);
    text[0] = text[sizeof(text) - 2] = '"';
    int result = LLMT_OK, good = 0;
    for (int i = 0; i < 40; i++) {
        llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
        const int set = llmt_span_set_output(span, text);
        good += set == LLMT_OK;
        if (set != LLMT_OK)
            result = set;
        if (!span || (llmt_span_end(span) == LLMT_EENDED))
            return 1;
    }
    if (result != LLMT_ENOBUFS || good < 5 || good > 20)
        return 2;
    if (told_warning_count != 1 || !strstr(told_warnings, "full"))
        return 3;
    /* A message in pieces, of which only the first find room. */
    char *huge = malloc(3u << 20);
    if (!huge)
        return 4;
    memset(huge, '1', (3u << 20) - 1);
    huge[(3u << 20) - 1] = '\0';
    llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
    if (llmt_span_set_output(span, huge) != LLMT_ENOBUFS)
        return 5;
    free(huge);
    char path[400];
    struct ring_counters counters;
    if (!told_find_ring(getpid(), path, sizeof(path)) || ring_reader_new(&told_reader, path) != 0)
        return 6;
    ring_reader_counters(told_reader, &counters);
    if (counters.lost_records < 20)
        return 7;
    /* Once the collector has emptied it, it goes on. */
    while (ring_reader_poll(told_reader, 1u << 24, told_each, NULL) > 0)
        continue;
    ring_reader_reclaim(told_reader);
    ring_reader_free(told_reader);
    if (llmt_span_set_output(span, text) != LLMT_OK)
        return 8;
    return told_warning_count == 1 ? 0 : 9;
}

static void full_ring(void **state)
{
    (void)state;
    assert_int_equal(in_child(into_a_tiny_ring), 0);
}

/* A client that found no room to be told of is told of as soon as there is some. */
static int told_of_later(void)
{
    setenv("TRACER_RING_MAX_MB", "1", 1);
    llmt_trace *filler = llmt_trace_begin(told_client(), "t", NULL);
    static char text[30002];
    memset(text, '1', sizeof(text) - 1);
    while (llmt_trace_set_metadata(filler, text) == LLMT_EJSON)
        continue;
    while (llmt_trace_set_output(filler, "x") == LLMT_OK)
        continue;
    told_forget_warnings();
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "lost", NULL);
    llmt_span *lost = llmt_span_begin(trace, "lost", "llm", NULL);
    if (told_warning_count != 1 || llmt_span_end(lost) != LLMT_ENOBUFS)
        return 1;
    told_discarding = true;
    told_read();
    told_discarding = false;
    llmt_span *span = llmt_span_begin(trace, "found", "llm", NULL);
    llmt_span *child = llmt_span_begin(span, "found", "llm", NULL);
    if (llmt_span_end(child) != LLMT_OK || llmt_span_end(span) != LLMT_OK)
        return 2;
    told_read();
    if (told[0].type != WIRE_CLIENT || told_of_type(WIRE_CLIENT) != 1 ||
        told_of_type(WIRE_SPAN_BEGIN) != 2)
        return 3;
    return told[0].head.client == told_nth(WIRE_SPAN_BEGIN, 0)->head.client ? 0 : 4;
}

static void client_told_of_later(void **state)
{
    (void)state;
    assert_int_equal(in_child(told_of_later), 0);
}

/* --- what is told ----------------------------------------------------------------------------- */

static char said[8192];

/* What a function says on stderr, in a process of its own. */
static void collect_stderr(int (*function)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = told_fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        _exit(function());
    }
    close(ends[1]);
    size_t have = 0;
    for (ssize_t got; have < sizeof(said) - 1 &&
                      (got = read(ends[0], said + have, sizeof(said) - 1 - have)) > 0;)
        have += (size_t)got;
    said[have] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static unsigned lines_with(const char *text)
{
    unsigned count = 0;
    for (const char *at = said; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static int many_clients_without_a_key(void)
{
    for (int i = 0; i < 5; i++) {
        llmt_client *client = llmt_client_new(NULL);
        if (llmt_client_enabled(client) || llmt_client_get(client, 'k', NULL, 0) != 0)
            return 1;
        llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
        llmt_span *span = llmt_span_begin(trace, "s", "poem", NULL);
        llmt_span_set_output(span, "no json");
        llmt_span_set_usage(span, -5, 0, 0);
        llmt_span_end(span);
        llmt_trace_end(trace);
        llmt_client_close(client);
    }
    return 0;
}

static void one_line_for_each_kind(void **state)
{
    (void)state;
    collect_stderr(many_clients_without_a_key);
    assert_int_equal(lines_with("llm-tracer: "), 4);
    assert_int_equal(lines_with("\n"), 4);
    assert_int_equal(lines_with("TRACER_API_KEY"), 1);
    assert_int_equal(lines_with("type"), 1);
    assert_int_equal(lines_with("should be JSON"), 1);
}

static int keys_of_every_kind(void)
{
    static const char *const bad[] = {"secret-1",     "project-",  "project-a b",
                                      "project-\x01", "Project-x", "project-\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        llmt_client *client = llmt_client_new(&(llmt_client_options){.api_key = bad[i]});
        if (llmt_client_enabled(client) || llmt_client_get(client, 'k', NULL, 0) != 0)
            return 1;
        llmt_client_close(client);
    }
    return 0;
}

static void malformed_keys_are_not_told(void **state)
{
    (void)state;
    collect_stderr(keys_of_every_kind);
    assert_int_equal(lines_with("llm-tracer: "), 1); /* the settings are the same: no key */
    assert_int_equal(lines_with("project-ID"), 1);
    assert_int_equal(lines_with("secret"), 0);
}

static void callbacks_are_called_once_a_client(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        told_forget_warnings();
        llmt_client *client = llmt_client_new(&(llmt_client_options){.project_id = "no good",
                                                                     .timeout_ms = -1,
                                                                     .on_warning = told_warn,
                                                                     .user = told_warnings});
        assert_int_equal(told_warning_count, 3); /* no key, project, timeout */
        llmt_trace *trace = llmt_trace_begin(client, "t", &(llmt_trace_options){.project_id = "?"});
        llmt_span *span = llmt_span_begin(trace, "s", "poem", NULL);
        llmt_span_end(llmt_span_begin(trace, "s", "poem", NULL));
        assert_int_equal(told_warning_count, 4);
        assert_int_equal(llmt_client_close(client), LLMT_OK);
        assert_int_equal(llmt_span_set_output(span, "no json"), LLMT_EJSON);
        assert_int_equal(told_warning_count, 4); /* nobody to tell */
        llmt_span_end(span);
        llmt_trace_end(trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_directory),
        cmocka_unit_test(directory_open_to_all),
        cmocka_unit_test(full_ring),
        cmocka_unit_test(client_told_of_later),
        cmocka_unit_test(one_line_for_each_kind),
        cmocka_unit_test(malformed_keys_are_not_told),
        cmocka_unit_test(callbacks_are_called_once_a_client),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
