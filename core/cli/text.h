/* Text for terminals: what programs, models and services said is hostile until it is escaped here.
 * Columns are counted as a terminal shows them. Thread-safe. */
#ifndef TRACER_CLI_TEXT_H
#define TRACER_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum text_mode {
    TEXT_LINE, /* everything in one line: runs of white space become one blank */
    TEXT_BLOCK /* line feeds and tabs stay (a tab becomes four blanks) */
};

/* Appends text in a form that cannot steer a terminal: control characters (C0, DEL, C1) become
 * `\x1b`, invisible direction marks and tag characters `\u{202e}`, bytes that are no UTF-8 `\xff`.
 * What does not fit below the buffer's ceiling is cut. */
void text_escape(struct buf *out, const char *text, size_t len, enum text_mode mode);

/* Decodes one character: its length in bytes (1..4), or 0 for a byte that begins no valid UTF-8. */
size_t text_decode(const char *text, size_t len, uint32_t *code);
/* Columns of one character: 0, 1 or 2. */
int text_code_width(uint32_t code);
/* Columns of a text that text_escape made. */
int text_width(const char *text);
/* Cuts an escaped text to at most columns, ending in "…" (ascii: "~") if anything is gone. Appends
 * to out and returns the columns used. */
int text_fit(struct buf *out, const char *text, int columns, bool utf8);

/* Figures. out has room for TEXT_FIGURE_MAX bytes; all return out; unknown is "-". */
#define TEXT_FIGURE_MAX 32
char *text_tokens(int64_t tokens, char *out);             /* "1,234", "12.3k", "4.56M" */
char *text_cost(double usd, char *out);                   /* "$0.0123", "<$0.00001" */
char *text_duration(int64_t ns, char *out);               /* "350 ms", "2.41 s", "3m12s" */
char *text_bytes(int64_t bytes, char *out);               /* "12 KB" */
char *text_age(int64_t ns, char *out);                    /* "12 s", "3 min", "5 h", "2 days" */
char *text_time(int64_t wall_ns, int64_t now, char *out); /* local; "14:03:59" or "Jan 02 14:03" */

#endif
