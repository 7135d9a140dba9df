/* What programs say of traces and spans by hand, and what the store makes of it. */
#include "messages.h"

static struct place place;
static struct spans spans;
static struct ring_writer w;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    w = (struct ring_writer){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    if (w.header != NULL)
        ring_writer_discard(&w);
    place_remove(&place);
    return 0;
}

static const struct span *the_span(int n)
{
    uint8_t id[SPAN_ID_LEN];
    id_fill(id, sizeof(id), n);
    spans_free(&spans);
    spans_read(&place, &spans);
    for (size_t i = 0; i < spans.count; i++)
        if (memcmp(spans.items[i]->span_id, id, sizeof(id)) == 0)
            return spans.items[i];
    return NULL;
}

static struct trace *the_trace(int n)
{
    struct store *s;
    struct trace *t = NULL;
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, sizeof(id), n);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    (void)store_get_trace(s, id, &t);
    store_close(s);
    return t;
}

static void tell_fields(int trace, int span, enum wire_type type, int field, const char *text)
{
    struct message m = message_of(1, trace, span);
    message_text(&m, field, text);
    message_put(&w, &m, type);
}

static void test_whole(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, "http://127.0.0.1:9/", "project-demo");
    struct message m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_NAME, "chat");
    message_text(&m, WIRE_FIELD_TAG, "a");
    message_text(&m, WIRE_FIELD_TAG, "b");
    message_text(&m, WIRE_FIELD_USER_ID, "ann");
    message_text(&m, WIRE_FIELD_SESSION_ID, "s1");
    message_text(&m, WIRE_FIELD_METADATA, "{\"k\":1}");
    message_put(&w, &m, WIRE_TRACE_BEGIN);
    m = message_of(1, 1, 2);
    m.head.span_type = WIRE_SPAN_TOOL;
    message_text(&m, WIRE_FIELD_NAME, "look up");
    message_text(&m, WIRE_FIELD_INPUT, "{\"q\":\"x\"}");
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_LLM);
    m = message_of(1, 1, 3);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"a\":[1,2]}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 12);
    message_figure(&m, WIRE_FIELD_TOKENS_OUTPUT, 3);
    message_cost(&m, 0.5);
    message_text(&m, WIRE_FIELD_MODEL, "gpt-4o");
    message_put(&w, &m, WIRE_SPAN_OUTPUT);
    tell_span_end(&w, 1, 1, 3);
    tell_fields(1, 2, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "it broke");
    tell_span_end(&w, 1, 1, 2);
    m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_OUTPUT, "done");
    message_put(&w, &m, WIRE_TRACE_END);
    settle(c, 100);
    const struct span *s = the_span(3);
    assert_non_null(s);
    assert_int_equal(s->type, SPAN_LLM);
    assert_string_equal(s->name, "span-3");
    assert_string_equal(s->model, "gpt-4o");
    assert_int_equal(s->tokens_input, 12);
    assert_int_equal(s->tokens_output, 3);
    assert_int_equal(json_length(json_get(s->output_data, "a")), 2);
    assert_true(s->end_time >= s->start_time);
    assert_int_equal(s->parent_span_id[0], 2);
    assert_null(s->capture_route);
    assert_int_equal(s->process.pid, getpid());
    s = the_span(2);
    assert_int_equal(s->type, SPAN_TOOL);
    assert_string_equal(s->error, "it broke");
    assert_string_equal(json_get_text(s->input_data, "q"), "x");
    struct trace *t = the_trace(1);
    assert_non_null(t);
    assert_string_equal(t->name, "chat");
    assert_string_equal(t->project_id, "demo");
    assert_string_equal(t->user_id, "ann");
    assert_string_equal(t->session_id, "s1");
    assert_string_equal(t->output, "done");
    assert_string_equal(t->error, "it broke");
    assert_int_equal(json_length(t->tags), 2);
    assert_int_equal(t->span_count, 2);
    assert_int_equal(t->tokens_input, 12);
    assert_true(t->total_cost == 0.5);
    assert_true(t->end_time > 0);
    trace_free(t);
    collector_free(c);
}

static int64_t began; /* by begin_all; boot clock, ns */

/* A record of a time of its own, µs after the test began: their order is that of these figures,
 * however long the test is kept from running. */
static void put_later(const struct message *m, enum wire_type type, int64_t us)
{
    struct wire_record head = {
        .type = (uint16_t)type, .time = (uint64_t)(began + us * 1000), .tid = (uint32_t)getpid()};
    struct wire_piece pieces[2] = {{&m->head, sizeof(m->head)}, {m->fields, m->length}};
    assert_int_equal(ring_writer_put(&w, &head, pieces, 2), 0);
}

static void begin_all(void)
{
    began = clock_boot_ns();
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, NULL, NULL);
    tell_trace(&w, 1, 1, "trace");
}

