/* Which descriptors are looked at. One byte a descriptor: zero for all that connect() did not make
 * or that turned out not to speak HTTP, which costs a hook one load and a branch. Kept over fork
 * (the child inherits the sockets); what is known of their streams is not. */
#ifndef TRACER_PRELOAD_DESCRIPTOR_H
#define TRACER_PRELOAD_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "session.h"

enum descriptor_state {
    DESCRIPTOR_NONE,
    DESCRIPTOR_FIRST,    /* connected, nothing sent yet */
    DESCRIPTOR_AGAIN,    /* HTTP/1, but to no endpoint so far */
    DESCRIPTOR_CAPTURED, /* received bytes count from here on */
    DESCRIPTOR_ACCEPTED, /* a server's: its first received bytes decide */
    DESCRIPTOR_ACCEPTED_AGAIN
};

extern _Atomic uint8_t descriptor_states[FD_MAX];

static inline enum descriptor_state descriptor_state(int fd)
{
    if ((unsigned)fd >= FD_MAX)
        return DESCRIPTOR_NONE;
    return (enum descriptor_state)atomic_load_explicit(&descriptor_states[fd],
                                                       memory_order_relaxed);
}

/* Whether a hook that receives has anything to do. */
static inline bool descriptor_receives(int fd)
{
    return descriptor_state(fd) >= DESCRIPTOR_CAPTURED;
}

void descriptor_set(int fd, enum descriptor_state state);
/* The highest descriptor that was ever marked, or -1. */
int descriptor_highest(void);
/* A connection was made: whatever was known of the number before is over. */
void descriptor_connected(int fd, enum descriptor_state state);
/* The descriptor is closed, or will be at once; the connection goes on if another shares it. */
void descriptor_closed(int fd);
/* `to` now stands for the same connection as `from`. */
void descriptor_shared(int from, int to);
/* first to last are closed. */
void descriptor_range_closed(unsigned first, unsigned last);

#endif
