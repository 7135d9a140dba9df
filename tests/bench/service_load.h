/* What bench_service_load is made of: connections that wait together, and batches of spans. */
#ifndef BENCH_SERVICE_LOAD_H
#define BENCH_SERVICE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"

struct load_peer {
    int fd;
    char *out;
    size_t out_len, out_size, sent;
    char *bytes; /* of the answer */
    size_t len, size;
    size_t used;
};

int64_t load_now(void); /* ns */
void load_open(struct load_peer *p, uint16_t port);
void load_close(struct load_peer *p);
/* coding, type, body: NULL when there is none. */
void load_request(struct load_peer *p, const char *method, const char *path, const char *key,
                  const char *type, const char *coding, const void *body, size_t len);
/* Waits until one of the connections has its whole answer, which lives until load_taken. Ends the
 * program when one is closed, or nothing comes for a minute. */
struct load_peer *load_wait(struct answer *out);
void load_taken(struct load_peer *p);

struct load_batch {
    char *bytes;
    size_t len;
};
struct load_batches {
    struct load_batch *at;
    size_t count;
};
void load_batches_make(struct load_batches *b, const char *project, size_t count, size_t spans,
                       bool gzip, uint64_t seed, double days);
void load_batches_release(struct load_batches *b);

#endif
