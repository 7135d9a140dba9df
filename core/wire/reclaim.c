/* Giving blocks back to the writers. Each step leaves the file in a state from which the next
 * collector can go on, should this one be killed: `released` is raised to all that was read before
 * anything is overwritten, and a claimed block is used by nobody. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/reader_private.h"

#define WORTH_BYTES 16384u            /* emptied at once from that much on, */
#define QUIET_NS    (500 * NS_PER_MS) /* else when nobody wrote to it for so long */
#define TAKE_OUT_NS (5 * NS_PER_SEC)  /* an empty block's memory goes back after that */
#define HOLDER_NS   (1 * NS_PER_SEC)  /* a holder that lasts so long may be dead */

static const uint8_t zeros[RING_BLOCK_SIZE];

static uint64_t entry_offset(uint32_t index)
{
    return RING_TABLE_OFFSET + (uint64_t)index * sizeof(struct ring_block);
}

static uint64_t block_offset(const struct ring_reader *r, uint32_t index)
{
    return r->blocks_offset + (uint64_t)index * RING_BLOCK_SIZE;
}

/* The low half of a block's state, for shared_or and its like. */
static void *state_word(const struct ring_reader *r, uint32_t index)
{
    return r->mapped + entry_offset(index); /* both architectures are little-endian */
}

static int write_exactly(const struct ring_reader *r, const void *data, size_t size,
                         uint64_t offset)
{
    return pwrite(r->fd, data, size, (off_t)offset) == (ssize_t)size ? 0 : ERR_IO;
}

static int write_released(struct ring_reader *r, uint32_t index, uint32_t released)
{
    struct block_view *v = &r->views[index];
    if (v->released == released)
        return 0;
    int err = write_exactly(r, &released, sizeof(released),
                            entry_offset(index) + offsetof(struct ring_block, released));
    if (err == 0)
        v->released = released;
    return err;
}

static int zero(const struct ring_reader *r, uint32_t index, uint32_t from, uint32_t end)
{
    return end > from ? write_exactly(r, zeros, end - from, block_offset(r, index) + from) : 0;
}

static int read_entry(const struct ring_reader *r, uint32_t index, struct ring_block *out)
{
    return pread(r->fd, out, sizeof(*out), (off_t)entry_offset(index)) == (ssize_t)sizeof(*out)
               ? 0
               : ERR_IO;
}

/* Claims a block whose state is `expected`, with nothing written to it since it was looked at. */
static bool claim(struct ring_reader *r, uint32_t index, uint64_t expected)
{
    const struct block_view *v = &r->views[index];
    struct ring_block now;
    if (shared_or(state_word(r, index), RING_CLAIM) != 0)
        return false;
    if (read_entry(r, index, &now) != 0)
        return false;
    if (now.state == (expected | RING_CLAIM) && now.committed == v->committed &&
        now.sequence == v->sequence)
        return true;
    (void)!shared_and_not(state_word(r, index), RING_CLAIM);
    return false;
}

/* Starts the next use of a block that only we can touch, then lets the writers see `state`. */
static int restart(struct ring_reader *r, uint32_t index, uint32_t base, uint32_t state)
{
    struct block_view *v = &r->views[index];
    struct {
        uint32_t committed, released;
        uint64_t sequence;
    } fresh = {base, base, v->sequence + 1};
    _Static_assert(
        offsetof(struct ring_block, released) == offsetof(struct ring_block, committed) + 4 &&
            offsetof(struct ring_block, sequence) == offsetof(struct ring_block, committed) + 8,
        "written at once");
    int err = write_exactly(r, &fresh, sizeof(fresh),
                            entry_offset(index) + offsetof(struct ring_block, committed));
    if (err == 0)
        err = shared_set(state_word(r, index), state);
    if (err)
        return err;
    reader_begin_use(v, fresh.sequence, base);
    v->state = state;
    v->committed = base;
    v->changed = clock_boot_ns();
    return shared_add(r->mapped + offsetof(struct ring_header, returned), 1);
}

