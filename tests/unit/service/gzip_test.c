/* gzip there and back, damage, and bombs. */
#include <stdlib.h>
#include <string.h>

#include "service/gzip.h"
#include "unit/cmocka_all.h"

#define MB ((size_t)1 << 20)

static struct buf pack(const char *bytes, size_t len)
{
    struct buf out;
    buf_init(&out, 16 * MB);
    struct gzip *z = gzip_new(1);
    assert_int_equal(gzip_deflate(z, bytes, len, &out), ERR_OK);
    gzip_free(z);
    return out;
}

static char *noise(size_t len)
{
    char *bytes = malloc(len);
    unsigned seed = 7;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)((seed = seed * 1103515245u + 12345u) >> (i % 3 == 0 ? 24 : 30));
    return bytes;
}

static void there_and_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 32767, 32768, 32769, 3000000};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *bytes = noise(sizes[i] + 1);
        struct buf packed = pack(bytes, sizes[i]);
        struct buf again;
        buf_init(&again, sizes[i] + 1); /* exactly what is needed, and one */
        assert_int_equal(gzip_inflate(packed.data, packed.len, &again), ERR_OK);
        assert_int_equal(again.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(again.data, bytes, sizes[i]);
        buf_release(&again);
        buf_release(&packed);
        free(bytes);
    }
}

static void one_compressor_many_times(void **state)
{
    (void)state;
    struct gzip *z = gzip_new(1);
    for (int i = 0; i < 50; i++) {
        char text[64];
        struct buf packed;
        struct buf again;
        buf_init(&packed, MB);
        buf_init(&again, MB);
        memset(text, 'a' + i % 26, sizeof(text));
        assert_int_equal(gzip_deflate(z, text, sizeof(text), &packed), ERR_OK);
        assert_int_equal(gzip_inflate(packed.data, packed.len, &again), ERR_OK);
        assert_int_equal(again.len, sizeof(text));
        assert_memory_equal(again.data, text, sizeof(text));
        buf_release(&packed);
        buf_release(&again);
        /* One that found no room leaves nothing behind for the next. */
        buf_init(&packed, 4);
        assert_int_equal(gzip_deflate(z, text, sizeof(text), &packed), ERR_FULL);
        buf_release(&packed);
    }
    gzip_free(z);
}

static void bombs_stop_at_the_ceiling(void **state)
{
    (void)state;
    char *zeros = calloc(1, 64 * MB);
    struct buf packed = pack(zeros, 64 * MB);
    struct buf out;
    assert_true(packed.len < MB);
    buf_init(&out, MB);
    assert_int_equal(gzip_inflate(packed.data, packed.len, &out), ERR_FULL);
    assert_true(out.len <= MB);
    assert_true(out.cap <= MB + 1);
    buf_release(&out);
    buf_init(&out, 64 * MB);
    assert_int_equal(gzip_inflate(packed.data, packed.len, &out), ERR_OK);
    buf_release(&out);
    buf_init(&out, 64 * MB - 1);
    assert_int_equal(gzip_inflate(packed.data, packed.len, &out), ERR_FULL);
    buf_release(&out);
    buf_release(&packed);
    free(zeros);
}

static void members_follow_each_other(void **state)
{
    (void)state;
    struct buf first = pack("one ", 4);
    struct buf second = pack("two", 3);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(buf_append(&first, second.data, second.len), ERR_OK);
    assert_int_equal(gzip_inflate(first.data, first.len, &out), ERR_OK);
    assert_string_equal(buf_str(&out), "one two");
    buf_clear(&out);
    assert_int_equal(buf_append(&first, "trailing", 8), ERR_OK);
    assert_int_equal(gzip_inflate(first.data, first.len, &out), ERR_BAD);
    buf_release(&out);
    buf_release(&first);
    buf_release(&second);
}

/* Cut anywhere or with any byte changed it is refused, or was not damaged where it counts. */
static void damage_is_found(void **state)
{
    (void)state;
    char *bytes = noise(3000);
    struct buf packed = pack(bytes, 3000);
    struct buf out;
    buf_init(&out, MB);
    for (size_t len = 0; len < packed.len; len++) {
        buf_clear(&out);
        assert_int_equal(gzip_inflate(packed.data, len, &out), ERR_BAD);
    }
    for (size_t i = 0; i < packed.len; i++) {
        buf_clear(&out);
        packed.data[i] ^= 0x20;
        if (gzip_inflate(packed.data, packed.len, &out) == ERR_OK) {
            assert_int_equal(out.len, 3000);
            assert_memory_equal(out.data, bytes, 3000);
        }
        packed.data[i] ^= 0x20;
    }
    assert_int_equal(gzip_inflate("{\"name\": 1}", 11, &out), ERR_BAD);
    buf_release(&out);
    buf_release(&packed);
    free(bytes);
}

static void who_takes_gzip(void **state)
{
    (void)state;
    assert_false(gzip_is_accepted(NULL));
    assert_false(gzip_is_accepted(""));
    assert_false(gzip_is_accepted("br, deflate"));
    assert_false(gzip_is_accepted("gzip;q=0"));
    assert_false(gzip_is_accepted("gzip; q=0.000, *"));
    assert_false(gzip_is_accepted("*;q=0"));
    assert_false(gzip_is_accepted("gzipped"));
    assert_true(gzip_is_accepted("gzip"));
    assert_true(gzip_is_accepted("deflate, GZIP, br"));
    assert_true(gzip_is_accepted("gzip;q=0.1"));
    assert_true(gzip_is_accepted("br;q=0, *"));
    assert_true(gzip_is_accepted("x-gzip"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(one_compressor_many_times),
        cmocka_unit_test(bombs_stop_at_the_ceiling),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(who_takes_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
