/* The tracing-service exporter against a service without extensions. */
#include "fixture.h"

static void old_service_gets_what_it_can_hold(void **state)
{
    struct fixture *f = *state;
    put_trace(f->store, 1, 1, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    json *s = service_order(&f->service, NULL);
    const json *span = json_first(json_get(s, "spans"));
    const json *extras = json_path(span, "output_data.llm_tracer");
    assert_string_equal(json_get_text(extras, "start_time"), "2026-01-02T03:00:01.001000+00:00");
    assert_string_equal(json_get_text(extras, "end_time"), "2026-01-02T03:00:01.251000+00:00");
    int64_t cached = 0;
    assert_true(json_get_int(extras, "tokens_cache_read", &cached));
    assert_int_equal(cached, 5);
    assert_string_equal(json_text(json_path(span, "output_data.messages.0.role")), "assistant");
    assert_string_equal(json_text(json_path(span, "metadata.nested")), "{\"a\":[1,2]}");
    assert_string_equal(json_text(json_path(span, "metadata.provider")), "openai");
    assert_string_equal(json_text(json_path(span, "metadata.client_id")), "0101010101010101");
    const json *trace = json_first(json_get(s, "traces"));
    assert_string_equal(json_text(json_path(trace, "metadata.client_id")),
                        "01010101010101010101010101010101");
    assert_string_equal(json_get_text(trace, "project_id"), "demo");
    json_free(s);
}

/* Services sum up: figures that calls below tell again stay out of the fields that count. */
static void uncounted_figures_travel_beside(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_trace(1, "trace 1");
    struct span *s = make_span(1, 1, 0);
    end_span(s);
    s->uncounted = true;
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    assert_int_equal(store_put_span(f->store, s, &f->destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    json *told = service_order(&f->service, NULL);
    const json *span = json_first(json_get(told, "spans"));
    const json *extras = json_path(span, "output_data.llm_tracer");
    int64_t figure = 0;
    double cost = 0;
    assert_false(json_get_int(span, "tokens_input", &figure));
    assert_false(json_get_int(span, "tokens_output", &figure));
    assert_false(json_get_number(span, "cost_usd", &cost));
    assert_true(json_get_int(extras, "tokens_input", &figure));
    assert_int_equal(figure, 12);
    assert_true(json_get_int(extras, "tokens_output", &figure));
    assert_int_equal(figure, 34);
    assert_true(json_get_number(extras, "cost_usd", &cost));
    assert_true(cost == 0.0125);
    assert_non_null(json_get(extras, "counted"));
    json_free(told);
    span_free(s);
    trace_free(t);
}

/* A trace that the service has deleted is no reason to take it for another program. */
static void missing_trace_does_not_block_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_trace(1, "trace 1");
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    service_tell(&f->service, "{\"forget\":true}");
    t->end_time = t->start_time + NS_PER_SEC;
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    trace_free(t);
    put_trace(f->store, 2, 1, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    assert_int_equal(delivery_of(f->store).rejected, 1);
    check_all(f, 1, 1);
}

static void count_notice(void *user, const char *text)
{
    assert_non_null(strstr(text, "delivery to service: no answer"));
    atomic_fetch_add((atomic_int *)user, 1);
}

static void each_kind_of_failure_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct export_queue *q;
    atomic_int told = 0;
    service_tell(&f->service, "{\"listen\":false}");
    put_trace(f->store, 1, 1, &f->destination, 1);
    assert_int_equal(export_start_timed(&q, f->dir, count_notice, &told, &fast), ERR_OK);
    usleep(400000);
    export_stop(q, 1000);
    assert_int_equal(atomic_load(&told), 1);
}

/* Only the bare text of an older server's framework counts as its rate limit. */
static void reason_of_a_500_is_shown(void **state)
{
    static const struct {
        const char *path, *type, *body, *shown;
    } cases[] = {
        {"/health", "application/json", "{\"detail\":\"table is gone\"}", "500: table is gone"},
        {"/health", "", "{\"detail\":\"table is gone\"}", "the service fails (500: table is gone)"},
        {"/api", "text/plain", "{\"detail\":\"no space\"}", "the service fails (500: no space)"},
        {"/api", "text/html", "\"<html>\"", "the service fails (500)"},
        {"/api", "text/plain", "\"Internal Server Error\"",
         "limits the rate (500 without a reason)"},
    };
    struct fixture *f = *state;
    put_trace(f->store, 1, 1, &f->destination, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char order[512];
        snprintf(order, sizeof(order),
                 "{\"faults\":[{\"method\":\"*\",\"path\":\"%s\",\"status\":500,\"type\":\"%s\","
                 "\"body\":%s,\"times\":1000}]}",
                 cases[i].path, cases[i].type, cases[i].body);
        service_tell(&f->service, order);
        assert_int_equal(run_queue(f->dir, f->store, 0, 400), 4);
        struct delivery d = delivery_of(f->store);
        if (strstr(d.error, cases[i].shown) == NULL)
            fail_msg("case %zu: %s", i, d.error);
    }
}

/* The answer to each kind of call is lost after the service obeyed; nothing is there twice. */
static void lost_answers_make_no_doubles(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 2; i++)
        put_trace(f->store, i, 3, &f->destination, 1);
    service_tell(
        &f->service,
        "{\"faults\":["
        "{\"method\":\"POST\",\"path\":\"/api/traces\",\"obey\":true,\"drop\":true},"
        "{\"method\":\"POST\",\"path\":\"/spans\",\"obey\":true,\"drop\":true,\"times\":2},"
        "{\"method\":\"PATCH\",\"path\":\"/api/spans\",\"obey\":true,\"drop\":true,"
        "\"skip\":1,\"times\":2},"
        "{\"method\":\"POST\",\"path\":\"/spans\",\"obey\":true,\"delay\":1,\"skip\":1},"
        "{\"method\":\"PATCH\",\"path\":\"/api/spans\",\"obey\":true,\"status\":500},"
        "{\"method\":\"PATCH\",\"path\":\"/api/traces\",\"obey\":true,\"drop\":true}]}");
    assert_int_equal(run_queue(f->dir, f->store, 0, 15000), 0);
    check_all(f, 2, 3);
}

static void service_that_keeps_nothing_is_found_out(void **state)
{
    struct fixture *f = *state;
    put_trace(f->store, 1, 3, &f->destination, 1);
    service_tell(&f->service, "{\"faults\":[{\"method\":\"PATCH\",\"path\":\"/api/spans/s-2\"},"
                              "{\"method\":\"PATCH\",\"path\":\"/api/traces\"}]}");
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 1, 3);
}

