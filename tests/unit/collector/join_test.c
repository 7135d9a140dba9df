/* Captured calls with ids: which trace and span they belong to. */
#include "joining.h"

struct waiting {
    const char *project;
    int64_t count;
};

static int add_waiting(void *user, const struct delivery_state *state)
{
    struct waiting *w = user;
    if (state->destination.project_id != NULL &&
        strcmp(state->destination.project_id, w->project) == 0)
        w->count += state->waiting;
    return 0;
}

static int64_t waiting_for(const char *project)
{
    struct waiting w = {.project = project};
    struct store *s;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_each_delivery(s, add_waiting, &w), ERR_OK);
    store_close(s);
    return w.count;
}

/* Ids that nobody begun: carried from elsewhere, they are believed. */
static void test_unknown_ids(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    ask_active(&l, "active", 1, 2);
    line_answer(&l, "fine");
    int n = make_request_with(text, sizeof(text), traceparent_of(3, 4), "both");
    line_put_active(&l, WIRE_DATA_OUT, text, (size_t)n, 1, 2);
    line_answer(&l, "fine");
    n = make_request_with(text, sizeof(text), "traceparent: 00-zz-11-01\r\n", "malformed");
    line_put_active(&l, WIRE_DATA_OUT, text, (size_t)n, 5, 6);
    line_answer(&l, "fine");
    ask_active(&l, "no ids", 0, 0);
    line_answer(&l, "fine");
    ask_active(&l, "the trace itself", 7, 0);
    line_answer(&l, "fine");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 5);
    check_under(span_that_asked("active"), 1, 2);
    check_under(span_that_asked("both"), 3, 4); /* the request's own comes first */
    check_under(span_that_asked("malformed"), 5, 6);
    check_under(span_that_asked("the trace itself"), 7, 0);
    assert_false(id_is_zero(span_that_asked("no ids")->trace_id, TRACE_ID_LEN));
    collector_free(c);
    ring_writer_discard(&w);
}

/* The ids of the record that holds a request's first byte, however the rest is cut and whatever is
 * active by then. */
static void test_ids_of_the_first_byte(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[8192];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    int n = make_request_with(text, sizeof(text), "", "cut");
    for (int at = 0; at < n; at++) /* hostile: other ids with each byte */
        line_put_active(&l, WIRE_DATA_OUT, text + at, 1, at < 5 ? 1 : 2 + at % 100, 9);
    line_answer(&l, "fine");
    /* Two requests in one record belong to its ids both; the second's rest to others. */
    n = make_request_with(text, sizeof(text), "", "pipelined one");
    int both = n + make_request_with(text + n, sizeof(text) - (size_t)n, "", "pipelined two");
    line_put_active(&l, WIRE_DATA_OUT, text, (size_t)n + 3, 3, 4);
    line_put_active(&l, WIRE_DATA_OUT, text + n + 3, (size_t)(both - n - 3), 5, 6);
    line_answer(&l, "fine");
    line_answer(&l, "fine");
    line_call(&l, "none");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 4);
    check_under(span_that_asked("pipelined one"), 3, 4);
    check_under(span_that_asked("pipelined two"), 3, 4);
    assert_true(id_is_zero(span_that_asked("none")->parent_span_id, SPAN_ID_LEN));
    collector_free(c);
    ring_writer_discard(&w);
}

