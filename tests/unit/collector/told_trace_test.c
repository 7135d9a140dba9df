/* Traces made by hand, over several processes and with their clients. */
#include "messages.h"

static struct place place;
static struct spans spans;
static struct ring_writer w, other;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    w = other = (struct ring_writer){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    if (w.header != NULL)
        ring_writer_discard(&w);
    if (other.header != NULL)
        ring_writer_discard(&other);
    place_remove(&place);
    return 0;
}

static struct trace *the_trace(int n)
{
    struct store *s;
    struct trace *t = NULL;
    uint8_t id[TRACE_ID_LEN];
    id_fill(id, sizeof(id), n);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    (void)store_get_trace(s, id, &t);
    store_close(s);
    return t;
}

static const struct span *the_span(int n)
{
    uint8_t id[SPAN_ID_LEN];
    id_fill(id, sizeof(id), n);
    spans_free(&spans);
    spans_read(&place, &spans);
    for (size_t i = 0; i < spans.count; i++)
        if (memcmp(spans.items[i]->span_id, id, sizeof(id)) == 0)
            return spans.items[i];
    return NULL;
}

static void tell_trace_field(struct ring_writer *to, int trace, enum wire_type type, int field,
                             const char *text)
{
    struct message m = message_of(1, trace, 0);
    message_text(&m, field, text);
    message_put(to, &m, type);
}

struct outbox {
    struct {
        enum outbox_op op;
        int trace, span;
        int64_t destination;
    } items[256];
    size_t count;
};

/* Everything that waits, in order. */
static void outbox_read(struct outbox *out)
{
    struct store *s = NULL;
    int64_t destinations[16] = {0};
    struct outbox_entry entries[64] = {{0}};
    out->count = 0;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    int count = store_outbox_destinations(s, destinations, 16);
    for (int d = 0; d < count; d++) {
        int n = store_outbox_next(s, destinations[d], 0, entries, 64);
        for (int i = 0; i < n; i++, out->count++) {
            out->items[out->count].op = entries[i].op;
            out->items[out->count].trace = entries[i].trace_id[0];
            out->items[out->count].span = entries[i].span_id[0];
            out->items[out->count].destination = entries[i].destination;
        }
    }
    store_close(s);
}

static void expect_entry(const struct outbox *o, size_t i, enum outbox_op op, int trace, int span)
{
    assert_true(i < o->count);
    assert_int_equal(o->items[i].op, op);
    assert_int_equal(o->items[i].trace, trace);
    assert_int_equal(o->items[i].span, span);
}

static void test_metadata_and_output(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace_field(&w, 1, WIRE_TRACE_BEGIN, WIRE_FIELD_METADATA, "{\"a\":1,\"b\":1}");
    settle(c, 250);
    struct trace *t = the_trace(1);
    assert_non_null(t);
    assert_int_equal(t->end_time, 0);
    assert_string_equal(t->name, "unnamed");
    trace_free(t);
    tell_trace_field(&w, 1, WIRE_SPAN_OUTPUT, WIRE_FIELD_METADATA, "{\"b\":2,\"c\":2}");
    tell_trace_field(&w, 1, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "first");
    tell_trace_field(&w, 1, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "second");
    settle(c, 250);
    t = the_trace(1);
    assert_int_equal(t->end_time, 0);
    assert_string_equal(t->output, "second");
    char *metadata = json_print_new(t->metadata);
    assert_string_equal(metadata, "{\"a\":1,\"b\":2,\"c\":2}");
    free(metadata);
    trace_free(t);
    tell_trace_end(&w, 1, 1);
    settle(c, 100);
    t = the_trace(1);
    assert_true(t->end_time > 0);
    assert_string_equal(t->output, "second");
    trace_free(t);
    collector_free(c);
}

