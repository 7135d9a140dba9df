/* Flushing and LLMT_SYNC against a collector that answers as this test has it. */
#include "told.h"

#include <time.h>

#include "client/settings.h"

static _Atomic bool stop, answers, in_vain;
static _Atomic unsigned answered, open_tickets;
static _Atomic uint32_t last_client;
static struct ring_reader *reader;

static int answer(void *user, const struct wire_record *head, const uint8_t *payload,
                  uint64_t position)
{
    (void)user;
    ring_reader_release(reader, position);
    if (head->type != WIRE_FLUSH)
        return 0;
    struct wire_api_head api;
    struct wire_api_flush flush;
    assert_int_equal(head->length, sizeof(api) + sizeof(flush));
    memcpy(&api, payload, sizeof(api));
    memcpy(&flush, payload + sizeof(api), sizeof(flush));
    assert_true(flush.ticket % 2 == 1 && flush.slot < RING_FLUSH_SLOTS);
    last_client = api.client;
    if (in_vain && flush.flags != WIRE_FLUSH_PATIENT) {
        assert_int_equal(flush.flags, 0);
        assert_int_equal(ring_reader_flushed(reader, flush.slot, WIRE_FLUSH_IN_VAIN(flush.ticket)),
                         0);
    } else if (answers) {
        answered++; /* first: the answer wakes who looks at it */
        assert_int_equal(ring_reader_flushed(reader, flush.slot, flush.ticket), 0);
    } else {
        open_tickets++;
    }
    return 0;
}

static void *collect(void *arg)
{
    (void)arg;
    while (!stop) {
        const struct timespec pause = {0, 300000};
        while (ring_reader_poll(reader, 1u << 20, answer, NULL) > 0)
            continue;
        ring_reader_reclaim(reader);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static pthread_t collector;

static void start(bool answering)
{
    stop = false;
    answers = answering;
    answered = open_tickets = 0;
    assert_int_equal(pthread_create(&collector, NULL, collect, NULL), 0);
}

static void finish(void)
{
    stop = true;
    pthread_join(collector, NULL);
}

static llmt_client *sync_client(const char *key, int timeout_ms)
{
    return llmt_client_new(&(llmt_client_options){.mode = LLMT_SYNC,
                                                  .api_key = key,
                                                  .timeout_ms = timeout_ms,
                                                  .on_warning = told_warn,
                                                  .user = told_warnings});
}

static void nothing_to_wait_for(void **state)
{
    (void)state;
    llmt_client *client = told_client();
    assert_int_equal(llmt_flush(client, 600000), LLMT_OK); /* nothing was recorded */
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    client = sync_client("project-a", 600000);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
}

static void flush_waits_for_the_answer(void **state)
{
    (void)state;
    start(true);
    llmt_client *client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "t", NULL));
    assert_int_equal(answered, 0); /* an asynchronous client waits for nothing */
    assert_int_equal(llmt_flush(client, 30000), LLMT_OK);
    assert_int_equal(answered, 1);
    assert_int_equal(llmt_flush(client, -1), LLMT_OK);
    assert_int_equal(answered, 2);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    assert_int_equal(answered, 2);
    finish();
}

static void flush_is_bounded(void **state)
{
    (void)state;
    start(false);
    told_forget_warnings();
    llmt_client *client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "t", NULL));
    for (int i = 0; i < 3; i++) /* each waits, and none is held back by the one before */
        assert_int_equal(llmt_flush(client, 20), LLMT_ETIMEDOUT);
    assert_int_equal(llmt_flush(client, 0), LLMT_ETIMEDOUT);
    finish();
    ring_reader_poll(reader, 1u << 20, answer, NULL);
    assert_int_equal(open_tickets, 4);
    llmt_client_close(client);
    assert_int_equal(told_warning_count, 0);
}

static void sync_waits_at_every_end(void **state)
{
    (void)state;
    start(true);
    llmt_client *client = sync_client("project-b", 30000);
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
    llmt_span_set_output(span, "{}");
    assert_int_equal(answered, 0);
    assert_int_equal(llmt_span_end(span), LLMT_OK);
    assert_int_equal(answered, 1);
    assert_int_equal(llmt_span_end(span), LLMT_EENDED);
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    assert_int_equal(answered, 2);
    char id[LLMT_TRACE_ID_SIZE], span_id[LLMT_SPAN_ID_SIZE];
    assert_int_equal(llmt_create_trace(client, "t", NULL, id), LLMT_OK);
    assert_int_equal(llmt_create_span(client, id, "s", "llm", NULL, span_id), LLMT_OK);
    assert_int_equal(answered, 2);
    assert_int_equal(llmt_complete_span(client, span_id, NULL, NULL, -1, -1, -1), LLMT_OK);
    assert_int_equal(llmt_complete_trace(client, id, NULL), LLMT_OK);
    assert_int_equal(answered, 4);
    assert_int_equal(llmt_client_close(client), LLMT_OK);
    assert_int_equal(answered, 5);
    finish();
}

