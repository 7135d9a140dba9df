/* What an ELF file says about how it starts and which libraries it needs. The file is hostile:
 * every offset is checked, nothing is mapped, sizes are capped. Thread-safe. */
#ifndef TRACER_CLI_ELF_H
#define TRACER_CLI_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ELF_NEEDED_MAX 256
#define ELF_TEXT_MAX   4096

struct elf_file {
    bool is_64;
    uint16_t machine;          /* EM_X86_64, ... */
    bool has_dynamic;          /* it has a dynamic section: libraries, or static-PIE */
    char interp[ELF_TEXT_MAX]; /* the program that loads it, "" when none does */
    char rpath[ELF_TEXT_MAX];
    char runpath[ELF_TEXT_MAX];
    char *needed[ELF_NEEDED_MAX];
    size_t needed_count;
    bool exports_ssl; /* defines SSL_write for others */
};

/* Reads the file. ERR_IO (errno), ERR_BAD (no ELF file, or one that does not hold together),
 * ERR_UNSUPPORTED (big-endian), ERR_NOMEM. For a 32-bit file only class and machine are told. */
int elf_read(struct elf_file *e, const char *path) WARN_UNUSED_RESULT;
void elf_release(struct elf_file *e);
/* "x86-64", "aarch64", ... or "unknown machine". */
const char *elf_machine_name(uint16_t machine);

/* Which of the marks (byte strings of 4..64 bytes, at most 32) occur in the file: bit i of the
 * result; at most 1 GB is looked at. ERR_IO as a negative value. */
struct elf_mark {
    const char *bytes;
    size_t len;
};
int64_t elf_find_marks(const char *path, const struct elf_mark *marks, size_t count);

#endif
