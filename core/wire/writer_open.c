/* Making a ring: everything that a record will touch is reserved before it is mapped. */
#include "wire/bell.h"
#include "wire/sys.h"
#include "wire/text.h"
#include "wire/writer_private.h"

#define BLOCKS_MIN 2u

#ifdef SYS_TSAN
char sys_mappings;
#endif

static void make_id(uint8_t id[16])
{
    if (sys_getrandom(id, 16) == 16)
        return;
    /* Early in the machine's life, or an old kernel: not secret, but not twice the same. */
    uint64_t words[2] = {sys_clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)sys_getpid() << 40,
                         sys_clock_ns(CLOCK_REALTIME) ^ (uint64_t)(uintptr_t)id};
    __builtin_memcpy(id, words, sizeof(words));
}

__attribute__((noinline)) static int make_path(char *out, size_t size, const char *dir,
                                               const char *prefix, uint32_t pid, const uint8_t *id)
{
    struct text t = text_in(out, size);
    text_add(&t, dir);
    text_char(&t, '/');
    text_add(&t, prefix);
    text_number(&t, pid);
    text_char(&t, '-');
    text_hex(&t, id, 8);
    return t.cut ? -ENAMETOOLONG : 0;
}

static void unmap(struct ring_writer *w)
{
    if (w->header)
        sys_munmap(w->header, w->mapped_bytes);
    bell_unmap(w->bell);
    w->header = NULL;
    w->bell = NULL;
}

/* Sizes the file for `blocks` blocks, reserves all that comes before the first blocks and those,
 * and maps it. */
static int map_blocks(struct ring_writer *w, int fd, uint32_t blocks)
{
    uint32_t first = blocks < RING_BLOCKS_FIRST ? blocks : RING_BLOCKS_FIRST;
    uint64_t size = ring_file_size(blocks);
    long result = sys_ftruncate(fd, size);
    if (result == 0)
        result = sys_reserve(fd, 0, ring_blocks_offset(blocks) + (uint64_t)first * RING_BLOCK_SIZE);
    if (result < 0)
        return (int)result;
    uint8_t *mapped = (uint8_t *)sys_map_file(size, fd);
    if (sys_is_error(mapped))
        return (int)(long)mapped;
    result = sys_madvise(mapped, size, MADV_DONTFORK);
    if (result < 0) {
        sys_munmap(mapped, size);
        return (int)result;
    }
    sys_madvise(mapped, size, MADV_DONTDUMP);
    w->header = (struct ring_header *)(void *)mapped;
    w->stop = (_Atomic uint8_t *)(mapped + RING_STOP_OFFSET);
    w->table = (struct ring_block *)(void *)(mapped + RING_TABLE_OFFSET);
    w->blocks = mapped + ring_blocks_offset(blocks);
    w->blocks_max = blocks;
    w->mapped_bytes = size;
    writer_populate(w, 0, first);
    for (uint32_t i = 0; i < first; i++)
        atomic_store_explicit(&w->table[i].state, RING_IDLE, memory_order_relaxed);
    atomic_store_explicit(&w->header->blocks_reserved, first, memory_order_relaxed);
    return 0;
}

/* Notes which file it is, to know it again. */
__attribute__((noinline)) static int note_file(struct ring_writer *w, int fd)
{
    struct stat status = {0};
    int result = (int)sys_fstat(fd, &status);
    w->device = (uint64_t)status.st_dev;
    w->inode = (uint64_t)status.st_ino;
    return result;
}

/* As many blocks as the limits allow; fewer when address space or memory is short. */
__attribute__((noinline)) static int map_file(struct ring_writer *w, int fd, uint64_t max_bytes)
{
    uint64_t limit = sys_file_limit();
    uint64_t share = writer_free_share(fd);
    if (limit > share)
        limit = share;
    if (limit > max_bytes)
        limit = max_bytes;
    uint32_t blocks = (uint32_t)ring_blocks_within(limit);
    int result = -ENOSPC;
    while (blocks >= BLOCKS_MIN) {
        result = map_blocks(w, fd, blocks);
        if (result != -ENOMEM && result != -ENOSPC && result != -EAGAIN)
            break;
        blocks /= 2;
    }
    return result == 0 ? note_file(w, fd) : result;
}

