/* The collector's answers to a writer that waits until its records are stored. */
#include <linux/futex.h>

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

static void a_ticket_comes_back(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    static struct ring_header before;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    memcpy(&before, w.header, sizeof(before));
    assert_int_equal(ring_reader_flushed(r, 3, UINT64_C(0x1122334455667788)), 0);
    assert_true(w.header->flushed[3] == UINT64_C(0x1122334455667788));
    assert_int_equal(ring_reader_flushed(r, RING_FLUSH_SLOTS - 1, 5), 0);
    assert_int_equal(w.header->flushed[RING_FLUSH_SLOTS - 1], 5);
    /* Nothing else of the header changed, and a slot that there is not is refused. */
    before.flushed[3] = UINT64_C(0x1122334455667788);
    before.flushed[RING_FLUSH_SLOTS - 1] = 5;
    assert_int_equal(ring_reader_flushed(r, RING_FLUSH_SLOTS, 9), ERR_RANGE);
    assert_int_equal(ring_reader_flushed(r, UINT32_MAX, 9), ERR_RANGE);
    assert_memory_equal(w.header, &before, sizeof(before));
    /* A file that the program cut short harms nobody here. */
    assert_int_equal(truncate(w.path, 0), 0);
    (void)ring_reader_flushed(r, 4, 9);
    ring_reader_free(r);
    ring_writer_discard(&w);
}

struct waiter {
    struct ring_writer *w;
    uint64_t ticket;
    _Atomic int waits;
};

static void *wait_for_it(void *user)
{
    struct waiter *waiter = user;
    _Atomic uint64_t *slot = &waiter->w->header->flushed[7];
    const struct timespec limit = {20, 0};
    atomic_store(&waiter->waits, 1);
    uint64_t now;
    while ((now = atomic_load(slot)) != waiter->ticket)
        if (syscall(SYS_futex, slot, FUTEX_WAIT, (uint32_t)now, &limit, NULL, 0) != 0 &&
            errno == ETIMEDOUT)
            return NULL;
    return user;
}

/* It is woken: it would else sleep until the limit. */
static void who_waits_is_woken(void **state)
{
    (void)state;
    struct ring_writer w;
    struct ring_reader *r;
    assert_int_equal(open_writer(&w, dir, 8 * MB), 0);
    assert_int_equal(ring_reader_new(&r, w.path), 0);
    struct waiter waiters[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){&w, 77, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_it, &waiters[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        while (atomic_load(&waiters[i].waits) == 0)
            sched_yield();
    usleep(20000);
    assert_int_equal(ring_reader_flushed(r, 7, 77), 0);
    for (int i = 0; i < 3; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &waiters[i]);
    }
    ring_reader_free(r);
    ring_writer_discard(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_comes_back),
        cmocka_unit_test(who_waits_is_woken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
