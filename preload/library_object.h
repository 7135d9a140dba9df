/* What the loaded ELF objects say about themselves: which one holds an address, what it is called,
 * what it needs and what it takes from others. No allocation, no lock of ours; every offset read
 * from an object is checked against its mapping. */
#ifndef TRACER_PRELOAD_LIBRARY_OBJECT_H
#define TRACER_PRELOAD_LIBRARY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A loaded object; valid as long as it stays loaded. */
struct library_object {
    uintptr_t base;      /* what its addresses are relative to */
    uintptr_t low;       /* of its mapping, from the first segment to the end of the last */
    size_t size;         /* bytes between the two ends */
    const char *path;    /* the loader's; "" for the main program */
    const char *strings; /* NULL: none */
    size_t strings_size;
    const void *dynamic; /* its dynamic section; NULL: none */
    size_t dynamic_count;
    const void *symbols;
    const uint32_t *gnu_hash;
    const uint32_t *sysv_hash;
    const void *relocations[2]; /* all but those of calls, and those of calls */
    size_t relocation_sizes[2]; /* bytes */
};

/* Finds the object whose mapping holds the address. */
bool library_object_at(const void *address, struct library_object *out);
/* Its DT_SONAME, else the last part of its path; never NULL. */
const char *library_object_name(const struct library_object *object);
/* Whether name is among its DT_NEEDED entries. */
bool library_object_needs(const struct library_object *object, const char *name);
/* Whether it takes the function from another object. */
bool library_object_imports(const struct library_object *object, const char *name);
/* Whether its own calls of the function can be answered by another object (it was not linked with
 * -Bsymbolic). */
bool library_object_relocates(const struct library_object *object, const char *name);
/* Whether it lies in the same folder as the file with this path. */
bool library_object_beside(const struct library_object *object, const char *path);

#endif