/* What comes behind a trace's end extends it, told to those who deliver it. */
static void test_extended(void **state)
{
    (void)state;
    struct outbox o;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, "http://127.0.0.1:9", "project-demo");
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    tell_trace_end(&w, 1, 1);
    settle(c, 250);
    struct trace *t = the_trace(1);
    int64_t first = t->end_time;
    assert_true(first > 0);
    trace_free(t);
    tell_span_end(&w, 1, 1, 2);
    settle(c, 100);
    t = the_trace(1);
    const struct span *s = the_span(2);
    assert_true(t->end_time > first);
    assert_int_equal(t->end_time / 1000, s->end_time / 1000); /* printed in us */
    assert_string_equal(t->name, "trace");
    trace_free(t);
    outbox_read(&o);
    expect_entry(&o, 0, OUTBOX_TRACE_BEGIN, 1, 0);
    expect_entry(&o, 1, OUTBOX_SPAN_BEGIN, 1, 2);
    expect_entry(&o, 2, OUTBOX_TRACE_END, 1, 0);
    expect_entry(&o, 3, OUTBOX_SPAN_END, 1, 2);
    expect_entry(&o, 4, OUTBOX_TRACE_END, 1, 0);
    assert_int_equal(o.count, 5);
    collector_free(c);
}

/* Completing what is complete changes nothing, also when only the store remembers. */
static void test_completed_again(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&other, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_trace_field(&w, 1, WIRE_TRACE_END, WIRE_FIELD_OUTPUT, "first");
    settle(c, 200);
    struct trace *t = the_trace(1);
    int64_t ended = t->end_time;
    assert_true(ended > 0);
    trace_free(t);
    tell_trace_field(&w, 1, WIRE_TRACE_END, WIRE_FIELD_OUTPUT, "second");
    settle(c, 200);
    tell_trace_field(&other, 1, WIRE_TRACE_END, WIRE_FIELD_OUTPUT, "third");
    settle(c, 200);
    t = the_trace(1);
    assert_int_equal(t->end_time, ended);
    assert_string_equal(t->output, "first");
    trace_free(t);
    collector_free(c);
}

static void end_at(int trace, const char *output, const char *metadata, int64_t time,
                   uint16_t flags)
{
    struct message m = message_of(1, trace, 0);
    m.head.flags = (uint8_t)flags;
    message_text(&m, WIRE_FIELD_OUTPUT, output);
    message_text(&m, WIRE_FIELD_METADATA, metadata);
    struct wire_record head = {.type = WIRE_TRACE_END, .time = (uint64_t)time, .tid = 1};
    struct wire_piece pieces[2] = {{&m.head, sizeof(m.head)}, {m.fields, m.length}};
    assert_int_equal(ring_writer_put(&w, &head, pieces, 2), 0);
}

/* Ends that follow each other at once: the first one counts, in whichever order they are read. */
static void test_completed_twice_at_once(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_trace(&w, 1, 2, "trace");
    int64_t now = clock_boot_ns();
    for (int trace = 1; trace <= 2; trace++)
        for (int i = 0; i < 2; i++)
            if (i == trace - 1)
                end_at(trace, "one", "{\"one\":1}", now + 1000, 0);
            else
                end_at(trace, "two", "{\"two\":2}", now + 2000, 0);
    settle(c, 300);
    int64_t ended[3];
    for (int trace = 1; trace <= 2; trace++) {
        struct trace *t = the_trace(trace);
        assert_string_equal(t->output, "one");
        assert_non_null(json_get(t->metadata, "one"));
        assert_null(json_get(t->metadata, "two"));
        ended[trace] = t->end_time;
        trace_free(t);
    }
    assert_int_equal(ended[1], ended[2]);
    assert_true(ended[1] > 0);
    collector_free(c);
}

/* The end of a part is no end of the trace: what both say is taken. */
static void test_part_and_whole_at_once(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_trace(&w, 1, 2, "trace");
    int64_t now = clock_boot_ns();
    for (int trace = 1; trace <= 2; trace++)
        for (int i = 0; i < 2; i++)
            if (i == trace - 1)
                end_at(trace, "one", "{\"one\":1}", now + 1000, WIRE_API_JOINED);
            else
                end_at(trace, "two", "{\"two\":2}", now + 2000, 0);
    settle(c, 300);
    for (int trace = 1; trace <= 2; trace++) {
        struct trace *t = the_trace(trace);
        assert_string_equal(t->output, "two");
        assert_non_null(json_get(t->metadata, "one"));
        assert_non_null(json_get(t->metadata, "two"));
        trace_free(t);
    }
    collector_free(c);
}

