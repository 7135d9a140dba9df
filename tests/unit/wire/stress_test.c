/* Eight producers, one consumer, millions of records: nothing lost or torn while there is room, and
 * an exact count of what was lost when there is none. */
#include "wire/reader_private.h"
#include "wire_help.h"

#define PRODUCERS 8u
#define PENDING   (1u << 16)

static uint64_t per_producer(void)
{
    const char *text = getenv("WIRE_STRESS_RECORDS");
    if (text)
        return strtoull(text, NULL, 10) / PRODUCERS;
    return (UNDER_TSAN ? 1000000 : UNDER_SANITIZER ? 2000000 : 10000000) / PRODUCERS;
}

struct consumer {
    uint64_t seen[PRODUCERS];
    uint8_t *got[PRODUCERS]; /* a bit for each record */
    uint64_t records, bytes, torn, twice;
    uint64_t positions[PENDING]; /* delivered, not released */
    uint32_t pending;
};

static void consumer_init(struct consumer *c, uint64_t records)
{
    memset(c, 0, sizeof(*c));
    for (uint32_t i = 0; i < PRODUCERS; i++)
        assert_non_null(c->got[i] = calloc(1, records / 8 + 1));
}

static void consumer_release(struct consumer *c)
{
    for (uint32_t i = 0; i < PRODUCERS; i++)
        free(c->got[i]);
}

static int consume(void *user, const struct wire_record *head, const uint8_t *payload,
                   uint64_t position)
{
    struct consumer *c = user;
    if (head->type == WIRE_PROCESS)
        return 0;
    if (c->pending == PENDING)
        return ERR_FULL; /* it comes again */
    uint32_t who = (uint32_t)head->conn % PRODUCERS;
    c->torn += !payload_matches(payload, head->length, who, head->offset);
    uint8_t bit = (uint8_t)(1u << head->offset % 8);
    c->twice += (c->got[who][head->offset / 8] & bit) != 0;
    c->got[who][head->offset / 8] |= bit;
    c->seen[who]++;
    c->records++;
    c->bytes += head->length;
    c->positions[c->pending++] = position;
    return 0;
}

static void consumer_round(struct consumer *c, struct ring_reader *r)
{
    int got = ring_reader_poll(r, 4 * MB, consume, c);
    assert_true(got >= 0 || got == ERR_FULL);
    for (uint32_t i = 0; i < c->pending; i++)
        ring_reader_release(r, c->positions[i]);
    c->pending = 0;
    ring_reader_reclaim(r);
    if (got == 0)
        sched_yield();
}

static uint32_t length_of(uint64_t which)
{
    return (uint32_t)(which * 37 % 61);
}

struct producer {
    struct ring_writer *w;
    uint64_t count, lost, lost_bytes;
    uint32_t who;
    bool keep_trying; /* a record that found no room is written again */
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    uint8_t payload[64];
    for (uint64_t i = 0; i < p->count; i++) {
        uint32_t length = length_of(i);
        fill_payload(payload, length, p->who, i);
        while (put_numbered(p->w, p->who, i, payload, length) == -ENOBUFS) {
            p->lost++;
            p->lost_bytes += length;
            if (!p->keep_trying)
                break;
            sched_yield();
        }
    }
    return NULL;
}

static char dir[64];

static int setup(void **state)
{
    (void)state;
    make_dir(dir, sizeof(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_dir(dir);
    return 0;
}

static void check_all(const struct consumer *c, uint64_t each)
{
    assert_int_equal(c->torn, 0);
    assert_int_equal(c->twice, 0);
    for (uint32_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(c->seen[i], each);
}

/* A producer that finds no room tries again, so that all must arrive in the end. */
static void threads_lose_nothing(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct consumer c;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    const uint64_t each = per_producer() / 2;
    assert_int_equal(open_writer(&w, dir, 32 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    consumer_init(&c, each);
    int64_t start = clock_boot_ns();
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&w, each, 0, 0, i, true};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    while (c.records < each * PRODUCERS && clock_boot_ns() - start < 60 * NS_PER_SEC)
        consumer_round(&c, r);
    uint64_t retries = 0;
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        retries += producers[i].lost;
    }
    print_message("threads: %" PRIu64 " records in %.2f s, %" PRIu64 " found no room at first\n",
                  c.records, (double)(clock_boot_ns() - start) / 1e9, retries);
    check_all(&c, each);
    consumer_release(&c);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* The same with a ring for each of eight processes; the consumer goes round them. */
static void processes_lose_nothing(void **state)
{
    (void)state;
    static struct consumer c;
    struct ring_reader *readers[PRODUCERS] = {NULL};
    pid_t children[PRODUCERS];
    int pipes[2];
    const uint64_t each = per_producer() / 2;
    consumer_init(&c, each);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    int64_t start = clock_boot_ns();
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct ring_writer w;
            if (open_writer(&w, dir, 8 * MB) != 0)
                _exit(1);
            if (write(pipes[1], w.path, sizeof(w.path)) != sizeof(w.path))
                _exit(2);
            struct producer p = {&w, each, 0, 0, i, true};
            produce(&p);
            _exit(0);
        }
    }
    close(pipes[1]);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        char path[WRITER_PATH_MAX];
        assert_int_equal(read(pipes[0], path, sizeof(path)), sizeof(path));
        assert_int_equal(ring_reader_new(&readers[i], path), 0);
    }
    while (c.records < each * PRODUCERS && clock_boot_ns() - start < 60 * NS_PER_SEC)
        for (uint32_t i = 0; i < PRODUCERS; i++)
            consumer_round(&c, readers[i]);
    print_message("processes: %" PRIu64 " records in %.2f s\n", c.records,
                  (double)(clock_boot_ns() - start) / 1e9);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
        assert_false(ring_reader_alive(readers[i]));
        ring_reader_free(readers[i]);
    }
    close(pipes[0]);
    check_all(&c, each);
    consumer_release(&c);
}

