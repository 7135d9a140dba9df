/* Records that no hook would write: the collector survives them, stays within its bounds, and goes
 * on with the rings that are right. */
#include "synthetic.h"

static struct place place;
static struct spans spans;

static int setup(void **state)
{
    (void)state;
    place_make(&place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spans_free(&spans);
    place_remove(&place);
    return 0;
}

static void put_raw(struct ring_writer *w, struct wire_record head, const void *data, size_t len)
{
    struct wire_piece piece = {data, len};
    (void)ring_writer_put(w, &head, &piece, len > 0 ? 1 : 0);
}

static void put_random(struct ring_writer *w, unsigned *seed)
{
    static const uint64_t odd[] = {
        0,         1, 100, 4096, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1,
        UINT64_MAX};
    uint8_t data[512];
    size_t len = (size_t)rand_r(seed) % sizeof(data);
    static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                                  "Content-Length: 10\r\n\r\n{\"model\":1";
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rand_r(seed);
    if (rand_r(seed) % 3 == 0)
        memcpy(data, request, len < sizeof(request) ? len : sizeof(request) - 1);
    struct wire_record head = {.type = (uint16_t)(rand_r(seed) % WIRE_TYPE_LIMIT),
                               .flags = (uint16_t)(rand_r(seed) % 8),
                               .conn = (uint64_t)rand_r(seed) % 20,
                               .time = odd[rand_r(seed) % 9],
                               .offset = odd[rand_r(seed) % 9],
                               .lost = odd[rand_r(seed) % 9]};
    if (rand_r(seed) % 4 == 0)
        head.offset = (uint64_t)rand_r(seed) % 2000;
    if (head.type == WIRE_CONNECTION && len >= 8) {
        data[4] = (uint8_t)(rand_r(seed) % 7);
        data[6] = (uint8_t)(rand_r(seed) % 3);
        data[7] = (uint8_t)(rand_r(seed) % 2);
    }
    put_raw(w, head, data, len);
}

static void test_random_records(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    struct ring_writer bad = {0}, good = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&bad, &place, NULL);
    ring_make(&good, &place, NULL);
    line_open(&l, &good, 1);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 100; i++)
            put_random(&bad, &seed);
        line_call(&l, "still here");
        collector_step(c);
    }
    settle(c, 800);
    spans_read(&place, &spans);
    size_t whole = 0;
    for (size_t i = 0; i < spans.count; i++) {
        const char *q =
            json_text(json_path(spans.items[i]->input_data, "messages.0.parts.0.content"));
        whole += q != NULL && strcmp(q, "still here") == 0;
    }
    assert_int_equal(whole, 200);
    collector_free(c);
    ring_writer_discard(&bad);
    ring_writer_discard(&good);
}

/* A process record whose texts are cut, repeated, enormous. */
static void test_odd_process(void **state)
{
    (void)state;
    static char huge[30000];
    memset(huge, 'x', sizeof(huge) - 1);
    memcpy(huge, "exe=", 4);
    static const char *const texts[] = {"nonsense",
                                        "=",
                                        "run_trace=zz",
                                        "run_trace=00000000000000000000000000000000",
                                        "content=whatever",
                                        "max_content=-5",
                                        "export=file:,,console,file:",
                                        huge,
                                        "argv=x",
                                        "argv0=a",
                                        "argvx=b",
                                        "data_dir=relative",
                                        "url=",
                                        NULL};
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    line_open(&l, &w, 1);
    line_call(&l, "hello");
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    collector_free(c);
    ring_writer_discard(&w);
}

static void test_files_that_are_no_rings(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof(command),
             "cd %s && : >ring-1-empty && echo text >ring-2-text && mkdir ring-3-dir && ln -s "
             "/etc/passwd ring-4-link && mkfifo ring-5-fifo && head -c 300000 /dev/urandom "
             ">ring-6-noise && : >run-notatrace",
             place.runtime);
    assert_int_equal(system(command), 0);
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_call(&l, "hello");
    settle(c, 300);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 1);
    collector_free(c);
    ring_writer_discard(&w);
}

/* A truncated ring is given up; the collector is not killed by it. */
static void test_truncated(void **state)
{
    (void)state;
    struct ring_writer w = {0}, good = {0};
    struct line l, m;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    ring_make(&good, &place, NULL);
    line_open(&l, &w, 1);
    line_call(&l, "before");
    settle(c, 200);
    assert_int_equal(truncate(w.path, 5000), 0);
    line_open(&m, &good, 1);
    line_call(&m, "other");
    settle(c, 400);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    collector_free(c);
    ring_writer_discard(&good);
}

/* A key that can be none keeps nobody's spans from the store. */
static void test_odd_key(void **state)
{
    (void)state;
    static const char *const texts[] = {"url=http://127.0.0.1:9", "key=project-a\nb", NULL};
    struct ring_writer w = {0}, good = {0};
    struct line l, m;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, texts);
    ring_make(&good, &place, NULL);
    line_open(&l, &w, 1);
    line_call(&l, "odd");
    line_open(&m, &good, 1);
    line_call(&m, "other");
    settle(c, 200);
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    collector_free(c);
    ring_writer_discard(&w);
    ring_writer_discard(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_are_no_rings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
