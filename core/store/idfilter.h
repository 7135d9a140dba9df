/* A filter of 64-bit keys: false is certain, true is a hint (Bloom, blocks of a cache line). About
 * two bytes a key; one in some thousand strangers passes. Not thread-safe. */
#ifndef TRACER_STORE_IDFILTER_H
#define TRACER_STORE_IDFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idfilter {
    uint64_t *words;
    size_t blocks; /* a power of two, or 0 */
    size_t count, capacity;
    uint64_t seed;
};

void idfilter_init(struct idfilter *f, uint64_t seed);
void idfilter_release(struct idfilter *f);
/* Empties it and makes room for so many keys. ERR_NOMEM: it stays as it was. */
int idfilter_reset(struct idfilter *f, size_t capacity);
void idfilter_add(struct idfilter *f, uint64_t key);
bool idfilter_has(const struct idfilter *f, uint64_t key);

#endif
