/* What a program says by hand after the service was told of the begin: it arrives, or is counted.
 */
#include "fixture.h"

static void put(const struct fixture *f, const struct trace *t, const struct span *s,
                int64_t destination)
{
    assert_int_equal(store_begin(f->store), ERR_OK);
    if (t != NULL)
        assert_int_equal(store_put_trace(f->store, t, &destination, 1), ERR_OK);
    if (s != NULL)
        assert_int_equal(store_put_span(f->store, s, &destination, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
}

static struct span *make_agent(const char *input)
{
    struct span *s = make_span(1, 1, 0);
    s->type = SPAN_AGENT;
    s->state = strdup("{}");
    json_free(s->input_data);
    s->input_data = input != NULL ? parse(input) : NULL;
    return s;
}

static struct trace *make_told(void)
{
    struct trace *t = make_trace(1, "by hand");
    t->metadata = parse("{\"early\":1}");
    return t;
}

/* Delivers a running trace and span, then their ends, at which more is known. */
static void deliver_late(const struct fixture *f, struct trace *t, struct span *s,
                         const char *input, const char *metadata, const char *output)
{
    put(f, t, s, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    if (input != NULL) {
        json_free(s->input_data);
        s->input_data = parse(input);
    }
    if (metadata != NULL) {
        json_free(t->metadata);
        t->metadata = parse(metadata);
    }
    s->end_time = s->start_time + NS_PER_SEC;
    s->cost_usd = 0.0125;
    t->end_time = s->end_time;
    t->output = output != NULL ? strdup(output) : NULL;
    put(f, NULL, s, f->destination);
    put(f, t, NULL, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
}

/* The member of the only span, and of the only trace, as text. */
static void check_text(const struct fixture *f, const char *of, const char *path,
                       const char *wanted)
{
    json *state = service_order(&f->service, NULL);
    assert_int_equal(json_length(json_get(state, of)), 1);
    const json *value = json_path(json_first(json_get(state, of)), path);
    char *text = value != NULL ? json_print_new(value) : NULL;
    if (wanted == NULL)
        assert_null(text);
    else if (text == NULL)
        fail_msg("no %s in %s", path, of);
    else
        assert_string_equal(text, wanted);
    free(text);
    json_free(state);
}

static void late_input_arrives(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, "{\"late\":1}", NULL, "out");
    check_text(f, "spans", "input_data", NULL);
    check_text(f, "spans", "output_data.llm_tracer.input_data", "{\"late\":1}");
    check_text(f, "spans", "completes", "1");
    span_free(s);
    trace_free(t);
}

static void changed_input_arrives(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent("{\"first\":1}");
    deliver_late(f, t, s, "{\"second\":2}", NULL, "out");
    check_text(f, "spans", "input_data", "{\"first\":1}");
    check_text(f, "spans", "output_data.llm_tracer.input_data", "{\"second\":2}");
    span_free(s);
    trace_free(t);
}

static void known_input_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent("{\"first\":1}");
    deliver_late(f, t, s, NULL, NULL, "out");
    check_text(f, "spans", "output_data.llm_tracer.input_data", NULL);
    check_text(f, "spans", "output_data.llm_tracer.trace_metadata", NULL);
    check_text(f, "spans", "completes", "1");
    assert_int_equal(delivery_of(f->store).rejected, 0);
    span_free(s);
    trace_free(t);
}

/* The service obeyed, its answer was lost, and meanwhile the program said more. */
static void input_of_a_lost_create_arrives(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    service_tell(&f->service, "{\"faults\":[{\"method\":\"POST\",\"path\":\"/spans\",\"obey\":true,"
                              "\"drop\":true},{\"method\":\"*\",\"path\":\"/api\",\"skip\":1,"
                              "\"status\":503,\"times\":1000}]}");
    put(f, t, s, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 1, 5000), 1);
    usleep(100000);
    service_tell(&f->service, "{\"faults\":[]}");
    s->input_data = parse("{\"late\":1}");
    s->end_time = s->start_time + NS_PER_SEC;
    put(f, NULL, s, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    check_text(f, "spans", "input_data", NULL);
    check_text(f, "spans", "output_data.llm_tracer.input_data", "{\"late\":1}");
    span_free(s);
    trace_free(t);
}

static void large_late_input_leaves_room(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    char *text = malloc(90001);
    memset(text, 'a', 90000);
    text[90000] = '\0';
    json *big = json_object();
    json_set_text(big, "text", text);
    char *printed = json_print_new(big);
    json_set(big, "answer", json_string(text));
    s->output_data = big;
    deliver_late(f, t, s, printed, NULL, "out");
    json *all = service_order(&f->service, NULL);
    const json *span = json_first(json_get(all, "spans"));
    char *output = json_print_new(json_get(span, "output_data"));
    assert_in_range(strlen(output), 20000, 50000);
    assert_non_null(json_path(span, "output_data.llm_tracer.input_data._truncated"));
    assert_non_null(json_path(span, "output_data.llm_tracer.input_data.text"));
    assert_non_null(json_path(span, "output_data._truncated"));
    free(output);
    json_free(all);
    free(printed);
    free(text);
    span_free(s);
    trace_free(t);
}

static void late_input_stays_at_home_as_all_content(void **state)
{
    struct fixture *f = *state;
    const struct destination d = {
        .kind = "service", .url = f->service.url, .project_id = "quiet", .content = false};
    assert_int_equal(store_destination(f->store, &d, "project-quiet", &f->destination), ERR_OK);
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, "{\"secret\":1,\"parameters\":{\"temperature\":1}}", NULL, "out");
    check_text(f, "spans", "output_data.llm_tracer.input_data",
               "{\"parameters\":{\"temperature\":1}}");
    span_free(s);
    trace_free(t);
}

static void late_trace_metadata_goes_with_the_last_span(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, "{\"late\":1}", "{\"early\":1,\"truncated\":{\"output\":9}}", "out");
    check_text(f, "spans", "output_data.llm_tracer.trace_metadata",
               "{\"early\":1,\"truncated\":{\"output\":9}}");
    check_text(f, "spans", "output_data.llm_tracer.input_data", "{\"late\":1}");
    check_text(f, "spans", "cost_usd", "0.0125");
    check_text(f, "traces", "output", "\"out\"");
    assert_int_equal(delivery_of(f->store).rejected, 0);
    span_free(s);
    trace_free(t);
}