static uint64_t status_count(const char *name)
{
    int64_t count = -1;
    json *status = collector_status_read(place.runtime);
    assert_true(json_get_int(status, name, &count));
    json_free(status);
    return (uint64_t)count;
}

/* The end, the output and the begin, read in that order. */
static void test_any_order(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"from\":\"end\"}");
    put_later(&m, WIRE_SPAN_END, 4000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"from\":\"output\"}");
    message_text(&m, WIRE_FIELD_ERROR, "late");
    put_later(&m, WIRE_SPAN_OUTPUT, 3000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_ERROR, "early");
    message_text(&m, WIRE_FIELD_METADATA, "{\"a\":1,\"b\":1}");
    put_later(&m, WIRE_SPAN_ERROR, 2000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_NAME, "the span");
    message_text(&m, WIRE_FIELD_METADATA, "{\"b\":0,\"c\":0}");
    put_later(&m, WIRE_SPAN_BEGIN, 1000);
    settle(c, 100);
    const struct span *s = the_span(2);
    assert_non_null(s);
    assert_string_equal(s->name, "the span");
    assert_string_equal(json_get_text(s->output_data, "from"), "end");
    assert_string_equal(s->error, "late");
    char *metadata = json_print_new(s->metadata);
    assert_string_equal(metadata, "{\"a\":1,\"b\":1,\"c\":0}");
    free(metadata);
    assert_true(s->end_time > s->start_time);
    assert_false(s->partial);
    collector_free(c);
}

/* A span that ended stays as it is, whatever is said of it then. */
static void test_first_end_wins(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    struct message m = message_of(1, 0, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"end\":2}");
    put_later(&m, WIRE_SPAN_END, 9000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"end\":1}");
    put_later(&m, WIRE_SPAN_END, 5000);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_ERROR, "before");
    put_later(&m, WIRE_SPAN_ERROR, 4000);
    m.length = 0;
    message_text(&m, WIRE_FIELD_ERROR, "after");
    put_later(&m, WIRE_SPAN_ERROR, 7000);
    settle(c, 100);
    tell_fields(1, 2, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "much later");
    tell_span_end(&w, 1, 1, 2);
    settle(c, 2500);
    const struct span *s = the_span(2);
    int64_t n = 0;
    assert_true(json_get_int(s->output_data, "end", &n));
    assert_int_equal(n, 1);
    assert_string_equal(s->error, "before");
    assert_int_equal(spans.count, 1);
    for (int i = 0; i < 100 && status_count("late_messages") < 2; i++)
        settle(c, 20);
    assert_true(status_count("late_messages") >= 2);
    collector_free(c);
}

