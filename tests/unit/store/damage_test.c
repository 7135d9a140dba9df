/* Bytes changed at random all over the file: nothing crashes or hangs, a reader says what it can, a
 * writer goes on, and what was there is kept aside or still read. */
#include "support.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { ROUNDS = 60, SPANS = 400 };

static void fill(const char *dir)
{
    struct store *s = open_store(dir);
    struct destination d = {.kind = (char *)"service", .url = (char *)"http://a"};
    int64_t to;
    assert_int_equal(store_destination(s, &d, NULL, &to), ERR_OK);
    assert_int_equal(store_begin(s), ERR_OK);
    for (uint64_t n = 0; n < SPANS; n++)
        put_span(s, n / 7, n, n % 5 != 0, &to, 1);
    assert_int_equal(store_commit(s), ERR_OK);
    store_close(s);
}

static void damage(const char *path)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (int places = 1 + rand() % 20; places > 0; places--) {
        unsigned char noise[64];
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (unsigned char)rand();
        off_t at = rand() % (st.st_size - 64);
        size_t len = 1 + (size_t)rand() % sizeof(noise);
        assert_int_equal(pwrite(fd, noise, len, at), (ssize_t)len);
    }
    close(fd);
}

static int see_span(void *user, const struct span *span)
{
    struct buf out;
    buf_init(&out, 1 << 22);
    assert_int_equal(span_print(span, &out), ERR_OK);
    buf_release(&out);
    return ++*(int *)user > 10 * SPANS; /* a damaged tree may go in circles; not for ever */
}

static int see_row(void *user, const struct trace_row *row)
{
    (void)row;
    ++*(int *)user;
    return 0;
}

static void read_everything(struct store *s)
{
    int seen = 0;
    (void)store_each_span(s, NULL, see_span, &seen);
    struct trace_query q = {.limit = 1000, .name = "trace", .model = "gpt"};
    char *next;
    (void)store_list_traces(s, &q, see_row, &seen, &next);
    free(next);
    struct store_totals totals;
    (void)store_totals(s, &totals);
    struct outbox_entry e[64];
    (void)store_outbox_next(s, 1, 0, e, 64);
    for (uint64_t n = 0; n < SPANS; n += 17) {
        uint8_t id[TRACE_ID_LEN];
        char hex[TRACE_ID_HEX];
        struct trace *t;
        id_of(n / 7, id, TRACE_ID_LEN);
        (void)store_find_trace(s, id_to_hex(id, TRACE_ID_LEN, hex), &t);
        trace_free(t);
        seen = 0;
        (void)store_each_span(s, id, see_span, &seen);
    }
}

/* One group of new spans; false: it was rolled back. */
static bool put_group(struct store *s, uint64_t from)
{
    int err = store_begin(s);
    for (uint64_t n = from; n < from + 10 && err == ERR_OK; n++) {
        struct span *span = make_span(n, n);
        err = store_put_span(s, span, NULL, 0);
        span_free(span);
    }
    if (err == ERR_OK)
        err = store_commit(s);
    store_rollback(s);
    return err == ERR_OK;
}

static void test_random_damage(void **state)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/traces.db", (char *)*state);
    for (int round = 0; round < ROUNDS; round++) {
        srand((unsigned)round);
        (void)unlink(path);
        fill(*state);
        damage(path);
        struct store *s;
        if (store_open(&s, *state, STORE_READ, NULL) == ERR_OK) {
            read_everything(s);
            store_close(s);
        }
        int err = store_open(&s, *state, STORE_WRITE, NULL);
        if (err == ERR_DENIED || err == ERR_VERSION) /* the number that says whose it is was hit */
            continue;
        if (err != ERR_OK)
            fail_msg("round %d: %s", round, err_str(err));
        read_everything(s);
        bool put = put_group(s, 100000);
        for (int again = 0; again < 2 && !put; again++)
            put = put_group(s, 100000);
        assert_true(put);
        (void)store_purge(s, T0 + SPANS * 500, 0);
        (void)store_index_step(s);
        assert_true(put_group(s, 200000) || put_group(s, 200000));
        store_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_damage, folder_make, folder_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
