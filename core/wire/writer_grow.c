/* Reserving more of a ring. There is no lock: fallocate of what is reserved already does nothing,
 * and the compare-and-swap from HOLE carries the count of times the block was taken out, so that a
 * thread which slept in between cannot use a block that was taken out again. */
#include "wire/sys.h"
#include "wire/writer_private.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define OTHERS_MAX (UINT64_C(64) << 20)
#define BATCH      8u /* holes looked at and reserved at once: their counts lie on the stack */

uint64_t writer_free_share(int fd)
{
    struct statfs system = {0};
    if (sys_fstatfs(fd, &system) < 0)
        return 0;
    if (system.f_blocks == 0)
        return UINT64_MAX; /* tmpfs without a limit, ramfs */
    return (uint64_t)system.f_bavail * (uint64_t)system.f_bsize / 8;
}

/* The same for one more step: besides, a quarter of a small file system stays the program's. */
__attribute__((noinline)) static uint64_t grow_share(int fd)
{
    struct statfs system = {0};
    if (sys_fstatfs(fd, &system) < 0)
        return 0;
    if (system.f_blocks == 0)
        return UINT64_MAX;
    const uint64_t unit = (uint64_t)system.f_bsize;
    const uint64_t available = (uint64_t)system.f_bavail * unit;
    uint64_t others = (uint64_t)system.f_blocks * unit / 4;
    if (others > OTHERS_MAX)
        others = OTHERS_MAX;
    const uint64_t left = available > others ? available - others : 0;
    return left < available / 8 ? left : available / 8;
}

void writer_populate(struct ring_writer *w, uint32_t first, uint32_t count)
{
    sys_madvise(w->blocks + (uint64_t)first * RING_BLOCK_SIZE, (uint64_t)count * RING_BLOCK_SIZE,
                MADV_POPULATE_WRITE);
}

/* The ring's own file, or a negative errno. */
__attribute__((noinline)) static int open_again(const struct ring_writer *w)
{
    long fd = sys_open(w->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return (int)fd;
    struct stat status = {0};
    if (sys_fstat((int)fd, &status) < 0 || (uint64_t)status.st_dev != w->device ||
        (uint64_t)status.st_ino != w->inode || (uint64_t)status.st_size != w->mapped_bytes) {
        sys_close((int)fd);
        return -ESTALE;
    }
    return (int)fd;
}

/* How many blocks are reserved now, which is also how many to add: doubling, within bounds. */
static uint32_t grow_step(struct ring_writer *w)
{
    uint32_t end = atomic_load_explicit(&w->header->blocks_reserved, memory_order_relaxed);
    uint32_t step = 0;
    for (uint32_t i = 0; i < end && i < w->blocks_max && step < RING_GROW_MAX; i++) {
        uint64_t state = atomic_load_explicit(&w->table[i].state, memory_order_relaxed);
        step += RING_STATE(state) != RING_HOLE;
    }
    return step < RING_BLOCKS_FIRST ? RING_BLOCKS_FIRST : step;
}

/* A hole's state is the count of times that it was taken out, above 32 bits that say HOLE. */
static uint64_t hole_state(uint32_t times)
{
    return (uint64_t)times << 32 | RING_HOLE;
}

/* The first run of holes, at most `most` long; times[] keeps what was seen. */
static uint32_t find_holes(struct ring_writer *w, uint32_t most, uint32_t *first, uint32_t *times)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->blocks_max && count < most; i++) {
        uint64_t state = atomic_load_explicit(&w->table[i].state, memory_order_acquire);
        if ((uint32_t)state == RING_HOLE) {
            if (count == 0)
                *first = i;
            times[count++] = (uint32_t)(state >> 32);
        } else if (count > 0) {
            break;
        }
    }
    return count;
}

static void raise_to(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t now = atomic_load_explicit(word, memory_order_relaxed);
    while (now < value && !atomic_compare_exchange_weak(word, &now, value))
        continue;
}

/* Makes up to BATCH blocks at one place, at most `most`; returns how many. */
__attribute__((noinline)) static uint32_t grow_batch(struct ring_writer *w, int fd, uint32_t most)
{
    uint32_t times[BATCH];
    uint32_t first = 0;
    uint32_t count = find_holes(w, most < BATCH ? most : BATCH, &first, times);
    uint64_t offset = ring_blocks_offset(w->blocks_max) + (uint64_t)first * RING_BLOCK_SIZE;
    while (count > 0 && sys_reserve(fd, offset, (uint64_t)count * RING_BLOCK_SIZE) < 0)
        count /= 2;
    if (count == 0)
        return 0;
    writer_populate(w, first, count);
    raise_to(&w->header->blocks_reserved, first + count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seen = hole_state(times[i]);
        atomic_compare_exchange_strong(&w->table[first + i].state, &seen, RING_IDLE);
    }
    return count;
}

uint32_t writer_grow(struct ring_writer *w)
{
    int fd = open_again(w);
    if (fd < 0)
        return 0;
    uint32_t step = grow_step(w), made = 0;
    uint64_t share = grow_share(fd) / RING_BLOCK_SIZE;
    if (step > share)
        step = (uint32_t)share;
    while (made < step) {
        uint32_t more = grow_batch(w, fd, step - made);
        if (more == 0)
            break;
        made += more;
    }
    sys_close(fd);
    return made;
}
