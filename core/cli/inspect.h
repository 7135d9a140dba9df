/* What `doctor` finds out about a program: how it starts, which TLS it has, and by which route its
 * calls would be captured. */
#ifndef TRACER_CLI_INSPECT_H
#define TRACER_CLI_INSPECT_H

#include "base/buf.h"
#include "cli/elf.h"
#include "cli/libraries.h"

#define INSPECT_FINDINGS_MAX 32
#define INSPECT_PATH_MAX     4096

enum verdict {
    VERDICT_YES,    /* captured */
    VERDICT_PARTLY, /* plain http:// only, as far as can be told */
    VERDICT_NO,     /* nothing is */
    VERDICT_UNKNOWN /* the file cannot be judged */
};

/* A line of the report: a heading and a sentence (both owned; heading static). */
struct finding {
    const char *heading;
    char *text;
};

struct inspection {
    char path[INSPECT_PATH_MAX];    /* of the file asked for */
    char program[INSPECT_PATH_MAX]; /* of the ELF file that runs: behind #! lines and links */
    enum verdict verdict;
    struct finding findings[INSPECT_FINDINGS_MAX];
    size_t count;
    char *reason; /* of the verdict, one sentence */
    char *advice; /* or NULL */
};

/* name: a path, or a word looked up in PATH. ERR_NOENT, ERR_IO (errno), ERR_NOMEM; else the
 * inspection is filled and the caller releases it. */
int inspect_program(struct inspection *i, const char *name) WARN_UNUSED_RESULT;
void inspect_release(struct inspection *i);

/* tls.c: adds what it finds of TLS and sets the verdict. */
int inspect_tls(struct inspection *i, const struct elf_file *e, struct libraries *l);

/* Adds a finding; what does not fit is left out. */
void inspect_say(struct inspection *i, const char *heading, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the verdict with its reason, and advice (NULL: none). */
void inspect_judge(struct inspection *i, enum verdict verdict, const char *advice,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
