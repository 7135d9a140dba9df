#include "host_name.h"

#define HOSTS    128
#define HOST_MAX 256

static struct {
    _Atomic uintptr_t key;
    char name[HOST_MAX];
} hosts[HOSTS];

static size_t slot_of(track_key key)
{
    return (key >> 4 ^ key >> 11) % HOSTS;
}

void host_name_keep(track_key key, const char *name, size_t len)
{
    size_t slot = slot_of(key);

    if (name == NULL || len == 0 || len >= HOST_MAX) {
        return;
    }
    atomic_store_explicit(&hosts[slot].key, 0, memory_order_release);
    memcpy(hosts[slot].name, name, len);
    hosts[slot].name[len] = '\0';
    atomic_store_explicit(&hosts[slot].key, key, memory_order_release);
}

const char *host_name_of(track_key key)
{
    size_t slot = slot_of(key);

    return atomic_load_explicit(&hosts[slot].key, memory_order_acquire) == key ? hosts[slot].name
                                                                               : NULL;
}

void host_name_drop(track_key key)
{
    uintptr_t expected = key;

    atomic_compare_exchange_strong(&hosts[slot_of(key)].key, &expected, 0);
}
