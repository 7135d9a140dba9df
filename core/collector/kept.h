/* A ring's records that were delivered and are not released; see holds.c. */
#ifndef TRACER_COLLECTOR_KEPT_H
#define TRACER_COLLECTOR_KEPT_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/* A delivered record that is not released; size 0: none. */
struct kept {
    uint64_t position;
    uint32_t size;
};

struct kept_item {
    struct ring *ring;
    struct kept kept;
};

struct kept_list {
    struct kept_item *items;
    size_t count, cap, bytes;
};

#endif