/* A span of one process completed by its id alone in another, which says nothing of its trace. */
static void test_completed_elsewhere(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&other, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    tell_span(&w, 1, 1, 3, 0, WIRE_SPAN_CHAIN);
    struct message m = message_of(7, 0, 2);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"n\":1}");
    message_put(&other, &m, WIRE_SPAN_END);
    settle(c, 300); /* the other one runs, and is shown */
    m = message_of(7, 0, 3);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"n\":2}");
    message_put(&other, &m, WIRE_SPAN_END);
    struct message end = message_of(7, 1, 0);
    message_put(&other, &end, WIRE_TRACE_END);
    settle(c, 300);
    const struct span *s = the_span(2);
    assert_true(s->end_time > 0);
    assert_non_null(json_get(s->output_data, "n"));
    s = the_span(3);
    assert_true(s->end_time > 0);
    assert_string_equal(s->name, "span-3");
    assert_int_equal(s->trace_id[0], 1);
    struct trace *t = the_trace(1);
    assert_true(t->end_time > 0);
    assert_int_equal(t->span_count, 2);
    trace_free(t);
    collector_free(c);
}

/* The end is read by one round, the begin in the other process's ring by a later one. */
static void test_end_before_begin(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&other, &place, NULL);
    tell_span_end(&other, 1, 0, 2);
    settle(c, 400);
    assert_null(the_span(2));
    struct message m = message_of(1, 1, 2);
    struct wire_record head = {
        .type = WIRE_SPAN_BEGIN, .time = (uint64_t)clock_boot_ns() - NS_PER_SEC, .tid = 1};
    struct wire_piece piece = {&m.head, sizeof(m.head)};
    assert_int_equal(ring_writer_put(&w, &head, &piece, 1), 0);
    settle(c, 300);
    assert_non_null(the_span(2));
    assert_true(the_span(2)->end_time > 0);
    collector_free(c);
}

/* A process that serves a request joins the trace of the one that made it. */
static void test_joined(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&other, &place, NULL);
    tell_trace(&w, 1, 1, "the caller's");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_CHAIN);
    struct message m = message_of(1, 1, 0);
    id_fill(m.head.parent_id, SPAN_ID_LEN, 2);
    m.head.flags = WIRE_API_JOINED;
    message_text(&m, WIRE_FIELD_NAME, "the server's");
    message_put(&other, &m, WIRE_TRACE_BEGIN);
    tell_span(&other, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    tell_span_end(&other, 1, 1, 3);
    tell_trace_end(&other, 1, 1);
    settle(c, 300);
    struct trace *t = the_trace(1);
    assert_string_equal(t->name, "the caller's");
    assert_int_equal(t->end_time, 0); /* the server's part ended, not the trace */
    trace_free(t);
    assert_int_equal(the_span(3)->parent_span_id[0], 2);
    tell_span_end(&w, 1, 1, 2);
    tell_trace_end(&w, 1, 1);
    m = message_of(1, 5, 0); /* of a trace that nobody else knows */
    id_fill(m.head.parent_id, SPAN_ID_LEN, 9);
    m.head.flags = WIRE_API_JOINED;
    message_text(&m, WIRE_FIELD_NAME, "from afar");
    message_put(&other, &m, WIRE_TRACE_BEGIN);
    tell_span(&other, 1, 5, 6, 9, WIRE_SPAN_CHAIN);
    tell_span_end(&other, 1, 5, 6);
    tell_trace_end(&other, 1, 5);
    settle(c, 300);
    t = the_trace(1);
    assert_true(t->end_time > 0);
    assert_string_equal(t->name, "the caller's");
    trace_free(t);
    t = the_trace(5);
    assert_true(t->end_time > 0);
    assert_string_equal(t->name, "from afar");
    trace_free(t);
    assert_int_equal(the_span(6)->parent_span_id[0], 9);
    collector_free(c);
}

/* A trace is active but no span: the traceparent names half of the trace's id. */
static void test_root_by_traceparent(void **state)
{
    (void)state;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 1, WIRE_SPAN_CHAIN);
    tell_span_end(&w, 1, 1, 2);
    settle(c, 100);
    assert_true(id_is_zero(the_span(2)->parent_span_id, SPAN_ID_LEN));
    collector_free(c);
}

