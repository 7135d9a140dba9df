/* A ring may hold anything: whatever the traced program wrote there, the reader must not crash, run
 * past an end, or hang. Meant for ASan and UBSan, and of use without. */
#include "wire/reader_private.h"
#include "wire_help.h"

#define MUTATIONS (UNDER_TSAN ? 1000u : 12000u)

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

static unsigned seed = 20240607;

static uint32_t any(uint32_t below)
{
    uint32_t value = (uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed);
    return below ? value % below : value;
}

struct eyes {
    struct ring_reader *r;
    uint64_t sum, positions[64];
    uint32_t count;
};

/* Touches every byte of the payload and reads the texts to their ends, as a collector does. */
static int touch(void *user, const struct wire_record *head, const uint8_t *payload,
                 uint64_t position)
{
    struct eyes *e = user;
    assert_int_equal((uintptr_t)payload % WIRE_ALIGN, 0);
    assert_true(head->length <= RING_PAYLOAD_MAX);
    for (uint32_t i = 0; i < head->length; i++)
        e->sum += payload[i];
    const uint8_t *at = payload + (head->flags & WIRE_HAS_SPAN ? 24 : 0);
    if (head->type == WIRE_PROCESS) {
        struct wire_process_info info;
        memcpy(&info, at, sizeof(info));
        const char *text = (const char *)at + sizeof(info);
        for (uint32_t i = 0; i < info.text_count; i++) {
            size_t len = strlen(text);
            e->sum += len;
            text += len + 1;
        }
        assert_true((const uint8_t *)text <= payload + head->length);
    } else if (head->type == WIRE_CONNECTION) {
        struct wire_connection_info info;
        memcpy(&info, at, sizeof(info));
        assert_true(info.slot < RING_CONN_SLOTS);
        const char *text = (const char *)at + sizeof(info);
        text += strlen(text) + 1;
        text += strlen(text) + 1;
        assert_true((const uint8_t *)text <= payload + head->length);
    }
    if (any(4) == 0)
        ring_reader_release(e->r, position);
    else
        e->positions[e->count++ % 64] = position;
    return any(50) == 0 ? ERR_FULL : 0;
}

static void put_text_record(struct ring_writer *w, uint16_t type, const void *data, size_t size)
{
    static const char texts[] = "api.example.com\0001.2.3.4:443";
    const struct wire_record head = {.type = type, .conn = 1, .tid = own_tid()};
    const struct wire_piece pieces[2] = {{data, size}, {texts, sizeof(texts)}};
    assert_int_equal(ring_writer_put(w, &head, pieces, 2), 0);
}

/* A small ring with a bit of everything. */
static uint8_t *make_ring(char *path, size_t *size)
{
    struct ring_writer w;
    uint8_t payload[500] = {0};
    const struct wire_connection_info connection = {.slot = 5, .layer = WIRE_LAYER_OPENSSL};
    const struct wire_close_info end = {1, 0};
    assert_int_equal(open_writer(&w, dir, 600000), 0);
    put_text_record(&w, WIRE_CONNECTION, &connection, sizeof(connection));
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(put_numbered(&w, 1, i, payload, any(sizeof(payload))), 0);
    put_text_record(&w, WIRE_CLOSE, &end, sizeof(end));
    *size = w.mapped_bytes;
    uint8_t *copy = malloc(*size);
    memcpy(copy, w.header, *size);
    snprintf(path, WRITER_PATH_MAX, "%s", w.path);
    return copy; /* the mapping stays, as that of a live program does */
}

/* Numbers that break things more often than any do. */
static uint64_t nasty(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      7,
                                      8,
                                      47,
                                      48,
                                      56,
                                      RING_IDLE,
                                      RING_HELD,
                                      RING_DONE,
                                      RING_CLAIM,
                                      0x81,
                                      0x82,
                                      0x83,
                                      65535,
                                      65536,
                                      65544,
                                      0x7fffffff,
                                      0x80000000,
                                      0xfffffff8,
                                      0xffffffff,
                                      UINT64_MAX,
                                      UINT64_MAX - 7,
                                      INT64_MAX,
                                      UINT64_C(1) << 63};
    if (any(3) == 0)
        return (uint64_t)any(0) << 32 | any(0);
    return values[any(sizeof(values) / sizeof(values[0]))];
}

static void mutate(uint8_t *ring, size_t size)
{
    const uint64_t blocks = ring_blocks_within(size);
    const uint64_t first = ring_blocks_offset(blocks);
    for (uint32_t i = any(6) + 1; i > 0; i--) {
        uint64_t at = 0;
        switch (any(5)) {
        case 0: /* header */
            at = any(104);
            break;
        case 1: /* table */
        case 2:
            at = RING_TABLE_OFFSET + any((uint32_t)blocks) * sizeof(struct ring_block) +
                 any(3) * UINT64_C(8);
            break;
        case 3: /* the first records */
            at = first + any((uint32_t)blocks) * (uint64_t)RING_BLOCK_SIZE + any(1000);
            break;
        default:
            at = any((uint32_t)size);
        }
        uint64_t value = nasty();
        size_t len = 1u << any(4);
        if (at + len <= size)
            memcpy(ring + at, &value, len);
    }
}

static void exercise(struct eyes *e, uint32_t rounds)
{
    struct ring_counters counters;
    for (uint32_t i = 0; i < rounds; i++) {
        e->count = 0;
        (void)ring_reader_poll(e->r, any(3) ? SIZE_MAX : 2000, touch, e);
        for (uint32_t k = 0; k < e->count && k < 64; k++)
            ring_reader_release(e->r, any(3) ? e->positions[k] : nasty());
        for (uint32_t k = 0; k < e->r->blocks; k++)
            e->r->views[k].changed -= any(10) * NS_PER_SEC;
        ring_reader_reclaim(e->r);
        (void)ring_reader_pending(e->r);
        ring_reader_stop(e->r, (uint32_t)nasty());
        ring_reader_counters(e->r, &counters);
        (void)ring_reader_alive(e->r);
    }
    if (any(4) == 0)
        ring_reader_drop(e->r);
}

