#include "cli/term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/text.h"

#define COLUMNS_DEFAULT 80
#define COLUMNS_MIN     40
#define COLUMNS_MAX     400
#define GAP             2

static int detect_columns(void)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    long named = text != NULL ? strtol(text, NULL, 10) : 0;
    int columns = named > 0 && named <= COLUMNS_MAX ? (int)named : 0;
    if (columns <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        columns = size.ws_col;
    if (columns <= 0) /* a pipe or a file: nothing to fit */
        columns = isatty(STDOUT_FILENO) ? COLUMNS_DEFAULT : 160;
    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
}

int term_detect(struct term *t, const struct cli_command *command, const char *colour)
{
    const char *name = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool dumb = name == NULL || strcmp(name, "dumb") == 0;
    if (colour == NULL || strcmp(colour, "auto") == 0)
        t->colour = isatty(STDOUT_FILENO) && !dumb && (no_color == NULL || *no_color == '\0');
    else if (strcmp(colour, "always") == 0 || strcmp(colour, "never") == 0)
        t->colour = strcmp(colour, "always") == 0;
    else
        return cli_error(command, "--color takes auto, always or never, not \"%.40s\"", colour);
    setlocale(LC_CTYPE, "");
    t->utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->columns = detect_columns();
    t->now = clock_wall_ns();
    return CLI_OK;
}

static const char *const codes[] = {
    [PAINT_NONE] = "",         [PAINT_BOLD] = "\033[1m",     [PAINT_DIM] = "\033[2m",
    [PAINT_RED] = "\033[31m",  [PAINT_GREEN] = "\033[32m",   [PAINT_YELLOW] = "\033[33m",
    [PAINT_CYAN] = "\033[36m", [PAINT_MAGENTA] = "\033[35m", [PAINT_BLUE] = "\033[34m"};

void term_put(struct buf *out, const char *text)
{
    buf_append_cut(out, text, strlen(text));
}

void term_putf(struct buf *out, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    term_put(out, text);
}

void term_on(struct buf *out, const struct term *t, enum paint paint)
{
    if (t->colour)
        term_put(out, codes[paint]);
}

void term_off(struct buf *out, const struct term *t, enum paint paint)
{
    if (t->colour && paint != PAINT_NONE)
        term_put(out, "\033[0m");
}

void term_paint(struct buf *out, const struct term *t, enum paint paint, const char *text)
{
    term_on(out, t, paint);
    term_put(out, text);
    term_off(out, t, paint);
}

void term_repeat(struct buf *out, const char *text, int count)
{
    for (int i = 0; i < count; i++)
        term_put(out, text);
}

int term_flush(struct buf *out)
{
    size_t written = out->len == 0 ? 0 : fwrite(out->data, 1, out->len, stdout);
    bool ok = written == out->len && fflush(stdout) == 0;
    if (!ok)
        cli_write_failed();
    buf_clear(out);
    return ok ? CLI_OK : CLI_USAGE;
}

/* -------------------------------------------------------------------------- tables */

void table_init(struct table *t, const struct table_column *columns, size_t count)
{
    *t = (struct table){.columns = columns, .column_count = count};
}

void table_release(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i].text);
    free(t->cells);
    *t = (struct table){0};
}

void table_add(struct table *t, enum paint paint, const char *text)
{
    if (t->cell_count == t->cell_cap) {
        size_t cap = t->cell_cap == 0 ? 256 : 2 * t->cell_cap;
        struct table_cell *cells = realloc(t->cells, cap * sizeof(*cells));
        if (cells == NULL)
            return;
        t->cells = cells;
        t->cell_cap = cap;
    }
    t->cells[t->cell_count++] = (struct table_cell){.text = strdup(text), .paint = paint};
}

static const char *cell_text(const struct table *t, size_t index)
{
    return t->cells[index].text != NULL ? t->cells[index].text : "";
}

static void natural_widths(const struct table *t, int *widths)
{
    for (size_t i = 0; i < t->column_count; i++)
        widths[i] = text_width(t->columns[i].header);
    for (size_t i = 0; i < t->cell_count && t->column_count > 0; i++) {
        int width = text_width(cell_text(t, i));
        if (width > widths[i % t->column_count])
            widths[i % t->column_count] = width;
    }
}

static int total_width(const int *widths, size_t count)
{
    int total = -GAP;
    for (size_t i = 0; i < count; i++)
        total += widths[i] > 0 ? widths[i] + GAP : 0;
    return total;
}

/* Shrinks the widest column that may; false when none can. */
static bool shrink_one(const struct table *t, int *widths)
{
    size_t best = t->column_count;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].min > 0 && widths[i] > t->columns[i].min &&
            (best == t->column_count || widths[i] > widths[best]))
            best = i;
    if (best == t->column_count)
        return false;
    widths[best]--;
    return true;
}

/* Takes out the column that matters least; false when all matter. */
static bool drop_one(const struct table *t, int *widths)
{
    size_t best = t->column_count;
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].drop > 0 && widths[i] > 0 &&
            (best == t->column_count || t->columns[i].drop > t->columns[best].drop))
            best = i;
    if (best == t->column_count)
        return false;
    widths[best] = 0;
    return true;
}

static void put_cell(const struct table *t, size_t column, const char *text, enum paint paint,
                     int width, bool last, const struct term *term, struct buf *out)
{
    struct buf fitted;
    buf_init(&fitted, 65536);
    int used = text_fit(&fitted, text, width, term->utf8);
    if (t->columns[column].right)
        term_repeat(out, " ", width - used);
    term_paint(out, term, used > 0 ? paint : PAINT_NONE, buf_str(&fitted));
    if (!t->columns[column].right && !last)
        term_repeat(out, " ", width - used);
    buf_release(&fitted);
}

static void put_row(const struct table *t, const int *widths, size_t first_cell, bool header,
                    const struct term *term, struct buf *out)
{
    size_t last = t->column_count;
    while (last > 0 && widths[last - 1] == 0)
        last--;
    bool any = false;
    for (size_t i = 0; i < last; i++) {
        if (widths[i] == 0)
            continue;
        if (any)
            term_repeat(out, " ", GAP);
        any = true;
        if (header)
            put_cell(t, i, t->columns[i].header, PAINT_DIM, widths[i], i + 1 == last, term, out);
        else
            put_cell(t, i, cell_text(t, first_cell + i), t->cells[first_cell + i].paint, widths[i],
                     i + 1 == last, term, out);
    }
    term_put(out, "\n");
}

void table_print(const struct table *t, const struct term *term, struct buf *out)
{
    int *natural = calloc(2 * t->column_count + 1, sizeof(*natural));
    if (natural == NULL)
        return;
    int *widths = natural + t->column_count;
    natural_widths(t, natural);
    do {
        for (size_t i = 0; i < t->column_count; i++) /* what is left gets its room back */
            widths[i] = natural[i];
        while (total_width(widths, t->column_count) > term->columns && shrink_one(t, widths))
            ;
    } while (total_width(widths, t->column_count) > term->columns && drop_one(t, natural));
    bool headers = false;
    for (size_t i = 0; i < t->column_count; i++)
        headers |= t->columns[i].header[0] != '\0';
    if (headers)
        put_row(t, widths, 0, true, term, out);
    for (size_t i = 0; i + t->column_count <= t->cell_count; i += t->column_count)
        put_row(t, widths, i, false, term, out);
    free(natural);
}
