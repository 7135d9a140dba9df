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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
