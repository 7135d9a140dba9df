/* An entry of an index of ids: its key, and where its row lies behind a segment's first. Twelve
 * bytes, the lowest first. Private to the room. */
#ifndef TRACER_STORE_ID_ENTRY_H
#define TRACER_STORE_ID_ENTRY_H

#include <stdint.h>

enum { ID_ENTRY_BYTES = 12 };

static inline void id_entry_put(uint8_t *to, uint64_t key, uint64_t offset)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(key >> (8 * i));
    for (int i = 0; i < 4; i++)
        to[8 + i] = (uint8_t)(offset >> (8 * i));
}

static inline uint64_t id_entry_key(const uint8_t *entry)
{
    uint64_t key = 0;
    for (int i = 7; i >= 0; i--)
        key = key << 8 | entry[i];
    return key;
}

static inline int64_t id_entry_offset(const uint8_t *entry)
{
    uint32_t offset = 0;
    for (int i = 3; i >= 0; i--)
        offset = offset << 8 | entry[8 + i];
    return offset;
}

#endif
