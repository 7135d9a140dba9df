/* More spans that run than the collector keeps in memory: those that the store shows are forgotten,
 * and found again when more is said of them, or when their process ends. */
#include "messages.h"

#define SPANS 70000
#define ENDED 1500 /* the oldest, which are forgotten first */

static struct place place;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

static struct message message_for(int n)
{
    struct message m = message_of(1, 1, 9);
    uint32_t id = (uint32_t)n + 1;
    memcpy(m.head.span_id, &id, sizeof(id));
    return m;
}

static void program(int told, int go)
{
    struct ring_writer w = {0};
    char byte = 0;
    ring_make(&w, &place, NULL);
    tell_trace(&w, 1, 1, "trace");
    for (int n = 0; n < SPANS; n++) {
        struct message m = message_for(n);
        message_text(&m, WIRE_FIELD_NAME, "span");
        message_text(&m, WIRE_FIELD_METADATA, "{\"begin\":true}");
        message_put(&w, &m, WIRE_SPAN_BEGIN);
    }
    assert_int_equal(write(told, &byte, 1), 1);
    assert_int_equal(read(go, &byte, 1), 1);
    for (int n = 0; n < ENDED; n++) {
        struct message m = message_for(n);
        message_text(&m, WIRE_FIELD_METADATA, "{\"end\":true}");
        message_put(&w, &m, WIRE_SPAN_END);
    }
    _exit(atomic_load(&w.header->lost_records) == 0 ? 0 : 1);
}

struct counts {
    int running, ended, marked, wrong;
};

static int count_span(void *user, const struct span *s)
{
    struct counts *n = user;
    uint32_t id;
    memcpy(&id, s->span_id, sizeof(id));
    bool whole = json_is_true(json_get(s->metadata, "begin")) && strcmp(s->name, "span") == 0;
    bool end = json_is_true(json_get(s->metadata, "end"));
    if (!whole || (s->end_time != 0 && end != (id <= ENDED)) || end == s->partial)
        n->wrong += s->end_time != 0 || !whole;
    if (s->end_time == 0)
        n->running++;
    else if (s->error != NULL && strcmp(s->error, STORE_NOT_ENDED) == 0)
        n->marked++;
    else
        n->ended++;
    return 0;
}

static struct counts count_all(void)
{
    struct counts n = {0};
    struct store *s;
    assert_int_equal(store_open(&s, place.data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_span(s, NULL, count_span, &n) >= 0);
    store_close(s);
    return n;
}

static void test_many(void **state)
{
    (void)state;
    int told[2], go[2], status;
    char byte = 0;
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(go), 0);
    struct collector *c = start_collector(&place);
    pid_t pid = fork();
    if (pid == 0)
        program(told[1], go[0]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    struct counts n = {0};
    for (int i = 0; i < 50 && n.running < SPANS; i++) {
        settle(c, 150);
        n = count_all();
    }
    assert_int_equal(n.running, SPANS);
    assert_int_equal(n.wrong, 0);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 50 && count_files(&place, "ring-") > 0; i++)
        settle(c, 200);
    n = count_all();
    assert_int_equal(n.running, 0);
    assert_int_equal(n.ended, ENDED);
    assert_int_equal(n.marked, SPANS - ENDED);
    assert_int_equal(n.wrong, 0);
    assert_true(collector_idle(c));
    collector_free(c);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(go[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