static void wrong_key_blocks_until_it_changes(void **state)
{
    struct fixture *f = *state;
    service_tell(&f->service, "{\"keys\":[\"project-demo2\"]}");
    put_trace(f->store, 1, 1, &f->destination, 1);
    struct export_queue *q;
    assert_int_equal(export_start_timed(&q, f->dir, NULL, NULL, &fast), ERR_OK);
    usleep(250000);
    assert_false(export_pending(q));
    struct delivery d = delivery_of(f->store);
    assert_int_equal(d.waiting, 4);
    assert_non_null(strstr(d.error, "does not accept the key (401"));
    json *s = service_order(&f->service, NULL);
    assert_true(json_length(json_get(s, "log")) <= 3);
    json_free(s);
    service_tell(&f->service, "{\"keys\":[\"project-demo\"]}"); /* the slow look finds it open */
    int64_t until = clock_boot_ns() + 5 * NS_PER_SEC;
    while (count_waiting(f->store) > 0 && clock_boot_ns() < until)
        usleep(5000);
    export_stop(q, 1000);
    check_all(f, 1, 1);
}

static void new_key_is_used_at_once(void **state)
{
    struct fixture *f = *state;
    const struct destination d = {
        .kind = "service", .url = f->service.url, .project_id = "demo", .content = true};
    const struct export_timing patient = {.request = 400,
                                          .retry_min = 20,
                                          .retry_max = 200,
                                          .rate_limit = 40,
                                          .blocked = 60000,
                                          .idle = 50,
                                          .suspect_tries = 3};
    int64_t id = 0;
    assert_int_equal(store_destination(f->store, &d, "project-", &id), ERR_OK);
    service_tell(&f->service, "{\"keys\":[\"project-demo\"]}");
    put_trace(f->store, 1, 1, &id, 1);
    struct export_queue *q;
    assert_int_equal(export_start_timed(&q, f->dir, NULL, NULL, &patient), ERR_OK);
    usleep(200000);
    assert_int_equal(count_waiting(f->store), 4);
    int64_t again = 0;
    assert_int_equal(store_destination(f->store, &d, "project-demo", &again), ERR_OK);
    assert_int_equal(again, id);
    int64_t until = clock_boot_ns() + 5 * NS_PER_SEC;
    while (count_waiting(f->store) > 0 && clock_boot_ns() < until)
        usleep(5000);
    export_stop(q, 1000);
    check_all(f, 1, 1);
}