static void sync_gives_up_for_a_while(void **state)
{
    (void)state;
    start(false);
    told_forget_warnings();
    llmt_client *client = sync_client("project-c", 30);
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(llmt_span_end(llmt_span_begin(trace, "s", "llm", NULL)), LLMT_ETIMEDOUT);
    char id[LLMT_TRACE_ID_SIZE];
    llmt_trace_id(trace, id);
    assert_int_equal(llmt_complete_trace(client, id, NULL), LLMT_ETIMEDOUT);
    assert_int_equal(llmt_trace_end(trace), LLMT_ETIMEDOUT);
    assert_int_equal(llmt_client_close(client), LLMT_ETIMEDOUT);
    finish();
    ring_reader_poll(reader, 1u << 20, answer, NULL);
    assert_int_equal(open_tickets, 1); /* the first wait was the only one */
    assert_int_equal(told_warning_count, 1);
    assert_non_null(strstr(told_warnings, "not confirmed"));
    /* Another client of the same kind does not wait either; once the time is over, it does. */
    start(true);
    client = sync_client("project-c", 30);
    trace = llmt_trace_begin(client, "t", NULL);
    assert_int_equal(llmt_trace_end(trace), LLMT_ETIMEDOUT);
    unsigned faults;
    struct settings *settings = settings_get(
        &(llmt_client_options){.mode = LLMT_SYNC, .api_key = "project-c", .timeout_ms = 30},
        &faults);
    assert_true(settings->no_waiting_till > 0);
    settings->no_waiting_till = 1;
    settings = settings_get(
        &(llmt_client_options){.mode = LLMT_SYNC, .api_key = "project-c", .timeout_ms = 30000},
        &faults);
    assert_true(settings->no_waiting_till == 0); /* other settings */
    llmt_client_close(client);
    client = sync_client("project-c", 30000);
    assert_int_equal(llmt_trace_end(llmt_trace_begin(client, "t", NULL)), LLMT_OK);
    llmt_client_close(client);
    finish();
}

/* A service that takes nothing is not waited for, except by who asks for it. */
static void in_vain_is_told(void **state)
{
    (void)state;
    told_forget_warnings();
    in_vain = true;
    start(true);
    llmt_client *client = sync_client("project-v", 600000);
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    assert_int_equal(llmt_span_end(llmt_span_begin(trace, "s", "llm", NULL)), LLMT_ETIMEDOUT);
    assert_int_equal(llmt_flush(client, -1), LLMT_ETIMEDOUT);
    assert_int_equal(answered, 0);
    assert_int_equal(llmt_flush(client, 600000), LLMT_OK);
    assert_int_equal(answered, 1);
    assert_int_equal(llmt_trace_end(trace), LLMT_ETIMEDOUT); /* no waiting for a while */
    assert_int_equal(told_warning_count, 1);
    llmt_client_close(client);
    finish();
    in_vain = false;
}

static void *flush_often(void *client)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(llmt_flush(client, 30000), LLMT_OK);
    return NULL;
}

/* More threads than the header has places for answers. */
static void many_wait_at_once(void **state)
{
    (void)state;
    pthread_t threads[48];
    llmt_client *client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "t", NULL));
    start(true);
    for (int i = 0; i < 48; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flush_often, client), 0);
    for (int i = 0; i < 48; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(answered, 480);
    finish();
    llmt_client_close(client);
}

/* A ticket that found no room is put there once the collector gave some back. */
static int wait_for_room(void)
{
    char path[400];
    setenv("TRACER_RING_MAX_MB", "1", 1);
    llmt_client *client = llmt_client_new(&(llmt_client_options){.api_key = "project-d"});
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    static char text[60002];
    memset(text, '1', sizeof(text) - 1);
    llmt_span *span = llmt_span_begin(trace, "s", "llm", NULL);
    while (llmt_span_set_output(span, text) == LLMT_OK)
        continue;
    while (llmt_span_set_output(span, "1") == LLMT_OK)
        continue;
    if (llmt_flush(client, 30) != LLMT_ETIMEDOUT)
        return 1;
    if (!told_find_ring(getpid(), path, sizeof(path)) || ring_reader_new(&reader, path) != 0)
        return 2;
    start(true);
    const int result = llmt_flush(client, 30000);
    finish();
    return result == LLMT_OK ? 0 : 3;
}

