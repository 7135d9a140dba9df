/* What storing costs: CPU and wall time of a small span (a document of about 2 KB), in groups of
 * 1,000, on an empty store and behind many rows; then a page of the list. Not a test. */
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "support.h"

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static json *messages(const char *role, size_t len)
{
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = "the quick brown fox, "[i % 21];
    text[len] = '\0';
    json *part = json_object();
    json_set_text(part, "type", "text");
    json_set_text(part, "content", text);
    json *parts = json_array();
    json_add(parts, part);
    json *message = json_object();
    json_set_text(message, "role", role);
    json_set(message, "parts", parts);
    json *list = json_array();
    json_add(list, message);
    json *data = json_object();
    json_set(data, "messages", list);
    free(text);
    return data;
}

static struct span *make_full(void)
{
    struct span *s = make_span(1, 1);
    s->provider = strdup("openai");
    s->operation = strdup("chat");
    s->request_model = strdup("gpt-4o");
    s->response_model = strdup("gpt-4o-2024-08-06");
    s->response_id = strdup("chatcmpl-0123456789abcdef");
    s->usage_source = strdup("reported");
    s->cost_source = strdup("table");
    s->ttfc_ms = 12.5;
    s->status_code = 200;
    s->input_data = messages("user", 600);
    s->output_data = messages("assistant", 700);
    s->process.pid = 1234;
    s->process.exe = strdup("/usr/bin/python3");
    s->capture_route = strdup("openssl");
    return s;
}

/* Puts `count` spans, a new trace every `per_trace`; group commits of 1,000. */
static void put_many(struct store *s, uint64_t from, uint64_t count, uint64_t per_trace,
                     const int64_t *to, size_t destinations)
{
    struct span *span = make_full();
    for (uint64_t n = from; n < from + count; n++) {
        if ((n - from) % 1000 == 0)
            assert_int_equal(store_begin(s), ERR_OK);
        if (n % per_trace == 0)
            put_trace(s, n / per_trace, to, destinations);
        id_of(n / per_trace, span->trace_id, TRACE_ID_LEN);
        id_of(n, span->span_id, SPAN_ID_LEN);
        span->start_time = T0 + (int64_t)n * 1000;
        span->end_time = span->start_time + 1000000;
        assert_int_equal(store_put_span(s, span, to, destinations), ERR_OK);
        if ((n - from) % 1000 == 999) {
            assert_int_equal(store_commit(s), ERR_OK);
            assert_true(store_index_step(s) >= 0);
        }
    }
    span_free(span);
}

static void measure(struct store *s, const char *what, uint64_t from, uint64_t count,
                    uint64_t per_trace, const int64_t *to, size_t destinations)
{
    double cpu = cpu_seconds();
    int64_t wall = clock_wall_ns();
    put_many(s, from, count, per_trace, to, destinations);
    double us = (cpu_seconds() - cpu) * 1e6 / (double)count;
    double rate = (double)count * 1e9 / (double)(clock_wall_ns() - wall);
    printf("%-46s %6.2f us CPU a span, %8.0f spans/s\n", what, us, rate);
}

static int count_row(void *user, const struct trace_row *row)
{
    (void)row;
    ++*(int *)user;
    return 0;
}

static void measure_list(struct store *s)
{
    struct trace_query q = {.limit = 50};
    char *cursor = NULL;
    int rows = 0;
    int64_t wall = clock_wall_ns();
    enum { PAGES = 20 };
    for (int i = 0; i < PAGES; i++) {
        char *next;
        q.cursor = cursor;
        assert_int_equal(store_list_traces(s, &q, count_row, &rows, &next), ERR_OK);
        free(cursor);
        cursor = next;
    }
    free(cursor);
    printf("%-46s %6.0f us (%d rows)\n", "a page of 50 traces",
           (double)(clock_wall_ns() - wall) / 1000 / PAGES, rows / PAGES);
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    char *folder = argc > 2 ? strdup(argv[2]) : NULL;
    if (folder == NULL)
        folder_make((void **)&folder);
    struct store *s = open_store(folder);
    struct span *span = make_full();
    struct buf text;
    buf_init(&text, 1 << 20);
    double cpu = cpu_seconds();
    for (int i = 0; i < 100000; i++) {
        buf_clear(&text);
        assert_int_equal(span_print(span, &text), ERR_OK);
    }
    printf("document %zu bytes, printing it %.2f us\n", text.len, (cpu_seconds() - cpu) * 10);
    buf_release(&text);
    span_free(span);
    uint64_t at = 0;
    for (; at < rows; at += 100000)
        measure(s, "filling", at, 100000, 100, NULL, 0);
    measure(s, "one trace for 100 spans, no destination", at, 50000, 100, NULL, 0);
    at += 50000;
    measure(s, "one trace a span, no destination", at * 100, 50000, 1, NULL, 0);
    at = at * 100 + 50000;
    int64_t id;
    struct destination d = {.kind = (char *)"service", .url = (char *)"http://localhost:8001"};
    assert_int_equal(store_destination(s, &d, NULL, &id), ERR_OK);
    measure(s, "one trace for 100 spans, one destination", at, 50000, 100, &id, 1);
    measure_list(s);
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    printf("%" PRId64 " traces, %" PRId64 " spans, %" PRId64 " MB\n", totals.traces, totals.spans,
           totals.bytes >> 20);
    store_close(s);
    return folder_remove((void **)&folder);
}
