/* Figures, not a test: what a record costs its writer, and how fast a reader is. */
#include "wire_help.h"

#define BATCH 10000

static int sink(void *user, const struct wire_record *head, const uint8_t *payload,
                uint64_t position)
{
    uint64_t **positions = user;
    (void)payload;
    if (head->type != WIRE_PROCESS)
        *(*positions)++ = position;
    return 0;
}

static void run(const char *dir, uint32_t length)
{
    struct ring_writer w;
    struct ring_reader *r;
    static uint64_t positions[BATCH + 1];
    uint8_t *payload = calloc(1, length + 1);
    int64_t best_write = INT64_MAX, best_read = INT64_MAX, best_free = INT64_MAX,
            best_idle = INT64_MAX;
    if (open_writer(&w, dir, 64 * MB) != 0 || ring_reader_new(&r, w.path) != 0)
        abort();
    uint64_t batch = 24 * MB / (length + 64);
    batch = batch < BATCH ? batch : BATCH;
    uint32_t tid = own_tid();
    for (int round = 0; round < 30; round++) {
        int64_t start = clock_boot_ns();
        for (uint64_t i = 0; i < batch; i++) {
            const struct wire_record head = {
                .type = WIRE_DATA_OUT, .time = i, .conn = 1, .offset = i, .tid = tid};
            const struct wire_piece piece = {payload, length};
            if (ring_writer_put(&w, &head, &piece, 1) != 0)
                abort();
        }
        int64_t written = clock_boot_ns();
        uint64_t *at = positions;
        int got = ring_reader_poll(r, SIZE_MAX, sink, &at);
        int64_t read_at = clock_boot_ns();
        if (got < (int)batch)
            abort();
        for (uint64_t *p = positions; p < at; p++)
            ring_reader_release(r, *p);
        ring_reader_reclaim(r);
        int64_t freed = clock_boot_ns();
        for (int i = 0; i < 100; i++)
            (void)ring_reader_poll(r, SIZE_MAX, sink, &at);
        int64_t idle = (clock_boot_ns() - freed) / 100;
        best_write = written - start < best_write ? written - start : best_write;
        best_read = read_at - written < best_read ? read_at - written : best_read;
        best_free = freed - read_at < best_free ? freed - read_at : best_free;
        best_idle = idle < best_idle ? idle : best_idle;
    }
    double n = (double)batch;
    struct ring_counters counters;
    ring_reader_counters(r, &counters);
    printf(
        "%6" PRIu32 " B: put %.0f ns; read %.0f ns a record, %.0f MB/s; release %.0f ns; idle poll "
        "%" PRId64 " ns (%" PRIu64 " blocks)\n",
        length, (double)best_write / n, (double)best_read / n, n * length / (double)best_read * 1e3,
        (double)best_free / n, best_idle, counters.blocks_reserved);
    ring_reader_free(r);
    ring_writer_discard(&w);
    free(payload);
}

static void cold(const char *dir)
{
    struct ring_writer w;
    static uint8_t prompt[200000];
    int64_t start = clock_boot_ns();
    if (open_writer(&w, dir, 64 * MB) != 0)
        abort();
    int64_t opened = clock_boot_ns();
    const struct wire_record head = {.type = WIRE_DATA_OUT, .conn = 1};
    (void)ring_writer_put_data(&w, &head, NULL, prompt, sizeof(prompt));
    int64_t first = clock_boot_ns();
    (void)ring_writer_put_data(&w, &head, NULL, prompt, sizeof(prompt));
    int64_t second = clock_boot_ns();
    printf("open %.1f us, first 200 KB %.1f us, second %.1f us\n", (double)(opened - start) / 1e3,
           (double)(first - opened) / 1e3, (double)(second - first) / 1e3);
    ring_writer_discard(&w);
}

int main(void)
{
    char dir[64];
    snprintf(dir, sizeof(dir), "/dev/shm/wire-speed-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    for (int i = 0; i < 5; i++)
        cold(dir);
    run(dir, 16);
    run(dir, 200);
    run(dir, 1400);
    run(dir, 16384);
    run(dir, 60000);
    char path[80];
    snprintf(path, sizeof(path), "%s/" DOORBELL_NAME, dir);
    unlink(path);
    return rmdir(dir);
}
