/* Processes, threads, signals and descriptors: what the host contract promises about them. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void test_dup_shares_and_the_last_close_ends(void **state)
{
    (void)state;
    compare("dup", "");
    assert_int_equal(fixture.capture.count, 2);
    const struct captured *conn = captured("dup-one");
    assert_ptr_equal(conn, captured("dup-four"));
    assert_whole(conn, true);
    assert_whole(captured("taken-over"), true);
}

static void test_numbers_used_anew(void **state)
{
    (void)state;
    compare("reuse", "");
    assert_int_equal(fixture.capture.count, 14);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof(text), "reuse-%02d", i);
        if (i % 3 != 2)
            assert_whole(captured(text), true);
    }
}

static void test_a_thousand_connections_at_once(void **state)
{
    (void)state;
    compare("many", "1000");
    assert_int_equal(fixture.capture.count, 1000);
    assert_int_equal(fixture.capture.untracked, 0);
    for (int i = 0; i < 1000; i += 37) {
        char text[16];
        snprintf(text, sizeof(text), "many-%04d;", i);
        assert_whole(captured(text), true);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(fixture.capture.connections[i].in.lost, 0);
}

static void test_no_descriptor_and_no_thread_is_added(void **state)
{
    (void)state;
    compare("list", "");
    assert_whole(captured("list"), true);
}

static void test_close_range_and_fclose(void **state)
{
    (void)state;
    compare("range", "");
    assert_int_equal(fixture.capture.count, 2);
    assert_whole(captured("range-a-again"), true);
    assert_whole(captured("range-b"), true);
    fixture_clean(NULL);
    fixture_reset(NULL);
    compare("stdio", "");
    assert_int_equal(fixture.capture.count, 1);
    assert_whole(captured("stdio"), true);
}

static void test_nonblocking_connect_and_datagrams(void **state)
{
    (void)state;
    compare("nonblocking", "");
    assert_int_equal(fixture.capture.count, 1);
    assert_whole(captured("nonblocking"), true);
}

static const struct captured_process *process_of(const struct captured *conn)
{
    for (size_t i = 0; i < fixture.capture.process_count; i++)
        if (strcmp(fixture.capture.processes[i].ring, conn->ring) == 0)
            return &fixture.capture.processes[i];
    fail_msg("no process record");
    return NULL;
}

static void test_a_child_starts_a_ring_of_its_own(void **state)
{
    (void)state;
    compare("fork", "");
    assert_int_equal(fixture.capture.process_count, 3);
    assert_whole(captured("fork-child-own"), true);
    assert_whole(captured("fork-grandchild"), false);
    const struct captured *parent = captured("fork-parent-1");
    const struct captured *inherited = captured("fork-child-inherited");
    assert_string_not_equal(parent->ring, inherited->ring);
    assert_ptr_equal(parent, captured("fork-parent-2"));
    assert_true(parent->closed);
    assert_null(memmem(parent->out.data, parent->out.len, "inherited", 9));
    assert_true(process_of(inherited)->info.ppid == process_of(parent)->info.pid);
    assert_int_not_equal(process_of(inherited)->info.pid, process_of(parent)->info.pid);
}

static void test_children_that_share_memory_change_nothing(void **state)
{
    (void)state;
    compare("vfork", "");
    assert_int_equal(fixture.capture.process_count, 1);
    assert_int_equal(fixture.capture.count, 2);
    assert_whole(captured("vfork-spawn"), true);
    assert_whole(captured("vfork-quiet"), true);
}

static void test_exec_starts_anew(void **state)
{
    (void)state;
    compare("exec", "");
    assert_int_equal(fixture.capture.process_count, 2);
    const struct captured *first = captured("exec-first"), *second = captured("exec-second");
    assert_whole(first, false);
    assert_whole(second, false);
    assert_int_equal(process_of(first)->info.pid, process_of(second)->info.pid);
    assert_true(process_of(first)->info.exec_nonce != process_of(second)->info.exec_nonce);
    assert_int_equal(process_of(first)->info.start_ticks, process_of(second)->info.start_ticks);
}

static void test_the_process_record_tells_the_environment_of_the_start(void **state)
{
    (void)state;
    static const char *const scenarios[] = {"title", "environment"};
    for (int i = 0; i < 2; i++) {
        fixture_reset(NULL);
        fixture.variables[0] = "TRACER_PROJECT_ID=p-1";
        fixture.variables[1] = "TRACER_RUN_TRACE=0123456789abcdef0123456789abcdef";
        fixture.variables[2] = "TRACEPARENT=00-11-22-01";
        fixture.variables[3] = "TRACER_DATA_DIR=/tmp/data";
        compare(scenarios[i], "");
        assert_whole(captured(scenarios[i]), true);
        const struct captured_process *p = &fixture.capture.processes[0];
        assert_string_equal(capture_text(p, "key"), "project-test");
        assert_string_equal(capture_text(p, "url"), "http://localhost:1");
        assert_string_equal(capture_text(p, "project"), "p-1");
        assert_string_equal(capture_text(p, "run_trace"), "0123456789abcdef0123456789abcdef");
        assert_string_equal(capture_text(p, "traceparent"), "00-11-22-01");
        assert_string_equal(capture_text(p, "data_dir"), "/tmp/data");
        assert_string_equal(capture_text(p, "exe"), PRELOAD_HOST);
        assert_string_equal(capture_text(p, "argv0"), PRELOAD_HOST);
        assert_string_equal(capture_text(p, "argv1"), scenarios[i]);
        assert_null(capture_text(p, "export"));
        char cwd[1024];
        assert_string_equal(capture_text(p, "cwd"), getcwd(cwd, sizeof(cwd)));
        assert_int_equal(p->info.uid, geteuid());
        assert_int_equal(p->info.ppid, getpid());
        assert_true(p->info.pid_ns != 0 && p->info.boot_time != 0 && p->info.wall_time != 0);
        fixture_clean(NULL);
    }
}

static void test_accepted_connections_only_on_request(void **state)
{
    (void)state;
    compare("server", "");
    assert_int_equal(fixture.capture.count, 1);
    assert_int_equal(fixture.capture.connections[0].info.server, 0);
    fixture_clean(NULL);
    fixture_reset(NULL);
    fixture.variables[0] = "TRACER_ROLE=server";
    compare("server", "");
    assert_int_equal(fixture.capture.count, 2);
    bool client_first = fixture.capture.connections[0].info.server == 0;
    const struct captured *client = &fixture.capture.connections[client_first ? 0 : 1];
    const struct captured *server = &fixture.capture.connections[client_first ? 1 : 0];
    assert_int_equal(server->info.server, 1);
    assert_int_equal(server->in.len, client->out.len);
    assert_memory_equal(server->in.data, client->out.data, client->out.len);
    assert_int_equal(server->out.len, client->in.len);
    assert_memory_equal(server->out.data, client->in.data, client->in.len);
}

static void test_jumping_out_of_a_call(void **state)
{
    (void)state;
    compare("jump", "");
    const struct captured *conn = captured("same-depth");
    const struct transcript *t = server_transcript(0);
    assert_int_equal(conn->in.len, t->sent_len);
    assert_int_equal(conn->out.len, t->received_len);
    assert_memory_equal(conn->out.data, t->received, t->received_len);
    assert_memory_equal(conn->in.data, t->sent, t->sent_len);
}

static void test_calls_inside_handlers(void **state)
{
    (void)state;
    compare("nested", "");
    assert_whole(captured("outer-29"), true);
    assert_whole(captured("nested=1"), true);
    fixture_clean(NULL);
    fixture_reset(NULL);
    compare("entry", "");
    assert_whole(captured("from-a-handler"), true);
    assert_whole(captured("afterwards"), true);
}

static void test_cancelled_threads(void **state)
{
    (void)state;
    compare("cancel", "");
    assert_whole(captured("after-all-that"), true);
    assert_int_equal(fixture.capture.process_count, 1);
}

static void test_threads_that_race_for_the_first_call(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        fixture_reset(NULL);
        compare("race", "");
        assert_int_equal(fixture.capture.process_count, 1);
        assert_int_equal(fixture.capture.count, 8);
        for (int i = 0; i < 8; i++) {
            char text[16];
            snprintf(text, sizeof(text), "race-%02d", i);
            assert_whole(captured(text), true);
        }
        fixture_clean(NULL);
    }
}

#define STACKS 3 /* of a first call, a later one, one that makes the ring grow */

