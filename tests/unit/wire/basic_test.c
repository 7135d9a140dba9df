/* One writer, one reader: what goes in comes out. */
#include "wire_help.h"

struct seen {
    int records, processes;
    uint64_t bytes, sum; /* of the records' numbers: their order holds within one block only */
    bool intact;
    uint64_t positions[20000];
};

static int see(void *user, const struct wire_record *head, const uint8_t *payload,
               uint64_t position)
{
    struct seen *s = user;
    if (head->type == WIRE_PROCESS) {
        s->processes++;
        return 0;
    }
    s->intact &= payload_matches(payload, head->length, (uint32_t)head->conn, head->offset);
    s->sum += head->offset;
    s->positions[s->records++ % 20000] = position;
    s->bytes += head->length;
    return 0;
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

static void records_come_back(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct seen s;
    s = (struct seen){.intact = true};
    uint8_t payload[300];
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    assert_int_equal(ring_reader_identity(r)->pid, getpid());
    assert_true(ring_reader_alive(r));
    assert_true(ring_reader_pending(r));
    for (uint64_t i = 0; i < 100; i++) {
        fill_payload(payload, (uint32_t)(i * 3), 7, i);
        assert_int_equal(put_numbered(&w, 7, i, payload, (uint32_t)(i * 3)), 0);
    }
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 101);
    assert_int_equal(s.records, 100);
    assert_int_equal(s.processes, 1);
    assert_int_equal(s.bytes, 3 * 99 * 100 / 2);
    assert_int_equal(s.sum, 99 * 100 / 2);
    assert_true(s.intact);
    assert_false(ring_reader_pending(r));
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 0);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* Far more than the ring holds, given back as it goes: blocks are used again and again. */
static void blocks_are_used_again(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    struct ring_counters counters;
    static struct seen s;
    s = (struct seen){.intact = true};
    uint8_t payload[1000];
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    int released = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        fill_payload(payload, sizeof(payload), 3, i);
        assert_int_equal(put_numbered(&w, 3, i, payload, sizeof(payload)), 0);
        if (i % 64 == 63) {
            assert_true(ring_reader_poll(r, SIZE_MAX, see, &s) >= 0);
            while (released < s.records)
                ring_reader_release(r, s.positions[released++ % 20000]);
            ring_reader_reclaim(r);
        }
    }
    assert_true(ring_reader_poll(r, SIZE_MAX, see, &s) >= 0);
    assert_int_equal(s.records, 100000);
    assert_int_equal(s.sum, UINT64_C(99999) * 100000 / 2);
    assert_true(s.intact);
    ring_reader_counters(r, &counters);
    assert_int_equal(counters.lost_records, 0);
    assert_int_equal(counters.corrupt_blocks, 0);
    assert_true(counters.blocks_reserved <= 8);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

static int collect(void *user, const struct wire_record *head, const uint8_t *payload,
                   uint64_t position)
{
    uint8_t *out = user;
    (void)position;
    if (head->type == WIRE_DATA_IN) {
        assert_int_equal(payload[0], 0xab);
        memcpy(out + head->offset, payload + 24, head->length - 24);
    }
    return 0;
}

/* Data of any size is split over blocks; each part carries the prefix and its own offset. */
static void data_is_split(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    const size_t size = 3000001;
    uint8_t *data = malloc(size), *back = calloc(1, size);
    uint8_t prefix[24];
    memset(prefix, 0xab, sizeof(prefix));
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 ^ i >> 9);
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    const struct wire_record head = {.type = WIRE_DATA_IN, .flags = WIRE_HAS_SPAN, .conn = 1};
    assert_int_equal(ring_writer_put_data(&w, &head, prefix, data, size), 0);
    assert_true(ring_reader_poll(r, SIZE_MAX, collect, back) > 0);
    assert_memory_equal(data, back, size);
    free(data);
    free(back);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

static void too_large_is_refused(void **state)
{
    (void)state;
    struct ring_writer w;
    static uint8_t payload[RING_BLOCK_SIZE];
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(put_numbered(&w, 1, 0, payload, RING_PAYLOAD_MAX), 0);
    assert_int_equal(put_numbered(&w, 1, 1, payload, RING_PAYLOAD_MAX + 1), -EMSGSIZE);
    const struct wire_record head = {.type = WIRE_DATA_OUT};
    const struct wire_piece wrap[2] = {{payload, SIZE_MAX}, {payload, 2}};
    assert_int_equal(ring_writer_put(&w, &head, wrap, 2), -EMSGSIZE);
    assert_int_equal(w.header->lost_records, 0);
    ring_writer_discard(&w);
    assert_int_equal(put_numbered(&w, 1, 0, payload, 8), -EBADF);
}

/* After a burst that made the ring grow, only its first blocks are written to again. */
static void emptied_blocks_come_first(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct seen s;
    s = (struct seen){.intact = true};
    static uint8_t payload[RING_BLOCK_SIZE / 2];
    uint64_t which = 0;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < (round == 0 ? 12 : 2); i++) {
            fill_payload(payload, sizeof(payload), 3, which);
            assert_int_equal(put_numbered(&w, 3, which++, payload, sizeof(payload)), 0);
        }
        assert_true(ring_reader_poll(r, SIZE_MAX, see, &s) >= 0);
        if (round > 0)
            assert_true(w.table[RING_BLOCKS_FIRST + 1].committed == 0);
        for (int i = 0; i < s.records; i++)
            ring_reader_release(r, s.positions[i]);
        s.records = 0;
        ring_reader_reclaim(r);
    }
    assert_true(s.intact);
    assert_true(w.header->blocks_reserved > RING_BLOCKS_FIRST);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

/* Records put together in the ring: the room asked for is an upper bound, what counts is written.
 */
static void held_records_come_back(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    struct ring_place place;
    static struct seen s;
    s = (struct seen){.intact = true};
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct wire_record head = {.type = WIRE_DATA_OUT, .time = 1, .conn = 5, .offset = i};
        uint8_t *to = ring_writer_hold(&w, 300, own_tid(), &place);
        assert_non_null(to);
        head.length = i % 301;
        fill_payload(to, head.length, 5, i);
        ring_writer_commit(&w, &place, &head);
    }
    assert_int_equal(ring_reader_poll(r, SIZE_MAX, see, &s), 1001);
    assert_int_equal(s.sum, 999 * 1000 / 2);
    assert_true(s.intact);
    assert_null(ring_writer_hold(&w, RING_PAYLOAD_MAX + 1, own_tid(), &place));
    assert_int_equal(w.header->lost_records, 1);
    ring_reader_free(r);
    ring_writer_discard(&w);
    assert_null(ring_writer_hold(&w, 8, own_tid(), &place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(blocks_are_used_again),
        cmocka_unit_test(emptied_blocks_come_first),
        cmocka_unit_test(held_records_come_back),
        cmocka_unit_test(data_is_split),
        cmocka_unit_test(too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
