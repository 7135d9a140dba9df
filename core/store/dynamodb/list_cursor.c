/* Cursors: the order they belong to, and the place of the last trace given, in hexadecimal. They
 * come back from the network and are checked. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dynamodb/list.h"

#define CURSOR_MAX 600

static const char letters[] = "sdckt"; /* by enum stored_sort */

void place_release(struct place *p)
{
    free(p->start);
    free(p->trace_id);
    *p = (struct place){NULL, NULL};
}

static void print_hex(struct out *o, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        out_format(o, "%02x", *p);
}

char *cursor_print(const struct stored_filter *f, const struct cursor *c)
{
    struct out o;
    out_init(&o);
    out_format(&o, "%c%c", letters[f->sort], f->ascending ? 'a' : 'd');
    if (c->unknown)
        out_text(&o, "u_");
    else if (f->sort != SORT_START)
        out_format(&o, "%.17g_", c->value);
    print_hex(&o, c->place.start);
    out_text(&o, "-");
    print_hex(&o, c->place.trace_id);
    char *text = o.err == ERR_OK ? buf_take(&o.buf) : NULL;
    out_release(&o);
    return text;
}

/* New memory; NULL: not hex, empty, or with what no such text has in it. */
static char *parse_hex(const char *at, size_t len)
{
    char *text = calloc(1, len / 2 + 1);
    if (text == NULL || len == 0 || len % 2 != 0) {
        free(text);
        return NULL;
    }
    for (size_t i = 0; i < len; i += 2) {
        char pair[3] = {at[i], at[i + 1], '\0'};
        unsigned long c = strtoul(pair, NULL, 16);
        if (!isxdigit((unsigned char)at[i]) || !isxdigit((unsigned char)at[i + 1]) || c < 0x20) {
            free(text);
            return NULL;
        }
        text[i / 2] = (char)c;
    }
    return text;
}

int cursor_parse(const struct stored_filter *f, struct cursor *c)
{
    char text[CURSOR_MAX];
    memset(c, 0, sizeof(*c));
    if (f->cursor.at == NULL)
        return ERR_OK;
    if (f->cursor.len < 4 || f->cursor.len >= sizeof(text) ||
        memchr(f->cursor.at, '\0', f->cursor.len) != NULL)
        return ERR_BAD;
    memcpy(text, f->cursor.at, f->cursor.len);
    text[f->cursor.len] = '\0';
    if (text[0] != letters[f->sort] || text[1] != (f->ascending ? 'a' : 'd'))
        return ERR_BAD;
    char *at = text + 2;
    if (f->sort != SORT_START) {
        char *mark = strchr(at, '_');
        char *end = at;
        if (mark == NULL)
            return ERR_BAD;
        c->unknown = mark == at + 1 && *at == 'u';
        if (!c->unknown)
            c->value = strtod(at, &end);
        if (!c->unknown && (end != mark || !isfinite(c->value)))
            return ERR_BAD;
        at = mark + 1;
    }
    char *dash = strchr(at, '-');
    if (dash == NULL)
        return ERR_BAD;
    c->place.start = parse_hex(at, (size_t)(dash - at));
    c->place.trace_id = parse_hex(dash + 1, strlen(dash + 1));
    if (c->place.start != NULL && c->place.trace_id != NULL &&
        strlen(c->place.trace_id) <= STORED_ID_MAX)
        return ERR_OK;
    place_release(&c->place);
    return ERR_BAD;
}
