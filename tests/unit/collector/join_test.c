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

/* Process 1's calls with client 1: trace 1 with span 2 of a type. */
static void begin_span(struct ring_writer *w, enum wire_span_type type)
{
    tell_client(w, 1, NULL, NULL);
    tell_trace(w, 1, 1, "by hand");
    tell_span(w, 1, 1, 2, 0, type);
}

static void end_all(struct ring_writer *w)
{
    tell_span_end(w, 1, 1, 2);
    tell_trace_end(w, 1, 1);
}

static const struct span *span_numbered(int number)
{
    uint8_t id[SPAN_ID_LEN];
    id_fill(id, SPAN_ID_LEN, number);
    for (size_t i = 0; i < spans.count; i++)
        if (memcmp(spans.items[i]->span_id, id, SPAN_ID_LEN) == 0)
            return spans.items[i];
    fail_msg("no span %d", number);
    return NULL;
}

static struct trace *trace_numbered(int number)
{
    struct store *s;
    struct trace *t = NULL;
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, TRACE_ID_LEN, number);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    store_close(s);
    return t;
}

static void check_totals(int trace, int64_t count, int64_t in, int64_t out)
{
    struct trace *t = trace_numbered(trace);
    assert_int_equal(t->span_count, count);
    assert_int_equal(t->tokens_input, in);
    assert_int_equal(t->tokens_output, out);
    trace_free(t);
}

static const char *answer_of(const struct span *s)
{
    return json_text(json_path(s->output_data, "messages.0.parts.0.content"));
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

static void test_fills_an_llm_span(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "inside", 1, 2);
    line_answer(&l, "filled");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_string_equal(s->name, "span-2");
    assert_int_equal(s->type, SPAN_LLM);
    assert_string_equal(s->model, "gpt-4o-2024-08-06");
    assert_string_equal(s->provider, "openai");
    assert_string_equal(s->operation, "chat");
    assert_string_equal(s->usage_source, "reported");
    assert_string_equal(s->capture_route, "openssl");
    assert_int_equal(s->process.pid, getpid());
    assert_int_equal(s->tokens_input, 20);
    assert_int_equal(s->tokens_output, 14);
    assert_true(s->cost_usd > 0);
    assert_string_equal(answer_of(s), "filled");
    assert_non_null(s->input_data);
    assert_non_null(s->finish_reasons);
    assert_null(json_get(s->metadata, "calls"));
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Field by field. */
static void test_the_program_wins(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "inside", 1, 2);
    line_answer(&l, "not told");
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_MODEL, "mine");
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"content\":\"mine\"}");
    message_text(&m, WIRE_FIELD_METADATA, "{\"api\":\"mine\"}");
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 5);
    message_cost(&m, 0.25);
    message_put(&w, &m, WIRE_SPAN_OUTPUT);
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_string_equal(s->model, "mine");
    assert_string_equal(s->response_model, "gpt-4o-2024-08-06");
    assert_string_equal(json_get_text(s->output_data, "content"), "mine");
    assert_string_equal(json_get_text(s->metadata, "api"), "mine");
    assert_int_equal(s->tokens_input, 5);
    assert_int_equal(s->tokens_output, 14);
    assert_null(s->usage_source);
    assert_true(s->cost_usd == 0.25);
    assert_null(s->cost_source);
    assert_non_null(s->input_data); /* the program said nothing of it */
    collector_free(c);
    ring_writer_discard(&w);
}

static void put_response(struct line *l, const char *status, const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                     "%s",
                     status, strlen(body), body);
    line_put(l, WIRE_DATA_IN, text, (size_t)n);
}

static void test_several_calls(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "first", 1, 2);
    put_response(&l, "429 Too Many Requests",
                 "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit\"}}");
    ask_active(&l, "second", 1, 2);
    line_answer(&l, "second");
    collector_step(c);
    ask_active(&l, "third", 1, 2);
    line_answer(&l, "third");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    int64_t calls = 0;
    assert_null(s->error);
    assert_int_equal(s->status_code, 200);
    assert_int_equal(s->tokens_input, 40);
    assert_int_equal(s->tokens_output, 28);
    assert_string_equal(answer_of(s), "third");
    assert_true(json_get_int(s->metadata, "calls", &calls));
    assert_int_equal(calls, 3);
    struct trace *t = trace_numbered(1);
    assert_null(t->error);
    trace_free(t);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_a_failed_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "first", 1, 2);
    put_response(&l, "500 Internal Server Error", "{\"error\":{\"message\":\"broken\"}}");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(span_numbered(2)->error, "broken");
    assert_int_equal(span_numbered(2)->status_code, 500);
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

