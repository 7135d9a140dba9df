/* Reading a ring. The file belongs to another program, which may be broken or hostile: it can hold
 * anything, change at any time, and be truncated. Nothing in it is mapped and touched. */
#include "wire/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/reader_private.h"

#define HEADER_READ offsetof(struct ring_header, pad)

/* A position names a record: 37 bits of its block's use, 14 of the block, 13 of the place. */
#define PLACE_BITS 13
#define BLOCK_BITS 14

static uint64_t position_of(uint64_t sequence, uint32_t block, uint32_t offset)
{
    return sequence << (PLACE_BITS + BLOCK_BITS) | (uint64_t)block << PLACE_BITS |
           offset / WIRE_ALIGN;
}

/* `committed` was read before; the bytes behind it must not be older. */
static void read_barrier(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dmb ishld" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

static int read_exactly(int fd, void *out, size_t size, uint64_t offset)
{
    return pread(fd, out, size, (off_t)offset) == (ssize_t)size ? 0 : ERR_IO;
}

static int check_file(int fd, uint64_t *size)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return ERR_IO;
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_size < 0)
        return ERR_BAD;
    *size = (uint64_t)status.st_size;
    return 0;
}

static void read_identity(struct ring_reader *r)
{
    const struct ring_header *h = r->header;
    struct ring_identity *id = &r->identity;
    for (size_t i = 0; i < sizeof(h->ring_id); i++)
        snprintf(id->ring_id + 2 * i, 3, "%02x", h->ring_id[i]);
    id->pid = h->pid;
    id->uid = h->uid;
    id->start_ticks = h->start_ticks;
    id->exec_nonce = h->exec_nonce;
    id->pid_ns = h->pid_ns;
}

static int open_ring(struct ring_reader *r, const char *path)
{
    r->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0)
        return errno == ELOOP ? ERR_BAD : ERR_IO;
    uint64_t size = 0;
    int err = check_file(r->fd, &size);
    if (err)
        return err;
    r->blocks = (uint32_t)ring_blocks_within(size);
    if (r->blocks == 0 || ring_file_size(r->blocks) != size)
        return ERR_BAD;
    r->blocks_offset = ring_blocks_offset(r->blocks);
    r->header = calloc(1, sizeof(*r->header));
    r->table = aligned_alloc(64, r->blocks * sizeof(*r->table));
    r->views = calloc(r->blocks, sizeof(*r->views));
    r->buffer = aligned_alloc(64, RING_BLOCK_SIZE);
    if (!r->header || !r->table || !r->views || !r->buffer)
        return ERR_NOMEM;
    if (read_exactly(r->fd, r->header, HEADER_READ, 0) != 0)
        return ERR_IO;
    if (r->header->magic != RING_MAGIC)
        return ERR_BAD;
    if (r->header->version != WIRE_VERSION)
        return ERR_VERSION;
    void *mapped = mmap(NULL, r->blocks_offset, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (mapped == MAP_FAILED)
        return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
    r->mapped = mapped;
    read_identity(r);
    return 0;
}

int ring_reader_new(struct ring_reader **out, const char *path)
{
    struct ring_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return ERR_NOMEM;
    r->fd = -1;
    int err = open_ring(r, path);
    if (err) {
        ring_reader_free(r);
        return err;
    }
    *out = r;
    return 0;
}

void ring_reader_free(struct ring_reader *r)
{
    if (!r)
        return;
    if (r->mapped)
        munmap(r->mapped, r->blocks_offset);
    if (r->fd >= 0)
        close(r->fd);
    for (uint32_t i = 0; r->views && i < r->blocks; i++)
        free(r->views[i].marks);
    free(r->views);
    free(r->table);
    free(r->header);
    free(r->buffer);
    free(r);
}

const struct ring_identity *ring_reader_identity(const struct ring_reader *r)
{
    return &r->identity;
}

int reader_load(struct ring_reader *r)
{
    r->count = 0;
    if (read_exactly(r->fd, r->header, HEADER_READ, 0) != 0)
        return ERR_IO;
    if (r->header->magic != RING_MAGIC)
        return ERR_CORRUPT;
    uint32_t count = atomic_load_explicit(&r->header->blocks_reserved, memory_order_relaxed);
    if (count > r->blocks)
        count = r->blocks;
    if (read_exactly(r->fd, r->table, count * sizeof(*r->table), RING_TABLE_OFFSET) != 0)
        return ERR_IO;
    read_barrier();
    r->count = count;
    return 0;
}

uint32_t reader_base(const struct ring_reader *r, uint32_t index)
{
    return index == 0 ? r->sticky : 0;
}

