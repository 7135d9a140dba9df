/* What the reader's files share. */
#ifndef TRACER_WIRE_READER_PRIVATE_H
#define TRACER_WIRE_READER_PRIVATE_H

#include "wire/reader.h"

#define MARK_WORDS (RING_BLOCK_SIZE / WIRE_ALIGN / 64)

/* One bit for every place where a record can begin. */
struct marks {
    uint64_t live[MARK_WORDS];  /* delivered, not released */
    uint64_t freed[MARK_WORDS]; /* released, still in the file */
};

/* What the reader knows of a block. */
struct block_view {
    uint64_t sequence; /* of the use that the rest speaks of */
    uint64_t state;    /* as last seen, */
    uint32_t committed;
    int64_t changed;      /* and since when, CLOCK_BOOTTIME ns */
    uint32_t read;        /* bytes looked at */
    uint32_t released;    /* as written into the file */
    uint32_t outstanding; /* records delivered and not released */
    bool known;           /* seen at all */
    bool dirty;           /* something was released since the last flush */
    bool suspect;         /* did not parse once */
    bool spoiled;         /* did not parse twice, or impossible figures: emptied when possible */
    struct marks *marks;  /* NULL until a record is delivered */
};

struct ring_reader {
    int fd;
    uint32_t blocks; /* by the file's size */
    uint64_t blocks_offset;
    uint8_t *mapped; /* header and table, for the kernel's atomic operations: never touched here */
    struct ring_identity identity;
    struct block_view *views;
    /* Copies of what the file held at the last look. */
    struct ring_header *header;
    struct ring_block *table;
    uint32_t count;  /* blocks of the table that were read */
    uint8_t *buffer; /* RING_BLOCK_SIZE */
    uint32_t next;   /* block that the next poll begins with */
    bool greeted;    /* the process record was delivered */
    uint32_t sticky; /* its size: it stays at the start of block 0 for the next collector */
    uint64_t corrupt_blocks;
    uint64_t alive_time; /* as last seen, */
    int64_t alive_seen;  /* and when it changed */
};

/* Reads header and block table anew. ERR_IO, ERR_CORRUPT. */
int reader_load(struct ring_reader *r) WARN_UNUSED_RESULT;
/* Brings the view of a block up to date with the table's copy. */
void reader_look(struct ring_reader *r, uint32_t index, int64_t now);
/* Starts a new use of a block: nothing read beyond `from`. */
void reader_begin_use(struct block_view *v, uint64_t sequence, uint32_t from);
/* Bytes at the start of a block that are never given back. */
uint32_t reader_base(const struct ring_reader *r, uint32_t index);
/* Whether a record of at most `room` bytes is whole and its fields hold together. */
bool record_valid(const struct wire_record *head, uint32_t room);

/* Atomic operations on a 32-bit word of a shared mapping, done by the kernel: a page that is gone
 * is ERR_IO and not a signal. */
int shared_or(void *word, uint32_t bits) WARN_UNUSED_RESULT;
int shared_and_not(void *word, uint32_t bits) WARN_UNUSED_RESULT;
int shared_add(void *word, uint32_t value) WARN_UNUSED_RESULT;
int shared_set(void *word, uint32_t value) WARN_UNUSED_RESULT; /* value < 2048 */
/* Sets and wakes who waits on the word, in other processes too. */
int shared_set_wake(void *word, uint32_t value) WARN_UNUSED_RESULT;
/* Wakes all who wait on the word. */
int shared_wake(void *word) WARN_UNUSED_RESULT;

/* What /proc says of a process. */
struct proc_status {
    uint64_t start_ticks;
    uint64_t start_stack; /* 0: not told */
    bool ended;           /* a zombie without threads */
};
int proc_status(uint32_t pid, struct proc_status *out) WARN_UNUSED_RESULT; /* ERR_NOENT, ERR_IO */
/* False only when /proc says that the thread is gone. */
bool proc_thread_alive(uint32_t pid, uint32_t tid);
/* Inode of our PID namespace; 0 when unknown, or when /proc shows another one's processes. */
uint64_t proc_own_namespace(void);

#endif