static void other_project_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct destination d = {
        .kind = "service", .url = f->service.url, .project_id = "else", .content = true};
    int64_t id = 0;
    assert_int_equal(store_destination(f->store, &d, "project-demo", &id), ERR_OK);
    put_trace(f->store, 1, 1, &id, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 300), 4);
    assert_non_null(strstr(delivery_of(f->store).error, "refuses project \"else\""));
}

static void invalid_entry_is_put_aside(void **state)
{
    struct fixture *f = *state;
    service_tell(&f->service,
                 "{\"faults\":[{\"method\":\"POST\",\"path\":\"/spans\",\"status\":422,\"skip\":1,"
                 "\"body\":{\"detail\":[{\"loc\":[\"body\",\"model\"],\"msg\":\"too odd\","
                 "\"type\":\"x\"}]}}]}");
    put_trace(f->store, 1, 2, &f->destination, 1);
    put_trace(f->store, 2, 2, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    struct delivery d = delivery_of(f->store);
    assert_int_equal(d.rejected, 2); /* the span's begin and its end */
    assert_int_equal(d.delivered, 10);
    json *s = service_order(&f->service, NULL);
    assert_int_equal(json_length(json_get(s, "spans")), 3);
    json_free(s);
}

static void missing_object_is_given_up_in_the_end(void **state)
{
    struct fixture *f = *state;
    service_tell(&f->service, "{\"faults\":[{\"method\":\"*\",\"path\":\"/api/traces/t-1\","
                              "\"status\":404,\"times\":1000,\"body\":{\"detail\":\"gone\"}}]}");
    put_trace(f->store, 1, 1, &f->destination, 1);
    put_trace(f->store, 2, 1, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 12000), 0);
    struct delivery d = delivery_of(f->store);
    assert_int_equal(d.rejected, 3);
    json *s = service_order(&f->service, NULL);
    assert_int_equal(json_length(json_get(s, "spans")), 1);
    json_free(s);
}

