/* Streams of what changes. Nothing is measured in wall time: what is told is waited for, and what
 * must not be told is looked for behind something that came later. */
#include "unit/service/fake_store.h"

#include <time.h>

#include "base/clock.h"
#include "service/events.h"

#define WAIT_MS 20000
#define SLOW    60 /* traces, which fit what is pending, but no stream */

static struct event_wake wakes[4];

static int begin(void **state)
{
    (void)state;
    fake_clear();
    fake_service.events = NULL;
    return events_start(&fake_service);
}

static int end(void **state)
{
    (void)state;
    events_stop(&fake_service);
    events_free(&fake_service);
    request_end();
    return 0;
}

static struct event_stream *open_stream(const char *project, const char *trace, size_t wake)
{
    request_end();
    query[0] = NULL;
    if (trace != NULL)
        set_query("trace_id", trace);
    request = (struct request){
        .service = &fake_service, .backend = &fake_ops, .project_id = text_of(project)};
    buf_init(&request.answer, 4096);
    events_prepare(&request);
    assert_int_equal(request.status, 0);
    struct event_stream *stream = events_open(&request, &wakes[wake]);
    request_end();
    return stream;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
}

/* Reads, in pieces of any size, until that many of `what` have come; all that came. */
static const char *read_until(struct event_stream *stream, const char *what, size_t times)
{
    static struct buf all;
    char piece[37];
    buf_release(&all);
    buf_init(&all, 1 << 24);
    for (int64_t start = clock_boot_ns(); clock_boot_ns() - start < WAIT_MS * NS_PER_MS;) {
        const ssize_t got = events_read(stream, piece, sizeof(piece));
        assert_true(got >= 0);
        assert_int_equal(buf_append(&all, piece, (size_t)got), ERR_OK);
        size_t seen = 0;
        for (const char *at = buf_str(&all); (at = strstr(at, what)) != NULL; at += strlen(what))
            seen++;
        if (got == 0 && seen >= times)
            return buf_str(&all);
        if (got == 0)
            nap();
    }
    fail_msg("\"%s\" did not come %zu times: %s", what, times, buf_str(&all));
    return "";
}

static size_t count_of(const char *text, const char *what)
{
    size_t seen = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        seen++;
    return seen;
}

static struct stored_trace make_trace(const char *project, const char *id)
{
    return (struct stored_trace){.trace_id = text_of(id),
                                 .name = text_of("n"),
                                 .project_id = text_of(project),
                                 .start_time = NS_PER_SEC,
                                 .tokens_input = SPAN_UNKNOWN,
                                 .tokens_output = SPAN_UNKNOWN,
                                 .tokens_cache_read = SPAN_UNKNOWN,
                                 .ttft_ms = -1};
}

static void tell_trace(const char *project, const char *trace)
{
    events_tell(&fake_service, EVENT_TRACE, text_of(project), text_of(trace), (struct text){0});
}

static void tell_span(const char *project, const char *trace, const char *span)
{
    events_tell(&fake_service, EVENT_SPAN, text_of(project), text_of(trace), text_of(span));
}

