/* What the hooks see: bytes, offsets, and which connections. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void test_every_function_is_seen_byte_for_byte(void **state)
{
    (void)state;
    static const char *const ways[] = {"read",     "readv",    "recv",     "recvfrom",    "recvmsg",
                                       "recvmmsg", "read_chk", "recv_chk", "recvfrom_chk"};
    compare("functions", "");
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "&way=%s HTTP", ways[i]);
        const struct captured *conn = captured(text);
        assert_whole(conn, true);
        assert_true(conn->in.eof);
        /* The header is told when it is among the first piece's bytes. */
        bool halves = i == 1 || i == 4 || i == 5;
        assert_string_equal(conn->host, halves ? "" : "llm.example");
        assert_int_equal(conn->info.layer, WIRE_LAYER_LIBC);
        assert_int_equal(conn->info.tls, 0);
        assert_int_equal(conn->info.server, 0);
        assert_int_equal(conn->info.proto, WIRE_PROTO_HTTP1);
    }
    assert_int_equal(fixture.capture.count, sizeof(ways) / sizeof(ways[0]));
    assert_int_equal(fixture.capture.process_count, 1);
}

static void test_results_and_errno_are_the_originals(void **state)
{
    (void)state;
    compare("errno", "");
    assert_int_equal(fixture.capture.count, 0);
}

static void test_peeked_bytes_count_once_and_discarded_ones_are_lost(void **state)
{
    (void)state;
    compare("peek", "");
    const struct captured *conn = captured("peek");
    const struct transcript *t = server_transcript(0);
    assert_int_equal(conn->in.len, t->sent_len);
    assert_int_equal(conn->in.seen, t->sent_len - 30);
    assert_int_equal(conn->in.lost, 30);
    assert_memory_equal(conn->in.data, t->sent, 20);
    assert_memory_equal(conn->in.data + 50, t->sent + 50, t->sent_len - 50);
    assert_int_equal(conn->close_in, t->sent_len);
}

static void test_a_kept_alive_connection_is_looked_at_at_each_request(void **state)
{
    (void)state;
    compare("again", "");
    assert_int_equal(fixture.capture.count, 1);
    const struct captured *conn = &fixture.capture.connections[0];
    const struct transcript *t = server_transcript(0);
    size_t from = (size_t)(strstr(t->received, "POST " CHAT) - t->received);
    assert_int_equal(conn->out.len, t->received_len - from);
    assert_memory_equal(conn->out.data, t->received + from, conn->out.len);
    const char *answer = strstr(t->sent, "Content-Length: 2000") - strlen("HTTP/1.1 200 OK\r\n");
    from = (size_t)(answer - t->sent);
    assert_int_equal(conn->in.len, t->sent_len - from);
    assert_memory_equal(conn->in.data, answer, conn->in.len);
}

static void test_a_request_may_come_in_pieces(void **state)
{
    (void)state;
    compare("pieces", "");
    assert_whole(captured("one=1"), true);
    const struct captured *two = captured("two=2");
    assert_whole(two, true);
    assert_string_equal(two->host, "api.openai.com");
    const struct captured *four = captured("four=4");
    assert_whole(four, true);
    assert_string_equal(four->host, "api.anthropic.com");
    assert_int_equal(fixture.capture.count, 3);
}

static void test_what_is_no_http_is_ignored_for_good(void **state)
{
    (void)state;
    compare("binary", "");
    assert_int_equal(fixture.capture.count, 0);
    assert_int_equal(fixture.capture.process_count, 0);
}

static void test_extra_endpoints(void **state)
{
    (void)state;
    fixture.variables[0] = "TRACER_ENDPOINTS=other.example, llm.example/health*";
    compare("again", "");
    assert_int_equal(fixture.capture.count, 1);
    assert_whole(captured("/health"), true);
}

static void test_every_endpoint(void **state)
{
    (void)state;
    fixture.variables[0] = "TRACER_ENDPOINTS=*";
    compare("again", "");
    assert_int_equal(fixture.capture.count, 2);
    assert_whole(captured("quiet"), true);
}

static void test_switched_off(void **state)
{
    (void)state;
    fixture.variables[0] = "TRACING_ENABLED=false";
    compare("functions", "");
    assert_int_equal(fixture.capture.process_count, 0);
    char bell[256];
    snprintf(bell, sizeof(bell), "%s/doorbell", fixture.runtime);
    assert_int_equal(access(bell, F_OK), -1);
}

static void test_sendfile_is_counted_as_lost(void **state)
{
    (void)state;
    compare("sendfile", PRELOAD_OBJECT);
    const struct captured *conn = captured("behind the file");
    const struct transcript *t = server_transcript(0);
    assert_int_equal(conn->out.len, t->received_len);
    assert_int_equal(conn->out.lost, 5000);
    assert_int_equal(conn->out.seen, t->received_len - 5000);
}

static void test_a_reset_shows_on_the_connection(void **state)
{
    (void)state;
    compare("reset", "");
    const struct captured *conn = captured("reset=1");
    assert_true(conn->closed);
    assert_true(conn->failed);
    assert_false(conn->in.eof);
    assert_int_equal(conn->in.len, server_transcript(0)->sent_len);
}

static void test_megabytes(void **state)
{
    (void)state;
    compare("large", "");
    assert_whole(captured("size=5000000"), true);
    assert_int_equal(fixture.capture.lost_records, 0);
}

static void test_http2_is_named_and_not_read(void **state)
{
    (void)state;
    fixture.variables[0] = "TRACER_ENDPOINTS=*";
    compare("http2", "");
    assert_int_equal(fixture.capture.count, 1);
    assert_int_equal(fixture.capture.connections[0].info.proto, WIRE_PROTO_HTTP2);
    assert_int_equal(fixture.capture.connections[0].out.len, 0);
}

static void test_a_number_used_anew_is_another_thing(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s/scratch", fixture.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    compare("stale", path);
    unlink(path);
    assert_int_equal(fixture.capture.count, 1);
    assert_whole(captured("before"), true);
}

static void test_a_program_on_musl(void **state)
{
    (void)state;
#ifdef PRELOAD_HOST_MUSL
    fixture.host = PRELOAD_HOST_MUSL;
    static const char *const scenarios[] = {"again", "functions", "dup", "fork", "jump", "list"};
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        fixture_reset(NULL);
        compare(scenarios[i], "");
        assert_true(fixture.capture.count > 0);
        fixture_clean(NULL);
    }
    fixture.host = PRELOAD_HOST;
#else
    skip();
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_reset, fixture_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_function_is_seen_byte_for_byte),
        TEST(test_results_and_errno_are_the_originals),
        TEST(test_peeked_bytes_count_once_and_discarded_ones_are_lost),
        TEST(test_a_kept_alive_connection_is_looked_at_at_each_request),
        TEST(test_a_request_may_come_in_pieces),
        TEST(test_what_is_no_http_is_ignored_for_good),
        TEST(test_extra_endpoints),
        TEST(test_every_endpoint),
        TEST(test_switched_off),
        TEST(test_sendfile_is_counted_as_lost),
        TEST(test_a_reset_shows_on_the_connection),
        TEST(test_megabytes),
        TEST(test_http2_is_named_and_not_read),
        TEST(test_a_number_used_anew_is_another_thing),
        TEST(test_a_program_on_musl),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
