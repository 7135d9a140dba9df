/* The stack of what is active on a thread. This program stands in for the preloaded object: it has
 * its entry, and with that the ring and the slot of the active span. */
#include "told.h"

#include "wire/entry.h"

static struct ring_writer writer;
static _Thread_local struct llmt_active_span slot;
static unsigned ring_calls;

static struct ring_writer *fake_ring(void)
{
    ring_calls++;
    if (!writer.header) {
        const struct wire_process_info info = {.pid = (uint32_t)getpid(), .boot_time = 1};
        assert_int_equal(ring_writer_open(&writer, told_dir, 8u << 20, &info, NULL, 0), 0);
    }
    return &writer;
}

static struct llmt_active_span *fake_active(void)
{
    return &slot;
}

static uint64_t fake_now(void)
{
    return 1;
}

const struct llmt_preload_v1 *llmt_preload_v1(void)
{
    static const struct llmt_preload_v1 table = {
        LLMT_PRELOAD_VERSION, sizeof(table), fake_ring,
        fake_active,          fake_now,      sizeof(struct ring_writer)};
    return &table;
}

static llmt_client *client;

/* Which ids the slot has, compared with those of a trace or a span. */
static void assert_active(llmt_trace *trace, llmt_span *span)
{
    char header[LLMT_TRACEPARENT_SIZE], have[LLMT_TRACE_ID_SIZE], wanted[LLMT_TRACE_ID_SIZE];
    if (!trace && !span) {
        assert_int_equal(slot.set, 0);
        assert_null(llmt_current_traceparent(header));
        assert_string_equal(header, "");
        return;
    }
    assert_int_equal(slot.set, 1);
    told_hex(slot.trace_id, sizeof(slot.trace_id), have);
    assert_string_equal(have,
                        span ? llmt_span_trace_id(span, wanted) : llmt_trace_id(trace, wanted));
    assert_ptr_equal(llmt_current_traceparent(header), header);
    assert_memory_equal(header + 3, wanted, 32);
    told_hex(slot.span_id, sizeof(slot.span_id), have);
    assert_string_equal(have, span ? llmt_span_id(span, wanted) : "0000000000000000");
    if (span) {
        char of_span[LLMT_TRACEPARENT_SIZE];
        assert_string_equal(llmt_span_traceparent(span, of_span), header);
    } else {
        assert_int_not_equal(strspn(header + 36, "0"), 16);
    }
}

static void ring_is_the_preloaded_objects(void **state)
{
    (void)state;
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_trace_end(trace);
    assert_true(ring_calls > 0);
    told_read();
    assert_int_equal(told_of_type(WIRE_TRACE_BEGIN), 1);
    assert_int_equal(told_of_type(WIRE_CLIENT), 1);
}

static void begin_and_end(void **state)
{
    (void)state;
    assert_active(NULL, NULL);
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    assert_active(trace, NULL);
    llmt_span *outer = llmt_span_begin(trace, "a", "chain", NULL);
    assert_active(trace, outer);
    llmt_span *inner = llmt_span_begin(outer, "b", "llm", NULL);
    assert_active(trace, inner);
    llmt_span *aside =
        llmt_span_begin(outer, "c", "llm", &(llmt_span_options){.flags = LLMT_DETACHED});
    assert_active(trace, inner);
    assert_int_equal(llmt_span_end(aside), LLMT_OK);
    assert_active(trace, inner);
    assert_int_equal(llmt_span_end(outer), LLMT_OK); /* below the top */
    assert_active(trace, inner);
    assert_int_equal(llmt_span_end(inner), LLMT_OK);
    assert_active(trace, NULL);
    llmt_trace *detached =
        llmt_trace_begin(client, "d", &(llmt_trace_options){.flags = LLMT_DETACHED});
    assert_active(trace, NULL);
    assert_int_equal(llmt_trace_end(detached), LLMT_OK);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_active(NULL, NULL);
}

static void attach_and_detach(void **state)
{
    (void)state;
    llmt_trace *trace =
        llmt_trace_begin(client, "t", &(llmt_trace_options){.flags = LLMT_DETACHED});
    llmt_span *span =
        llmt_span_begin(trace, "a", "llm", &(llmt_span_options){.flags = LLMT_DETACHED});
    assert_active(NULL, NULL);
    assert_int_equal(llmt_span_detach(span), LLMT_EINVAL);
    assert_int_equal(llmt_trace_attach(trace), LLMT_OK);
    assert_active(trace, NULL);
    assert_int_equal(llmt_span_attach(span), LLMT_OK);
    assert_int_equal(llmt_span_attach(span), LLMT_OK);
    assert_active(trace, span);
    assert_int_equal(llmt_span_detach(span), LLMT_OK);
    assert_active(trace, span); /* it was attached twice */
    assert_int_equal(llmt_span_detach(span), LLMT_OK);
    assert_active(trace, NULL);
    assert_int_equal(llmt_span_attach(span), LLMT_OK);
    assert_int_equal(llmt_trace_detach(trace), LLMT_OK); /* from below */
    assert_active(trace, span);
    assert_int_equal(llmt_span_attach(span), LLMT_OK);
    assert_int_equal(llmt_span_end(span), LLMT_OK); /* however often */
    assert_active(NULL, NULL);
    assert_int_equal(llmt_span_detach(span), LLMT_EENDED);
    assert_int_equal(llmt_span_attach(span), LLMT_EENDED);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
}

