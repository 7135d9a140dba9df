/* A collector that is killed before or after any of its system calls, while a program makes traces
 * by hand: the next one has everything, once. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "messages.h"

#define STOPS_MAX 4000

static struct place place;
static struct spans spans;
static struct ring_writer w;

static void put_piece(uint64_t number, const struct message *m, enum wire_type type, size_t from,
                      size_t to)
{
    uint8_t whole[8192];
    const size_t total = sizeof(m->head) + m->length;
    memcpy(whole, &m->head, sizeof(m->head));
    memcpy(whole + sizeof(m->head), m->fields, m->length);
    struct wire_record head = {.type = (uint16_t)type,
                               .conn = number,
                               .offset = from,
                               .lost = total,
                               .time = (uint64_t)clock_boot_ns(),
                               .tid = 1};
    if (to > total)
        to = total;
    struct wire_piece piece = {whole + from, to - from};
    assert_int_equal(ring_writer_put(&w, &head, &piece, 1), 0);
}

static struct message long_output(void)
{
    struct message m = message_of(1, 1, 5);
    char text[4000], filler[3950];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    snprintf(text, sizeof(text), "{\"long\":\"%s\"}", filler);
    message_text(&m, WIRE_FIELD_OUTPUT, text);
    return m;
}

static void tell_field(int trace, int span, enum wire_type type, int field, const char *text)
{
    struct message m = message_of(1, trace, span);
    message_text(&m, field, text);
    message_put(&w, &m, type);
}

static void tell_first(void)
{
    tell_client(&w, 1, "http://127.0.0.1:9", "project-demo");
    tell_trace(&w, 1, 1, "trace");
    tell_field(1, 0, WIRE_SPAN_OUTPUT, WIRE_FIELD_METADATA, "{\"a\":1,\"b\":1}");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span(&w, 1, 1, 3, 2, WIRE_SPAN_CHAIN);
    tell_field(1, 3, WIRE_SPAN_OUTPUT, WIRE_FIELD_OUTPUT, "{\"said\":\"first\"}");
    tell_span(&w, 1, 1, 4, 3, WIRE_SPAN_TOOL);
    tell_span_end(&w, 1, 1, 4);
    tell_span(&w, 1, 1, 5, 2, WIRE_SPAN_LLM);
    struct message m = long_output();
    put_piece(1, &m, WIRE_SPAN_OUTPUT, 0, 3000);
}

static void tell_second(void)
{
    struct message m = long_output();
    put_piece(1, &m, WIRE_SPAN_OUTPUT, 3000, 8192);
    tell_field(1, 2, WIRE_SPAN_ERROR, WIRE_FIELD_ERROR, "failed");
    tell_field(1, 3, WIRE_SPAN_OUTPUT, WIRE_FIELD_METADATA, "{\"said\":\"second\"}");
    tell_field(1, 0, WIRE_SPAN_OUTPUT, WIRE_FIELD_METADATA, "{\"b\":2,\"c\":2}");
    for (int i = 2; i <= 3; i++)
        tell_span_end(&w, 1, 1, i);
    tell_span_end(&w, 1, 1, 5);
    tell_span(&w, 1, 1, 6, 0, WIRE_SPAN_OTHER);
    tell_span_end(&w, 1, 1, 6);
    tell_field(1, 0, WIRE_TRACE_END, WIRE_FIELD_OUTPUT, "done");
}

static void collect(struct collector *c)
{
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++)
            collector_step(c);
        if (collector_flush(c) != ERR_OK)
            _exit(4);
    }
    collector_step(c);
}

static void collector_process(void)
{
    struct collector *c;
    struct collector_options o = {.runtime_dir = place.runtime, .data_dir = place.data};
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    if (collector_new(&c, &o) != ERR_OK)
        _exit(3);
    collect(c);
    _exit(0);
}

/* Kills a collector at its stop of that number, the begin or the end of a system call. False: it
 * did not make as many. */
