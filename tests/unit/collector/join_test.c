/* Captured calls with ids: which trace and span they belong to. */
#include "messages.h"

static struct place place;
static struct spans spans;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    place_remove(&place);
    return 0;
}

/* A request with one more header line, "" for none. */
static int make_request_with(char *out, size_t size, const char *header, const char *question)
{
    char plain[4096];
    make_request(plain, sizeof(plain), question, false);
    char *rest = strstr(plain, "\r\n") + 2;
    return snprintf(out, size, "%.*s%s%s", (int)(rest - plain), plain, header, rest);
}

static void ask_active(struct line *l, const char *question, int trace, int span)
{
    char text[4096];
    int n = make_request_with(text, sizeof(text), "", question);
    line_put_active(l, WIRE_DATA_OUT, text, (size_t)n, trace, span);
}

/* "traceparent: 00-0303..-0404..-01" for 3 and 4. */
static const char *traceparent_of(int trace, int span)
{
    static char line[128];
    uint8_t id[TRACE_ID_LEN];
    char trace_hex[TRACE_ID_HEX], span_hex[SPAN_ID_HEX];
    id_fill(id, TRACE_ID_LEN, trace);
    id_to_hex(id, TRACE_ID_LEN, trace_hex);
    id_to_hex((memset(id, span, SPAN_ID_LEN), id), SPAN_ID_LEN, span_hex);
    snprintf(line, sizeof(line), "traceparent: 00-%s-%s-01\r\n", trace_hex, span_hex);
    return line;
}

static void check_under(const struct span *s, int trace, int parent)
{
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, TRACE_ID_LEN, trace);
    assert_memory_equal(s->trace_id, id, TRACE_ID_LEN);
    id_fill(id, SPAN_ID_LEN, parent);
    assert_memory_equal(s->parent_span_id, id, SPAN_ID_LEN);
}

static const struct span *span_that_asked(const char *question)
{
    for (size_t i = 0; i < spans.count; i++) {
        json *q = json_path(spans.items[i]->input_data, "messages.0.parts.0.content");
        if (json_text(q) != NULL && strcmp(json_text(q), question) == 0)
            return spans.items[i];
    }
    fail_msg("no span asked \"%s\"", question);
    return NULL;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_of_the_first_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_undecided, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
