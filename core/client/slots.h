/* Tables of slots behind the handles. They only grow: memory once used for a slot stays one, so
 * that a stale handle meets a slot of another generation and never freed memory. No lock and, once
 * as many slots were made as are in use at once, no allocation. Thread-safe. */
#ifndef TRACER_CLIENT_SLOTS_H
#define TRACER_CLIENT_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_LINE      64u  /* bytes of a cache line */
#define SLOT_SHARDS    64u  /* free lists; a thread takes from that of its number */
#define SLOT_CHUNK     256u /* slots made at once; the first place holds the chunk's own notes */
#define SLOT_CHUNK_MAX 4112u

/* What every slot begins with. The state says of which generation it is and what it holds: 0 while
 * it is free, else the kind. A generation is used once, so that (index, generation) names one use
 * of one slot for as long as the process lives. */
struct slot {
    _Atomic uint64_t state; /* generation << 8 | kind */
    _Atomic uint32_t next;  /* in a free list: index of the next, 0: none */
    _Atomic uint32_t flags; /* of whoever uses it */
};

struct slot_shard {
    _Atomic uint64_t head; /* tag << 32 | index of the first, 0: none */
    uint8_t pad[SLOT_LINE - 8];
};

struct slot_table {
    size_t slot_size; /* a multiple of SLOT_LINE */
    uint32_t chunks_max;
    _Atomic uint32_t chunks;
    struct slot_shard shards[SLOT_SHARDS];
    _Atomic(uint8_t *) directory[SLOT_CHUNK_MAX];
};

static inline uint64_t slot_state(uint64_t generation, unsigned kind)
{
    return generation << 8 | kind;
}

static inline uint64_t slot_generation(uint64_t state)
{
    return state >> 8;
}

/* The slot of an index, or NULL when there is none. Any index may be asked for. */
static inline struct slot *slot_at(struct slot_table *t, uint32_t index)
{
    const uint32_t chunk = index / SLOT_CHUNK;
    if (chunk >= SLOT_CHUNK_MAX || chunk >= t->chunks_max || index % SLOT_CHUNK == 0)
        return NULL;
    uint8_t *at = atomic_load_explicit(&t->directory[chunk], memory_order_acquire);
    return at ? (struct slot *)(void *)(at + index % SLOT_CHUNK * t->slot_size) : NULL;
}

/* Takes a free slot; it is the caller's alone, of a generation never used, until its state says
 * what it holds. Returns its index; 0: the table is full or memory is. shard: any number. */
uint32_t slot_take(struct slot_table *t, uint32_t shard, struct slot **out);
/* Gives back a slot whose state says that it is free. It goes to the list that it came from: what
 * one thread begins and another ends is not made anew each time. */
void slot_give(struct slot_table *t, uint32_t index, struct slot *slot);

#endif