static void retry_after_is_obeyed(void **state)
{
    struct fixture *f = *state;
    char order[512];
    char date[64];
    time_t then = time(NULL) + 2;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    snprintf(order, sizeof(order),
             "{\"faults\":[{\"method\":\"POST\",\"path\":\"/api/traces\",\"status\":429,"
             "\"headers\":{\"Retry-After\":\"1\"}},"
             "{\"method\":\"POST\",\"path\":\"/spans\",\"status\":429,"
             "\"headers\":{\"Retry-After\":\"%s\"}}]}",
             date);
    service_tell(&f->service, order);
    put_trace(f->store, 1, 1, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    json *s = service_order(&f->service, NULL);
    const json *log = json_get(s, "log");
    double times[16] = {0};
    for (size_t i = 0; i < 16 && i < json_length(log); i++)
        json_number(json_at(json_at(log, i), 4), &times[i]);
    assert_true(times[2] - times[1] >= 0.99); /* after /health: refused, then taken */
    assert_true(times[4] >= (double)then - 1.1);
    json_free(s);
    check_all(f, 1, 1);
}

static void no_destination_waits_for_another(void **state)
{
    struct fixture *f = *state;
    struct service_process slow;
    service_start(&slow, false);
    service_tell(&slow, "{\"faults\":[{\"method\":\"*\",\"path\":\"/\",\"delay\":0.3,"
                        "\"times\":1000000,\"obey\":true}]}");
    int64_t both[2] = {f->destination,
                       add_destination(f->store, "service", slow.url, "project-other")};
    for (uint8_t i = 1; i <= 5; i++)
        put_trace(f->store, i, 3, both, 2);
    struct export_queue *q;
    struct outbox_entry entry;
    int64_t before = clock_boot_ns();
    assert_int_equal(export_start_timed(&q, f->dir, NULL, NULL, &fast), ERR_OK);
    while (store_outbox_next(f->store, f->destination, 0, &entry, 1) > 0 &&
           clock_boot_ns() - before < 8 * NS_PER_SEC)
        usleep(5000);
    int64_t taken = clock_boot_ns() - before;
    assert_true(export_pending(q));
    export_stop(q, 0);
    assert_true(taken < 4 * NS_PER_SEC); /* the slow one needs 40 * 0.3 s */
    assert_true(count_waiting(f->store) > 0);
    check_all(f, 5, 3);
    json *s = service_order(&slow, NULL);
    for (json *t = json_first(json_get(s, "traces")); t != NULL; t = json_next(t))
        assert_string_equal(json_get_text(t, "project_id"), "other");
    json_free(s);
    service_stop(&slow);
}

static void stop_does_not_wait_for_a_hanging_service(void **state)
{
    struct fixture *f = *state;
    struct export_queue *q;
    service_tell(&f->service, "{\"faults\":[{\"method\":\"*\",\"path\":\"/\",\"delay\":5,"
                              "\"times\":1000}]}");
    put_trace(f->store, 1, 1, &f->destination, 1);
    const struct export_timing slow = {.request = 5000,
                                       .retry_min = 20,
                                       .retry_max = 200,
                                       .rate_limit = 40,
                                       .blocked = 400,
                                       .idle = 50,
                                       .suspect_tries = 3};
    assert_int_equal(export_start_timed(&q, f->dir, NULL, NULL, &slow), ERR_OK);
    usleep(200000);
    int64_t before = clock_boot_ns();
    export_stop(q, 100);
    assert_true(clock_boot_ns() - before < 2 * NS_PER_SEC);
    assert_int_equal(count_waiting(f->store), 4);
}

static void redirect_is_not_followed(void **state)
{
    struct fixture *f = *state;
    service_tell(&f->service,
                 "{\"faults\":[{\"method\":\"POST\",\"path\":\"/\",\"status\":307,\"times\":1000,"
                 "\"headers\":{\"Location\":\"http://elsewhere.invalid/\"}}]}");
    put_trace(f->store, 1, 1, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 300), 4);
    assert_non_null(strstr(delivery_of(f->store).error, "redirects to http://elsewhere.invalid/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD(everything_arrives),
        OLD(order_is_kept),
        OLD(old_service_gets_what_it_can_hold),
        OLD(uncounted_figures_travel_beside),
        OLD(prompts_stay_at_home),
        OLD(reason_of_a_500_is_shown),
        OLD(lost_answers_make_no_doubles),
        OLD(service_that_keeps_nothing_is_found_out),
        OLD(missing_trace_does_not_block_after_a_restart),
        OLD(each_kind_of_failure_is_told_once),
        OLD(goes_away_and_comes_back),
        OLD(wrong_key_blocks_until_it_changes),
        OLD(new_key_is_used_at_once),
        OLD(other_project_is_refused),
        OLD(invalid_entry_is_put_aside),
        OLD(missing_object_is_given_up_in_the_end),
        OLD(retry_after_is_obeyed),
        OLD(no_destination_waits_for_another),
        OLD(stop_does_not_wait_for_a_hanging_service),
        OLD(redirect_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
