/* Writing records. The law of this room's writer: no libc, no lock, no waiting, no allocation; what
 * is read back from shared memory is checked before it is used, since the program around us may
 * have written anywhere. */
#include "wire/writer.h"

#include "wire/bell.h"
#include "wire/sys.h"
#include "wire/text.h"
#include "wire/writer_private.h"

#define ROOM_MIN   512u  /* a block with less room left is DONE */
#define CHUNK_MIN  1024u /* data is not split into less than this */
#define ROUNDS     16    /* of growing and searching, while others take what was made */
#define ALIVE_STEP UINT64_C(1000000000) /* ns between two marks of life */

/* An object that a program may load late (dlopen, under musl) defines this empty: the compiler's
 * own choice. */
#ifndef WIRE_TLS
#define WIRE_TLS __attribute__((tls_model("initial-exec")))
#endif

/* The block this thread wrote to last, plus one. A wrong value costs a search, nothing else. */
static _Thread_local uint32_t hint WIRE_TLS;

enum take { TAKE_OK, TAKE_BUSY, TAKE_NO };

static uint32_t align_up(uint32_t size)
{
    return (size + WIRE_ALIGN - 1) / WIRE_ALIGN * WIRE_ALIGN;
}

static enum take take_one(struct ring_writer *w, uint32_t index, uint32_t need, uint32_t tid,
                          struct ring_place *out)
{
    struct ring_block *block = &w->table[index];
    uint64_t state = atomic_load_explicit(&block->state, memory_order_relaxed);
    if (state != RING_IDLE)
        return RING_STATE(state) == RING_HELD ? TAKE_BUSY : TAKE_NO;
    if (atomic_load_explicit(&block->committed, memory_order_relaxed) > RING_BLOCK_SIZE - need)
        return TAKE_NO;
    if (!atomic_compare_exchange_strong_explicit(&block->state, &state,
                                                 RING_HELD | (uint64_t)tid << 32,
                                                 memory_order_acquire, memory_order_relaxed))
        return TAKE_BUSY;
    uint32_t used = atomic_load_explicit(&block->committed, memory_order_relaxed);
    if (used > RING_BLOCK_SIZE - need || used % WIRE_ALIGN != 0) {
        atomic_store_explicit(&block->state, RING_IDLE, memory_order_release);
        return TAKE_NO;
    }
    *out = (struct ring_place){index, used};
    return TAKE_OK;
}

/* One round over the reserved blocks: the thread's own, then from the first on, so that those are
 * used which were emptied lately and are in the caches, and the others' memory goes back. */
__attribute__((noinline)) static enum take search(struct ring_writer *w, uint32_t need,
                                                  uint32_t tid, struct ring_place *out)
{
    uint32_t count = atomic_load_explicit(&w->header->blocks_reserved, memory_order_acquire);
    if (count > w->blocks_max)
        count = w->blocks_max;
    const uint32_t own = hint ? hint - 1 : tid % RING_BLOCKS_FIRST;
    enum take worst = own < count ? take_one(w, own, need, tid, out) : TAKE_NO;
    for (uint32_t i = 0; i < count && worst != TAKE_OK; i++) {
        enum take result = take_one(w, i, need, tid, out);
        if (result != TAKE_NO)
            worst = result;
    }
    if (worst == TAKE_OK)
        hint = out->index + 1;
    return worst;
}

/* Takes a block with room for need bytes. False when there is none and none can be made. */
__attribute__((always_inline)) static inline int take(struct ring_writer *w, uint32_t need,
                                                      uint32_t tid, struct ring_place *out)
{
    uint64_t returned = atomic_load_explicit(&w->header->returned, memory_order_acquire);
    uint64_t full = atomic_load_explicit(&w->full, memory_order_relaxed);
    if (full && need >= (uint32_t)full && full >> 32 == returned)
        return 0; /* nothing was given back since the last search in vain */
    enum take result = search(w, need, tid, out);
    if (result == TAKE_OK)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t grown = writer_grow(w);
        result = search(w, need, tid, out);
        if (result == TAKE_OK)
            return 1;
        if (grown == 0 && result == TAKE_NO)
            break;
        sys_relax();
    }
    if (result == TAKE_NO)
        atomic_store_explicit(&w->full, returned << 32 | need, memory_order_relaxed);
    return 0;
}

/* Publishes what was written up to `used` and lets go of the block. The exchange is also the full
 * barrier between the record and the look at the doorbell. */
