#include "store/idfilter.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { BLOCK_WORDS = 8, KEYS_A_BLOCK = 32, BITS_A_KEY = 6 };

void idfilter_init(struct idfilter *f, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    f->seed = seed;
}

void idfilter_release(struct idfilter *f)
{
    free(f->words);
    idfilter_init(f, f->seed);
}

int idfilter_reset(struct idfilter *f, size_t capacity)
{
    size_t blocks = 64;
    while (blocks * KEYS_A_BLOCK < capacity)
        blocks *= 2;
    uint64_t *words = calloc(blocks * BLOCK_WORDS, sizeof(*words));
    if (words == NULL)
        return ERR_NOMEM;
    free(f->words);
    f->words = words;
    f->blocks = blocks;
    f->capacity = blocks * KEYS_A_BLOCK;
    f->count = 0;
    return ERR_OK;
}

static uint64_t scatter(uint64_t key, uint64_t seed)
{
    uint64_t h = (key ^ seed) * 0x9e3779b97f4a7c15ULL;
    h = (h ^ (h >> 32) ^ seed) * 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
}

void idfilter_add(struct idfilter *f, uint64_t key)
{
    uint64_t h = scatter(key, f->seed);
    uint64_t *block = f->words + ((size_t)h & (f->blocks - 1)) * BLOCK_WORDS;
    uint64_t bits = scatter(h, ~f->seed);
    for (int i = 0; i < BITS_A_KEY; i++, bits >>= 9)
        block[(bits >> 6) & 7] |= UINT64_C(1) << (bits & 63);
    f->count++;
}

bool idfilter_has(const struct idfilter *f, uint64_t key)
{
    if (f->blocks == 0)
        return false;
    uint64_t h = scatter(key, f->seed);
    const uint64_t *block = f->words + ((size_t)h & (f->blocks - 1)) * BLOCK_WORDS;
    uint64_t bits = scatter(h, ~f->seed);
    for (int i = 0; i < BITS_A_KEY; i++, bits >>= 9)
        if ((block[(bits >> 6) & 7] & (UINT64_C(1) << (bits & 63))) == 0)
            return false;
    return true;
}
