#include "library.h"

#include "library_object.h"
#include "symbol.h"

#define LIBRARY_NONE 1 /* in functions[]: looked for and not there */

static __attribute__((nonnull)) bool library_ready(struct library *library)
{
    return atomic_load_explicit(&library->state, memory_order_acquire) >= LIBRARY_UNTOLD;
}

static bool anchor_found(const void *anchor, void *const *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i] == anchor) {
            return true;
        }
    }
    return false;
}

/* Gives back the slots of libraries that were unloaded; what is remembered of their objects goes
 * with them. */
static void family_drop_unloaded(const struct library_family *family, void *const *found,
                                 size_t count)
{
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];

        if (!library_ready(library) || anchor_found(library->anchor, found, count)) {
            continue;
        }
        atomic_store_explicit(&library->state, LIBRARY_FREE, memory_order_release);
        for (unsigned j = 0; j < LIBRARY_MEMORY; j++) {
            if ((atomic_load_explicit(&family->state->memory[j], memory_order_relaxed) & 7) == i) {
                atomic_store_explicit(&family->state->memory[j], 0, memory_order_relaxed);
            }
        }
    }
}

static void family_add(const struct library_family *family, const void *anchor)
{
    struct library_object object;

    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        if (library_ready(&family->state->libraries[i]) &&
            family->state->libraries[i].anchor == anchor) {
            return;
        }
    }
    if (!library_object_at(anchor, &object)) {
        return;
    }
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];
        uint32_t expected = LIBRARY_FREE;

        if (!atomic_compare_exchange_strong(&library->state, &expected, LIBRARY_FILLING)) {
            continue;
        }
        library->low = object.low;
        library->size = object.size;
        library->anchor = anchor;
        atomic_store_explicit(&library->word, 1, memory_order_relaxed);
        for (unsigned j = 0; j < LIBRARY_FUNCTIONS_MAX; j++) {
            atomic_store_explicit(&library->functions[j], 0, memory_order_relaxed);
        }
        atomic_store_explicit(&library->state,
                              family->scan_words > 0 ? LIBRARY_UNTOLD : LIBRARY_READY,
                              memory_order_release);
        return;
    }
}

void library_refresh(const struct library_family *family)
{
    uint64_t generation = ~symbol_generation();
    void *found[LIBRARY_MAX];
    size_t count;

    if (atomic_load_explicit(&family->state->generation, memory_order_acquire) == generation) {
        return;
    }
    count = symbol_all(family->names[0], found, LIBRARY_MAX);
    count = count > LIBRARY_MAX ? LIBRARY_MAX : count;
    family_drop_unloaded(family, found, count);
    for (size_t i = 0; i < count; i++) {
        family_add(family, found[i]);
    }
    atomic_store_explicit(&family->state->live, (uint32_t)count, memory_order_relaxed);
    atomic_store_explicit(&family->state->generation, generation, memory_order_release);
}

void *library_function(const struct library_family *family, struct library *library, unsigned which)
{
    uintptr_t function = atomic_load_explicit(&library->functions[which], memory_order_relaxed);

    if (__builtin_expect(function == 0, 0)) {
        function = (uintptr_t)symbol_in_object_of(library->anchor, family->names[which]);
        function = function == 0 ? LIBRARY_NONE : function;
        atomic_store_explicit(&library->functions[which], function, memory_order_relaxed);
    }
    return function == LIBRARY_NONE ? NULL : (void *)function;
}

/* The library among whose objects this one is, told by a word of it that points into the
 * library's mapping (OpenSSL's method table); *word is which. */
static struct library *family_scan(const struct library_family *family, const uintptr_t *object)
{
    for (unsigned word = 0; word < family->scan_words; word++) {
        for (unsigned i = 0; i < LIBRARY_MAX; i++) {
            struct library *library = &family->state->libraries[i];
            uint32_t untold = LIBRARY_UNTOLD;

            if (library_ready(library) && library_holds(library, object[word])) {
                atomic_store_explicit(&library->word, word, memory_order_relaxed);
                atomic_compare_exchange_strong(&library->state, &untold, LIBRARY_READY);
                return library;
            }
        }
    }
    return NULL;
}

static struct library *family_only(const struct library_family *family)
{
    if (atomic_load_explicit(&family->state->live, memory_order_relaxed) != 1) {
        return NULL;
    }
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        if (library_ready(&family->state->libraries[i])) {
            return &family->state->libraries[i];
        }
    }
    return NULL;
}

/* What a library is called and where it lies, both the loader's own texts. Apart, so that only one
 * object is described on the stack at a time. */
static __attribute__((noinline)) bool library_names(const struct library *library,
                                                    const char **name, const char **path)
{
    struct library_object object;

    if (!library_object_at(library->anchor, &object)) {
        return false;
    }
    *name = library_object_name(&object);
    *path = object.path;
    return true;
}

/* The one library that the caller's object names among those it needs, or that it is itself; of
 * several of one name, the one in the caller's folder. */