static void write_header(struct ring_writer *w, const struct wire_process_info *info,
                         const uint8_t *id)
{
    struct ring_header *h = w->header;
    h->magic = RING_MAGIC;
    h->version = WIRE_VERSION;
    h->blocks_max = w->blocks_max;
    __builtin_memcpy(h->ring_id, id, sizeof(h->ring_id));
    h->pid = info->pid;
    h->uid = info->uid;
    h->start_ticks = info->start_ticks;
    h->exec_nonce = info->exec_nonce;
    h->pid_ns = info->pid_ns;
}

/* The process record: always the first of block 0. */
__attribute__((noinline)) static int write_process(struct ring_writer *w,
                                                   const struct wire_process_info *info,
                                                   const struct wire_piece *texts,
                                                   uint32_t text_count)
{
    uint64_t length = sizeof(*info);
    for (uint32_t i = 0; i < text_count; i++)
        length += texts[i].length + 1;
    if (length > RING_PAYLOAD_MAX)
        return -EMSGSIZE;
    struct wire_record record = {.type = WIRE_PROCESS, .time = info->boot_time};
    record.tid = (uint32_t)sys_gettid();
    record.length = (uint32_t)length;
    record.size = (uint32_t)((sizeof(record) + length + WIRE_ALIGN - 1) / WIRE_ALIGN * WIRE_ALIGN);
    uint8_t *to = w->blocks;
    __builtin_memcpy(to, &record, sizeof(record));
    to += sizeof(record);
    struct wire_process_info copy = *info;
    copy.text_count = text_count;
    __builtin_memcpy(to, &copy, sizeof(copy));
    to += sizeof(copy);
    for (uint32_t i = 0; i < text_count; i++) {
        wire_copy(to, texts[i].data, texts[i].length);
        to += texts[i].length;
        *to++ = '\0';
    }
    atomic_store_explicit(&w->header->alive_time, info->boot_time, memory_order_relaxed);
    atomic_store_explicit(&w->table[0].committed, record.size, memory_order_release);
    return 0;
}

/* Makes the file under a temporary name and renames it when it is whole. Functions of this file are
 * kept apart, so that what one has on the stack is gone when the next begins: hooks have 1 KB for
 * all of it. */
__attribute__((noinline)) static int build(struct ring_writer *w, const char *dir,
                                           uint64_t max_bytes, const struct wire_process_info *info,
                                           const struct wire_piece *texts, uint32_t text_count)
{
    char *temp = w->scratch.temp;
    uint8_t id[16] = {0};
    make_id(id);
    int result = make_path(temp, sizeof(w->scratch.temp), dir, RING_TEMP_PREFIX, info->pid, id);
    if (result == 0)
        result = make_path(w->path, sizeof(w->path), dir, RING_NAME_PREFIX, info->pid, id);
    if (result < 0)
        return result;
    long fd = sys_open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return (int)fd;
    sys_fchmod((int)fd, 0600); /* whatever the umask: the file is opened again to grow */
    result = map_file(w, (int)fd, max_bytes);
    sys_close((int)fd);
    if (result == 0) {
        write_header(w, info, id);
        result = write_process(w, info, texts, text_count);
    }
    if (result == 0)
        result = (int)sys_rename(temp, w->path);
    if (result < 0)
        sys_unlink(temp);
    return result;
}

int ring_writer_open(struct ring_writer *w, const char *dir, uint64_t max_bytes,
                     const struct wire_process_info *info, const struct wire_piece *texts,
                     uint32_t text_count)
{
    __builtin_memset(w, 0, sizeof(*w)); /* an assignment would be built on the stack first */
    int result = build(w, dir, max_bytes, info, texts, text_count);
    if (result < 0) {
        unmap(w);
        return result;
    }
    w->bell = bell_map(dir, &w->scratch);
    if (w->bell) {
        atomic_fetch_add(&w->bell->rings, 1);
        bell_ring(w->bell);
    }
    return 0;
}

void ring_writer_discard(struct ring_writer *w)
{
    if (!w->header)
        return;
    sys_unlink(w->path);
    unmap(w);
}