static void write_all(int fd, const uint8_t *data, size_t size)
{
    assert_int_equal(pwrite(fd, data, size, 0), size);
}

/* Changed before the reader opens it, and again while it is open. */
static void any_content_is_survived(void **state)
{
    (void)state;
    char path[WRITER_PATH_MAX];
    size_t size = 0;
    uint8_t *good = make_ring(path, &size);
    uint8_t *bad = malloc(size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint32_t opened = 0;
    static struct eyes e;
    int64_t start = clock_boot_ns();
    for (uint32_t i = 0; i < MUTATIONS; i++) {
        memcpy(bad, good, size);
        if (any(2))
            mutate(bad, size);
        write_all(fd, bad, size);
        if (ring_reader_new(&e.r, path) != 0)
            continue;
        opened++;
        exercise(&e, 1);
        mutate(bad, size);
        write_all(fd, bad, size);
        exercise(&e, 2);
        ring_reader_free(e.r);
    }
    print_message("%u of %u opened, %.1f s\n", opened, MUTATIONS,
                  (double)(clock_boot_ns() - start) / 1e9);
    assert_true(opened > MUTATIONS / 2);
    close(fd);
    free(good);
    free(bad);
}

/* The file shrinks, grows and vanishes under the reader: an error, no signal. */
static void truncation_is_survived(void **state)
{
    (void)state;
    char path[WRITER_PATH_MAX];
    size_t size = 0;
    uint8_t *good = make_ring(path, &size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    static struct eyes e;
    for (uint32_t i = 0; i < MUTATIONS / 6; i++) {
        write_all(fd, good, size);
        assert_int_equal(ring_reader_new(&e.r, path), 0);
        if (any(2))
            exercise(&e, 1);
        assert_int_equal(ftruncate(fd, any(3) ? any((uint32_t)size) : any(10000)), 0);
        exercise(&e, 2);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        exercise(&e, 1);
        ring_reader_free(e.r);
    }
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_int_equal(ring_reader_new(&e.r, path), ERR_BAD);
    close(fd);
    free(good);
}

static _Atomic bool stop_cutting;

static void *cut(void *arg)
{
    const char *path = arg;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *good = malloc((size_t)size);
    assert_int_equal(pread(fd, good, (size_t)size, 0), size);
    while (!atomic_load(&stop_cutting)) {
        (void)!ftruncate(fd, 0);
        (void)!pwrite(fd, good, (size_t)size, 0);
    }
    close(fd);
    free(good);
    return NULL;
}

/* The same at the very moment of reading and of giving back. */
static void truncation_while_reading(void **state)
{
    (void)state;
    char path[WRITER_PATH_MAX];
    size_t size = 0;
    free(make_ring(path, &size));
    pthread_t thread;
    static struct eyes e;
    assert_int_equal(ring_reader_new(&e.r, path), 0);
    assert_int_equal(pthread_create(&thread, NULL, cut, path), 0);
    const int64_t end = clock_boot_ns() + NS_PER_SEC;
    while (clock_boot_ns() < end)
        exercise(&e, 1);
    atomic_store(&stop_cutting, true);
    pthread_join(thread, NULL);
    ring_reader_free(e.r);
}

/* After the damage: records written behind it are read, and the block is used again. */
static void damage_is_passed_over(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    uint8_t payload[100];
    struct ring_counters counters;
    static struct eyes e;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(put_numbered(&w, 1, i, payload, sizeof(payload)), 0);
    uint32_t block = 0; /* the one they are in; 760: five records of 152 bytes back */
    while (w.table[block].committed < 1000)
        block++;
    memset(w.blocks + (size_t)block * RING_BLOCK_SIZE + w.table[block].committed - 760, 0xff, 64);
    e.r = r;
    int corrupt = 0, calls = 0;
    for (; ring_reader_pending(r) && calls < 200; calls++)
        corrupt += ring_reader_poll(r, SIZE_MAX, touch, &e) == ERR_CORRUPT;
    assert_int_equal(corrupt, 1);
    assert_true(calls < 200);
    assert_int_equal(put_numbered(&w, 1, 10, payload, sizeof(payload)), 0);
    int got = 0;
    for (int i = 0; i < 50 && got != 1; i++)
        got = ring_reader_poll(r, SIZE_MAX, touch, &e);
    assert_int_equal(got, 1);
    ring_reader_counters(r, &counters);
    assert_int_equal(counters.corrupt_blocks, 1);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    char path[128], other[128];
    struct ring_reader *r;
    snprintf(path, sizeof(path), "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ring_reader_new(&r, path), ERR_BAD);
    snprintf(other, sizeof(other), "%s/link", dir);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(ring_reader_new(&r, other), ERR_BAD);
    snprintf(path, sizeof(path), "%s/zeros", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)ring_file_size(4)), 0);
    assert_int_equal(ring_reader_new(&r, path), ERR_BAD);
    struct ring_header header = {.magic = RING_MAGIC, .version = WIRE_VERSION + 1};
    assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    assert_int_equal(ring_reader_new(&r, path), ERR_VERSION);
    close(fd);
    assert_int_equal(ring_reader_new(&r, "/nonexistent/ring"), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_content_is_survived),  cmocka_unit_test(truncation_is_survived),
        cmocka_unit_test(truncation_while_reading), cmocka_unit_test(damage_is_passed_over),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
