/* Finding functions without dlsym: objects by dl_iterate_phdr, symbols by their ELF hash tables
 * (DT_GNU_HASH, DT_HASH). No allocation, no lock of ours; bounds are checked against the object's
 * mapping. */
#ifndef TRACER_PRELOAD_SYMBOL_H
#define TRACER_PRELOAD_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

/* The first definition of the function behind our own object in load order, or NULL. */
void *symbol_next(const char *name);
/* The definition in the object whose mapping holds address, or NULL. */
void *symbol_in_object_of(const void *address, const char *name);
/* How many objects (ours left out) define the function; the first `max` addresses go to out. */
size_t symbol_all(const char *name, void **out, size_t max);
/* Changes whenever the set of loaded objects changed since the last call (dlpi_adds/dlpi_subs). */
uint64_t symbol_generation(void);
/* Path of our own object; borrowed from the loader; NULL if unknown. */
const char *symbol_own_path(void);

#endif