/* The span ends, its streaming cut short, and its connection lives on: it waits for the call. */
static void test_waits_for_its_call(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "slow", 1, 2);
    int n = make_answer(text, sizeof(text), "at last");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    end_all(&w);
    for (int i = 0; i < 200; i++) {
        collector_step(c);
        usleep(1000);
    }
    spans_read(&place, &spans); /* it is shown, and its call is not one of its own */
    assert_true(spans.count <= 1);
    assert_true(spans.count == 0 || spans.items[0]->end_time == 0);
    spans_free(&spans);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    line_call(&l, "another, without ids");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    assert_string_equal(answer_of(span_numbered(2)), "at last");
    assert_int_equal(span_numbered(2)->tokens_input, 20);
    assert_false(span_numbered(2)->partial);
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* A flush does not wait for the call as well: what is known is stored. */
static void test_flushed_while_it_waits(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "slow", 1, 2);
    end_all(&w);
    tell_flush(&w, 1, 0, 8);
    for (int i = 0; i < 50 && flushed_in(&w, 0) == 0; i++) /* sooner than a group is old */
        collector_step(c);
    assert_int_equal(flushed_in(&w, 0), 8);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_int_equal(span_numbered(2)->end_time, 0);
    assert_string_equal(span_numbered(2)->request_model, "gpt-4o");
    spans_free(&spans);
    line_answer(&l, "at last");
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "at last");
    assert_true(span_numbered(2)->end_time != 0);
    collector_free(c);
    ring_writer_discard(&w);
}

/* ... but not for ever; when the call ends after all it makes no span. */
static void test_waits_only_so_long(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "endless", 1, 2);
    int n = make_answer(text, sizeof(text), "too late");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    end_all(&w);
    int64_t end = clock_boot_ns() + 5500 * NS_PER_MS;
    while (clock_boot_ns() < end) {
        collector_step(c);
        usleep(20000);
    }
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time != 0);
    assert_true(spans.items[0]->partial);
    assert_string_equal(spans.items[0]->request_model, "gpt-4o");
    spans_free(&spans);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
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

/* What runs is shown once: as the span that the program made. */
static void test_running(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    ask_active(&l, "still asking", 1, 2); /* its begin is read later */
    collector_step(c);
    begin_span(&w, WIRE_SPAN_LLM);
    for (int i = 0; i < 1300; i++) {
        collector_step(c);
        usleep(1000);
    }
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_int_equal(span_numbered(2)->end_time, 0);
    assert_string_equal(span_numbered(2)->request_model, "gpt-4o");
    spans_free(&spans);
    line_answer(&l, "done");
    end_all(&w);
    settle(c, 500);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "done");
    assert_int_equal(span_numbered(2)->tokens_input, 20);
    collector_free(c);
    ring_writer_discard(&w);
}

static void steps(struct collector *c, int ms)
{
    for (int i = 0; i < ms; i++) {
        collector_step(c);
        usleep(1000);
    }
}