/* A ring that has room for all of it loses nothing, though it starts small. */
static void room_means_no_loss(void **state)
{
    (void)state;
    struct ring_writer w;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    for (int round = 0; round < 20; round++) {
        assert_int_equal(open_writer(&w, dir, 16 * MB), 0);
        for (uint32_t i = 0; i < PRODUCERS; i++) {
            producers[i] = (struct producer){&w, 10000, 0, 0, i, false};
            assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
        }
        for (uint32_t i = 0; i < PRODUCERS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(w.header->lost_records, 0);
        ring_writer_discard(&w);
    }
}

/* A consumer that takes every empty block's memory away at once, while the writers reserve and use
 * it: nothing may be written to a block that is being taken out. */
static void blocks_come_and_go(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct consumer c;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    const uint64_t each = UNDER_SANITIZER ? 10000 : 50000;
    assert_int_equal(open_writer(&w, dir, 16 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    consumer_init(&c, each);
    int64_t start = clock_boot_ns();
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&w, each, 0, 0, i, true};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    while (c.records < each * PRODUCERS && clock_boot_ns() - start < 30 * NS_PER_SEC) {
        consumer_round(&c, r);
        for (uint32_t i = 0; i < r->blocks; i++)
            r->views[i].changed = -1000 * NS_PER_SEC;
        ring_reader_reclaim(r);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%u block uses given back or taken out\n", w.header->returned);
    check_all(&c, each);
    consumer_release(&c);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* No consumer until the end: what was lost and what was kept add up to what was written. */
static void gaps_are_counted(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct consumer c;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    struct ring_counters counters;
    const uint64_t each = 30000;
    uint64_t lost = 0, lost_bytes = 0, written_bytes = 0;
    assert_int_equal(open_writer(&w, dir, 4 * MB), 0);
    consumer_init(&c, each);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&w, each, 0, 0, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        lost += producers[i].lost;
        lost_bytes += producers[i].lost_bytes;
    }
    for (uint64_t i = 0; i < each; i++)
        written_bytes += (uint64_t)PRODUCERS * length_of(i);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    for (int i = 0; i < 100; i++)
        consumer_round(&c, r);
    ring_reader_counters(r, &counters);
    assert_true(counters.lost_records > 0 && c.records > 0);
    assert_int_equal(counters.lost_records, lost);
    assert_int_equal(counters.lost_bytes, lost_bytes);
    assert_int_equal(counters.lost_records + c.records, each * PRODUCERS);
    assert_int_equal(counters.lost_bytes + c.bytes, written_bytes);
    assert_int_equal(c.torn + c.twice, 0);
    /* All was given back, so that the ring takes records again. */
    assert_int_equal(put_numbered(&w, 0, 0, NULL, 0), 0);
    consumer_release(&c);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* Every byte that put_data did not write is in its result. */
static void data_gaps_are_counted(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_counters counters;
    struct ring_reader *r;
    static struct consumer c;
    uint8_t *data = calloc(1, 10 * MB);
    assert_int_equal(open_writer(&w, dir, 4 * MB), 0);
    const struct wire_record head = {.type = WIRE_DATA_OUT, .conn = 1, .tid = own_tid()};
    uint64_t lost = ring_writer_put_data(&w, &head, NULL, data, 10 * MB);
    assert_true(lost > 6 * MB && lost < 8 * MB);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    consumer_init(&c, 10 * MB);
    c.torn = 0;
    assert_true(ring_reader_poll(r, SIZE_MAX, consume, &c) > 0);
    ring_reader_counters(r, &counters);
    assert_int_equal(counters.lost_records, 1);
    assert_int_equal(counters.lost_bytes, lost);
    assert_int_equal(c.bytes, 10 * MB - lost);
    free(data);
    consumer_release(&c);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_lose_nothing), cmocka_unit_test(processes_lose_nothing),
        cmocka_unit_test(room_means_no_loss),   cmocka_unit_test(blocks_come_and_go),
        cmocka_unit_test(gaps_are_counted),     cmocka_unit_test(data_gaps_are_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
