/* How libllmtracer.so, in a program that also runs under the preloaded object, finds that object's
 * ring and tells it which span is active on a thread: captured calls then join that span. The
 * preloaded object exports one function, `llmt_preload_v1`; a library refers to it weakly. Later
 * versions only append members, and say so in `size`. */
#ifndef TRACER_WIRE_ENTRY_H
#define TRACER_WIRE_ENTRY_H

#include <stdint.h>

#include "wire/writer.h"

#define LLMT_PRELOAD_VERSION 1

/* One a thread, in the preloaded object's thread-local memory. Only its own thread, or a signal
 * handler on it, touches it: clear `set`, write the ids, set `set`. */
struct llmt_active_span {
    uint32_t set;
    uint8_t trace_id[WIRE_TRACE_ID_LEN];
    uint8_t span_id[WIRE_SPAN_ID_LEN];
};

struct llmt_preload_v1 {
    uint32_t version; /* LLMT_PRELOAD_VERSION */
    uint32_t size;    /* of this struct, as the preloaded object knows it */
    /* The process's ring, made at the first call; NULL: tracing is off, or there is no room. After
     * a fork the child gets one of its own: ask again each time. Thread-safe, async-signal-safe. */
    struct ring_writer *(*ring)(void);
    /* The calling thread's active span. */
    struct llmt_active_span *(*active)(void);
    /* CLOCK_BOOTTIME in ns, without a system call. */
    uint64_t (*now)(void);
    /* sizeof(struct ring_writer): another one is of a build that writes rings in another way. */
    uint32_t writer_size;
};

/* The preloaded object's own; never NULL. */
const struct llmt_preload_v1 *llmt_preload_v1(void);

#endif