/* A collector is replaced between two calls of one span, and in the middle of the second. */
static void test_replaced(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    char text[4096];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    ask_active(&l, "one", 1, 2);
    line_answer(&l, "one");
    steps(c, 1300); /* shown as running, its records released */
    collector_free(c);
    c = start_collector(&place);
    steps(c, 50);
    ask_active(&l, "two", 1, 2);
    int n = make_answer(text, sizeof(text), "two");
    line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
    steps(c, 250);
    collector_free(c);
    c = start_collector(&place);
    line_put(&l, WIRE_DATA_IN, text + n / 2, (size_t)(n - n / 2));
    steps(c, 50);
    end_all(&w);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_true(s->end_time != 0);
    assert_string_equal(answer_of(s), "two");
    assert_int_equal(s->tokens_input, 40);
    assert_int_equal(s->tokens_output, 28);
    check_totals(1, 1, 40, 28);
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

/* A collector that works for so long and is killed. */
static void killed_collector(int ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        steps(start_collector(&place), ms);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* What a call said is in the store before its records are given back. */
static void test_killed(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    killed_collector(400); /* the span is shown, its records are gone */
    line_open(&l, &w, 1);
    for (int i = 1; i <= 4; i++) {
        ask_active(&l, "before the kill", 1, 2);
        line_answer(&l, "before the kill");
        killed_collector(i % 2 == 0 ? 40
                                    : 250); /* in the middle of a commit group, and behind it */
    }
    ask_active(&l, "after", 1, 2);
    line_answer(&l, "after");
    end_all(&w);
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_string_equal(answer_of(span_numbered(2)), "after");
    check_totals(1, 1, 5 * 20, 5 * 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Records of a call that was taken, and whose collector was killed before it gave them back. */
static void test_records_come_again(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l, first;
    ring_make(&w, &place, NULL);
    begin_span(&w, WIRE_SPAN_LLM);
    line_open(&l, &w, 1);
    first = l;
    ask_active(&l, "once", 1, 2);
    line_answer(&l, "once");
    killed_collector(400);
    l = first;
    ask_active(&l, "once", 1, 2); /* while the span runs */
    line_answer(&l, "once");
    killed_collector(400);
    uint64_t asked = (uint64_t)clock_boot_ns();
    end_all(&w);
    killed_collector(400);
    l = first;
    char text[4096];
    uint8_t ids[TRACE_ID_LEN + SPAN_ID_LEN];
    struct wire_record head = head_of(&l, WIRE_DATA_OUT);
    int n = make_request_with(text, sizeof(text), "", "once");
    head.flags = WIRE_HAS_SPAN;
    head.time = asked; /* and when it is finished */
    id_fill(ids, TRACE_ID_LEN, 1);
    id_fill(ids + TRACE_ID_LEN, SPAN_ID_LEN, 2);
    assert_int_equal(ring_writer_put_data(&w, &head, ids, text, (size_t)n), 0);
    line_answer(&l, "once");
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    assert_true(spans.items[0]->end_time != 0);
    check_totals(1, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Nor are calls of a span that is finished told twice. */
static void test_killed_behind_the_end(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 1; i <= 3; i++) {
        int number = 10 * i;
        tell_client(&w, 1, NULL, NULL);
        tell_trace(&w, 1, number, "by hand");
        tell_span(&w, 1, number, number, 0, WIRE_SPAN_LLM);
        ask_active(&l, "once", number, number);
        line_answer(&l, "once");
        tell_span_end(&w, 1, number, number);
        tell_trace_end(&w, 1, number);
        killed_collector(20 * i);
    }
    struct collector *c = start_collector(&place);
    settle(c, 700);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 3);
    for (int i = 1; i <= 3; i++)
        check_totals(10 * i, 1, 20, 14);
    collector_free(c);
    ring_writer_discard(&w);
}

/* The process dies with all of it open. */
static void test_its_process_dies(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    pid_t pid = fork();
    if (pid == 0) {
        struct ring_writer w = {0};
        struct line l;
        char text[4096];
        ring_make(&w, &place, NULL);
        begin_span(&w, WIRE_SPAN_LLM);
        line_open(&l, &w, 1);
        ask_active(&l, "cut off", 1, 2);
        int n = make_answer(text, sizeof(text), "half of it");
        line_put(&l, WIRE_DATA_IN, text, (size_t)n / 2);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    settle(c, 2000);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    const struct span *s = span_numbered(2);
    assert_true(s->partial);
    assert_non_null(s->error);
    assert_true(s->end_time != 0);
    assert_string_equal(s->request_model, "gpt-4o");
    collector_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_of_the_first_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_undecided, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_of_a_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fills_an_llm_span, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_program_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_embeddings_are_children, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_begin_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_its_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flushed_while_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_only_so_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_where_the_trace_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_behind_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_come_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_its_process_dies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