/* No request beyond it carries figures: older servers add a cost at each. */
static void cost_is_sent_once(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, NULL, "{\"score\":1}", "out");
    check_text(f, "spans", "completes", "2");
    check_text(f, "spans", "costs", "1");
    span_free(s);
    trace_free(t);
}

static void trace_metadata_without_a_place_is_counted(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    put(f, t, NULL, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    json_set_int(t->metadata, "score", 1);
    t->end_time = t->start_time + NS_PER_SEC;
    t->output = strdup("out");
    put(f, t, NULL, f->destination);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    check_text(f, "traces", "output", "\"out\"");
    struct delivery d = delivery_of(f->store);
    assert_int_equal(d.rejected, 1);
    assert_non_null(strstr(d.error, "metadata set after a trace's begin"));
    trace_free(t);
}

static void exit_is_told_by_the_output(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, NULL, "{\"early\":1,\"ended_by\":\"process exit\"}", NULL);
    check_text(f, "traces", "output", "\"Error: process ended before the trace was ended\"");
    check_text(f, "spans", "completes", "1");
    span_free(s);
    trace_free(t);
}

static void exit_after_an_output_is_told_by_metadata(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, NULL, "{\"early\":1,\"ended_by\":\"process exit\"}", "out");
    check_text(f, "traces", "output", "\"out\"");
    check_text(f, "spans", "output_data.llm_tracer.trace_metadata.ended_by", "\"process exit\"");
    span_free(s);
    trace_free(t);
}

static void new_service_gets_trace_metadata_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s = make_agent(NULL);
    deliver_late(f, t, s, NULL, "{\"score\":1,\"ended_by\":\"process exit\"}", NULL);
    check_text(f, "traces", "metadata.score", "1");
    check_text(f, "traces", "metadata.ended_by", "\"process exit\"");
    check_text(f, "traces", "output", "null");
    check_text(f, "spans", "completes", "1");
    span_free(s);
    trace_free(t);
}

/* Enough at once for the begins to go in a batch. */
static void late_input_after_a_batch_arrives(void **state)
{
    struct fixture *f = *state;
    struct trace *t = make_told();
    struct span *s[10];
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &f->destination, 1), ERR_OK);
    for (uint8_t i = 0; i < 10; i++) {
        s[i] = make_agent(NULL);
        memset(s[i]->span_id, i + 1, SPAN_ID_LEN);
        assert_int_equal(store_put_span(f->store, s[i], &f->destination, 1), ERR_OK);
    }
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    for (int i = 0; i < 10; i++) {
        s[i]->input_data = parse("{\"late\":1}");
        s[i]->end_time = s[i]->start_time + NS_PER_SEC;
        put(f, NULL, s[i], f->destination);
        span_free(s[i]);
    }
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    json *all = service_order(&f->service, NULL);
    assert_int_equal(json_length(json_get(all, "spans")), 10);
    for (json *e = json_first(json_get(all, "spans")); e != NULL; e = json_next(e))
        assert_non_null(json_path(e, "output_data.llm_tracer.input_data.late"));
    json_free(all);
    trace_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OLD(late_input_arrives),
        NEW(late_input_arrives),
        OLD(changed_input_arrives),
        NEW(changed_input_arrives),
        OLD(known_input_is_not_repeated),
        NEW(known_input_is_not_repeated),
        OLD(input_of_a_lost_create_arrives),
        NEW(input_of_a_lost_create_arrives),
        OLD(large_late_input_leaves_room),
        OLD(late_input_stays_at_home_as_all_content),
        OLD(late_trace_metadata_goes_with_the_last_span),
        OLD(cost_is_sent_once),
        OLD(trace_metadata_without_a_place_is_counted),
        OLD(exit_is_told_by_the_output),
        OLD(exit_after_an_output_is_told_by_metadata),
        NEW(new_service_gets_trace_metadata_at_the_end),
        NEW(late_input_after_a_batch_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
