/* Threads that begin, set and end each other's spans at random, compared with a simple model, while
 * the collector works, and is replaced. */
#include <pthread.h>

#include "messages.h"

#define THREADS 4
#define SPANS   900
#define TRACES  30
#define OPS     2500 /* of a thread */
#define KEYS    3

struct modelled {
    pthread_mutex_t lock;
    int parent; /* -1: none */
    bool begun, ended;
    int output, error, model, tokens, keys[KEYS]; /* 0: not set */
};

static struct place place;
static struct ring_writer w;
static struct modelled model[SPANS];
static _Atomic int next_span, running;
static unsigned seed;
static struct spans spans;

static void ids(struct message *m, int n)
{
    uint32_t id = (uint32_t)n + 1;
    memset(m->head.trace_id, n % TRACES + 1, TRACE_ID_LEN);
    memset(m->head.span_id, 7, SPAN_ID_LEN);
    memcpy(m->head.span_id, &id, sizeof(id));
}

static void set_number(struct message *m, int field, const char *key, int n)
{
    char text[64];
    snprintf(text, sizeof(text), "{\"%s\":%d}", key, n);
    message_text(m, field, text);
}

/* Sets something at random; both sides under the span's lock, so that time has their order. */
static void set_some(struct modelled *s, struct message *m, unsigned *rand)
{
    char text[32];
    int n = (int)(rand_r(rand) % 1000) + 1, key = (int)(rand_r(rand) % KEYS);
    snprintf(text, sizeof(text), "%d", n);
    switch (rand_r(rand) % 5) {
    case 0:
        set_number(m, WIRE_FIELD_OUTPUT, "n", n);
        s->output = n;
        break;
    case 1:
        message_text(m, WIRE_FIELD_ERROR, text);
        s->error = n;
        break;
    case 2:
        message_text(m, WIRE_FIELD_MODEL, text);
        s->model = n;
        break;
    case 3:
        message_figure(m, WIRE_FIELD_TOKENS_INPUT, n);
        s->tokens = n;
        break;
    default:
        set_number(m, WIRE_FIELD_METADATA, (const char *[]){"k0", "k1", "k2"}[key], n);
        s->keys[key] = n;
    }
}

static void begin_one(unsigned *rand)
{
    int n = atomic_fetch_add(&next_span, 1);
    if (n >= SPANS)
        return;
    struct modelled *s = &model[n];
    struct message m = {.head = {.client = 1, .span_type = (uint8_t)(n % WIRE_SPAN_TYPE_LIMIT)}};
    pthread_mutex_lock(&s->lock);
    s->parent = -1;
    if (n >= TRACES && rand_r(rand) % 3 != 0) {
        s->parent = n - TRACES;
        ids(&m, s->parent);
        memcpy(m.head.parent_id, m.head.span_id, SPAN_ID_LEN);
    }
    ids(&m, n);
    set_some(s, &m, rand);
    message_put(&w, &m, WIRE_SPAN_BEGIN);
    s->begun = true;
    pthread_mutex_unlock(&s->lock);
}

static void touch_one(unsigned *rand)
{
    int begun = atomic_load(&next_span);
    if (begun == 0)
        return;
    int back = (int)(rand_r(rand) % 100);
    int n = (begun < SPANS ? begun : SPANS) - 1 - back;
    if (n < 0)
        return;
    struct modelled *s = &model[n];
    struct message m = {.head = {.client = 1}};
    ids(&m, n);
    pthread_mutex_lock(&s->lock);
    if (s->begun && !s->ended) {
        bool end = rand_r(rand) % 4 == 0;
        if (!end || rand_r(rand) % 2 == 0)
            set_some(s, &m, rand);
        if (end && rand_r(rand) % 2 == 0)
            memset(m.head.trace_id, 0, TRACE_ID_LEN); /* by its id alone */
        message_put(&w, &m, end ? WIRE_SPAN_END : WIRE_SPAN_OUTPUT);
        s->ended = end;
    }
    pthread_mutex_unlock(&s->lock);
}

static void *work(void *number)
{
    unsigned rand = seed + (unsigned)(uintptr_t)number;
    for (int i = 0; i < OPS; i++) {
        if (rand_r(&rand) % 8 == 0)
            begin_one(&rand);
        else
            touch_one(&rand);
        if (rand_r(&rand) % 64 == 0)
            usleep((useconds_t)(rand_r(&rand) % 8000));
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void expect_number(const char *text, int expected)
{
    assert_int_equal(text == NULL ? 0 : strtol(text, NULL, 10), expected);
}

static void check(const struct span *s)
{
    uint32_t id;
    int64_t value;
    memcpy(&id, s->span_id, sizeof(id));
    assert_in_range(id, 1, SPANS);
    const struct modelled *m = &model[id - 1];
    assert_true(m->begun);
    assert_int_equal(s->end_time != 0, m->ended);
    assert_false(s->partial);
    assert_int_equal(s->type, (id - 1) % WIRE_SPAN_TYPE_LIMIT);
    expect_number(s->error, m->error);
    expect_number(s->model, m->model);
    assert_int_equal(s->tokens_input, m->tokens == 0 ? SPAN_UNKNOWN : m->tokens);
    value = 0;
    (void)json_get_int(s->output_data, "n", &value);
    assert_int_equal(value, m->output);
    for (int i = 0; i < KEYS; i++) {
        value = 0;
        (void)json_get_int(s->metadata, (const char *[]){"k0", "k1", "k2"}[i], &value);
        assert_int_equal(value, m->keys[i]);
    }
    uint32_t parent = 0;
    memcpy(&parent, s->parent_span_id, sizeof(parent));
    assert_int_equal(parent, m->parent + 1);
}

static void run(bool replaced)
{
    pthread_t threads[THREADS];
    place_make(&place);
    struct collector *c = start_collector(&place);
    w = (struct ring_writer){0};
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, NULL, NULL);
    atomic_store(&next_span, 0);
    atomic_store(&running, THREADS);
    for (int i = 0; i < SPANS; i++) {
        memset(&model[i], 0, sizeof(model[i]));
        pthread_mutex_init(&model[i].lock, NULL);
    }
    for (int i = 0; i < TRACES; i++)
        tell_trace(&w, 1, i + 1, "trace");
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (int round = 1; atomic_load(&running) > 0; round++) {
        collector_step(c);
        usleep(500);
        if (replaced && round % 50 == 0) {
            collector_free(c);
            c = start_collector(&place);
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    settle(c, 1400);
    spans_read(&place, &spans);
    int begun = atomic_load(&next_span) < SPANS ? atomic_load(&next_span) : SPANS;
    assert_int_equal(spans.count, begun);
    for (size_t i = 0; i < spans.count; i++)
        check(spans.items[i]);
    print_message("%d spans\n", begun);
    spans_free(&spans);
    collector_free(c);
    ring_writer_discard(&w);
    place_remove(&place);
}

static void test_threads(void **state)
{
    (void)state;
    run(false);
}

static void test_threads_and_collectors(void **state)
{
    (void)state;
    run(true);
}

int main(void)
{
    seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_and_collectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