static _Atomic unsigned flushed_whole;

static void *flush_and_end(void *client)
{
    llmt_flush(client, 500);
    flushed_whole++;
    sleep(60); /* a flush that was through before its thread was cancelled ends here */
    return NULL;
}

/* As many as there are places, each in the middle of its wait for room. */
static int cancel_in_the_wait(void)
{
    char path[400];
    pthread_t threads[RING_FLUSH_SLOTS];
    setenv("TRACER_RING_MAX_MB", "1", 1);
    llmt_client *client = told_client();
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    static char text[60002];
    memset(text, '1', sizeof(text) - 1);
    while (llmt_trace_set_output(trace, text) == LLMT_OK)
        continue;
    while (llmt_trace_set_output(trace, "1") == LLMT_OK)
        continue;
    for (unsigned i = 0; i < RING_FLUSH_SLOTS; i++)
        if (pthread_create(&threads[i], NULL, flush_and_end, client) != 0)
            return 1;
    for (unsigned i = 0; i < RING_FLUSH_SLOTS; i++)
        pthread_cancel(threads[i]);
    for (unsigned i = 0; i < RING_FLUSH_SLOTS; i++) {
        void *result;
        if (pthread_join(threads[i], &result) != 0 || result != PTHREAD_CANCELED)
            return 2;
    }
    if (!told_find_ring(getpid(), path, sizeof(path)) || ring_reader_new(&reader, path) != 0)
        return 3;
    start(true);
    const int result = llmt_flush(client, 5000);
    finish();
    return result != LLMT_OK ? 4 : flushed_whole != RING_FLUSH_SLOTS ? 5 : 0;
}

static void cancelled_threads_give_their_places_back(void **state)
{
    (void)state;
    assert_int_equal(in_child(cancel_in_the_wait), 0);
}

static void *cancel_oneself(void *client)
{
    pthread_cancel(pthread_self());
    llmt_trace *trace = llmt_trace_begin(client, "t", NULL);
    llmt_span_end(llmt_span_begin(trace, "s", "none of the eight", NULL));
    assert_int_equal(llmt_trace_end(trace), LLMT_OK);
    flushed_whole++;
    pthread_testcancel();
    return NULL;
}

/* Neither the first call of a thread, nor a warning on stderr, nor a wait with LLMT_SYNC. */
static void no_function_is_a_cancellation_point(void **state)
{
    (void)state;
    start(true);
    pthread_t thread;
    void *result;
    const llmt_client_options options = {
        .mode = LLMT_SYNC, .api_key = "project-cancel", .timeout_ms = 30000};
    llmt_client *client = llmt_client_new(&options);
    flushed_whole = 0;
    assert_int_equal(pthread_create(&thread, NULL, cancel_oneself, client), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(flushed_whole, 1);
    llmt_client_close(client);
    finish();
}

static void full_ring_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(in_child(wait_for_room), 0);
}

static int without_a_ring(void)
{
    setenv("TRACER_RUNTIME_DIR", "/proc/nowhere", 1);
    llmt_client *client = sync_client("project-e", 600000);
    if (llmt_trace_end(llmt_trace_begin(client, "t", NULL)) != LLMT_ENOBUFS)
        return 1;
    return llmt_flush(client, 600000) == LLMT_ETIMEDOUT ? 0 : 2;
}

static void no_ring_no_wait(void **state)
{
    (void)state;
    assert_int_equal(in_child(without_a_ring), 0);
}

static int begin(void **state)
{
    (void)state;
    char path[400];
    llmt_client *client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "t", NULL));
    llmt_client_close(client);
    return told_find_ring(getpid(), path, sizeof(path)) ? ring_reader_new(&reader, path) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_wait_for),
        cmocka_unit_test(flush_waits_for_the_answer),
        cmocka_unit_test(flush_is_bounded),
        cmocka_unit_test(sync_waits_at_every_end),
        cmocka_unit_test(sync_gives_up_for_a_while),
        cmocka_unit_test(in_vain_is_told),
        cmocka_unit_test(many_wait_at_once),
        cmocka_unit_test(no_function_is_a_cancellation_point),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(full_ring_is_waited_for),
        cmocka_unit_test(cancelled_threads_give_their_places_back),
        cmocka_unit_test(no_ring_no_wait),
    };
    told_begin();
    const int failed = cmocka_run_group_tests(alone, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, begin, NULL);
}
