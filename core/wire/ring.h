/* Layout of a ring file: one a traced process, mapped by its threads, read by the collector with
 * pread. The file is [header page][block table][blocks]; every block is 64 KB.
 *
 * A writer takes a block for the time of one record only: IDLE -> HELD by compare-and-swap, write,
 * publish `committed`, back to IDLE. A thread that dies, is cancelled or execs in the middle of a
 * record leaves its block HELD and blocks nothing but that one; the collector finds the holder dead
 * and takes the block over. Blocks beyond the reserved ones are a hole in the file and are never
 * touched: a writer reserves them with fallocate first, so that no write can meet a full file
 * system (SIGBUS). */
#ifndef TRACER_WIRE_RING_H
#define TRACER_WIRE_RING_H

#include <stdatomic.h>
#include <stdint.h>

#include "wire/record.h"

#define RING_MAGIC       UINT64_C(0x31474e49524d4c4c) /* "LLMRING1" */
#define RING_BLOCK_SIZE  65536u
#define RING_BLOCKS_MAX  16384u /* 1 GB */
#define RING_CONN_SLOTS  4096u
#define RING_PAGE        4096u
#define RING_FLUSH_SLOTS 32u

#define RING_BLOCKS_FIRST 4u /* reserved from the start, and never taken out again */

/* State of a block: low 8 bits enum ring_state; high 32 bits the tid of the holder while HELD, and
 * a count of the times it was taken out while HOLE (so that a writer which reserved it before that
 * does not use it after).
 *
 * The collector changes states without ever touching a mapping, since a file truncated by another
 * process would kill it: FUTEX_WAKE_OP lets the kernel do the atomic operation, and a missing page
 * is EFAULT. That call knows OR, AND NOT and SET, but no compare-and-swap; hence RING_CLAIM. The
 * collector ORs the bit in and reads the state back: IDLE|CLAIM is its own until it says
 * otherwise, since writers only take a block that is exactly IDLE. Over anything else the bit means
 * nothing: a holder's plain store removes it, else the collector does. */
#define RING_CLAIM 0x80u
enum ring_state {
    RING_HOLE = 0, /* not reserved: never touched */
    RING_IDLE = 1, /* reserved; anyone may take it and append at `committed` */
    RING_HELD = 2, /* a thread is writing a record behind `committed` */
    RING_DONE = 3  /* no room left for the next record: only the collector touches it */
};
#define RING_STATE(state)  ((uint32_t)((state)&0x7fu))
#define RING_HOLDER(state) ((uint32_t)((state) >> 32))

struct ring_block {
    _Atomic uint64_t state;
    _Atomic uint32_t committed; /* bytes of whole records, 0 .. RING_BLOCK_SIZE */
    _Atomic uint32_t released;  /* the collector's: set to `committed` before it empties the block,
                                   so that  a successor does not read half of that */
    _Atomic uint64_t sequence;  /* raised by the collector each time it empties the block */
    uint8_t pad[40];            /* a cache line each */
};

struct ring_header {
    uint64_t magic;
    uint32_t version;    /* WIRE_VERSION */
    uint32_t blocks_max; /* blocks the file has room for; the writer's view, not the reader's */
    uint8_t ring_id[16]; /* random */
    uint32_t pid;        /* as in the WIRE_PROCESS record, for a first look */
    uint32_t uid;
    uint64_t start_ticks;
    uint64_t exec_nonce;
    uint64_t pid_ns;
    _Atomic uint64_t lost_records;    /* records that found no room */
    _Atomic uint64_t lost_bytes;      /* their payload */
    _Atomic uint64_t untracked;       /* connections that found no slot */
    _Atomic uint32_t blocks_reserved; /* no block from here on was ever reserved */
    _Atomic uint32_t returned;        /* raised whenever the collector gives a block back */
    _Atomic uint64_t alive_time; /* CLOCK_BOOTTIME ns of the last record, for other namespaces */
    _Atomic uint64_t flushed[RING_FLUSH_SLOTS]; /* the collector's answers to WIRE_FLUSH records */
    uint8_t pad[RING_PAGE - 104 - 8 * RING_FLUSH_SLOTS];
};

/* stop[slot] != 0: the collector has asked the hooks to stop looking at that connection. The flags
 * are a page behind the header. */
#define RING_STOP_OFFSET  RING_PAGE
#define RING_TABLE_OFFSET (RING_STOP_OFFSET + RING_CONN_SLOTS)

#define RING_NAME_PREFIX "ring-"
#define RING_TEMP_PREFIX ".new-" /* being made; abandoned when its maker died */

/* Size of a file with room for `blocks` blocks, and the place of the first. */
static inline uint64_t ring_blocks_offset(uint64_t blocks)
{
    uint64_t table = blocks * sizeof(struct ring_block);
    return RING_TABLE_OFFSET + (table + RING_PAGE - 1) / RING_PAGE * RING_PAGE;
}

static inline uint64_t ring_file_size(uint64_t blocks)
{
    return ring_blocks_offset(blocks) + blocks * RING_BLOCK_SIZE;
}

/* The largest number of blocks that a file of that size has room for. */
static inline uint64_t ring_blocks_within(uint64_t size)
{
    if (size <= RING_TABLE_OFFSET)
        return 0;
    uint64_t blocks = (size - RING_TABLE_OFFSET) / (RING_BLOCK_SIZE + sizeof(struct ring_block));
    if (blocks > 0 && ring_file_size(blocks) > size)
        blocks--;
    return blocks < RING_BLOCKS_MAX ? blocks : RING_BLOCKS_MAX;
}

/* The doorbell: one page a runtime directory, shared by all writers and the collector. */
#define DOORBELL_MAGIC UINT64_C(0x314c4c4542524c4c) /* "LLRBELL1" */
#define DOORBELL_NAME  "doorbell"

struct doorbell {
    uint64_t magic;
    uint32_t version;
    _Atomic uint32_t asleep;    /* futex: 1 while the collector sleeps */
    _Atomic uint32_t rings;     /* raised whenever a ring file appears */
    _Atomic uint32_t collector; /* pid of the collector, 0: none; a hint only */
    _Atomic uint64_t heartbeat; /* CLOCK_BOOTTIME ns, written at least once a second */
    _Atomic uint64_t spawned;   /* CLOCK_BOOTTIME ns of the last start of a collector by a host */
    uint8_t pad[RING_PAGE - 40];
};

_Static_assert(sizeof(struct ring_block) == 64, "a cache line a block");
_Static_assert(sizeof(struct ring_header) == RING_PAGE, "the header is one page");
_Static_assert(sizeof(struct doorbell) == RING_PAGE, "the doorbell is one page");
_Static_assert(sizeof(struct wire_record) == 48, "no padding in a record");

#endif
