/* A loaded ELF object and its symbol table, as its program headers describe them. */
#ifndef TRACER_PRELOAD_ELF_OBJECT_H
#define TRACER_PRELOAD_ELF_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_object {
    uintptr_t base;             /* load bias */
    const ElfW(Phdr) * headers; /* borrowed from the loader */
    size_t header_count;
    uintptr_t start, end; /* of the whole mapping */
    const ElfW(Sym) * symbols;
    const char *strings;
    size_t strings_size;
    const uint32_t *gnu_hash, *sysv_hash; /* one of them, or neither: no look-up is possible */
    const uint16_t *versions;             /* may be NULL */
    uintptr_t tables;                     /* the segment in which most of these lie */
    size_t tables_size;
};

/* The GNU hash of a symbol's name. */
uint32_t elf_hash(const char *name);
/* Reads the dynamic section; false when the object has no usable symbol table. headers must stay
 * mapped while *object is used. */
bool elf_object_read(struct elf_object *object, uintptr_t base, const ElfW(Phdr) * headers,
                     size_t header_count);
/* Sets start and end alone: the cheap question of whose mapping an address lies in. */
void elf_object_extent(struct elf_object *object, uintptr_t base, const ElfW(Phdr) * headers,
                       size_t header_count);
/* The address of the function that the object defines (its default version, else an older one), an
 * indirect function resolved; NULL if it defines none. */
void *elf_object_function(const struct elf_object *object, const char *name, uint32_t hash);

#endif