void reader_begin_use(struct block_view *v, uint64_t sequence, uint32_t from)
{
    v->sequence = sequence;
    v->read = from;
    v->released = from;
    v->outstanding = 0;
    v->dirty = false;
    v->suspect = false;
    v->spoiled = false;
    v->known = true;
    free(v->marks);
    v->marks = NULL;
}

void reader_look(struct ring_reader *r, uint32_t index, int64_t now)
{
    struct block_view *v = &r->views[index];
    const struct ring_block *e = &r->table[index];
    uint64_t sequence = atomic_load_explicit(&e->sequence, memory_order_relaxed);
    uint64_t state = atomic_load_explicit(&e->state, memory_order_relaxed);
    uint32_t committed = atomic_load_explicit(&e->committed, memory_order_relaxed);
    uint32_t released = atomic_load_explicit(&e->released, memory_order_relaxed);
    bool same = v->known && v->sequence == sequence;
    if (!same) {
        uint32_t base = reader_base(r, index);
        if (released > committed || released % WIRE_ALIGN != 0 || released < base)
            released = base;
        reader_begin_use(v, sequence, released);
    }
    if (!same || v->state != state || v->committed != committed) {
        v->state = state;
        v->committed = committed;
        v->changed = now;
    }
    if (!v->spoiled &&
        (committed > RING_BLOCK_SIZE || committed % WIRE_ALIGN != 0 || committed < v->read)) {
        v->spoiled = true;
        r->corrupt_blocks++;
    }
}

/* Marks a record as delivered before the callback sees it, since that may release it at once. */
static int mark_live(struct block_view *v, uint32_t offset)
{
    if (!v->marks) {
        v->marks = calloc(1, sizeof(*v->marks));
        if (!v->marks)
            return ERR_NOMEM;
    }
    uint32_t place = offset / WIRE_ALIGN;
    v->marks->live[place / 64] |= UINT64_C(1) << (place % 64);
    v->outstanding++;
    return 0;
}

static bool clear_live(struct block_view *v, uint32_t place)
{
    uint64_t bit = UINT64_C(1) << (place % 64);
    if (!v->marks || !(v->marks->live[place / 64] & bit))
        return false;
    v->marks->live[place / 64] &= ~bit;
    v->outstanding--;
    return true;
}

/* A poll under way. */
struct poll {
    struct ring_reader *r;
    ring_record_fn *each;
    void *user;
    size_t left; /* bytes still wanted */
    int records;
};

static int deliver(struct poll *p, uint32_t index, const struct wire_record *head)
{
    struct block_view *v = &p->r->views[index];
    uint32_t offset = v->read;
    int err = mark_live(v, offset);
    if (err)
        return err;
    err = p->each(p->user, head, (const uint8_t *)(head + 1),
                  position_of(v->sequence, index, offset));
    if (err < 0) {
        clear_live(v, offset / WIRE_ALIGN);
        return err;
    }
    p->records++;
    v->read = offset + head->size;
    v->suspect = false;
    p->left -= head->length < p->left ? head->length : p->left;
    return 0;
}

/* A block that does not parse is looked at once more before it is given up: `committed` is copied
 * by the kernel while others write it. */
static int doubt(struct ring_reader *r, struct block_view *v)
{
    if (!v->suspect) {
        v->suspect = true;
        return 0;
    }
    v->spoiled = true;
    v->read = v->committed; /* the next record begins there, whatever lies before */
    r->corrupt_blocks++;
    return ERR_CORRUPT;
}

static int poll_block(struct poll *p, uint32_t index)
{
    struct ring_reader *r = p->r;
    struct block_view *v = &r->views[index];
    if (v->read >= v->committed || v->committed > RING_BLOCK_SIZE ||
        v->committed % WIRE_ALIGN != 0 || RING_STATE(v->state) == RING_HOLE)
        return 0;
    const uint32_t from = v->read, end = v->committed;
    if (read_exactly(r->fd, r->buffer + from, end - from,
                     r->blocks_offset + (uint64_t)index * RING_BLOCK_SIZE + from) != 0)
        return ERR_IO;
    while (v->read < end && p->left > 0) {
        const struct wire_record *head = (const void *)(r->buffer + v->read);
        uint32_t room = end - v->read;
        if (head->type == WIRE_PAD && head->size >= WIRE_ALIGN && head->size <= room &&
            head->size % WIRE_ALIGN == 0) {
            v->read += head->size;
            continue;
        }
        if (!record_valid(head, room))
            return doubt(r, v);
        int err = deliver(p, index, head);
        if (err)
            return err;
    }
    return 0;
}

