#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map_entry {
    void *key; /* NULL: never used; &tombstone: removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};

static char tombstone;

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = seed ^ 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < len; i++) {
        h ^= p[i];
        h *= 0x100000001b3ULL;
    }
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33;
    return h;
}

static uint64_t process_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        uint64_t s = 0;
        if (getrandom(&s, sizeof(s), GRND_NONBLOCK) != (ssize_t)sizeof(s))
            s = (uint64_t)(uintptr_t)&seed;
        seed = s | 1;
    }
    return seed;
}

void map_init(struct map *m)
{
    memset(m, 0, sizeof(*m));
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].key != NULL && m->entries[i].key != &tombstone)
            free(m->entries[i].key);
    free(m->entries);
    map_init(m);
}

static struct map_entry *find(const struct map *m, uint64_t hash, const void *key, size_t key_len)
{
    if (m->cap == 0)
        return NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];
        if (e->key == NULL)
            return NULL;
        if (e->key != &tombstone && e->hash == hash && e->key_len == key_len &&
            memcmp(e->key, key, key_len) == 0)
            return e;
    }
}

static void place(struct map_entry *entries, size_t cap, const struct map_entry *from)
{
    size_t i = from->hash & (cap - 1);
    while (entries[i].key != NULL)
        i = (i + 1) & (cap - 1);
    entries[i] = *from;
}

static int grow(struct map *m)
{
    size_t cap = m->cap == 0 ? 16 : m->cap;
    while ((m->count + 1) * 2 > cap)
        cap *= 2;
    struct map_entry *entries = calloc(cap, sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].key != NULL && m->entries[i].key != &tombstone)
            place(entries, cap, &m->entries[i]);
    free(m->entries);
    m->entries = entries;
    m->cap = cap;
    m->used = m->count;
    return ERR_OK;
}

void *map_get(const struct map *m, const void *key, size_t key_len)
{
    struct map_entry *e = find(m, hash_bytes(process_seed(), key, key_len), key, key_len);
    return e == NULL ? NULL : e->value;
}

int map_set(struct map *m, const void *key, size_t key_len, void *value)
{
    uint64_t hash = hash_bytes(process_seed(), key, key_len);
    struct map_entry *e = find(m, hash, key, key_len);
    if (e != NULL) {
        e->value = value;
        return ERR_OK;
    }
    if ((m->used + 1) * 4 > m->cap * 3) {
        int err = grow(m);
        if (err != ERR_OK)
            return err;
    }
    struct map_entry made = {.key_len = key_len, .hash = hash, .value = value};
    made.key = malloc(key_len == 0 ? 1 : key_len);
    if (made.key == NULL)
        return ERR_NOMEM;
    if (key_len > 0)
        memcpy(made.key, key, key_len);
    place(m->entries, m->cap, &made);
    m->count++;
    m->used++;
    return ERR_OK;
}

void *map_take(struct map *m, const void *key, size_t key_len)
{
    struct map_entry *e = find(m, hash_bytes(process_seed(), key, key_len), key, key_len);
    if (e == NULL)
        return NULL;
    void *value = e->value;
    free(e->key);
    e->key = &tombstone;
    e->value = NULL;
    m->count--;
    return value;
}

void *map_next(const struct map *m, size_t *at, const void **key, size_t *key_len)
{
    while (*at < m->cap) {
        const struct map_entry *e = &m->entries[(*at)++];
        if (e->key == NULL || e->key == &tombstone)
            continue;
        if (key != NULL)
            *key = e->key;
        if (key_len != NULL)
            *key_len = e->key_len;
        return e->value;
    }
    return NULL;
}