static void read_stacks(size_t *out)
{
    run_scenario("stack", "");
    assert_int_equal(sscanf(fixture.outcome.text, "%zu %zu %zu", &out[0], &out[1], &out[2]),
                     STACKS);
}

/* The host's own use of it is what it needs when every hook is a plain jump. */
static void test_a_hook_uses_little_stack(void **state)
{
    (void)state;
    size_t plain[STACKS], traced[STACKS];
    assert_int_equal(symlink("/bin/true", fixture.program), 0); /* a collector to be started */
    read_stacks(traced);
    assert_int_equal(unlink(fixture.program), 0);
    fixture_clean(NULL);
    fixture_reset(NULL);
    fixture.variables[0] = "TRACING_ENABLED=false";
    read_stacks(plain);
    for (int i = 0; i < STACKS; i++) {
        printf("stack of the hooks: %zu bytes\n", traced[i] - plain[i]);
        assert_in_range(traced[i] - plain[i], 1, PRELOAD_STACK_MAX);
    }
}

static void test_the_active_span_travels_with_the_call(void **state)
{
    (void)state;
    compare("span", "");
    const struct captured *inside = captured("inside-a-span"), *outside = captured("outside");
    assert_whole(inside, true);
    assert_whole(outside, true);
    assert_int_equal(outside->spans, 0);
    assert_true(inside->spans > 0);
    for (int i = 0; i < 24; i++)
        assert_int_equal(inside->span[i], i < 16 ? 0x11 : 0x22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_reset, fixture_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dup_shares_and_the_last_close_ends),
        TEST(test_numbers_used_anew),
        TEST(test_a_thousand_connections_at_once),
        TEST(test_no_descriptor_and_no_thread_is_added),
        TEST(test_close_range_and_fclose),
        TEST(test_nonblocking_connect_and_datagrams),
        TEST(test_a_child_starts_a_ring_of_its_own),
        TEST(test_children_that_share_memory_change_nothing),
        TEST(test_exec_starts_anew),
        TEST(test_the_process_record_tells_the_environment_of_the_start),
        TEST(test_accepted_connections_only_on_request),
        TEST(test_jumping_out_of_a_call),
        TEST(test_calls_inside_handlers),
        TEST(test_cancelled_threads),
        TEST(test_threads_that_race_for_the_first_call),
        TEST(test_a_hook_uses_little_stack),
        TEST(test_the_active_span_travels_with_the_call),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