static void stack_has_a_depth(void **state)
{
    (void)state;
    llmt_span *spans[70];
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    for (int i = 0; i < 70; i++)
        spans[i] = llmt_span_begin(trace, "s", "chain", NULL);
    assert_active(trace, spans[62]); /* the trace is one of the 64 */
    assert_int_equal(llmt_span_attach(spans[69]), LLMT_ENOBUFS);
    for (int i = 69; i > 62; i--)
        assert_int_equal(llmt_span_end(spans[i]), LLMT_OK);
    assert_active(trace, spans[62]);
    assert_int_equal(llmt_span_end(spans[62]), LLMT_OK);
    assert_active(trace, spans[61]);
    for (int i = 61; i >= 0; i--)
        assert_int_equal(llmt_span_end(spans[i]), LLMT_OK);
    llmt_trace_end(trace);
    assert_active(NULL, NULL);
}

static void *end_elsewhere(void *span)
{
    assert_int_equal(slot.set, 0); /* of this thread */
    assert_int_equal(llmt_span_end(span), LLMT_OK);
    return NULL;
}

static void in_thread(void *(*function)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, function, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void ended_by_another_thread(void **state)
{
    (void)state;
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *span = llmt_span_begin(trace, "a", "llm", NULL);
    llmt_span *top = llmt_span_begin(span, "b", "llm", NULL);
    in_thread(end_elsewhere, top);
    in_thread(end_elsewhere, span);
    char header[LLMT_TRACEPARENT_SIZE];
    assert_non_null(llmt_current_traceparent(header));
    assert_memory_not_equal(header + 36, "0000000000000000", 16);
    llmt_span *next = llmt_span_begin(trace, "c", "llm", NULL);
    assert_active(trace, next);
    assert_int_equal(llmt_span_end(next), LLMT_OK);
    assert_active(trace, NULL);
    /* A stack full of what others ended has room. */
    llmt_span *spans[64];
    for (int i = 0; i < 63; i++)
        spans[i] = llmt_span_begin(trace, "s", "chain", NULL);
    for (int i = 10; i < 40; i++)
        in_thread(end_elsewhere, spans[i]);
    next = llmt_span_begin(trace, "d", "llm", NULL);
    assert_active(trace, next);
    llmt_span_end(next);
    for (int i = 0; i < 63; i++)
        llmt_span_end(spans[i]);
    llmt_trace_end(trace);
    assert_active(NULL, NULL);
    told_read();
}

static void *attach_here(void *span)
{
    assert_active(NULL, NULL);
    assert_int_equal(llmt_span_attach(span), LLMT_OK);
    assert_active(NULL, span);
    assert_int_equal(llmt_span_detach(span), LLMT_OK);
    assert_active(NULL, NULL);
    return NULL;
}

static void active_on_many_threads(void **state)
{
    (void)state;
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *span = llmt_span_begin(trace, "a", "llm", NULL);
    in_thread(attach_here, span);
    in_thread(attach_here, span);
    assert_active(trace, span);
    llmt_span_end(span);
    llmt_trace_end(trace);
}

static void activate_overrides(void **state)
{
    (void)state;
    static const char trace_id[] = "0123456789abcdef0123456789abcdef";
    char header[LLMT_TRACEPARENT_SIZE];
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    assert_int_equal(llmt_activate(trace_id, "00f067aa0ba902b7"), LLMT_OK);
    assert_int_equal(slot.set, 1);
    assert_memory_equal(slot.trace_id, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
    assert_memory_equal(slot.span_id, "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7", 8);
    assert_string_equal(llmt_current_traceparent(header),
                        "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01");
    assert_int_equal(llmt_activate("zz", NULL), LLMT_EINVAL);
    assert_int_equal(llmt_activate(trace_id, "1"), LLMT_EINVAL);
    assert_int_equal(llmt_activate("00000000000000000000000000000000", NULL), LLMT_EINVAL);
    assert_int_equal(slot.set, 1);
    assert_int_equal(llmt_activate(trace_id, NULL), LLMT_OK);
    assert_memory_equal(slot.span_id, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(llmt_activate(NULL, NULL), LLMT_OK);
    assert_int_equal(slot.set, 0);
    assert_null(llmt_current_traceparent(header));
    /* What does not change the stack leaves it alone. */
    llmt_span *aside =
        llmt_span_begin(trace, "a", "llm", &(llmt_span_options){.flags = LLMT_DETACHED});
    assert_int_equal(llmt_span_end(aside), LLMT_OK);
    assert_int_equal(slot.set, 0);
    llmt_span *span = llmt_span_begin(trace, "a", "llm", NULL);
    assert_active(trace, span);
    assert_int_equal(llmt_activate(NULL, NULL), LLMT_OK);
    assert_int_equal(llmt_span_end(span), LLMT_OK);
    assert_active(trace, NULL); /* the stack changed */
    llmt_trace_end(trace);
    assert_active(NULL, NULL);
    told_read();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_is_the_preloaded_objects),
        cmocka_unit_test(begin_and_end),
        cmocka_unit_test(attach_and_detach),
        cmocka_unit_test(stack_has_a_depth),
        cmocka_unit_test(ended_by_another_thread),
        cmocka_unit_test(active_on_many_threads),
        cmocka_unit_test(activate_overrides),
    };
    told_begin();
    client = told_client();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llmt_client_close(client);
    return failed;
}