static struct library *family_of_caller(const struct library_family *family, const void *caller)
{
    struct library *named = NULL, *beside = NULL;
    struct library_object from;
    const char *name, *path;
    unsigned names = 0;

    if (!library_object_at(caller, &from)) {
        return NULL;
    }
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];

        if (!library_ready(library)) {
            continue;
        }
        if (library_holds(library, (uintptr_t)caller)) {
            return library;
        }
        if (library_names(library, &name, &path) && library_object_needs(&from, name)) {
            names++;
            named = library;
            beside = library_object_beside(&from, path) ? library : beside;
        }
    }
    return names == 1 ? named : beside;
}

struct library *library_bound(const struct library_family *family, const void *address)
{
    struct library *library;

    library_refresh(family);
    library = family_only(family);
    return library != NULL ? library : family_of_caller(family, address);
}

static size_t memory_slot(uintptr_t object)
{
    return (object >> 4 ^ object >> 12) % LIBRARY_MEMORY;
}

struct library *library_remembered(const struct library_family *family, uintptr_t object)
{
    uintptr_t kept =
        atomic_load_explicit(&family->state->memory[memory_slot(object)], memory_order_relaxed);

    if (kept == 0 || (kept & ~(uintptr_t)7) != object) {
        return NULL;
    }
    return library_ready(&family->state->libraries[kept & 7]) ? &family->state->libraries[kept & 7]
                                                              : NULL;
}

void library_remember(const struct library_family *family, uintptr_t object,
                      struct library *library)
{
    if ((object & 7) == 0) {
        atomic_store_explicit(&family->state->memory[memory_slot(object)],
                              object | (uintptr_t)(library - family->state->libraries),
                              memory_order_relaxed);
    }
}

void library_forget(const struct library_family *family, const void *object)
{
    _Atomic uintptr_t *kept = &family->state->memory[memory_slot((uintptr_t)object)];

    if ((atomic_load_explicit(kept, memory_order_relaxed) & ~(uintptr_t)7) == (uintptr_t)object) {
        atomic_store_explicit(kept, 0, memory_order_relaxed);
    }
}

/* The library whose own code calls, if it is one of the family. */
static struct library *family_inside(const struct library_family *family, const void *caller)
{
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];

        if (library_ready(library) && library_holds(library, (uintptr_t)caller)) {
            return library;
        }
    }
    return NULL;
}

/* Cold: the object's library is not known by what was seen before. An object that the library
 * itself made is not remembered: it may go without a call that we see, and its address come back as
 * another library's. */
static __attribute__((noinline)) struct library *family_find(const struct library_family *family,
                                                             const void *object, const void *caller)
{
    struct library *library;

    library_refresh(family);
    library = family_scan(family, object);
    if (library != NULL) {
        return library;
    }
    library = family_only(family);
    if (library == NULL && family->scan_words == 0) {
        library = family_of_caller(family, caller);
    }
    if (library != NULL && family->scan_words == 0 && !library_holds(library, (uintptr_t)caller)) {
        library_remember(family, (uintptr_t)object, library);
    }
    return library;
}

static struct library *family_recall(const struct library_family *family, const void *object,
                                     const void *caller)
{
    struct library *library = library_remembered(family, (uintptr_t)object);

    if (library != NULL && atomic_load_explicit(&family->state->live, memory_order_relaxed) > 1) {
        struct library *inside = family_inside(family, caller);

        return inside != NULL ? inside : library;
    }
    return library;
}

struct library *library_of(const struct library_family *family, const void *object,
                           const void *caller)
{
    const uintptr_t *words = object;

    if (object == NULL) {
        return NULL;
    }
    if (family->scan_words == 0) {
        struct library *library = family_recall(family, object, caller);

        return library != NULL ? library : family_find(family, object, caller);
    }
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];
        uint32_t state = atomic_load_explicit(&library->state, memory_order_acquire);

        if (state == LIBRARY_READY &&
            library_holds(library,
                          words[atomic_load_explicit(&library->word, memory_order_relaxed)])) {
            return library;
        }
    }
    return family_find(family, object, caller);
}

/* An object that does not tell is of none of the libraries whose objects do. This knows more than
 * the caller's address, which a tail call makes another's. */
static struct library *family_untold(const struct library_family *family)
{
    struct library *untold = NULL;
    unsigned count = 0;

    for (unsigned i = 0; family->scan_words > 0 && i < LIBRARY_MAX; i++) {
        struct library *library = &family->state->libraries[i];

        if (atomic_load_explicit(&library->state, memory_order_acquire) == LIBRARY_UNTOLD) {
            untold = library;
            count++;
        }
    }
    return count == 1 ? untold : NULL;
}

void *library_any(const struct library_family *family, unsigned which, const void *caller)
{
    struct library *library;
    void *function;

    library_refresh(family);
    library = family_untold(family);
    library = library != NULL ? library : library_bound(family, caller);
    function = library != NULL ? library_function(family, library, which) : NULL;

    return function != NULL ? function : symbol_next(family->names[which]);
}
