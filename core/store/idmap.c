#include "store/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void idmap_init(struct idmap *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->seed = seed;
}

void idmap_release(struct idmap *m)
{
    free(m->entries);
    idmap_init(m, m->seed);
}

void idmap_clear(struct idmap *m)
{
    if (m->cap > 0)
        memset(m->entries, 0, m->cap * sizeof(*m->entries));
    m->count = 0;
}

static struct idmap_entry *place(const struct idmap *m, uint64_t key)
{
    uint64_t h = (key ^ m->seed) * 0x9e3779b97f4a7c15ULL;
    h = (h ^ (h >> 32) ^ m->seed) * 0xd6e8feb86659fd93ULL;
    size_t at = (size_t)(h >> 32) & (m->cap - 1);
    while (m->entries[at].row != 0 && m->entries[at].key != key)
        at = (at + 1) & (m->cap - 1);
    return &m->entries[at];
}

int64_t idmap_get(const struct idmap *m, uint64_t key)
{
    return m->cap == 0 ? 0 : place(m, key)->row;
}

static int grow(struct idmap *m)
{
    struct idmap bigger = {.cap = m->cap == 0 ? 1024 : m->cap * 2, .seed = m->seed};
    bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
    if (bigger.entries == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].row != 0)
            *place(&bigger, m->entries[i].key) = m->entries[i];
    bigger.count = m->count;
    free(m->entries);
    *m = bigger;
    return ERR_OK;
}

void idmap_forget(struct idmap *m, int64_t upto)
{
    struct idmap left = {.cap = m->cap, .seed = m->seed};
    left.entries = calloc(left.cap, sizeof(*left.entries));
    if (left.entries == NULL)
        return;
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].row > upto) {
            *place(&left, m->entries[i].key) = m->entries[i];
            left.count++;
        }
    free(m->entries);
    *m = left;
}

int idmap_set(struct idmap *m, uint64_t key, int64_t row)
{
    if ((m->count + 1) * 2 > m->cap) {
        int err = grow(m);
        if (err != ERR_OK)
            return err;
    }
    struct idmap_entry *e = place(m, key);
    if (e->row == 0)
        m->count++;
    e->key = key;
    e->row = row;
    return ERR_OK;
}
