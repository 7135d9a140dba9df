/* Writing side of a ring. No libc: raw system calls, no allocation, no lock, async-signal-safe and
 * reentrant (a signal handler that writes while its thread holds a block takes another one). Used
 * inside other people's programs; see preload/law.h. */
#ifndef TRACER_WIRE_WRITER_H
#define TRACER_WIRE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "wire/ring.h"

#define WRITER_PATH_MAX 256

/* Where paths are put together: hooks have little stack. */
struct wire_scratch {
    char path[WRITER_PATH_MAX], temp[WRITER_PATH_MAX];
};

/* All fields are private. Zeroed memory is a closed writer. Lives in memory that a fork wipes. */
struct ring_writer {
    struct ring_header *header;
    _Atomic uint8_t *stop;
    struct ring_block *table;
    uint8_t *blocks;
    struct doorbell *bell;
    uint32_t blocks_max;
    uint64_t mapped_bytes;
    uint64_t device, inode; /* of the file, which is opened again to reserve more of it */
    _Atomic uint64_t full;  /* header->returned and the size for which no room was found then */
    _Atomic uint32_t alone; /* no collector ran when it was looked for, and none could be started,
                               since its program was not found */
    char path[WRITER_PATH_MAX];
    struct wire_scratch scratch; /* used while the ring is made */
};

/* A piece of a record's payload. */
struct wire_piece {
    const void *data;
    size_t length;
};

/* Where a record is being written: a block that the thread holds, and a place in it. */
struct ring_place {
    uint32_t index, at;
};

/* Works out the runtime directory by the rules of the design (TRACER_RUNTIME_DIR, else
 * $XDG_RUNTIME_DIR/llm-tracer, else /dev/shm/llm-tracer-EUID; tmpfs only unless the first names
 * it), makes it 0700 if missing, and refuses one that is not ours. The three values may be NULL.
 * out has room for size bytes. Returns 0 or a negative errno. Used by writer and reader alike. */
int wire_runtime_dir(const char *tracer_runtime_dir, const char *xdg_runtime_dir, char *out,
                     size_t size);

/* Creates and maps a ring in dir, writes the process record as its first, then gives the file its
 * final name (`ring-PID-RANDOM`): a ring that the collector can see is complete. max_bytes bounds
 * the file; it is lowered to RLIMIT_FSIZE and to an eighth of the file system's free space.
 * info and texts (text_count, each NAME=value without its NUL) become the process record; ids and
 * clocks in info are filled in by the caller. The writer is usable once this returns 0; else a
 * negative errno and *w is closed. Not thread-safe: racing callers each build one and publish by
 * their own means. */
int ring_writer_open(struct ring_writer *w, const char *dir, uint64_t max_bytes,
                     const struct wire_process_info *info, const struct wire_piece *texts,
                     uint32_t text_count);
/* Unmaps and unlinks: for the loser of a race. */
void ring_writer_discard(struct ring_writer *w);

/* Writes one record whose payload is the pieces one after the other; size, length and alignment are
 * worked out here. Payloads above what a block holds are refused by ring_writer_put (-EMSGSIZE).
 * Returns 0, or -ENOBUFS when there is no room: the loss is counted in the header then. Never
 * waits. Thread-safe. */
int ring_writer_put(struct ring_writer *w, const struct wire_record *head,
                    const struct wire_piece *pieces, uint32_t count);
/* For a record that its writer puts together in the ring itself, to need no memory for it: holds
 * room for a payload of up to `room` bytes and returns where it goes, or NULL (the loss is
 * counted). tid: the calling thread's. */
uint8_t *ring_writer_hold(struct ring_writer *w, uint32_t room, uint32_t tid,
                          struct ring_place *place);
/* Completes it; head->length (at most that room) says how much payload there is. */
void ring_writer_commit(struct ring_writer *w, const struct ring_place *place,
                        const struct wire_record *head);
/* Splits data over as many DATA records as it needs; head->offset is that of the first byte.
 * Returns how many bytes were lost (0: all written). `head->lost` counts losses before this call;
 * the caller adds the result to its own count. prefix (may be NULL) is put before each record's
 * payload (the active span, 24 bytes, when WIRE_HAS_SPAN is set). Thread-safe. */
uint64_t ring_writer_put_data(struct ring_writer *w, const struct wire_record *head,
                              const void *prefix, const void *data, size_t length);
/* Largest payload that one record can have. */
#define RING_PAYLOAD_MAX (RING_BLOCK_SIZE - (uint32_t)sizeof(struct wire_record))

#endif
