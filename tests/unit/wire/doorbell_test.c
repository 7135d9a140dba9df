/* Who sleeps is woken, who polls is left alone. */
#include "wire_help.h"

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

static struct ring_writer writer;

static void *put_later(void *arg)
{
    struct doorbell *bell = arg;
    uint8_t payload[8] = {0};
    while (atomic_load(&bell->asleep) == 0)
        sched_yield();
    usleep(20000);
    assert_int_equal(put_numbered(&writer, 1, 0, payload, sizeof(payload)), 0);
    return NULL;
}

static bool really(void *user)
{
    ++*(int *)user;
    return true;
}

static bool not_now(void *user)
{
    ++*(int *)user;
    return false;
}

static void record_wakes_the_sleeper(void **state)
{
    (void)state;
    struct doorbell_view *d;
    pthread_t thread;
    int asked = 0;
    assert_int_equal(doorbell_open(&d, dir), 0);
    uint32_t rings = doorbell_rings(d);
    assert_int_equal(open_writer(&writer, dir, 8 * MB), 0);
    assert_int_equal(doorbell_rings(d), rings + 1);
    assert_int_equal(pthread_create(&thread, NULL, put_later, writer.bell), 0);
    int64_t start = clock_boot_ns();
    assert_true(doorbell_wait(d, 5000, really, &asked));
    assert_true(clock_boot_ns() - start < 2 * NS_PER_SEC);
    assert_int_equal(asked, 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&writer.bell->asleep), 0);

    start = clock_boot_ns();
    assert_false(doorbell_wait(d, 30, really, &asked));
    assert_true(clock_boot_ns() - start >= 29 * NS_PER_MS);
    assert_false(doorbell_wait(d, 5000, not_now, &asked));
    assert_false(doorbell_wait(d, 0, really, &asked));
    assert_true(clock_boot_ns() - start < 2 * NS_PER_SEC);
    ring_writer_discard(&writer);
    doorbell_close(d);
}

/* No wake-up is lost: a sleeper that looks once more before it sleeps sees every record, or is
 * woken by it. The records come at all moments. */
static struct ring_reader *reader;

static bool nothing_waits(void *user)
{
    (void)user;
    return !ring_reader_pending(reader);
}

static int count(void *user, const struct wire_record *head, const uint8_t *payload, uint64_t at)
{
    (void)payload;
    ring_reader_release(reader, at);
    *(int *)user += head->type != WIRE_PROCESS;
    return 0;
}

#define PINGS 20000

static void *ping(void *arg)
{
    unsigned seed = 7;
    uint8_t payload[8] = {0};
    for (uint32_t i = 0; i < PINGS; i++) {
        assert_int_equal(put_numbered(&writer, 1, i, payload, sizeof(payload)), 0);
        for (int wait = rand_r(&seed) % 3000; wait > 0; wait--)
            __asm__ volatile("" ::: "memory");
    }
    return arg;
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    struct doorbell_view *d;
    pthread_t thread;
    int seen = 0, late = 0;
    assert_int_equal(doorbell_open(&d, dir), 0);
    assert_int_equal(open_writer(&writer, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&reader, writer.path), 0);
    assert_int_equal(pthread_create(&thread, NULL, ping, NULL), 0);
    while (seen < PINGS) {
        int64_t start = clock_boot_ns();
        if (!doorbell_wait(d, 3000, nothing_waits, NULL))
            late += clock_boot_ns() - start > 2900 * NS_PER_MS;
        assert_true(ring_reader_poll(reader, SIZE_MAX, count, &seen) >= 0);
        ring_reader_reclaim(reader);
        assert_int_equal(late, 0);
    }
    pthread_join(thread, NULL);
    ring_reader_free(reader);
    ring_writer_discard(&writer);
    doorbell_close(d);
}

static void collector_is_announced(void **state)
{
    (void)state;
    struct doorbell_view *d, *tool;
    int64_t age = 0;
    assert_int_equal(doorbell_open(&d, dir), 0);
    assert_int_equal(doorbell_open(&tool, dir), 0);
    assert_int_equal(doorbell_collector(tool, &age), 0);
    assert_true(age == INT64_MAX);
    doorbell_announce(d, 42);
    assert_int_equal(doorbell_collector(tool, &age), 42);
    assert_true(age >= 0 && age < NS_PER_SEC);
    doorbell_announce(d, 0);
    assert_int_equal(doorbell_collector(tool, &age), 0);
    assert_true(age == INT64_MAX);
    doorbell_close(tool);
    doorbell_close(d);
}

/* The file was cut short by someone: no signal, no spinning. */
static void broken_doorbell_is_survived(void **state)
{
    (void)state;
    struct doorbell_view *d;
    char path[128];
    int asked = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, DOORBELL_NAME);
    assert_int_equal(doorbell_open(&d, dir), 0);
    assert_int_equal(truncate(path, 0), 0);
    int64_t start = clock_boot_ns();
    assert_false(doorbell_wait(d, 50, really, &asked));
    assert_true(clock_boot_ns() - start >= 49 * NS_PER_MS);
    doorbell_ring(d);
    doorbell_announce(d, 0);
    assert_int_equal(doorbell_rings(d), 0);
    doorbell_close(d);
    /* A writer does without. */
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(doorbell_open(&d, dir), ERR_BAD);
    assert_int_equal(open_writer(&writer, dir, 8 * MB), 0);
    assert_null(writer.bell);
    ring_writer_discard(&writer);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(doorbell_open(&d, dir), 0);
    doorbell_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collector_is_announced),
        cmocka_unit_test(record_wakes_the_sleeper),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(broken_doorbell_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