/* Takes an empty, claimed block's memory away. The hole's state says how often that happened, so
 * that a writer which reserved it before cannot use it after. */
static int punch(struct ring_reader *r, uint32_t index)
{
    struct block_view *v = &r->views[index];
    if (fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)block_offset(r, index),
                  RING_BLOCK_SIZE) != 0)
        return ERR_IO;
    const uint32_t times = (uint32_t)v->sequence + 1;
    int err = write_exactly(r, &times, sizeof(times), entry_offset(index) + sizeof(uint32_t));
    return err ? err : restart(r, index, 0, RING_HOLE);
}

/* A claim seen in the table was left by a collector that died, maybe while it took the block out.
 */
static bool claimed(const struct block_view *v)
{
    return (v->state & 0xff) == (RING_IDLE | RING_CLAIM);
}

static void give_back(struct ring_reader *r, uint32_t index)
{
    struct block_view *v = &r->views[index];
    const uint32_t base = reader_base(r, index);
    const bool abandoned = claimed(v);
    if (v->state == RING_IDLE && !claim(r, index, RING_IDLE))
        return;
    uint32_t end = v->spoiled || v->committed > RING_BLOCK_SIZE ? RING_BLOCK_SIZE : v->committed;
    if (abandoned && v->committed == 0 && !v->spoiled)
        end = base; /* it may have been punched: writing would fill the hole again */
    if (!v->spoiled && write_released(r, index, v->committed) != 0)
        return;
    if (zero(r, index, base, end) != 0)
        return;
    if (abandoned && index >= RING_BLOCKS_FIRST)
        (void)!punch(r, index);
    else
        (void)!restart(r, index, base, RING_IDLE);
}

static void take_out(struct ring_reader *r, uint32_t index)
{
    if (claim(r, index, RING_IDLE) && punch(r, index) != 0)
        (void)!shared_and_not(state_word(r, index), RING_CLAIM);
}

/* A thread that died while it held the block: what it had published stays, the rest of the block
 * (half a record) is emptied, and nobody writes to it until it was given back. A holder in another
 * PID namespace is left alone, since nobody can say that it is dead rather than stopped; its
 * published records are read all the same, and the block comes back with the ring. */
static void take_over(struct ring_reader *r, uint32_t index)
{
    struct block_view *v = &r->views[index];
    const uint32_t nobody = 0;
    if (v->committed > RING_BLOCK_SIZE || !claim(r, index, v->state))
        return;
    if (zero(r, index, v->committed, RING_BLOCK_SIZE) != 0 ||
        write_exactly(r, &nobody, sizeof(nobody), entry_offset(index) + sizeof(uint32_t)) != 0 ||
        shared_set(state_word(r, index), RING_DONE) != 0)
        return;
    v->state = RING_DONE;
}

static bool holder_dead(const struct ring_reader *r, const struct block_view *v, int64_t now,
                        uint64_t own_namespace)
{
    return now - v->changed >= HOLDER_NS && own_namespace != 0 &&
           r->identity.pid_ns == own_namespace &&
           !proc_thread_alive(r->identity.pid, RING_HOLDER(v->state));
}

/* Next bit set at or after place; MARK_WORDS * 64 when there is none. */
static uint32_t next_bit(const uint64_t *words, uint32_t place)
{
    uint32_t word = place / 64;
    if (word >= MARK_WORDS)
        return MARK_WORDS * 64;
    uint64_t bits = words[word] >> (place % 64) << (place % 64);
    while (bits == 0 && ++word < MARK_WORDS)
        bits = words[word];
    return bits ? word * 64 + (uint32_t)__builtin_ctzll(bits) : MARK_WORDS * 64;
}

/* Overwrites [from, end) by one padding record. The first eight bytes make it one, so that a kill
 * in the middle leaves nothing half-way. */
