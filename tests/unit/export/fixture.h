/* A service, a store and a destination for each test, and what holds for services of both kinds. */
#ifndef TRACER_TESTS_EXPORT_FIXTURE_H
#define TRACER_TESTS_EXPORT_FIXTURE_H

#include "helper.h"

struct fixture {
    struct service_process service;
    char *dir;
    struct store *store;
    int64_t destination;
};

static inline int set_up(void **state, bool extensions)
{
    struct fixture *f = calloc(1, sizeof(*f));
    service_start(&f->service, extensions);
    f->dir = make_dir();
    f->store = open_store(f->dir);
    f->destination = add_destination(f->store, "service", f->service.url, "project-demo");
    *state = f;
    return 0;
}

static inline int set_up_old(void **state)
{
    return set_up(state, false);
}

static inline int set_up_new(void **state)
{
    return set_up(state, true);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    remove_dir(f->dir);
    service_stop(&f->service);
    free(f);
    return 0;
}

/* Every trace and span is there once, completed once, below its parent. */
static inline void check_all(const struct fixture *f, size_t traces, size_t spans)
{
    json *state = service_order(&f->service, NULL);
    assert_int_equal(json_length(json_get(state, "traces")), traces);
    assert_int_equal(json_length(json_get(state, "spans")), traces * spans);
    for (json *t = json_first(json_get(state, "traces")); t != NULL; t = json_next(t)) {
        assert_non_null(json_get_text(t, "end_time"));
        assert_string_equal(json_get_text(t, "output"), "done");
    }
    for (json *s = json_first(json_get(state, "spans")); s != NULL; s = json_next(s)) {
        int64_t completes = 0;
        double cost = 0;
        assert_non_null(json_get_text(s, "end_time"));
        assert_true(json_get_int(s, "completes", &completes));
        assert_int_equal(completes, 1);
        assert_true(json_get_number(s, "cost_usd", &cost));
        assert_true(cost > 0.012 && cost < 0.013);
        const char *parent = json_get_text(s, "parent_span_id");
        const char *name = json_get_text(s, "name");
        if (strcmp(strrchr(name, '.'), ".1") == 0)
            assert_null(parent);
        else
            assert_non_null(json_get(json_get(state, "spans"), parent));
    }
    json_free(state);
}

static inline void everything_arrives(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 3; i++)
        put_trace(f->store, i, 3, &f->destination, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 3, 3);
    struct delivery d = delivery_of(f->store);
    assert_int_equal(d.delivered, 3 * 8);
    assert_int_equal(d.rejected, 0);
    assert_string_equal(d.error, "");
}

static inline void order_is_kept(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 3; i++)
        put_trace(f->store, i, 2, &f->destination, 1);
    service_tell(&f->service,
                 "{\"faults\":[{\"method\":\"POST\",\"path\":\"/spans\",\"times\":3,\"status\":500,"
                 "\"type\":\"text/plain\",\"body\":\"Internal Server Error\",\"skip\":2},"
                 "{\"method\":\"PATCH\",\"path\":\"complete\",\"times\":2,\"status\":503}]}");
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    check_all(f, 3, 2);
    json *s = service_order(&f->service, NULL);
    const char *last = "";
    for (json *t = json_first(json_get(s, "traces")); t != NULL; t = json_next(t)) {
        assert_true(strcmp(json_get_text(t, "name"), last) > 0);
        last = json_get_text(t, "name");
    }
    json_free(s);
}

/* A destination that may not have prompts gets figures and parameters. */
static inline void prompts_stay_at_home(void **state)
{
    struct fixture *f = *state;
    const struct destination d = {
        .kind = "service", .url = f->service.url, .project_id = "quiet", .content = false};
    int64_t id = 0;
    assert_int_equal(store_destination(f->store, &d, "project-quiet", &id), ERR_OK);
    put_trace(f->store, 1, 2, &id, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 8000), 0);
    json *s = service_order(&f->service, NULL);
    char *text = json_print_new(s);
    assert_non_null(strstr(text, "\"tokens_input\":12"));
    assert_null(strstr(text, "assistant"));
    assert_null(strstr(text, "\"user\""));
    assert_null(strstr(text, "a prompt in the command line"));
    assert_null(strstr(text, "\"done\""));
    free(text);
    json_free(s);
}

static inline void goes_away_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct export_queue *q;
    assert_int_equal(export_start_timed(&q, f->dir, NULL, NULL, &fast), ERR_OK);
    for (uint8_t i = 1; i <= 6; i++) {
        put_trace(f->store, i, 3, &f->destination, 1);
        export_wake(q);
        if (i == 2)
            service_tell(&f->service, "{\"listen\":false}");
        usleep(60000);
    }
    assert_true(count_waiting(f->store) > 0);
    assert_true(export_pending(q));
    struct delivery d = delivery_of(f->store);
    assert_non_null(strstr(d.error, "no answer from http://127.0.0.1:"));
    service_tell(&f->service, "{\"listen\":true}");
    int64_t until = clock_boot_ns() + 8 * NS_PER_SEC;
    while (export_pending(q) && clock_boot_ns() < until)
        usleep(5000);
    export_stop(q, 1000);
    assert_int_equal(count_waiting(f->store), 0);
    check_all(f, 6, 3);
}

#define OLD(test) cmocka_unit_test_setup_teardown(test, set_up_old, tear_down)
#define NEW(test) cmocka_unit_test_setup_teardown(test, set_up_new, tear_down)

#endif
