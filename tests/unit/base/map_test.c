#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define KEYS 20000

/* Random sets and removals against a plain array of what must be there. */
static void behaves_like_an_array(void **state)
{
    (void)state;
    static int present[KEYS];
    static int values[KEYS];
    struct map m;
    map_init(&m);
    srand(7);
    size_t count = 0;
    for (int step = 0; step < 200000; step++) {
        int key = rand() % KEYS;
        if (rand() % 3 != 0) {
            assert_int_equal(map_set(&m, &key, sizeof(key), &values[key]), ERR_OK);
            count += present[key] ? 0 : 1;
            present[key] = 1;
        } else {
            void *taken = map_take(&m, &key, sizeof(key));
            assert_ptr_equal(taken, present[key] ? &values[key] : NULL);
            count -= present[key] ? 1 : 0;
            present[key] = 0;
        }
    }
    assert_int_equal(m.count, count);
    for (int key = 0; key < KEYS; key++)
        assert_ptr_equal(map_get(&m, &key, sizeof(key)), present[key] ? &values[key] : NULL);
    size_t at = 0;
    size_t seen = 0;
    const void *key;
    size_t len;
    for (int *v; (v = map_next(&m, &at, &key, &len)) != NULL; seen++) {
        int k;
        assert_int_equal(len, sizeof(k));
        memcpy(&k, key, sizeof(k));
        assert_ptr_equal(v, &values[k]);
        assert_ptr_equal(map_take(&m, &k, sizeof(k)), v);
    }
    assert_int_equal(seen, count);
    assert_int_equal(m.count, 0);
    map_release(&m);
}

static void keys_are_bytes_and_copied(void **state)
{
    (void)state;
    struct map m;
    map_init(&m);
    char key[] = "a\0b";
    int one = 1;
    int two = 2;
    assert_null(map_get(&m, key, 3));
    assert_int_equal(map_set(&m, key, 3, &one), ERR_OK);
    assert_int_equal(map_set(&m, key, 1, &two), ERR_OK);
    assert_int_equal(map_set(&m, "", 0, &two), ERR_OK);
    key[0] = 'z';
    assert_ptr_equal(map_get(&m, "a\0b", 3), &one);
    assert_ptr_equal(map_get(&m, "a", 1), &two);
    assert_ptr_equal(map_get(&m, "", 0), &two);
    assert_null(map_get(&m, key, 3));
    map_release(&m);
}

static void stable_hash_is_stable(void **state)
{
    (void)state;
    assert_true(hash_bytes(1, "abc", 3) == hash_bytes(1, "abc", 3));
    assert_true(hash_bytes(1, "abc", 3) != hash_bytes(2, "abc", 3));
    assert_true(hash_bytes(1, "abc", 3) != hash_bytes(1, "abd", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_an_array),
        cmocka_unit_test(keys_are_bytes_and_copied),
        cmocka_unit_test(stable_hash_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
