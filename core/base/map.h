/* Hash map from a byte-string key to a pointer. Keys are copied; values are the caller's. The hash
 * is seeded at random per process, since keys may come from the network. Not thread-safe. */
#ifndef TRACER_BASE_MAP_H
#define TRACER_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct map_entry;

struct map {
    struct map_entry *entries;
    size_t count;
    size_t used; /* with tombstones */
    size_t cap;  /* a power of two, or 0 */
};

void map_init(struct map *m);
/* Frees keys and table; values are left alone. */
void map_release(struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, const void *key, size_t key_len);
/* Sets or replaces; value must not be NULL. ERR_NOMEM leaves the map unchanged. */
int map_set(struct map *m, const void *key, size_t key_len, void *value) WARN_UNUSED_RESULT;
/* Removes and returns the value, or NULL. */
void *map_take(struct map *m, const void *key, size_t key_len);
/* Iterates: start with *at = 0; returns the next value or NULL at the end. Removing the entry just
 * returned is allowed, adding is not. key and key_len may be NULL. */
void *map_next(const struct map *m, size_t *at, const void **key, size_t *key_len);

/* FNV-1a with a final mix, for uses that need a stable hash (no seed). */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);

#endif