/* A span that runs is shown, its parents first, and follows what is said of it. */
static void test_running(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    settle(c, 250);
    const struct span *s = the_span(3);
    assert_non_null(s);
    assert_int_equal(s->end_time, 0);
    assert_int_equal(spans.count, 2);
    assert_int_equal(spans.items[0]->span_id[0], 2); /* stored before its child */
    tell_fields(1, 3, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{\"n\":1}");
    settle(c, 1300);
    s = the_span(3);
    assert_int_equal(s->end_time, 0);
    assert_non_null(json_get(s->output_data, "n"));
    tell_span_end(&w, 1, 1, 3);
    settle(c, 100);
    s = the_span(3);
    assert_true(s->end_time > 0);
    assert_non_null(json_get(s->output_data, "n"));
    assert_int_equal(the_span(2)->end_time, 0);
    collector_free(c);
}

/* A child that ends before its parent was shown: the parent's row is there first. */
static void test_parent_first(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    for (int i = 49; i >= 2; i--) /* read before those above them */
        tell_span(&w, 1, 1, i, i == 2 ? 0 : i - 1, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 49);
    tell_span(&w, 1, 1, 60, 61, WIRE_SPAN_CHAIN); /* their own parents */
    tell_span(&w, 1, 1, 61, 60, WIRE_SPAN_CHAIN);
    tell_span(&w, 1, 1, 62, 61, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 62);
    settle(c, 90);
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_true(spans.count >= 48);
    bool seen[256] = {true};
    for (size_t i = 0; i < spans.count; i++) {
        if (spans.items[i]->span_id[0] < 50)
            assert_true(seen[spans.items[i]->parent_span_id[0]]);
        seen[spans.items[i]->span_id[0]] = true;
    }
    assert_true(seen[49]);
    settle(c, 200);
    assert_non_null(the_span(60));
    assert_non_null(the_span(62));
    collector_free(c);
}

/* A parent is shown because its child is finished, while its own end is not through: a collector
 * that takes over has that end, too. */
static void test_shown_while_it_ends(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    begin_all();
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    collector_step(c);
    tell_span_end(&w, 1, 1, 3);
    collector_step(c);
    tell_span_end(&w, 1, 1, 2);
    collector_step(c);
    assert_int_equal(collector_flush(c), ERR_OK);
    assert_true(the_span(3)->end_time > 0);
    assert_int_equal(the_span(2)->end_time, 0);
    collector_free(c);
    c = start_collector(&place);
    settle(c, 200);
    assert_true(the_span(2)->end_time > 0);
    assert_false(the_span(2)->partial);
    collector_free(c);
}

/* What a process leaves open is ended with it, and marked. */
static void test_left_open(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    int64_t before = clock_wall_ns();
    pid_t pid = fork();
    if (pid == 0) {
        begin_all();
        tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
        tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
        tell_fields(1, 3, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "its own");
        tell_span(&w, 1, 1, 4, 2, WIRE_SPAN_CHAIN);
        tell_span_end(&w, 1, 1, 4);
        tell_fields(1, 9, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{}"); /* its begin was lost */
        usleep(300000);
        _exit(0);
    }
    settle(c, 200);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    settle(c, 800);
    assert_int_equal(count_files(&place, "ring-"), 0);
    const struct span *s = the_span(2);
    assert_true(s->partial);
    assert_string_equal(s->error, STORE_NOT_ENDED);
    assert_string_equal(s->error_type, STORE_NOT_ENDED_TYPE);
    assert_in_range(s->end_time, before, clock_wall_ns());
    s = the_span(3);
    assert_true(s->partial);
    assert_string_equal(s->error, "its own");
    s = the_span(4);
    assert_false(s->partial);
    assert_null(s->error);
    assert_null(the_span(9));
    assert_int_equal(status_count("lost_messages"), 1);
    struct trace *t = the_trace(1);
    assert_true(t->end_time > before);
    assert_string_equal(json_get_text(t->metadata, "ended_by"), "process exit");
    trace_free(t);
    assert_true(collector_idle(c));
    collector_free(c);
}

/* No prompts or answers where they are not wanted. */
static void test_content_policy(void **state)
{
    (void)state;
    static const char *const texts[] = {"content=metadata", NULL};
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    tell_trace(&w, 1, 1, "trace");
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_INPUT, "{\"secret\":1}");
    message_text(&m, WIRE_FIELD_METADATA, "{\"kept\":1}");
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"secret\":1}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 5);
    message_put(&w, &m, WIRE_SPAN_END);
    m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_OUTPUT, "secret");
    message_put(&w, &m, WIRE_TRACE_END);
    settle(c, 100);
    const struct span *s = the_span(2);
    assert_null(s->input_data);
    assert_null(s->output_data);
    assert_non_null(json_get(s->metadata, "kept"));
    assert_int_equal(s->tokens_input, 5);
    struct trace *t = the_trace(1);
    assert_null(t->output);
    trace_free(t);
    collector_free(c);
}

/* Texts over their limits say so. */
static void test_cut_marks(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, name);
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_NAME, name);
    message_text(&m, WIRE_FIELD_MODEL, name);
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_MODEL, "short");
    message_put(&w, &m, WIRE_SPAN_END);
    tell_trace_end(&w, 1, 1);
    settle(c, 100);
    const struct span *s = the_span(2);
    int64_t before = 0;
    assert_int_equal(strlen(s->name), 255);
    assert_true(json_get_int(json_get(s->metadata, "truncated"), "name", &before));
    assert_int_equal(before, 399);
    assert_null(json_path(s->metadata, "truncated.model")); /* it was replaced */
    struct trace *t = the_trace(1);
    assert_true(json_get_int(json_get(t->metadata, "truncated"), "name", &before));
    trace_free(t);
    collector_free(c);
}

/* Spans that stay open do not fill the ring: what the store shows is given back. */
static void test_pressure(void **state)
{
    (void)state;
    char text[16384];
    struct collector *c = start_collector(&place);
    begin_all();
    memset(text, 'x', sizeof(text));
    memcpy(text, "{\"t\":\"", 6);
    memcpy(text + sizeof(text) - 3, "\"}", 3);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 50; i++) {
            struct message m = message_of(1, 1, 2 + (round * 50 + i) % 200);
            m.head.span_id[1] = (uint8_t)((round * 50 + i) / 200);
            message_text(&m, WIRE_FIELD_INPUT, text);
            message_put(&w, &m, WIRE_SPAN_BEGIN);
        }
        for (int i = 0; i < 3; i++)
            collector_step(c);
    }
    settle(c, 300);
    assert_int_equal(atomic_load(&w.header->lost_records), 0);
    assert_true(atomic_load(&w.header->blocks_reserved) < 16u << 4); /* 16 MB, of 49 told */
    spans_free(&spans);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3000);
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_end_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parent_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shown_while_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pressure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