static void publish(struct ring_writer *w, const struct ring_place *held, uint32_t used,
                    uint64_t time)
{
    struct ring_block *block = &w->table[held->index];
    atomic_store_explicit(&block->committed, used, memory_order_release);
    uint64_t next = RING_BLOCK_SIZE - used < ROOM_MIN ? RING_DONE : RING_IDLE;
    (void)atomic_exchange_explicit(&block->state, next, memory_order_seq_cst);
    if (time - atomic_load_explicit(&w->header->alive_time, memory_order_relaxed) > ALIVE_STEP)
        atomic_store_explicit(&w->header->alive_time, time, memory_order_relaxed);
    bell_ring(w->bell);
}

static void count_lost(struct ring_writer *w, uint64_t bytes)
{
    atomic_fetch_add_explicit(&w->header->lost_records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->header->lost_bytes, bytes, memory_order_relaxed);
}

static struct wire_record *record_at(struct ring_writer *w, const struct ring_place *held)
{
    return (struct wire_record *)(void *)(w->blocks + (uint64_t)held->index * RING_BLOCK_SIZE +
                                          held->at);
}

/* Writes the header of a record whose payload is there, and publishes it. It is put together where
 * it is to be, since the stack is scarce. */
static void finish(struct ring_writer *w, const struct ring_place *held,
                   const struct wire_record *head, uint64_t offset, uint32_t length)
{
    struct wire_record *record = record_at(w, held);
    const uint32_t whole = (uint32_t)sizeof(*record) + length, size = align_up(whole);
    for (uint32_t i = whole; i < size; i++)
        ((uint8_t *)record)[i] = 0;
    *record = *head;
    record->size = size;
    record->length = length;
    record->offset = offset;
    publish(w, held, held->at + size, head->time);
}

/* Writes one record into a held block; the caller made sure that it fits. */
static void fill(struct ring_writer *w, const struct ring_place *held,
                 const struct wire_record *head, uint64_t offset, const struct wire_piece *pieces,
                 uint32_t count)
{
    uint8_t *const payload = (uint8_t *)(record_at(w, held) + 1);
    uint8_t *to = payload;
    for (uint32_t i = 0; i < count; i++) {
        wire_copy(to, pieces[i].data, pieces[i].length);
        to += pieces[i].length;
    }
    finish(w, held, head, offset, (uint32_t)(to - payload));
}

static uint32_t holder_of(const struct wire_record *head)
{
    return head->tid ? head->tid : (uint32_t)sys_gettid();
}

int ring_writer_put(struct ring_writer *w, const struct wire_record *head,
                    const struct wire_piece *pieces, uint32_t count)
{
    if (!w->header)
        return -EBADF;
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].length > RING_PAYLOAD_MAX || length > RING_PAYLOAD_MAX)
            return -EMSGSIZE;
        length += pieces[i].length;
    }
    if (length > RING_PAYLOAD_MAX)
        return -EMSGSIZE;
    struct ring_place held;
    if (!take(w, align_up((uint32_t)sizeof(*head) + (uint32_t)length), holder_of(head), &held)) {
        count_lost(w, length);
        return -ENOBUFS;
    }
    fill(w, &held, head, head->offset, pieces, count);
    return 0;
}

uint8_t *ring_writer_hold(struct ring_writer *w, uint32_t room, uint32_t tid,
                          struct ring_place *place)
{
    if (!w->header)
        return NULL;
    if (room > RING_PAYLOAD_MAX ||
        !take(w, align_up((uint32_t)sizeof(struct wire_record) + room), tid, place)) {
        count_lost(w, room);
        return NULL;
    }
    return (uint8_t *)(record_at(w, place) + 1);
}

void ring_writer_commit(struct ring_writer *w, const struct ring_place *place,
                        const struct wire_record *head)
{
    finish(w, place, head, head->offset, head->length);
}

uint64_t ring_writer_put_data(struct ring_writer *w, const struct wire_record *head,
                              const void *prefix, const void *data, size_t length)
{
    if (!w->header)
        return length;
    const uint32_t front = prefix ? WIRE_TRACE_ID_LEN + WIRE_SPAN_ID_LEN : 0;
    const uint32_t tid = holder_of(head);
    size_t done = 0;
    do {
        size_t left = length - done;
        uint32_t least = left < CHUNK_MIN ? (uint32_t)left : CHUNK_MIN;
        struct ring_place held;
        if (!take(w, align_up((uint32_t)sizeof(*head) + front + least), tid, &held)) {
            count_lost(w, left);
            return left;
        }
        size_t room = RING_BLOCK_SIZE - held.at - sizeof(*head) - front;
        size_t part = left < room ? left : room;
        struct wire_piece pieces[2] = {{prefix, front}, {(const uint8_t *)data + done, part}};
        fill(w, &held, head, head->offset + done, pieces, 2);
        done += part;
    } while (done < length);
    return 0;
}
