/* Handles as the program has them: a kind, a slot and its generation in the bits of a pointer that
 * points nowhere (its highest bit is set: no address of a program is like that). */
#ifndef TRACER_CLIENT_HANDLE_H
#define TRACER_CLIENT_HANDLE_H

#include <stdint.h>

enum handle_kind { HANDLE_CLIENT = 1, HANDLE_TRACE = 2, HANDLE_SPAN = 3 };

#define HANDLE_MARK        (UINT64_C(1) << 63)
#define HANDLE_KIND_SHIFT  60
#define HANDLE_INDEX_BITS  28
#define HANDLE_INDEX_MASK  ((UINT64_C(1) << HANDLE_INDEX_BITS) - 1)
#define HANDLE_GENERATIONS UINT64_C(0xffffffff)

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a handle fits into a pointer");

static inline uint64_t handle_make(enum handle_kind kind, uint32_t index, uint64_t generation)
{
    return HANDLE_MARK | (uint64_t)kind << HANDLE_KIND_SHIFT |
           (generation & HANDLE_GENERATIONS) << HANDLE_INDEX_BITS | index;
}

static inline enum handle_kind handle_kind(uint64_t handle)
{
    return (enum handle_kind)(handle >> HANDLE_KIND_SHIFT & 7);
}

static inline uint32_t handle_index(uint64_t handle)
{
    return (uint32_t)(handle & HANDLE_INDEX_MASK);
}

static inline uint64_t handle_generation(uint64_t handle)
{
    return handle >> HANDLE_INDEX_BITS & HANDLE_GENERATIONS;
}

static inline uint64_t handle_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static inline void *handle_pointer(uint64_t handle)
{
    return (void *)(uintptr_t)handle;
}

#endif
