/* The tracing-service exporter against a service with the extensions: ids and times of ours,
 * batches. */
#include "fixture.h"

static void new_service_gets_ids_and_times(void **state)
{
    struct fixture *f = *state;
    put_trace(f->store, 1, 2, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 1, 2);
    json *s = service_order(&f->service, NULL);
    const json *span = json_path(s, "spans.0102020202020202");
    assert_string_equal(json_get_text(span, "parent_span_id"), "0101010101010101");
    assert_string_equal(json_get_text(span, "start_time"), "2026-01-02T03:00:01.002000+00:00");
    assert_string_equal(json_get_text(span, "end_time"), "2026-01-02T03:00:01.252000+00:00");
    assert_non_null(json_path(span, "metadata.nested.a.1"));
    assert_null(json_path(span, "output_data.llm_tracer"));
    assert_non_null(json_path(s, "traces.01010101010101010101010101010101"));
    json_free(s);
}

static void backlog_goes_in_batches(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 60; i++)
        put_trace(f->store, i, 5, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 60, 5);
    json *s = service_order(&f->service, NULL);
    assert_true(json_length(json_get(s, "log")) < 30);
    json_free(s);
}

static void batch_is_lost_and_sent_again(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 10; i++)
        put_trace(f->store, i, 3, &f->destination, 1);
    service_tell(&f->service, "{\"faults\":[{\"method\":\"POST\",\"path\":\"/api/ingest\","
                              "\"status\":503}]}");
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 10, 3);
}

/* A service whose data was lost gets a trace that is known to be there again. */
static void forgotten_trace_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_trace(1, "trace 1");
    struct span *span = make_span(1, 1, 0);
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    assert_int_equal(store_put_span(f->store, span, &f->destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    service_tell(&f->service, "{\"forget\":true}");
    end_span(span);
    t->end_time = t->start_time + NS_PER_SEC;
    t->output = strdup("done");
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_span(f->store, span, &f->destination, 1), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 1, 1);
    span_free(span);
    trace_free(t);
}

/* One entry makes every batch with it fail; it goes alone, and is put aside. */
static void poisoned_batch_is_taken_apart(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 6; i++)
        put_trace(f->store, i, 1, &f->destination, 1);
    service_tell(&f->service,
                 "{\"faults\":[{\"method\":\"POST\",\"path\":\"/api/ingest\",\"status\":500,"
                 "\"times\":1000},{\"method\":\"POST\",\"path\":"
                 "\"/api/traces/01010101010101010101010101010101/spans\",\"status\":500,"
                 "\"times\":1000}]}");
    assert_int_equal(run_queue(f->dir, f->store, 0, 10000), 0);
    struct delivery d = delivery_of(f->store);
    assert_in_range(d.rejected, 1, 2);
    assert_int_equal(d.delivered + d.rejected, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEW(everything_arrives),
        NEW(order_is_kept),
        NEW(new_service_gets_ids_and_times),
        NEW(prompts_stay_at_home),
        NEW(backlog_goes_in_batches),
        NEW(batch_is_lost_and_sent_again),
        NEW(poisoned_batch_is_taken_apart),
        NEW(forgotten_trace_is_made_again),
        NEW(goes_away_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
