/* What the tests of calls with ids share: requests with ids, spans made by hand, what is stored. */
#ifndef TESTS_COLLECTOR_JOINING_H
#define TESTS_COLLECTOR_JOINING_H

#include "messages.h"

static struct place place;

static struct spans spans;

static inline int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    place_remove(&place);
    return 0;
}

/* A request with one more header line, "" for none. */
static inline int make_request_with(char *out, size_t size, const char *header,
                                    const char *question)
{
    char plain[4096];
    make_request(plain, sizeof(plain), question, false);
    char *rest = strstr(plain, "\r\n") + 2;
    return snprintf(out, size, "%.*s%s%s", (int)(rest - plain), plain, header, rest);
}

static inline void ask_active(struct line *l, const char *question, int trace, int span)
{
    char text[4096];
    int n = make_request_with(text, sizeof(text), "", question);
    line_put_active(l, WIRE_DATA_OUT, text, (size_t)n, trace, span);
}

/* "traceparent: 00-0303..-0404..-01" for 3 and 4. */
static inline const char *traceparent_of(int trace, int span)
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

static inline void check_under(const struct span *s, int trace, int parent)
{
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, TRACE_ID_LEN, trace);
    assert_memory_equal(s->trace_id, id, TRACE_ID_LEN);
    id_fill(id, SPAN_ID_LEN, parent);
    assert_memory_equal(s->parent_span_id, id, SPAN_ID_LEN);
}

static inline const struct span *span_that_asked(const char *question)
{
    for (size_t i = 0; i < spans.count; i++) {
        json *q = json_path(spans.items[i]->input_data, "messages.0.parts.0.content");
        if (json_text(q) != NULL && strcmp(json_text(q), question) == 0)
            return spans.items[i];
    }
    fail_msg("no span asked \"%s\"", question);
    return NULL;
}

/* Process 1's calls with client 1: trace 1 with span 2 of a type. */
static inline void begin_span(struct ring_writer *w, enum wire_span_type type)
{
    tell_client(w, 1, NULL, NULL);
    tell_trace(w, 1, 1, "by hand");
    tell_span(w, 1, 1, 2, 0, type);
}

static inline void end_all(struct ring_writer *w)
{
    tell_span_end(w, 1, 1, 2);
    tell_trace_end(w, 1, 1);
}

static inline const struct span *span_numbered(int number)
{
    uint8_t id[SPAN_ID_LEN];
    id_fill(id, SPAN_ID_LEN, number);
    for (size_t i = 0; i < spans.count; i++)
        if (memcmp(spans.items[i]->span_id, id, SPAN_ID_LEN) == 0)
            return spans.items[i];
    fail_msg("no span %d", number);
    return NULL;
}

static inline struct trace *trace_numbered(int number)
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

static inline void check_totals(int trace, int64_t count, int64_t in, int64_t out)
{
    struct trace *t = trace_numbered(trace);
    assert_int_equal(t->span_count, count);
    assert_int_equal(t->tokens_input, in);
    assert_int_equal(t->tokens_output, out);
    trace_free(t);
}

static inline const char *answer_of(const struct span *s)
{
    return json_text(json_path(s->output_data, "messages.0.parts.0.content"));
}

static inline void put_response(struct line *l, const char *status, const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                     "%s",
                     status, strlen(body), body);
    line_put(l, WIRE_DATA_IN, text, (size_t)n);
}

static inline void steps(struct collector *c, int ms)
{
    for (int i = 0; i < ms; i++) {
        collector_step(c);
        usleep(1000);
    }
}

#endif