static void test_told_to_whom_it_concerns(void **state)
{
    const struct stored_trace traces[] = {make_trace("p", "t1"), make_trace("p", "t2"),
                                          make_trace("q", "t3")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 3;
    struct event_stream *mine = open_stream("p", NULL, 0);
    struct event_stream *one = open_stream("p", "t2", 1);
    struct event_stream *theirs = open_stream("q", NULL, 2);
    struct event_stream *every = open_stream(NULL, NULL, 3);
    tell_trace("p", "t1");
    tell_span("p", "t2", "s\"2");
    tell_trace("q", "t3");
    tell_trace("p", "gone"); /* and what is not there is not told */
    const char *told = read_until(mine, "event: trace\n", 2);
    assert_non_null(strstr(told, "event: trace\ndata: {\"trace_id\":\"t1\",\"name\":\"n\","));
    assert_non_null(
        strstr(told, "event: span\ndata: {\"trace_id\":\"t2\",\"span_id\":\"s\\\"2\"}\n\n"));
    assert_null(strstr(told, "t3"));
    told = read_until(one, "event: trace\n", 1);
    assert_non_null(strstr(told, "event: span\n"));
    assert_null(strstr(told, "t1"));
    told = read_until(theirs, "event: trace\n", 1);
    assert_null(strstr(told, "\"p\""));
    read_until(every, "event: trace\n", 3);
    assert_true(atomic_load(&wakes[0].count) > 0);
    events_close(mine);
    events_close(one);
    events_close(theirs);
    events_close(every);
}

static void test_bursts_are_folded(void **state)
{
    struct stored_trace traces[] = {make_trace("p", "t1"), make_trace("p", "t2")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 2;
    struct event_stream *stream = open_stream("p", NULL, 0);
    for (int i = 0; i < 10000; i++) {
        char span[16];
        snprintf(span, sizeof(span), "s%d", i % 5);
        tell_span("p", "t1", span);
    }
    const char *told = read_until(stream, "event: trace\n", 1);
    /* 10,000 tellings may take more than one interval, but not thousands. */
    assert_true(fake.reads <= 20);
    assert_true(count_of(told, "event: span\n") <= 5 * fake.reads);
    /* However often it changes, it is read once an interval. */
    const size_t before = fake.reads;
    const int64_t start = clock_boot_ns();
    while (clock_boot_ns() - start < 3 * INTERVAL_NS) {
        tell_span("p", "t1", "s");
        nap();
    }
    assert_true(fake.reads - before <= (size_t)((clock_boot_ns() - start) / INTERVAL_NS) + 2);
    /* The same trace as it was told last is no news, its change is. */
    pthread_mutex_lock(&fake.lock);
    traces[0].end_time = 2 * NS_PER_SEC;
    pthread_mutex_unlock(&fake.lock);
    tell_trace("p", "t1");
    told = read_until(stream, "\"status\":\"ok\"", 1);
    const size_t reads = fake.reads;
    tell_trace("p", "t1");
    while (fake.reads == reads)
        nap();
    tell_trace("p", "t2");
    told = read_until(stream, "\"t2\"", 1);
    assert_null(strstr(told, "\"t1\""));
    events_close(stream);
}

static void test_a_store_that_fails_is_asked_again(void **state)
{
    const struct stored_trace trace = make_trace("p", "t1");
    (void)state;
    fake.traces = &trace;
    fake.trace_count = 1;
    fake.error = ERR_BUSY;
    struct event_stream *stream = open_stream("p", NULL, 0);
    tell_trace("p", "t1");
    for (;;) {
        pthread_mutex_lock(&fake.lock);
        const bool asked = fake.reads > 0;
        fake.error = asked ? ERR_OK : ERR_BUSY;
        pthread_mutex_unlock(&fake.lock);
        if (asked)
            break;
        nap();
    }
    read_until(stream, "\"t1\"", 1);
    events_close(stream);
}

static void test_more_than_can_be_remembered(void **state)
{
    static char ids[2000][8];
    struct stored_trace newest[2] = {make_trace("p", "newest"), make_trace("p", "second")};
    (void)state;
    fake.traces = newest;
    fake.trace_count = 2;
    struct event_stream *stream = open_stream("p", NULL, 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(ids[i], sizeof(ids[i]), "x%d", i);
        tell_trace("p", ids[i]);
    }
    const char *told = read_until(stream, "\"second\"", 1); /* nobody told it: the list was read */
    assert_non_null(strstr(told, "\"newest\""));
    assert_true(fake.lists > 0);
    events_close(stream);
}

static void test_a_large_trace_is_told_without_its_contents(void **state)
{
    static char large[EVENT_BYTES + 3];
    struct stored_trace trace = make_trace("p", "t1");
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    memcpy(large, "{\"", 2);
    memcpy(large + sizeof(large) - 6, "\":{}}", 5);
    trace.metadata = text_of(large);
    trace.output = text_of("done");
    fake.traces = &trace;
    fake.trace_count = 1;
    struct event_stream *stream = open_stream("p", NULL, 0);
    tell_trace("p", "t1");
    const char *told = read_until(stream, "\n\nevent: trace\n", 1);
    assert_non_null(strstr(told, "\"metadata\":null"));
    assert_non_null(strstr(told, "\"output\":null"));
    assert_true(strlen(told) < EVENT_BYTES);
    events_close(stream);
}

static void test_a_slow_reader_is_dropped(void **state)
{
    static char output[EVENT_BYTES / 2];
    static char ids[SLOW][8];
    struct stored_trace traces[SLOW];
    char piece[4096];
    ssize_t got;
    (void)state;
    memset(output, 'x', sizeof(output) - 1);
    for (int i = 0; i < SLOW; i++) {
        snprintf(ids[i], sizeof(ids[i]), "t%d", i);
        traces[i] = make_trace("p", ids[i]);
        traces[i].output = text_of(output);
    }
    fake.traces = traces;
    fake.trace_count = SLOW;
    struct event_stream *slow = open_stream("p", NULL, 0);
    for (int i = 0; i < SLOW; i++)
        tell_trace("p", ids[i]);
    struct event_stream *quick = open_stream("p", "t59", 1);
    tell_trace("p", "t59");
    read_until(quick, "\"t59\"", 1); /* the last one has been read, then */
    for (int64_t start = clock_boot_ns();
         fake.reads < SLOW && clock_boot_ns() - start < WAIT_MS * NS_PER_MS;)
        nap();
    struct buf all;
    buf_init(&all, 1 << 24);
    while ((got = events_read(slow, piece, sizeof(piece))) > 0)
        assert_int_equal(buf_append(&all, piece, (size_t)got), ERR_OK);
    assert_int_equal(got, ERR_CLOSED);
    assert_true(all.len <= STREAM_BYTES + 100);
    assert_non_null(strstr(buf_str(&all), "}\n\n: too slow, connect again\n\n"));
    buf_release(&all);
    events_close(slow);
    events_close(quick);
}

static void test_so_many_may_listen(void **state)
{
    struct event_stream *streams[STREAMS_MAX];
    size_t count = 0;
    (void)state;
    while (count < STREAMS_A_PROJECT)
        assert_non_null(streams[count++] = open_stream("p", NULL, 0));
    request_end();
    request = (struct request){
        .service = &fake_service, .backend = &fake_ops, .project_id = text_of("p")};
    buf_init(&request.answer, 4096);
    events_prepare(&request);
    assert_null(events_open(&request, &wakes[0]));
    assert_int_equal(request.status, 503);
    assert_non_null(request.retry_after);
    while (count < STREAMS_MAX) {
        char project[8];
        snprintf(project, sizeof(project), "q%zu", count);
        assert_non_null(streams[count++] = open_stream(project, NULL, 0));
    }
    assert_null(open_stream("r", NULL, 0));
    events_close(streams[--count]);
    assert_non_null(streams[count++] = open_stream("r", NULL, 0));
    while (count > 0)
        events_close(streams[--count]);
}

static void test_stop_ends_every_stream(void **state)
{
    char piece[100];
    (void)state;
    struct event_stream *stream = open_stream("p", NULL, 0);
    const unsigned before = atomic_load(&wakes[0].count);
    events_stop(&fake_service);
    assert_true(atomic_load(&wakes[0].count) > before);
    assert_int_equal(events_read(stream, piece, sizeof(piece)), ERR_CLOSED);
    events_close(stream);
    assert_null(open_stream("p", NULL, 0));
    tell_trace("p", "t1"); /* and nothing happens */
}

/* ---- What others wrote */

static void move(struct stored_trace *trace, int64_t spans)
{
    pthread_mutex_lock(&fake.lock);
    trace->span_count = spans;
    fake.changes++;
    pthread_mutex_unlock(&fake.lock);
}

static void wait_for_looks(size_t lists)
{
    for (int64_t start = clock_boot_ns(); clock_boot_ns() - start < WAIT_MS * NS_PER_MS;) {
        pthread_mutex_lock(&fake.lock);
        const bool enough = fake.lists >= lists;
        pthread_mutex_unlock(&fake.lock);
        if (enough)
            return;
        nap();
    }
    fail_msg("nobody looked");
}

static void test_what_others_wrote_is_looked_for(void **state)
{
    struct stored_trace traces[] = {make_trace("p", "t1"), make_trace("p", "t2")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 2;
    fake_ops.shared = true;
    struct event_stream *stream = open_stream("p", NULL, 0);
    wait_for_looks(2); /* the newest and the running ones: where it starts from */
    move(&traces[1], 5);
    const char *told = read_until(stream, "event: trace\n", 1);
    assert_non_null(strstr(told, "\"t2\""));
    assert_non_null(strstr(told, "\"span_count\":5"));
    assert_null(strstr(told, "\"t1\""));
    move(&traces[0], 6);
    told = read_until(stream, "event: trace\n", 1);
    assert_non_null(strstr(told, "\"t1\""));
    assert_null(strstr(told, "\"t2\""));
    events_close(stream);
}

/* Written between the stream's beginning and the first look, which has seen it already. */
static void test_a_write_before_the_first_look(void **state)
{
    struct stored_trace traces[] = {make_trace("p", "t1")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 1;
    fake_ops.shared = true;
    struct event_stream *stream = open_stream("p", NULL, 0);
    wait_for_looks(2);
    tell_trace("p", "t1");
    read_until(stream, "event: trace\n", 1);
    events_close(stream);
}

static void test_a_store_that_cannot_tell_is_read(void **state)
{
    struct stored_trace traces[] = {make_trace("p", "t1")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 1;
    fake.changes = -1;
    fake_ops.shared = true;
    struct event_stream *stream = open_stream("p", NULL, 0);
    wait_for_looks(2);
    pthread_mutex_lock(&fake.lock);
    traces[0].span_count = 7;
    pthread_mutex_unlock(&fake.lock);
    read_until(stream, "\"span_count\":7", 1);
    events_close(stream);
}

/* The answer of a call that grows changes no figure of its trace. */
static void test_a_running_trace_that_is_looked_at(void **state)
{
    struct stored_trace traces[] = {make_trace("p", "t1")};
    (void)state;
    fake.traces = traces;
    fake.trace_count = 1;
    fake_ops.shared = true;
    const size_t reads = fake.reads;
    struct event_stream *stream = open_stream(NULL, "t1", 0);
    while (fake.reads == reads) /* the first look is where it starts from */
        nap();
    for (size_t i = 0; i < 3; i++) {
        move(&traces[0], 0);
        read_until(stream, "event: trace\n", 1);
    }
    events_close(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told_to_whom_it_concerns, begin, end),
        cmocka_unit_test_setup_teardown(test_bursts_are_folded, begin, end),
        cmocka_unit_test_setup_teardown(test_a_store_that_fails_is_asked_again, begin, end),
        cmocka_unit_test_setup_teardown(test_more_than_can_be_remembered, begin, end),
        cmocka_unit_test_setup_teardown(test_a_large_trace_is_told_without_its_contents, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_slow_reader_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_so_many_may_listen, begin, end),
        cmocka_unit_test_setup_teardown(test_stop_ends_every_stream, begin, end),
        cmocka_unit_test_setup_teardown(test_what_others_wrote_is_looked_for, begin, end),
        cmocka_unit_test_setup_teardown(test_a_write_before_the_first_look, begin, end),
        cmocka_unit_test_setup_teardown(test_a_store_that_cannot_tell_is_read, begin, end),
        cmocka_unit_test_setup_teardown(test_a_running_trace_that_is_looked_at, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
