#include "client/slots.h"

#include <sys/mman.h>

#define GENERATION_MAX UINT32_MAX

/* In the first place of a chunk. */
struct chunk {
    uint32_t shard;
};

static uint64_t tagged(uint64_t before, uint32_t index)
{
    return ((before >> 32) + 1) << 32 | index;
}

/* Pushes a chain whose last one is `last`. */
static void push(struct slot_shard *shard, uint32_t first, struct slot *last)
{
    uint64_t head = atomic_load_explicit(&shard->head, memory_order_relaxed);
    do
        atomic_store_explicit(&last->next, (uint32_t)head, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&shard->head, &head, tagged(head, first),
                                                  memory_order_release, memory_order_relaxed));
}

/* The tag makes the exchange fail when others took and gave back the same slot in between. */
static uint32_t pop(struct slot_table *t, struct slot_shard *shard, struct slot **out)
{
    uint64_t head = atomic_load_explicit(&shard->head, memory_order_acquire);
    while ((uint32_t)head != 0) {
        struct slot *slot = slot_at(t, (uint32_t)head);
        uint32_t next = atomic_load_explicit(&slot->next, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&shard->head, &head, tagged(head, next),
                                                  memory_order_acquire, memory_order_acquire)) {
            *out = slot;
            return (uint32_t)head;
        }
    }
    return 0;
}

static uint32_t next_chunk(struct slot_table *t)
{
    uint32_t number = atomic_load_explicit(&t->chunks, memory_order_relaxed);
    while (number < t->chunks_max &&
           !atomic_compare_exchange_weak_explicit(&t->chunks, &number, number + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    return number;
}

/* Makes a chunk, keeps its first slot and puts the others into the shard's list. */
static uint32_t grow(struct slot_table *t, uint32_t shard, struct slot **out)
{
    void *mapped = mmap(NULL, SLOT_CHUNK * t->slot_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return 0;
    const uint32_t number = next_chunk(t);
    if (number >= t->chunks_max) {
        (void)munmap(mapped, SLOT_CHUNK * t->slot_size);
        return 0;
    }
    ((struct chunk *)mapped)->shard = shard;
    atomic_store_explicit(&t->directory[number], (uint8_t *)mapped, memory_order_release);
    const uint32_t first = number * SLOT_CHUNK + 1;
    for (uint32_t i = 1; i + 2 < SLOT_CHUNK; i++)
        atomic_store_explicit(&slot_at(t, first + i)->next, first + i + 1, memory_order_relaxed);
    push(&t->shards[shard], first + 1, slot_at(t, first + SLOT_CHUNK - 2));
    *out = slot_at(t, first);
    return first;
}

uint32_t slot_take(struct slot_table *t, uint32_t shard, struct slot **out)
{
    shard %= SLOT_SHARDS;
    uint32_t index = pop(t, &t->shards[shard], out);
    if (index == 0)
        index = grow(t, shard, out);
    if (index == 0)
        return 0;
    const uint64_t state = atomic_load_explicit(&(*out)->state, memory_order_relaxed);
    atomic_store_explicit(&(*out)->state, slot_state(slot_generation(state) + 1, 0),
                          memory_order_relaxed);
    return index;
}

void slot_give(struct slot_table *t, uint32_t index, struct slot *slot)
{
    /* Worn out: a generation more would be one that a handle may still name. */
    if (slot_generation(atomic_load_explicit(&slot->state, memory_order_relaxed)) >= GENERATION_MAX)
        return;
    uint8_t *at = atomic_load_explicit(&t->directory[index / SLOT_CHUNK], memory_order_acquire);
    push(&t->shards[((struct chunk *)(void *)at)->shard], index, slot);
}
