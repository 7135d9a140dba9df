#include "json/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/utf8.h"

/* For each byte: 0 copied as it is; 1 written as \u00XX; 2 start of something that may be no
 * UTF-8; else the letter of its escape. */
enum { PLAIN = 0, HEX = 1, HIGH = 2 };

static unsigned char byte_class(unsigned char c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
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
        return c < 0x20 ? HEX : c >= 0x80 ? HIGH : PLAIN;
    }
}

/* The number of leading bytes that are written as they are. */
static size_t plain_span(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        unsigned char c = (unsigned char)text[at];
        if (c >= 0x80) {
            size_t bad;
            size_t n = utf8_char(text + at, len - at, &bad);
            if (n == 0)
                return at;
            at += n;
        } else if (c < 0x20 || c == '"' || c == '\\') {
            return at;
        } else {
            at++;
        }
    }
    return at;
}

/* Writes what plain_span stopped at; *used is its length in the text. */
static int quote_special(struct buf *out, const char *text, size_t len, size_t *used)
{
    unsigned char class = byte_class((unsigned char)text[0]);
    *used = 1;
    if (class == HIGH) {
        utf8_char(text, len, used);
        return buf_append_str(out, UTF8_REPLACEMENT);
    }
    if (class == HEX && text[0] == '\0')
        return buf_append_str(out, UTF8_REPLACEMENT);
    if (class == HEX)
        return buf_printf(out, "\\u%04x", (unsigned)text[0]);
    char pair[2] = {'\\', (char)class};
    return buf_append(out, pair, 2);
}

int json_quote(struct buf *out, const char *text, size_t len)
{
    int err = buf_append_char(out, '"');
    for (size_t at = 0; at < len && err == ERR_OK;) {
        size_t n = plain_span(text + at, len - at);
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

/* The shortest of 15, 16 and 17 digits that reads back the same. */
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
