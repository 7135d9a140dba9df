/* A family of functions that several loaded libraries may define at once (two libssl, two
 * libcurl): which library an object belongs to, and where that library's functions are. A process
 * may mix the system's library with a bundled one, loaded RTLD_LOCAL, and one library's function
 * must never be called on another's object.
 *
 * Lock-free and async-signal-safe: slots are claimed by compare-and-swap and published by their
 * state; whoever meets an unfinished slot looks for itself. */
#ifndef TRACER_PRELOAD_LIBRARY_H
#define TRACER_PRELOAD_LIBRARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIBRARY_MAX           8
#define LIBRARY_FUNCTIONS_MAX 24
#define LIBRARY_MEMORY        256

enum library_state {
    LIBRARY_FREE,
    LIBRARY_FILLING,
    LIBRARY_UNTOLD, /* in use, but no object of it was seen to tell its library */
    LIBRARY_READY
};

struct library {
    _Atomic uint32_t state;
    _Atomic uint32_t word; /* which word of its objects points into its mapping */
    uintptr_t low;         /* its mapping */
    size_t size;
    const void *anchor; /* its definition of the family's first function */
    _Atomic uintptr_t functions[LIBRARY_FUNCTIONS_MAX]; /* 0: not looked for, 1: it has none */
};

/* What is known of a family's libraries and their objects. */
struct library_memory {
    _Atomic uint64_t generation; /* complement of symbol_generation() at the last look */
    _Atomic uint32_t live;       /* libraries found then */
    struct library libraries[LIBRARY_MAX];
    /* Objects whose library was told, with its index in the three lowest bits: for objects
     * without a word that tells it. */
    _Atomic uintptr_t memory[LIBRARY_MEMORY];
};

/* Apart from its state, so that the loader, which writes the addresses here at every start of every
 * program, touches none of the state's pages. */
struct library_family {
    const char *const *names;     /* at most LIBRARY_FUNCTIONS_MAX; every library has the first */
    struct library_memory *state; /* zeroed */
    uint32_t count;
    uint32_t scan_words; /* words of an object that may point into its library; 0: none does */
};

/* The library that the object belongs to, or NULL: it cannot be told, and the object is not to be
 * looked at. caller is an address in the code that called, or NULL. */
struct library *library_of(const struct library_family *family, const void *object,
                           const void *caller);
/* What is remembered of an object (or of anything else with an address that is a multiple of 8), by
 * library_of or library_remember; NULL: nothing. */
struct library *library_remembered(const struct library_family *family, uintptr_t object);
void library_remember(const struct library_family *family, uintptr_t object,
                      struct library *library);
/* The object is gone: its address may come back as another library's object. */
void library_forget(const struct library_family *family, const void *object);
/* The library's function, or NULL if it has none of that name. */
void *library_function(const struct library_family *family, struct library *library,
                       unsigned which);
/* For an object whose library cannot be told: that of the one library whose objects never tell,
 * else the one that the caller's object is linked against, else the first; NULL if there is none.
 */
void *library_any(const struct library_family *family, unsigned which, const void *caller);
/* The only library, or the one that the object holding this address is linked against; NULL: cannot
 * be told. */
struct library *library_bound(const struct library_family *family, const void *address);
/* Looks again if objects were loaded or unloaded. */
void library_refresh(const struct library_family *family);
/* The two questions of a hook's warm path, for the library that was met first; NULL or 0: ask the
 * functions above. */
static inline struct library *library_warm(const struct library_family *family, const void *object)
{
    struct library *library = &family->state->libraries[0];
    const uintptr_t *words = object;

    if (object == NULL ||
        atomic_load_explicit(&library->state, memory_order_acquire) != LIBRARY_READY) {
        return NULL;
    }
    if (words[atomic_load_explicit(&library->word, memory_order_relaxed)] - library->low >=
        library->size) {
        return NULL;
    }
    return library;
}

static inline uintptr_t library_warm_function(struct library *library, unsigned which)
{
    uintptr_t function = atomic_load_explicit(&library->functions[which], memory_order_relaxed);

    return function > 1 ? function : 0;
}

/* True if the address lies in the library's mapping. */
static inline bool library_holds(const struct library *library, uintptr_t address)
{
    return address - library->low < library->size;
}

#endif
