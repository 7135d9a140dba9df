/* A collector's thread and an exporter's, a handle each, at the same time. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SPANS = 4000, GROUP = 100 };

static const char *folder;
static int64_t to;
static atomic_bool written;

static void *write_all(void *unused)
{
    (void)unused;
    struct store *s = open_store(folder);
    for (uint64_t at = 0; at < SPANS; at += GROUP) {
        assert_int_equal(store_begin(s), ERR_OK);
        for (uint64_t n = at; n < at + GROUP; n++) {
            put_span(s, n / 50, n, n % 2 == 0, &to, 1);
            if (n % 2 == 1)
                put_span(s, n / 50, n, true, &to, 1);
        }
        assert_int_equal(store_commit(s), ERR_OK);
    }
    atomic_store(&written, true);
    store_close(s);
    return NULL;
}

struct delivery {
    int64_t after;
    int64_t begun, ended, traces;
};

/* Each entry speaks of something that is there, a span of its trace; the end after the begin. */
static void deliver(struct store *s, const struct outbox_entry *e, struct delivery *d)
{
    assert_true(e->seq > d->after);
    d->after = e->seq;
    if (e->op == OUTBOX_TRACE_BEGIN) {
        struct trace *t;
        assert_int_equal(store_get_trace(s, e->trace_id, &t), ERR_OK);
        trace_free(t);
        d->traces++;
        return;
    }
    struct span *span;
    assert_int_equal(store_get_span(s, e->trace_id, e->span_id, &span), ERR_OK);
    assert_memory_equal(span->span_id, e->span_id, SPAN_ID_LEN);
    if (e->op == OUTBOX_SPAN_END)
        assert_true(span->end_time != 0);
    span_free(span);
    *(e->op == OUTBOX_SPAN_END ? &d->ended : &d->begun) += 1;
}

static void *export_all(void *user)
{
    struct delivery *d = user;
    struct store *s = open_store(folder);
    bool last = false;
    for (;;) {
        struct outbox_entry e[64];
        int count = store_outbox_next(s, to, 0, e, 64);
        assert_true(count >= 0);
        if (count == 0 && last)
            break;
        last = atomic_load(&written);
        if (count == 0)
            continue;
        assert_int_equal(store_begin(s), ERR_OK);
        for (int i = 0; i < count; i++) {
            deliver(s, &e[i], d);
            assert_int_equal(store_outbox_done(s, e[i].seq), ERR_OK);
        }
        assert_int_equal(store_commit(s), ERR_OK);
    }
    store_close(s);
    return NULL;
}

static void test_collector_and_exporter(void **state)
{
    folder = *state;
    struct store *s = open_store(folder);
    struct destination target = {.kind = (char *)"service", .url = (char *)"http://a"};
    assert_int_equal(store_destination(s, &target, NULL, &to), ERR_OK);
    struct delivery d = {0};
    pthread_t threads[2];
    assert_int_equal(pthread_create(&threads[0], NULL, write_all, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, export_all, &d), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(d.traces, SPANS / 50);
    assert_int_equal(d.begun, SPANS);
    assert_int_equal(d.ended, SPANS);
    struct store_totals totals;
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    assert_int_equal(totals.spans, SPANS);
    assert_int_equal(totals.outbox, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_collector_and_exporter, folder_make, folder_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