static bool collect_until(int stop)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        collector_process();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    for (int i = 0; i < stop && WIFSTOPPED(status); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

/* Each change is told once, none before what it hangs on. */
static void check_outbox(void)
{
    static const int parents[] = {[2] = 0, [3] = 2, [4] = 3, [5] = 2, [6] = 0};
    struct store *s;
    struct outbox_entry entries[64];
    int begun[8] = {0}, ended[8] = {0}, trace_begun = 0, trace_ended = 0;
    int64_t destination = 0;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_outbox_destinations(s, &destination, 1), 1);
    int count = store_outbox_next(s, destination, 0, entries, 64);
    for (int i = 0; i < count; i++) {
        int n = entries[i].span_id[0];
        switch (entries[i].op) {
        case OUTBOX_TRACE_BEGIN:
            trace_begun++;
            break;
        case OUTBOX_TRACE_END:
            trace_ended++;
            break;
        case OUTBOX_SPAN_BEGIN:
            assert_int_equal(trace_begun, 1);
            assert_true(parents[n] == 0 || begun[parents[n]] == 1);
            begun[n]++;
            break;
        case OUTBOX_SPAN_END:
            assert_int_equal(begun[n], 1);
            ended[n]++;
            break;
        }
    }
    for (int n = 2; n <= 6; n++)
        assert_true(begun[n] == 1 && ended[n] == 1);
    assert_int_equal(trace_ended, 1);
    store_close(s);
}

static void check_span(const struct span *s)
{
    int n = s->span_id[0];
    char name[16];
    snprintf(name, sizeof(name), "span-%d", n);
    assert_string_equal(s->name, name);
    assert_true(s->end_time > 0);
    assert_false(s->partial);
    assert_int_equal(s->process.pid, getpid());
    assert_true(n != 2 || strcmp(s->error, "failed") == 0);
    assert_true(n == 2 || s->error == NULL);
    assert_true(n != 3 || strcmp(json_get_text(s->output_data, "said"), "first") == 0);
    assert_true(n != 3 || strcmp(json_get_text(s->metadata, "said"), "second") == 0);
    assert_true(n != 5 || strlen(json_get_text(s->output_data, "long")) > 3900);
}

static void check_all(void)
{
    struct store *s;
    struct trace *t;
    uint8_t id[TRACE_ID_LEN];
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 5);
    for (size_t i = 0; i < spans.count; i++)
        check_span(spans.items[i]);
    spans_free(&spans);
    id_fill(id, sizeof(id), 1);
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_int_equal(store_get_trace(s, id, &t), ERR_OK);
    char *metadata = json_print_new(t->metadata);
    assert_string_equal(metadata, "{\"a\":1,\"b\":2,\"c\":2}");
    assert_string_equal(t->name, "trace");
    assert_string_equal(t->project_id, "demo");
    assert_string_equal(t->output, "done");
    assert_int_equal(t->span_count, 5);
    assert_true(t->end_time > 0);
    free(metadata);
    trace_free(t);
    store_close(s);
    check_outbox();
}

/* Killed at that stop, once while half is told and once while all is. */
static bool try_stop(int stop)
{
    place_make(&place);
    w = (struct ring_writer){0};
    ring_make(&w, &place, NULL);
    tell_first();
    bool stopped = collect_until(stop);
    tell_second();
    (void)collect_until(stop);
    struct collector *c = start_collector(&place);
    collect(c);
    check_all();
    collector_free(c);
    ring_writer_discard(&w);
    place_remove(&place);
    return stopped;
}

static int step; /* from one stop that is tried to the next; all of them: 2, see below */

/* The end of a call is the begin of the next one, but for what lies between. A run of the program
 * with 2 as its argument tries them all. */
static void test_stops(void **state)
{
    (void)state;
    int stop = 1 + 2 * (int)((unsigned)time(NULL) % (unsigned)(step / 2)), tried = 0;
    print_message("from stop %d\n", stop);
    for (; stop < STOPS_MAX && try_stop(stop); stop += step)
        tried++;
    print_message("%d stops\n", tried);
    assert_true(tried > 10 && stop < STOPS_MAX);
}

int main(int argc, char **argv)
{
    step = argc > 1 ? (int)strtol(argv[1], NULL, 10) / 2 * 2 : 24;
    if (step < 2)
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
