/* Answers to flushes: what has to be stored and delivered before one is given. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "messages.h"
#include "unit/export/helper.h"

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

/* Rounds until the slot says so, or so many ms; returns whether it does. */
static bool answered(struct collector *c, const struct ring_writer *w, uint32_t slot,
                     uint64_t ticket, int ms)
{
    for (int i = 0; i < ms && flushed_in(w, slot) != ticket; i++) {
        collector_step(c);
        usleep(1000);
    }
    return flushed_in(w, slot) == ticket;
}

static void test_stored_before_the_answer(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    for (int i = 1; i <= 20; i++) { /* a commit group is longer than it takes */
        line_call(&l, "before the flush");
        tell_flush(&w, 1, 3, 77 * (uint64_t)i);
        assert_true(answered(c, &w, 3, 77 * (uint64_t)i, 2000));
        spans_read(&place, &spans);
        assert_int_equal(spans.count, i);
        spans_free(&spans);
    }
    assert_int_equal(flushed_in(&w, 2), 0);
    collector_free(c);
    ring_writer_discard(&w);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A store that refuses holds the answer back. */
static void test_full_disk(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    signal(SIGXFSZ, SIG_IGN);
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_call(&l, "stored");
    settle(c, 100);
    limit_files(1 << 14);
    line_call(&l, "refused");
    tell_flush(&w, 1, 0, 7);
    bool early = answered(c, &w, 0, 7, 100);
    limit_files(RLIM_INFINITY);
    assert_false(early);
    assert_true(answered(c, &w, 0, 7, 3000));
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    collector_free(c);
    ring_writer_discard(&w);
}

/* Nothing at all was recorded: there is nothing to wait for, and still an answer. */
static void test_of_nothing(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    for (uint32_t i = 0; i < RING_FLUSH_SLOTS; i++)
        tell_flush(&w, 0, i, i + 1);
    for (uint32_t i = 0; i < RING_FLUSH_SLOTS; i++)
        assert_true(answered(c, &w, i, i + 1, 2000));
    collector_free(c);
    ring_writer_discard(&w);
}

/* A port of the loopback on which nobody listens. */
static int dead_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* Two clients of one process: each waits for its own service alone. Who is not patient is told soon
 * that the service takes nothing. */
static void test_a_dead_service_holds_its_own(void **state)
{
    (void)state;
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", dead_port());
    struct ring_writer w = {0};
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, url, "project-dead");
    tell_client(&w, 2, url, NULL);
    for (int i = 1; i <= 2; i++) {
        tell_trace(&w, (uint32_t)i, i, "trace");
        tell_span(&w, (uint32_t)i, i, i + 10, 0, WIRE_SPAN_TOOL);
        tell_span_end(&w, (uint32_t)i, i, i + 10);
        tell_flush_flags(&w, (uint32_t)i, (uint32_t)i, 5, WIRE_FLUSH_PATIENT);
    }
    tell_flush(&w, 1, 3, 7);
    assert_true(answered(c, &w, 2, 5, 2000));
    assert_true(answered(c, &w, 3, WIRE_FLUSH_IN_VAIN(7), 10000));
    assert_false(answered(c, &w, 1, 5, 100));
    spans_read(&place, &spans);
    assert_int_equal(spans.count, 2);
    assert_true(spans.items[0]->end_time != 0 && spans.items[1]->end_time != 0);
    collector_free(c);
    assert_int_equal(flushed_in(&w, 1), 0);
    ring_writer_discard(&w);
}

static bool service_has(const struct service_process *s, int number, bool ended)
{
    uint8_t id[SPAN_ID_LEN];
    char hex[SPAN_ID_HEX];
    id_fill(id, SPAN_ID_LEN, number);
    json *got = service_order(s, NULL);
    const json *span = json_get(json_get(got, "spans"), id_to_hex(id, SPAN_ID_LEN, hex));
    bool has = span != NULL && (json_get_text(span, "end_time") != NULL) == ended;
    json_free(got);
    return has;
}