/* Pieces that come in another order than they were written take their own ids. */
static void test_out_of_order(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char first[4096], second[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    int n = make_request_with(first, sizeof(first), "", "first");
    int m = make_request_with(second, sizeof(second), "", "second");
    l.offset[0] = (uint64_t)n;
    line_put_active(&l, WIRE_DATA_OUT, second, (size_t)m, 3, 4);
    collector_step(c);
    l.offset[0] = 0;
    line_put_active(&l, WIRE_DATA_OUT, first, (size_t)n, 1, 2);
    collector_step(c);
    line_answer(&l, "fine");
    line_answer(&l, "fine");
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    check_under(span_that_asked("first"), 1, 2);
    check_under(span_that_asked("second"), 3, 4);
    collector_free(c);
    ring_writer_discard(&w);
}

/* A collector that ends before it decided leaves the records to the next. */
static void test_replaced_undecided(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    ask_active(&l, "for the next", 1, 2);
    line_answer(&l, "fine");
    collector_step(c);
    collector_free(c);
    c = start_collector(&place);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    check_under(spans.items[0], 1, 2);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_child_of_a_tool(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_TOOL);
    line_open(&l, &w, 1);
    ask_active(&l, "from a tool", 1, 2);
    line_answer(&l, "fine");
    ask_active(&l, "from the trace", 1, 0);
    line_answer(&l, "fine");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    check_under(span_that_asked("from a tool"), 1, 2);
    check_under(span_that_asked("from the trace"), 1, 0);
    assert_null(span_numbered(2)->capture_route);
    check_totals(1, 3, 40, 28);
    struct trace *t = trace_numbered(1);
    assert_string_equal(t->name, "by hand");
    assert_true(t->end_time != 0);
    trace_free(t);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_embeddings_are_children(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"text-embedding-3-small\",\"input\":\"hello\"}";
    char text[1024];
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    int n = snprintf(text, sizeof(text),
                     "POST /v1/embeddings HTTP/1.1\r\nHost: api.openai.com\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    line_put_active(&l, WIRE_DATA_OUT, text, (size_t)n, 1, 2);
    put_response(&l, "200 OK",
                 "{\"object\":\"list\",\"model\":\"text-embedding-3-small\",\"data\":[{\"object\":"
                 "\"embedding\",\"index\":0,\"embedding\":[0.5]}],\"usage\":{\"prompt_tokens\":3,"
                 "\"total_tokens\":3}}");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    assert_int_equal(span_numbered(2)->tokens_input, SPAN_UNKNOWN);
    for (size_t i = 0; i < 2; i++)
        if (spans.items[i] != span_numbered(2)) {
            check_under(spans.items[i], 1, 2);
            assert_int_equal(spans.items[i]->type, SPAN_EMBEDDING);
        }
    check_totals(1, 2, 3, SPAN_UNKNOWN);
    collector_free(c);
    ring_writer_discard(&w);
}

/* As another block may give it: the call's bytes are read in one poll, the begin in the next. */
static void test_the_begin_comes_late(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    ask_active(&l, "ahead", 1, 2);
    line_answer(&l, "ahead");
    collector_step(c);
    struct message m = message_of(1, 1, 2); /* before the call, by its time */
    m.head.span_type = WIRE_SPAN_LLM;
    message_text(&m, WIRE_FIELD_NAME, "late");
    struct wire_record head = {.type = WIRE_SPAN_BEGIN,
                               .time = (uint64_t)clock_boot_ns() - NS_PER_SEC};
    struct wire_piece pieces[2] = {{&m.head, sizeof(m.head)}, {m.fields, m.length}};
    assert_int_equal(ring_writer_put(&w, &head, pieces, 2), 0);
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(span_numbered(2)->name, "late");
    assert_string_equal(answer_of(span_numbered(2)), "ahead");
    collector_free(c);
    ring_writer_discard(&w);
}

/* Sent when the span was over, or long after: its child. */
static void test_after_the_end(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    end_all(&w);
    ask_active(&l, "just after", 1, 2);
    line_answer(&l, "fine");
    settle(c, 500);
    ask_active(&l, "long after", 1, 2);
    line_answer(&l, "fine");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    check_under(span_that_asked("just after"), 1, 2);
    check_under(span_that_asked("long after"), 1, 2);
    assert_null(span_numbered(2)->capture_route);
    struct trace *t = trace_numbered(1);
    assert_string_equal(t->name, "by hand");
    trace_free(t);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Ids carried into another process. */
static void test_of_another_process(void **state)
{
    (void)state;
    struct ring_writer w = {0}, other = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&other, &place, NULL);
    begin_span(&w, WIRE_SPAN_AGENT);
    collector_step(c);
    line_open(&l, &other, 1);
    int n = make_request_with(text, sizeof(text), traceparent_of(1, 2), "from elsewhere");
    line_put(&l, WIRE_DATA_OUT, text, (size_t)n);
    line_answer(&l, "fine");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    check_under(span_that_asked("from elsewhere"), 1, 2);
    check_totals(1, 2, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
    ring_writer_discard(&other);
}

/* To the service of the trace's client, and not to the process's. Port 1 of the loopback answers
 * nobody. */
static void test_goes_where_the_trace_goes(void **state)
{
    (void)state;
    static const char *const texts[] = {"url=http://127.0.0.1:1", "key=project-process", NULL};
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    tell_client(&w, 1, "http://127.0.0.1:1", "project-client");
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_TOOL);
    line_open(&l, &w, 1);
    ask_active(&l, "child", 1, 2);
    line_answer(&l, "fine");
    ask_active(&l, "of the trace", 1, 0);
    line_answer(&l, "fine");
    end_all(&w);
    settle(c, 300);
    assert_int_equal(waiting_for("process"), 0);
    assert_int_equal(waiting_for("client"), 2 * (1 + 3)); /* begins and ends */
    collector_free(c);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_of_the_first_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_undecided, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_of_a_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_embeddings_are_children, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_begin_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_where_the_trace_goes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
