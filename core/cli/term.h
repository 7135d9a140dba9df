/* What the terminal can do, colours, and tables that fit its width. */
#ifndef TRACER_CLI_TERM_H
#define TRACER_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/cli.h"

struct term {
    int columns;
    bool colour;
    bool utf8;   /* characters beyond ASCII can be shown */
    int64_t now; /* wall ns, for times without a date */
};

enum paint {
    PAINT_NONE,
    PAINT_BOLD,
    PAINT_DIM,
    PAINT_RED,
    PAINT_GREEN,
    PAINT_YELLOW,
    PAINT_CYAN,
    PAINT_MAGENTA,
    PAINT_BLUE
};

/* Looks at stdout, COLUMNS, TERM, NO_COLOR and the locale. colour: "auto", "always", "never" or
 * NULL (auto); anything else is an error that is said: CLI_USAGE. */
int term_detect(struct term *t, const struct cli_command *command, const char *colour);
/* Appends escaped text in a colour. */
void term_paint(struct buf *out, const struct term *t, enum paint paint, const char *text);
/* Begins and ends a colour; nothing without colours. */
void term_on(struct buf *out, const struct term *t, enum paint paint);
void term_off(struct buf *out, const struct term *t, enum paint paint);
/* Appends count times the text (one character of one column). */
void term_repeat(struct buf *out, const char *text, int count);
/* Appends plain text (cut at the buffer's ceiling). */
void term_put(struct buf *out, const char *text);
void term_putf(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the buffer to stdout. CLI_OK, or CLI_USAGE when that failed, which was said. */
int term_flush(struct buf *out);

/* A table. Cells are escaped text, copied. */
struct table_column {
    const char *header;
    bool right; /* figures */
    int min;    /* > 0: may shrink to so many columns; 0: keeps its width */
    int drop;   /* > 0: may go when room is short, the highest first; 0: stays */
};
struct table_cell {
    char *text;
    enum paint paint;
};
struct table {
    const struct table_column *columns;
    size_t column_count;
    struct table_cell *cells; /* row by row */
    size_t cell_count, cell_cap;
};
void table_init(struct table *t, const struct table_column *columns, size_t count);
void table_release(struct table *t);
/* Adds the next cell; out of memory leaves it empty. */
void table_add(struct table *t, enum paint paint, const char *text);
void table_print(const struct table *t, const struct term *term, struct buf *out);

#endif
