/* What a traced program put into the rings of a runtime directory, put together again as one pair
 * of streams a connection. */
#ifndef TESTS_RING_STREAMS_H
#define TESTS_RING_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ring_stream {
    uint64_t ring, id;
    struct buf out, in;
    uint64_t lost; /* of both directions */
    int layer;
    bool tls, server, eof, closed, failed, whole; /* whole: no hole in either stream */
    uint64_t out_bytes, in_bytes;
    char host[256], peer[64];
};

struct ring_streams {
    size_t count;
    struct ring_stream streams[1024];
};

/* Reads every ring of the directory and removes its file. NULL: there is an unreadable one. */
struct ring_streams *ring_streams_read(const char *dir);
void ring_streams_free(struct ring_streams *all);

#endif