static int note_destination(void *user, const struct delivery_state *state)
{
    int64_t *ids = user;
    const struct destination *d = &state->destination;
    if (strcmp(d->kind, "file") == 0)
        ids[0] = d->id;
    else if (strcmp(d->project_id, "one") == 0 && strcmp(d->url, "http://127.0.0.1:9") == 0)
        ids[1] = d->id;
    else if (strcmp(d->project_id, "named") == 0)
        ids[2] = d->id;
    else
        ids[3] = d->id;
    return 0;
}

static size_t count_to(const struct outbox *o, int trace, int64_t destination)
{
    size_t n = 0;
    for (size_t i = 0; i < o->count; i++)
        n += o->items[i].trace == trace && o->items[i].destination == destination;
    return n;
}

static bool file_has(const char *path, const char *text)
{
    char command[256];
    snprintf(command, sizeof(command), "grep -q %s %s", text, path);
    return system(command) == 0;
}

/* A client's key is in the file of keys alone, once it is known. */
static void test_key_is_gone(void **state)
{
    (void)state;
    char command[256];
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, "http://127.0.0.1:9", "project-SECRETKEY");
    snprintf(command, sizeof(command), "grep -rq SECRETKEY %s", place.runtime);
    assert_int_equal(system(command), 0);
    settle(c, 300);
    assert_int_not_equal(system(command), 0);
    snprintf(command, sizeof(command), "grep -rq project-SECRETKEY %s/traces.db*", place.data);
    assert_int_not_equal(system(command), 0);
    collector_free(c);
}

/* Each client's traces go to its own service, and to the process's files; without a good key they
 * stay here. The process's own service gets none of them. */
static void test_clients(void **state)
{
    (void)state;
    char export[128], path[96];
    snprintf(path, sizeof(path), "%s/spans.ndjson", place.root);
    snprintf(export, sizeof(export), "export=file:%s", path);
    const char *const texts[] = {"url=http://127.0.0.1:9", "key=project-process", export, NULL};
    struct collector *c = start_collector(&place);
    struct outbox o;
    int64_t ids[4] = {0};
    struct store *s;
    ring_make(&w, &place, texts);
    for (int i = 1; i <= 4; i++) {
        tell_trace(&w, (uint32_t)i, i, "trace"); /* before its client's record is read */
        tell_span(&w, (uint32_t)i, i, 10 + i, 0, WIRE_SPAN_CHAIN);
        tell_span_end(&w, (uint32_t)i, i, 10 + i);
        tell_trace_end(&w, (uint32_t)i, i);
    }
    tell_client(&w, 1, "http://127.0.0.1:9//", "project-one");
    struct message m = message_of(2, 0, 0);
    message_text(&m, WIRE_FIELD_KEY, "project-two");
    message_text(&m, WIRE_FIELD_PROJECT_ID, "named");
    message_put(&w, &m, WIRE_CLIENT);
    tell_client(&w, 3, "http://127.0.0.1:9", "no key");
    settle(c, 100);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_delivery(s, note_destination, ids) >= 0);
    store_close(s);
    outbox_read(&o);
    assert_int_equal(count_to(&o, 1, ids[1]), 4);
    assert_int_equal(count_to(&o, 2, ids[2]), 4);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(count_to(&o, i, ids[3]), 0);
    struct trace *t = the_trace(2);
    assert_string_equal(t->project_id, "named");
    trace_free(t);
    assert_true(ids[0] != 0);
    assert_non_null(the_span(14));
    collector_free(c); /* which delivers to files */
    assert_true(file_has(path, "0b0b0b0b0b0b0b0b") && file_has(path, "0c0c0c0c0c0c0c0c") &&
                file_has(path, "0d0d0d0d0d0d0d0d"));
    assert_false(file_has(path, "0e0e0e0e0e0e0e0e")); /* nobody said whose it is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metadata_and_output, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_completed_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_completed_twice_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_and_whole_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_completed_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_before_begin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_by_traceparent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clients, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
