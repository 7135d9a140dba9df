/* Many threads on the same handles, and on their own: every handle stays what it is, every record
 * is whole, and what each thread did is in the ring. Runs under TSan too. */
#include "told.h"

#include <stdatomic.h>
#include <time.h>

#define THREADS 32

static llmt_client *client;
static llmt_trace *shared_trace;
static _Atomic(llmt_span *) shared_spans[8];
static _Atomic unsigned ended, begun;
static _Atomic bool stop;

/* Reads the ring while others write. */
static void *drain(void *arg)
{
    (void)arg;
    while (!stop) {
        const struct timespec pause = {0, 1000000};
        told_read();
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void run(void *(*function)(void *))
{
    pthread_t threads[THREADS], reader;
    told_read();
    stop = false;
    told_discarding = true;
    told_discarded = 0;
    assert_int_equal(pthread_create(&reader, NULL, drain, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, function, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop = true;
    pthread_join(reader, NULL);
    told_read();
    told_discarding = false;
}

/* Each replaces the others' spans, uses whatever is there, and ends what it met. */
static void *hammer(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg + 1;
    char id[LLMT_TRACE_ID_SIZE];
    for (int i = 0; i < 300; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        _Atomic(llmt_span *) *place = &shared_spans[state >> 61];
        llmt_span *span = atomic_load(place);
        switch (state >> 40 & 7) {
        case 0:
        case 1: {
            llmt_span *made = llmt_span_begin(shared_trace, "shared", "llm", NULL);
            assert_non_null(made);
            begun++;
            ended += llmt_span_end(atomic_exchange(place, made)) == LLMT_OK;
            break;
        }
        case 2:
            ended += llmt_span_end(span) == LLMT_OK;
            break;
        case 3:
            llmt_span_set_output(span, "{\"a\": [1, 2, 3]}");
            llmt_span_set_usage(span, 1, 2, 0.5);
            break;
        case 4: {
            llmt_span *child = llmt_span_begin(span, "child", "tool", NULL);
            begun += child != NULL;
            ended += llmt_span_end(child) == LLMT_OK;
            break;
        }
        case 5:
            llmt_span_attach(span);
            (void)llmt_current_traceparent((char[LLMT_TRACEPARENT_SIZE]){0});
            llmt_span_detach(span);
            break;
        case 6:
            if (*llmt_span_trace_id(span, id)) {
                char wanted[LLMT_TRACE_ID_SIZE];
                assert_string_equal(id, llmt_trace_id(shared_trace, wanted));
            }
            break;
        default:
            llmt_span_set_error(span, "error");
        }
    }
    return NULL;
}

static void shared_handles(void **state)
{
    (void)state;
    shared_trace = llmt_trace_begin(client, "shared", NULL);
    begun = ended = 0;
    run(hammer);
    for (int i = 0; i < 8; i++)
        ended += llmt_span_end(atomic_load(&shared_spans[i])) == LLMT_OK;
    assert_int_equal(begun, ended); /* each was ended by exactly one */
    assert_int_equal(llmt_trace_end(shared_trace), LLMT_OK);
}

/* All end the same span at the same moment: it is one's. */
#define ROUNDS 3000
static _Atomic(llmt_span *) disputed;
static _Atomic unsigned arrived, wins;

static void *dispute(void *arg)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        if ((uintptr_t)arg == 0) {
            assert_int_equal(wins, round);
            disputed = llmt_span_begin(shared_trace, "s", "llm", NULL);
        }
        arrived++;
        while (arrived < 4 * round + 2) /* the other, too */
            continue;
        wins += llmt_span_end(disputed) == LLMT_OK;
        arrived++;
        while (arrived < 4 * round + 4)
            continue;
    }
    return NULL;
}

static void one_ends_it(void **state)
{
    (void)state;
    pthread_t other;
    shared_trace = llmt_trace_begin(client, "shared", NULL);
    assert_int_equal(pthread_create(&other, NULL, dispute, (void *)1), 0);
    dispute(NULL);
    pthread_join(other, NULL);
    assert_int_equal(wins, ROUNDS);
    llmt_trace_end(shared_trace);
    told_discarding = true;
    told_read();
    told_discarding = false;
}

/* One trace each, ended by another thread than it began on. */
static _Atomic(llmt_trace *) handed[THREADS];

static void *hand_over(void *arg)
{
    const uintptr_t own = (uintptr_t)arg;
    for (int i = 0; i < 100; i++) {
        llmt_trace *trace = llmt_trace_begin(client, "own", NULL);
        llmt_span *span = llmt_span_begin(trace, "a", "chain", NULL);
        llmt_span *leaf = llmt_span_begin(span, "b", "llm", NULL);
        assert_int_not_equal(llmt_span_set_output(leaf, "{}"), LLMT_EENDED);
        assert_int_not_equal(llmt_span_end(leaf), LLMT_EENDED);
        assert_int_not_equal(llmt_span_end(span), LLMT_EENDED);
        llmt_trace *before = atomic_exchange(&handed[(own + 1) % THREADS], trace);
        if (before)
            assert_int_not_equal(llmt_trace_end(before), LLMT_EENDED);
    }
    return NULL;
}

static void handed_over(void **state)
{
    (void)state;
    run(hand_over);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(llmt_trace_end(handed[i]), LLMT_OK);
}

/* Clients opened and closed by all, with the same settings and others. */
static void *open_and_close(void *arg)
{
    char key[32];
    snprintf(key, sizeof(key), "project-%d", (int)(uintptr_t)arg % 4);
    for (int i = 0; i < 50; i++) {
        llmt_client *own = llmt_client_new(
            &(llmt_client_options){.api_key = key, .on_warning = told_warn, .user = told_warnings});
        char have[32];
        llmt_client_get(own, 'k', have, sizeof(have));
        assert_string_equal(have, key);
        llmt_trace *trace = llmt_trace_begin(own, "t", NULL);
        assert_int_equal(llmt_client_close(own), LLMT_OK);
        assert_int_equal(llmt_client_close(own), LLMT_EENDED);
        llmt_trace_end(trace);
    }
    return NULL;
}

static void clients_come_and_go(void **state)
{
    (void)state;
    run(open_and_close);
}

/* Nothing was lost: the ring was emptied all the time and has room for far more. */
static void *count_out(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        llmt_span *span = llmt_span_begin(shared_trace, "s", "llm", NULL);
        assert_int_equal(llmt_span_set_output(span, "{}"), LLMT_OK);
        assert_int_equal(llmt_span_end(span), LLMT_OK);
    }
    return NULL;
}

static void every_record_arrives(void **state)
{
    (void)state;
    shared_trace = llmt_trace_begin(client, "shared", NULL);
    run(count_out);
    assert_int_equal(told_discarded, THREADS * 100 * 3);
    llmt_trace_end(shared_trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_handles),       cmocka_unit_test(one_ends_it),
        cmocka_unit_test(handed_over),          cmocka_unit_test(clients_come_and_go),
        cmocka_unit_test(every_record_arrives),
    };
    told_begin();
    client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "first", NULL));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llmt_client_close(client);
    return failed;
}