static int erase(const struct ring_reader *r, uint32_t index, uint32_t from, uint32_t end)
{
    struct {
        uint32_t size;
        uint16_t type, flags;
    } pad = {end - from, WIRE_PAD, 0};
    struct iovec parts[2] = {{&pad, sizeof(pad)}, {(void *)(uintptr_t)zeros, 0}};
    parts[1].iov_len = pad.size - sizeof(pad);
    ssize_t done = pwritev(r->fd, parts, 2, (off_t)(block_offset(r, index) + from));
    return done == (ssize_t)pad.size ? 0 : ERR_IO;
}

/* Makes releases last: every run of released records becomes one padding record, so that no
 * released byte stays readable and no later collector sees it again. */
static void flush(struct ring_reader *r, uint32_t index)
{
    struct block_view *v = &r->views[index];
    if (!v->dirty || !v->marks || v->spoiled)
        return;
    uint32_t at = next_bit(v->marks->freed, 0);
    while (at < MARK_WORDS * 64) {
        uint32_t live = next_bit(v->marks->live, at);
        uint32_t end = live * WIRE_ALIGN < v->read ? live * WIRE_ALIGN : v->read;
        if (erase(r, index, at * WIRE_ALIGN, end) != 0)
            return;
        for (; at * WIRE_ALIGN < end; at = next_bit(v->marks->freed, at))
            v->marks->freed[at / 64] &= ~(UINT64_C(1) << (at % 64));
    }
    v->dirty = false;
}

static void reclaim_block(struct ring_reader *r, uint32_t index, int64_t now, uint64_t own)
{
    struct block_view *v = &r->views[index];
    if (RING_STATE(v->state) == RING_HELD && holder_dead(r, v, now, own))
        take_over(r, index);
    const bool empty = v->outstanding == 0 && (v->spoiled || v->read == v->committed);
    const bool used = v->spoiled || v->committed > reader_base(r, index);
    const int64_t age = now - v->changed;
    if (empty && (RING_STATE(v->state) == RING_DONE || claimed(v)))
        give_back(r, index);
    else if (empty && used && v->state == RING_IDLE &&
             (v->spoiled || v->committed >= WORTH_BYTES || age >= QUIET_NS))
        give_back(r, index);
    else if (v->state == RING_IDLE && v->committed == 0 && index >= RING_BLOCKS_FIRST &&
             age >= TAKE_OUT_NS)
        take_out(r, index);
    else if (RING_STATE(v->state) != RING_HOLE)
        flush(r, index);
}

void ring_reader_reclaim(struct ring_reader *r)
{
    if (reader_load(r) != 0)
        return;
    const int64_t now = clock_boot_ns();
    bool held = false;
    for (uint32_t i = 0; i < r->count; i++) {
        reader_look(r, i, now);
        const struct block_view *v = &r->views[i];
        held |= RING_STATE(v->state) == RING_HELD && now - v->changed >= HOLDER_NS;
    }
    const uint64_t own = held ? proc_own_namespace() : 0;
    for (uint32_t i = 0; i < r->count; i++)
        reclaim_block(r, i, now, own);
}

void ring_reader_drop(struct ring_reader *r)
{
    if (reader_load(r) != 0)
        return;
    const int64_t now = clock_boot_ns();
    r->sticky = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        struct block_view *v = &r->views[i];
        reader_look(r, i, now);
        if (RING_STATE(v->state) == RING_HOLE || v->read > RING_BLOCK_SIZE)
            continue;
        v->outstanding = 0;
        if (v->marks)
            memset(v->marks, 0, sizeof(*v->marks));
        if (v->read == v->committed || v->spoiled) {
            if (RING_STATE(v->state) == RING_HELD)
                take_over(r, i);
            give_back(r, i);
        } else if (write_released(r, i, v->read) == 0) {
            (void)!zero(r, i, 0, v->read);
        }
    }
}
