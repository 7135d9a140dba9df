/* A JSON body as it comes, kept within a ceiling. What is over the ceiling is taken out of the
 * middle of long strings, so that the text stays JSON and what follows (the model behind a prompt
 * of 50 MB, the usage behind an answer) is still there. Not thread-safe. */
#ifndef TRACER_LLM_BODY_H
#define TRACER_LLM_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "json/json.h"

struct body {
    struct buf text;
    uint64_t cut;   /* bytes that were not kept */
    bool counting;  /* arrays of numbers and long strings are replaced by a figure: see below */
    bool filtering; /* the text is read as JSON while it comes */
    bool full;      /* the ceiling was reached outside strings: nothing more is kept */
    /* The filter's place in the text: */
    bool in_string, cutting;
    unsigned escape; /* bytes of an escape sequence still to come; ESCAPE_FIRST: its first */
    enum { BODY_PLAIN, BODY_ARRAY_OPEN, BODY_NUMBERS } array;
    size_t string_start, string_max; /* of the string being read, in the kept text */
    uint64_t string_kept, string_cut;
    uint64_t numbers;
};

/* counting: for answers that are vectors. An array of numbers becomes its length, a string of more
 * than 512 bytes becomes its length as a negative number; nothing of a vector is kept. */
void body_init(struct body *b, size_t max, bool counting);
void body_release(struct body *b);
void body_feed(struct body *b, const char *data, size_t len);
/* The body as JSON; one that ends too early is closed where it ends. NULL: nothing in it can be
 * read. The caller frees it. */
json *body_parse(struct body *b);

/* Closes a JSON text that was cut anywhere: an open string of a value is ended, a half member is
 * dropped, brackets are closed. ERR_BAD when nothing is left, ERR_NOMEM, ERR_FULL. */
int body_mend(struct buf *text) WARN_UNUSED_RESULT;

#endif
