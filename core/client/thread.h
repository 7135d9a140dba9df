/* What belongs to one thread: its number, its generator of ids, its stack of active spans. */
#ifndef TRACER_CLIENT_THREAD_H
#define TRACER_CLIENT_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/entry.h"

#define ACTIVE_MAX 64

struct ids {
    uint8_t trace[WIRE_TRACE_ID_LEN];
    uint8_t span[WIRE_SPAN_ID_LEN]; /* zero: the trace itself */
};

/* Set by llmt_activate, over what the stack says. */
enum override { OVERRIDE_NOT, OVERRIDE_NOTHING, OVERRIDE_IDS };

struct thread {
    uint32_t epoch; /* of the process that it was set up in; 0: not yet */
    uint32_t tid;
    uint32_t shard;
    uint32_t depth;
    int last_error; /* of the last function that returned a handle */
    uint64_t random[4];
    struct llmt_active_span *told; /* the preloaded object's; NULL: not there */
    enum override override;
    struct ids ids;
    uint64_t stack[ACTIVE_MAX]; /* handles; the last is the active one */
};

/* The calling thread's, made ready for this process. */
struct thread *thread_get(uint32_t epoch);
/* 64 random bits; not for secrets. */
uint64_t thread_random(struct thread *t);

#endif