/* The first record of block 0 says whose ring it is. It is never given back, so that the next
 * collector learns it too. */
static int greet(struct poll *p)
{
    struct ring_reader *r = p->r;
    if (r->greeted || r->count == 0)
        return 0;
    uint32_t committed = atomic_load_explicit(&r->table[0].committed, memory_order_relaxed);
    if (committed > RING_BLOCK_SIZE || committed < sizeof(struct wire_record))
        return 0;
    if (read_exactly(r->fd, r->buffer, committed, r->blocks_offset) != 0)
        return ERR_IO;
    const struct wire_record *head = (const void *)r->buffer;
    if (head->type == WIRE_PROCESS && record_valid(head, committed)) {
        int err = p->each(p->user, head, (const uint8_t *)(head + 1), 0);
        if (err < 0)
            return err;
        p->records++;
        r->sticky = head->size;
    }
    r->greeted = true;
    return 0;
}

int ring_reader_poll(struct ring_reader *r, size_t max_bytes, ring_record_fn *each, void *user)
{
    int err = reader_load(r);
    if (err)
        return err;
    struct poll p = {r, each, user, max_bytes ? max_bytes : 1, 0};
    err = greet(&p);
    if (err)
        return err;
    const int64_t now = clock_boot_ns();
    uint32_t first = r->next < r->count ? r->next : 0;
    for (uint32_t k = 0; k < r->count; k++) {
        uint32_t index = first + k < r->count ? first + k : first + k - r->count;
        r->next = index;
        if (p.left == 0)
            return p.records;
        reader_look(r, index, now);
        err = poll_block(&p, index);
        if (err) {
            r->next = err == ERR_CORRUPT ? index + 1 : index;
            return err;
        }
    }
    if (p.left > 0)
        r->next = first + 1;
    return p.records;
}

void ring_reader_release(struct ring_reader *r, uint64_t position)
{
    uint32_t place = (uint32_t)(position & ((1u << PLACE_BITS) - 1));
    uint32_t index = (uint32_t)(position >> PLACE_BITS) & ((1u << BLOCK_BITS) - 1);
    if (index >= r->blocks)
        return;
    struct block_view *v = &r->views[index];
    if (!v->known || position_of(v->sequence, index, place * WIRE_ALIGN) != position ||
        !clear_live(v, place))
        return;
    v->marks->freed[place / 64] |= UINT64_C(1) << (place % 64);
    v->dirty = true;
}

bool ring_reader_pending(struct ring_reader *r)
{
    if (reader_load(r) != 0)
        return false;
    if (!r->greeted && r->count > 0)
        return true;
    const int64_t now = clock_boot_ns();
    for (uint32_t i = 0; i < r->count; i++) {
        reader_look(r, i, now);
        const struct block_view *v = &r->views[i];
        if (v->read < v->committed && v->committed <= RING_BLOCK_SIZE &&
            v->committed % WIRE_ALIGN == 0 && RING_STATE(v->state) != RING_HOLE)
            return true;
    }
    return false;
}

void ring_reader_stop(struct ring_reader *r, uint32_t slot)
{
    const uint8_t on = 1;
    if (slot < RING_CONN_SLOTS)
        (void)!pwrite(r->fd, &on, 1, (off_t)(RING_STOP_OFFSET + slot));
}

int ring_reader_flushed(struct ring_reader *r, uint32_t slot, uint64_t ticket)
{
    if (slot >= RING_FLUSH_SLOTS)
        return ERR_RANGE;
    const size_t offset = offsetof(struct ring_header, flushed) + slot * sizeof(ticket);
    if (pwrite(r->fd, &ticket, sizeof(ticket), (off_t)offset) != (ssize_t)sizeof(ticket))
        return ERR_IO;
    return shared_wake(r->mapped + offset);
}

void ring_reader_counters(struct ring_reader *r, struct ring_counters *out)
{
    memset(out, 0, sizeof(*out));
    out->corrupt_blocks = r->corrupt_blocks;
    if (reader_load(r) != 0)
        return;
    out->lost_records = atomic_load_explicit(&r->header->lost_records, memory_order_relaxed);
    out->lost_bytes = atomic_load_explicit(&r->header->lost_bytes, memory_order_relaxed);
    out->untracked = atomic_load_explicit(&r->header->untracked, memory_order_relaxed);
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t state = atomic_load_explicit(&r->table[i].state, memory_order_relaxed);
        if (RING_STATE(state) == RING_HOLE)
            continue;
        out->blocks_reserved++;
        if (atomic_load_explicit(&r->table[i].committed, memory_order_relaxed) > 0)
            out->blocks_used++;
    }
}
