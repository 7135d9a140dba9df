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

#define RING_MAGIC      UINT64_C(0x31474e49524d4c4c) /* "LLMRING1" */
#define RING_BLOCK_SIZE 65536u
#define RING_BLOCKS_MAX 16384u /* 1 GB */
#define RING_CONN_SLOTS 4096u
#define RING_PAGE       4096u

/* State of a block: low 8 bits enum ring_state, high 32 bits the tid of the holder while HELD. */
enum ring_state {
    RING_HOLE = 0, /* not reserved: never touched */
    RING_IDLE = 1, /* reserved; anyone may take it and append at `committed` */
    RING_HELD = 2, /* a thread is writing a record behind `committed` */
    RING_DONE = 3, /* no room left for the next record: only the collector touches it */
    RING_TAKEN = 4 /* the collector is emptying it */
};

struct ring_block {
    _Atomic uint64_t state;
    _Atomic uint32_t committed; /* bytes of whole records, 0 .. RING_BLOCK_SIZE */
    uint32_t reserved;
    _Atomic uint64_t sequence; /* raised by the collector each time it empties the block */
    uint8_t pad[40];           /* a cache line each */
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
    _Atomic uint64_t lost_records; /* records that found no room */
    _Atomic uint64_t lost_bytes;   /* their payload */
    _Atomic uint64_t untracked;    /* connections that found no slot */
    _Atomic uint32_t blocks_reserved;
    _Atomic uint32_t grow_owner; /* tid of the thread that is reserving more blocks, or 0 */
    _Atomic uint64_t alive_time; /* CLOCK_BOOTTIME ns of the last record, for other namespaces */
    uint8_t pad[RING_PAGE - 104];
};

/* stop[slot] != 0: the collector has asked the hooks to stop looking at that connection. The flags
 * are a page behind the header. */
#define RING_STOP_OFFSET  RING_PAGE
#define RING_TABLE_OFFSET (RING_STOP_OFFSET + RING_CONN_SLOTS)

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
