/* The libraries that the loader would give a program: all of them, found as it would find them. */
#ifndef TRACER_CLI_LIBRARIES_H
#define TRACER_CLI_LIBRARIES_H

#include "cli/elf.h"

#define LIBRARIES_MAX 512

struct library {
    char *name; /* as it was asked for: "libssl.so.3" */
    char *path; /* NULL: not found */
    char *user; /* the name of what asked for it; NULL: the program itself */
};

struct libraries {
    struct library items[LIBRARIES_MAX];
    size_t count;
};

/* Adds what the ELF file at path needs, and what that needs. user: see struct library. The list
 * starts zeroed. ERR_NOMEM; libraries that cannot be read end their branch. */
int libraries_add(struct libraries *l, const char *path, const struct elf_file *e,
                  const char *user) WARN_UNUSED_RESULT;
void libraries_release(struct libraries *l);
/* The first whose name starts so, or NULL. */
const struct library *libraries_find(const struct libraries *l, const char *prefix);

#endif
