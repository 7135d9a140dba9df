#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/node.h"
#include "json/utf8.h"

/* The letter of a control character's short escape, or 0. */
static char escape_letter(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

/* Writes what utf8_plain_span stopped at; *used is its length in the text. NUL becomes U+FFFD, as
 * everywhere in this room: databases refuse \u0000. */
static int quote_special(struct buf *out, const char *text, size_t len, size_t *used)
{
    *used = 1;
    if (*text == '\0' || (unsigned char)*text >= 0x80) {
        if (*text != '\0')
            utf8_char(text, len, used);
        return buf_append(out, UTF8_REPLACEMENT, UTF8_REPLACEMENT_LEN);
    }
    char letter = escape_letter(*text);
    if (letter == '\0')
        return buf_printf(out, "\\u%04x", (unsigned)*text);
    char pair[2] = {'\\', letter};
    return buf_append(out, pair, 2);
}

/* A text that is written as it is: most of them. */
static int quote_plain(struct buf *out, const char *text, size_t len)
{
    int err = len > SIZE_MAX / 4 ? ERR_FULL : buf_reserve(out, out->len + len + 2);
    if (err != ERR_OK)
        return err;
    char *to = out->data + out->len;
    to[0] = '"';
    memcpy(to + 1, text, len);
    to[len + 1] = '"';
    to[len + 2] = '\0';
    out->len += len + 2;
    return ERR_OK;
}

int json_quote(struct buf *out, const char *text, size_t len)
{
    if (len == 0 || utf8_plain_span(text, len) == len)
        return quote_plain(out, len == 0 ? "" : text, len);
    int err = buf_append_char(out, '"');
    for (size_t at = 0; at < len && err == ERR_OK;) {
        size_t n = utf8_plain_span(text + at, len - at);
        err = buf_append(out, text + at, n);
        at += n;
        if (at == len || err != ERR_OK)
            break;
        err = quote_special(out, text + at, len - at, &n);
        at += n;
    }
    return err != ERR_OK ? err : buf_append_char(out, '"');
}

static int print_int(struct buf *out, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    return buf_append(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* The digits as they were sent or given, else the fewest of 15 to 17 that read back the same. */
static int print_number(struct buf *out, const json *value)
{
    double d = value->valuedouble;
    if (value->valuestring != NULL)
        return buf_append_str(out, value->valuestring);
    if (!isfinite(d))
        return buf_append_str(out, "null");
    if (fabs(d) < 9007199254740992.0 && d == (double)(int64_t)d && !(d == 0 && signbit(d)))
        return print_int(out, (int64_t)d);
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    char *comma = strchr(text, ','); /* a locale of the program's may write one */
    if (comma != NULL)
        *comma = '.';
    return buf_append_str(out, text);
}

static int print(struct buf *out, const json *value);

static int print_members(struct buf *out, const json *value, bool named)
{
    int err = buf_append_char(out, named ? '{' : '[');
    for (const json *e = value->child; e != NULL && err == ERR_OK; e = e->next) {
        if (e != value->child)
            err = buf_append_char(out, ',');
        if (named && err == ERR_OK) {
            const char *key = e->string == NULL ? "" : e->string;
            err = json_quote(out, key, strlen(key));
            if (err == ERR_OK)
                err = buf_append_char(out, ':');
        }
        if (err == ERR_OK)
            err = print(out, e);
    }
    return err != ERR_OK ? err : buf_append_char(out, named ? '}' : ']');
}

static int print(struct buf *out, const json *value)
{
    switch (value->type & 0xff) {
    case cJSON_False:
        return buf_append(out, "false", 5);
    case cJSON_True:
        return buf_append(out, "true", 4);
    case cJSON_Number:
        return print_number(out, value);
    case cJSON_String:
        return json_quote(out, value->valuestring, strlen(value->valuestring));
    case cJSON_Array:
        return print_members(out, value, false);
    case cJSON_Object:
        return print_members(out, value, true);
    default:
        return buf_append(out, "null", 4);
    }
}

int json_print(const json *value, struct buf *out)
{
    return value == NULL ? buf_append(out, "null", 4) : print(out, value);
}

char *json_print_new(const json *value)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    if (json_print(value, &out) != ERR_OK) {
        buf_release(&out);
        return NULL;
    }
    return buf_take(&out);
}
