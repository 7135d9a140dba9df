/* What the rings of a runtime directory hold, put together by connection. */
#ifndef TESTS_PRELOAD_CAPTURE_H
#define TESTS_PRELOAD_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"

/* One direction: bytes at their offsets; what never reached the ring is a hole of zeros. */
struct stream {
    uint8_t *data;
    size_t len;        /* end of the last byte seen or skipped */
    uint64_t seen;     /* bytes that records carried */
    uint64_t lost;     /* the largest count told */
    bool eof, overlap; /* overlap: a byte came twice */
};

struct captured {
    char ring[33];
    uint64_t id;
    struct wire_connection_info info;
    char host[256], peer[64];
    struct stream out, in;
    bool has_connection, closed, failed;
    uint64_t close_out, close_in; /* offsets that the close record told */
    uint64_t spans;               /* records with an active span */
    uint8_t span[24];             /* the last one */
    uint64_t first_out_time, first_in_time;
};

struct captured_process {
    char ring[33];
    struct wire_process_info info;
    char *texts; /* text_count texts, each with its NUL */
    size_t texts_len;
};

struct capture {
    struct captured *connections;
    size_t count;
    struct captured_process *processes;
    size_t process_count;
    uint64_t lost_records, untracked;
};

/* Reads every ring in dir. */
void capture_read(struct capture *capture, const char *dir);
void capture_release(struct capture *capture);
/* The connection whose sent bytes contain text; NULL: none, aborts on two. */
const struct captured *capture_find(const struct capture *capture, const char *text);
/* The value of NAME= in a process record, NULL if absent. */
const char *capture_text(const struct captured_process *process, const char *name);

#endif
