#include "json/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "json/utf8.h"

/* True if the text nests deeper than JSON_DEPTH_MAX. */
static bool too_deep(const char *text, size_t len)
{
    size_t opened = 0;
    for (size_t i = 0; i < len; i++)
        opened += (size_t)(text[i] == '[') + (size_t)(text[i] == '{');
    if (opened <= JSON_DEPTH_MAX)
        return false;
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* The four hexadecimal digits of an escape, or -1. */
static int hex4(const char *text, size_t len)
{
    int value = 0;
    if (len < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Length of the escape at text[0] == '\\'; *replace is set when it stands for no character that a
 * C string can hold: half a surrogate pair, or NUL. */
static size_t escape(const char *text, size_t len, bool *replace)
{
    *replace = false;
    if (len < 2)
        return len;
    int first = text[1] == 'u' ? hex4(text + 2, len - 2) : -1;
    if (first < 0)
        return 2;
    if (first >= 0xd800 && first <= 0xdbff && len >= 12 && text[6] == '\\' && text[7] == 'u') {
        int second = hex4(text + 8, len - 8);
        if (second >= 0xdc00 && second <= 0xdfff)
            return 12;
    }
    *replace = first == 0 || (first >= 0xd800 && first <= 0xdfff);
    return 6;
}

/* The number of leading bytes that cJSON reads rightly. */
static size_t clean_span(const char *text, size_t len)
{
    size_t end = utf8_span(text, len);
    const char *nul = memchr(text, '\0', end);
    if (nul != NULL)
        end = (size_t)(nul - text);
    size_t at = 0;
    for (;;) {
        const char *slash = memchr(text + at, '\\', end - at);
        if (slash == NULL)
            return end;
        at = (size_t)(slash - text);
        bool replace;
        size_t n = escape(slash, len - at, &replace);
        if (replace || n > end - at)
            return at;
        at += n;
    }
}

/* Copies text, with U+FFFD for what cannot be a character of a C string. */
static int sanitise(const char *text, size_t len, struct buf *out)
{
    size_t at = 0;
    for (;;) {
        size_t n = clean_span(text + at, len - at);
        int err = buf_append(out, text + at, n);
        at += n;
        if (err != ERR_OK || at == len)
            return err;
        err = buf_append_str(out, UTF8_REPLACEMENT);
        if (err != ERR_OK)
            return err;
        size_t bad = 1;
        bool replace;
        if (text[at] == '\\')
            at += escape(text + at, len - at, &replace);
        else if (text[at] == '\0' || utf8_char(text + at, len - at, &bad) == 0)
            at += bad;
    }
}

static bool only_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at == end;
}

json *json_parse(const char *text, size_t len)
{
    struct buf copy;
    buf_init(&copy, SIZE_MAX / 2);
    json *value = NULL;
    if (text == NULL || len == 0 || too_deep(text, len))
        return NULL;
    if (clean_span(text, len) < len) {
        if (sanitise(text, len, &copy) != ERR_OK)
            goto out;
        text = copy.data;
        len = copy.len;
    }
    const char *end = NULL;
    value = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (value != NULL && (end == NULL || !only_space(end, text + len))) {
        cJSON_Delete(value);
        value = NULL;
    }
out:
    buf_release(&copy);
    return value;
}

void json_free(json *value)
{
    cJSON_Delete(value);
}
