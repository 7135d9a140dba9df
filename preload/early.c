#include "early.h"

#define EARLY_MAX 32

static _Atomic uintptr_t early_keys[EARLY_MAX];
static _Atomic uint32_t early_used; /* none was ever remembered: nothing to look through */

void early_remember(track_key key)
{
    for (unsigned i = 0; i < EARLY_MAX; i++) {
        if (atomic_load_explicit(&early_keys[i], memory_order_relaxed) == key) {
            return;
        }
    }
    for (unsigned i = 0; i < EARLY_MAX; i++) {
        uintptr_t expected = 0;

        if (atomic_compare_exchange_strong(&early_keys[i], &expected, key)) {
            atomic_store_explicit(&early_used, 1, memory_order_release);
            return;
        }
    }
}

bool early_take(track_key key)
{
    if (atomic_load_explicit(&early_used, memory_order_acquire) == 0) {
        return false;
    }
    for (unsigned i = 0; i < EARLY_MAX; i++) {
        uintptr_t expected = key;

        if (atomic_compare_exchange_strong(&early_keys[i], &expected, 0)) {
            return true;
        }
    }
    return false;
}