/* Every answer says that the service has it: what ended completed, what runs begun. */
static void test_delivered_before_the_answer(void **state)
{
    (void)state;
    struct service_process service;
    struct ring_writer w = {0};
    service_start(&service, true);
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, service.url, "project-demo");
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    for (int i = 3; i < 13; i++) {
        tell_span(&w, 1, 1, i, 2, WIRE_SPAN_TOOL);
        tell_span_end(&w, 1, 1, i);
        tell_flush(&w, 1, 0, (uint64_t)i);
        assert_true(answered(c, &w, 0, (uint64_t)i, 5000));
        assert_true(service_has(&service, i, true));
        assert_true(service_has(&service, 2, false));
    }
    tell_span_end(&w, 1, 1, 2);
    tell_trace_end(&w, 1, 1);
    tell_flush(&w, 1, 0, 13);
    assert_true(answered(c, &w, 0, 13, 5000));
    assert_true(service_has(&service, 2, true));
    collector_free(c);
    ring_writer_discard(&w);
    service_stop(&service);
}

/* What the service refuses is not waited for. */
static void test_refused(void **state)
{
    (void)state;
    struct service_process service;
    struct ring_writer w = {0};
    service_start(&service, true);
    service_tell(&service, "{\"faults\":[{\"method\":\"POST\",\"path\":\"/spans\",\"times\":9,"
                           "\"status\":422,\"body\":\"{\\\"detail\\\":\\\"no\\\"}\"}]}");
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    tell_client(&w, 1, service.url, "project-demo");
    tell_trace(&w, 1, 1, "trace");
    tell_span(&w, 1, 1, 2, 0, WIRE_SPAN_AGENT);
    tell_span_end(&w, 1, 1, 2);
    tell_flush(&w, 1, 0, 1);
    assert_true(answered(c, &w, 0, 1, 5000));
    assert_false(service_has(&service, 2, true));
    collector_free(c);
    ring_writer_discard(&w);
    service_stop(&service);
}

/* The next one answers what was not answered. */
static void test_a_replaced_collector(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct line l;
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    line_open(&l, &w, 1);
    line_call(&l, "for the next");
    collector_step(c);
    tell_flush(&w, 1, 1, 9);
    collector_step(c); /* read, not settled */
    assert_int_equal(flushed_in(&w, 1), 0);
    collector_free(c);
    assert_int_equal(flushed_in(&w, 1), 0);
    c = start_collector(&place);
    assert_true(answered(c, &w, 1, 9, 2000));
    /* Answered: its record is given back, and nobody answers it again. */
    settle(c, 300);
    atomic_store(&w.header->flushed[1], 0);
    collector_free(c);
    c = start_collector(&place);
    settle(c, 300);
    assert_int_equal(flushed_in(&w, 1), 0);
    collector_free(c);
    ring_writer_discard(&w);
}

static void put_raw(struct ring_writer *w, const void *payload, size_t len, uint64_t time)
{
    struct wire_record head = {.type = WIRE_FLUSH, .time = time};
    struct wire_piece piece = {payload, len};
    assert_int_equal(ring_writer_put(w, &head, &piece, 1), 0);
}

/* Records that are cut short, name no slot or no ticket; a slot that is used again. */
static void test_hostile(void **state)
{
    (void)state;
    struct ring_writer w = {0};
    struct {
        struct wire_api_head head;
        struct wire_api_flush flush;
    } m = {.head = {.client = UINT32_MAX}, .flush = {.ticket = 11, .slot = RING_FLUSH_SLOTS}};
    struct collector *c = start_collector(&place);
    ring_make(&w, &place, NULL);
    uint64_t now = (uint64_t)clock_boot_ns();
    for (size_t len = 0; len < sizeof(m); len++)
        put_raw(&w, &m, len, now);
    put_raw(&w, &m, sizeof(m), now);
    m.flush.slot = UINT32_MAX;
    put_raw(&w, &m, sizeof(m), now);
    m.flush = (struct wire_api_flush){.ticket = 0, .slot = 4};
    put_raw(&w, &m, sizeof(m), now);
    m.flush = (struct wire_api_flush){.ticket = 21, .slot = 4};
    put_raw(&w, &m, sizeof(m), now + 2);
    m.flush.ticket = 20; /* older, though it comes later */
    put_raw(&w, &m, sizeof(m), now + 1);
    assert_true(answered(c, &w, 4, 21, 2000));
    m.flush.ticket = 22;
    put_raw(&w, &m, sizeof(m), UINT64_MAX);
    assert_true(answered(c, &w, 4, 22, 2000));
    settle(c, 300);
    assert_int_equal(flushed_in(&w, 4), 22);
    for (uint32_t i = 0; i < RING_FLUSH_SLOTS; i++)
        assert_true(i == 4 || flushed_in(&w, i) == 0);
    collector_free(c);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stored_before_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_dead_service_holds_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivered_before_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_replaced_collector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
