/* Hash map from a 64-bit key to a row number (never 0). Keys may be chosen by a stranger: places
 * come from a seed. Not thread-safe. */
#ifndef TRACER_STORE_IDMAP_H
#define TRACER_STORE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_entry {
    uint64_t key;
    int64_t row; /* 0: free */
};

struct idmap {
    struct idmap_entry *entries;
    size_t count, cap;
    uint64_t seed;
};

void idmap_init(struct idmap *m, uint64_t seed);
void idmap_release(struct idmap *m);
void idmap_clear(struct idmap *m);                      /* keeps the memory */
void idmap_forget(struct idmap *m, int64_t upto);       /* rows up to that; without memory: none */
int64_t idmap_get(const struct idmap *m, uint64_t key); /* 0: none */
/* Sets or replaces. ERR_NOMEM. */
int idmap_set(struct idmap *m, uint64_t key, int64_t row);

#endif
