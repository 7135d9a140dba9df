/* Reading side of a ring: the collector's. Nothing in the file is trusted: it is read with pread
 * into the reader's own memory (a truncated file is an error, not a SIGBUS), every record is
 * validated once, and no geometry is taken from the header. Not thread-safe; one reader a ring. */
#ifndef TRACER_WIRE_READER_H
#define TRACER_WIRE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/ring.h"

struct ring_reader;

/* What the header says, for a first look; none of it is trusted. */
struct ring_identity {
    char ring_id[33]; /* hex */
    uint32_t pid;
    uint32_t uid;
    uint64_t start_ticks;
    uint64_t exec_nonce;
    uint64_t pid_ns;
};

/* A validated record; payload is the reader's memory, valid during the callback only. */
typedef int ring_record_fn(void *user, const struct wire_record *head, const uint8_t *payload,
                           uint64_t position);

/* Opens a ring file for reading and for emptying its blocks. ERR_IO, ERR_BAD (not a ring, or not
 * ours), ERR_VERSION, ERR_NOMEM. */
int ring_reader_new(struct ring_reader **out, const char *path) WARN_UNUSED_RESULT;
void ring_reader_free(struct ring_reader *r);
const struct ring_identity *ring_reader_identity(const struct ring_reader *r);

/* Delivers every record that was published and not delivered yet, in order within each block
 * (not across blocks); at most about max_bytes of payload, the rest at the next call. The process
 * record always comes first, also to a collector that replaces another. position names the record's
 * block and use of that block: pass it to ring_reader_release once the record's consequences are
 * stored. Stops early with the callback's value when that is negative; that record comes again.
 * Returns the number of records, or ERR_IO / ERR_CORRUPT (the bad block is taken out of use and
 * counted; call again for the others). */
int ring_reader_poll(struct ring_reader *r, size_t max_bytes, ring_record_fn *each, void *user);

/* Says that nothing at position is needed any more. A block whose records were all delivered and
 * released, and that has no room left or whose ring runs short, is overwritten with zeros and given
 * back to the writers. Records not released are delivered again to the next collector; a release
 * outlives this one from the next ring_reader_reclaim on. The process record needs no release. */
void ring_reader_release(struct ring_reader *r, uint64_t position);
/* Gives back what can be; cheap when there is nothing. Blocks that a dead thread holds are taken
 * over (judged by /proc; in another PID namespace nobody can tell dead from stopped, so there the
 * block stays the thread's until the ring goes). Released records are overwritten with zeros.
 * Memory of blocks that stay unused for seconds goes back to the system. Writes to the file: a
 * process with a low RLIMIT_FSIZE must ignore SIGXFSZ. */
void ring_reader_reclaim(struct ring_reader *r);
/* Empties everything that was delivered, released or not: for a ring whose process is gone. */
void ring_reader_drop(struct ring_reader *r);

/* True while undelivered bytes are waiting. */
bool ring_reader_pending(struct ring_reader *r);
/* Asks the hooks to stop looking at a connection (slot from its WIRE_CONNECTION record). */
void ring_reader_stop(struct ring_reader *r, uint32_t slot);
/* Answers a WIRE_FLUSH record: writes its ticket to the header's flushed[slot] and wakes who waits
 * on the low half of that (FUTEX_WAIT, not private). ERR_RANGE: no such slot; ERR_IO. */
int ring_reader_flushed(struct ring_reader *r, uint32_t slot, uint64_t ticket);
struct ring_counters {
    uint64_t lost_records, lost_bytes, untracked, corrupt_blocks;
    uint64_t blocks_reserved, blocks_used;
};
void ring_reader_counters(struct ring_reader *r, struct ring_counters *out);
/* Whether the process that made the ring still runs the same program: false once it ended or
 * called exec. For another PID namespace: whether it wrote within the last hour. */
bool ring_reader_alive(struct ring_reader *r);

/* Removes files that makers of rings left half-made when they died (older than a minute). Returns
 * how many, or ERR_IO. */
int ring_dir_sweep(const char *dir);

/* The doorbell of a runtime directory, made if missing. Thread-safe. */
struct doorbell_view;
int doorbell_open(struct doorbell_view **out, const char *dir) WARN_UNUSED_RESULT;
void doorbell_close(struct doorbell_view *d);
/* Announces this process as the collector (pid 0: none any more) and beats the heart. */
void doorbell_announce(struct doorbell_view *d, uint32_t pid);
/* Sleeps until a writer rings, at most timeout_ms. before_sleep is called after `asleep` is set and
 * must return true to really sleep: it looks once more for work. Returns whether it was rung. */
bool doorbell_wait(struct doorbell_view *d, int timeout_ms, bool (*before_sleep)(void *),
                   void *user);
/* Changes whenever a ring file appears. */
uint32_t doorbell_rings(struct doorbell_view *d);
/* Wakes the collector: for the tools. */
void doorbell_ring(struct doorbell_view *d);
/* The announced collector's pid and the age of its heartbeat in ns (INT64_MAX: never). */
uint32_t doorbell_collector(struct doorbell_view *d, int64_t *age_ns);

#endif
