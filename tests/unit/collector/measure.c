/* What spans made by hand cost the collector: CPU time a span, printed, never asserted. */
#include <sys/resource.h>

#include "messages.h"

#define SPANS 100000
#define BATCH 2000 /* written before the collector's turn */

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void id_of(uint8_t *id, size_t len, int n)
{
    uint64_t mixed = (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);
    memset(id, 1, len);
    memcpy(id, &mixed, sizeof(mixed));
}

static void tell_one(struct ring_writer *w, int n)
{
    struct message m = {.head = {.client = 1, .span_type = WIRE_SPAN_TOOL}};
    id_of(m.head.trace_id, TRACE_ID_LEN, n / 10 + 1);
    id_of(m.head.span_id, SPAN_ID_LEN, n + 1);
    message_text(&m, WIRE_FIELD_NAME, "a span");
    message_put(w, &m, WIRE_SPAN_BEGIN);
    m.length = 0;
    message_text(&m, WIRE_FIELD_OUTPUT,
                 "{\"answer\":\"two hundred bytes of output, more or less, as a program would tell "
                 "them of a tool that it called: a text, and\",\"hits\":3,\"score\":0.25,"
                 "\"list\":[1,2,3],\"found\":true}");
    message_put(w, &m, WIRE_SPAN_OUTPUT);
    m.length = 0;
    message_put(w, &m, WIRE_SPAN_END);
}

static void tell_all(struct ring_writer *w, int from)
{
    for (int n = from; n < from + BATCH; n++) {
        struct message m = {.head = {.client = 1}};
        id_of(m.head.trace_id, TRACE_ID_LEN, n / 10 + 1);
        message_text(&m, WIRE_FIELD_NAME, "a trace");
        if (n % 10 == 0)
            message_put(w, &m, WIRE_TRACE_BEGIN);
        tell_one(w, n);
        m.length = 0;
        if (n % 10 == 9)
            message_put(w, &m, WIRE_TRACE_END);
    }
}

static void measure(void **state)
{
    (void)state;
    struct place place;
    struct ring_writer w = {0};
    struct store *s;
    struct store_totals totals;
    double collected = 0;
    place_make(&place);
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, NULL, NULL);
    for (int n = 0; n < SPANS; n += BATCH) {
        tell_all(&w, n);
        double from = cpu_us();
        for (int i = 0; i < 4; i++)
            collector_step(c);
        collected += cpu_us() - from;
    }
    double from = cpu_us();
    settle(c, 100);
    collected += cpu_us() - from;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    store_close(s);
    print_message("%d spans with 200 bytes of output: %.1f us CPU a span in the collector, %lld "
                  "stored in %lld traces, %llu records lost\n",
                  SPANS, collected / SPANS, (long long)totals.spans, (long long)totals.traces,
                  (unsigned long long)w.header->lost_records);
    assert_int_equal(totals.spans, SPANS);
    assert_int_equal(totals.traces, SPANS / 10);
    collector_free(c);
    ring_writer_discard(&w);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
