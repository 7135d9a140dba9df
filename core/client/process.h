/* What belongs to this process alone: its ring, and the number of forks behind it. It lies in
 * memory that a fork empties, so that a child starts anew by itself. */
#ifndef TRACER_CLIENT_PROCESS_H
#define TRACER_CLIENT_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "wire/entry.h"

/* Looks for the preloaded object and takes a copy of the environment; once, whoever calls first.
 * Before anything else here. Thread-safe. */
void process_init(void);
/* The preloaded object's functions; NULL when it is not there. */
const struct llmt_preload_v1 *process_preload(void);
/* Seconds and the like aside, what one call of the library works with. */
struct moment {
    uint64_t now;             /* CLOCK_BOOTTIME, ns */
    uint32_t epoch;           /* which process of a family of forks this is; never 0 */
    struct ring_writer *ring; /* NULL: there is none now */
};
/* Makes the ring if there is none, and has a collector started if none runs. */
struct moment process_enter(void);
/* The epoch alone, without a ring being made. */
uint32_t process_epoch(void);

static inline uint64_t process_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

#endif
