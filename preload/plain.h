/* What the libc hooks share: plain HTTP on sockets that connect() made. Each call is described by
 * its descriptor, the buffer the program gave, and what the original returned. */
#ifndef TRACER_PRELOAD_PLAIN_H
#define TRACER_PRELOAD_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "descriptor.h"
#include "track.h"

struct plain_call {
    struct track_guard guard;
    uint64_t begin;
    int fd;
    bool outer;
};

void plain_send_begin(struct plain_call *call, int fd);
/* sent: the original's result; asked: the buffer's length. */
void plain_send_end(struct plain_call *call, const void *data, size_t asked, ssize_t sent,
                    int flags);
void plain_send_pieces_end(struct plain_call *call, const struct iovec *pieces, size_t count,
                           ssize_t sent, int flags);
void plain_receive_begin(struct plain_call *call, int fd);
void plain_receive_end(struct plain_call *call, const void *data, size_t asked, ssize_t got,
                       int flags);
void plain_receive_pieces_end(struct plain_call *call, const struct iovec *pieces, size_t count,
                              ssize_t got, int flags);
/* Parts of the two above for calls that carry several messages: between begin and leave. */
void plain_sent_pieces(struct plain_call *call, const struct iovec *pieces, size_t count,
                       ssize_t sent, int flags);
void plain_got_pieces(struct plain_call *call, const struct iovec *pieces, size_t count,
                      ssize_t got, int flags);
void plain_leave(struct plain_call *call);
/* The original failed: errno says whether the connection did. */
void plain_failed(const struct plain_call *call);

#endif
