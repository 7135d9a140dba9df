#include "json/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "json/node.h"
#include "json/utf8.h"

/* A decimal exponent or so many digits may leave the range of a double. */
#define NUMBER_SAFE_LEN 300
#define TWO_63          9223372036854775808.0

/* True when it went over the end of a line, which a value that is kept may not have inside. */
static inline bool skip_space(struct scan *s)
{
    bool line = false;
    if (s->at < s->end && (unsigned char)*s->at > ' ')
        return false;
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) {
        line |= *s->at != ' ' && *s->at != '\t';
        s->at++;
    }
    return line;
}

/* The four hexadecimal digits of an escape, or -1. */
static int hex4(const char *text, const char *end)
{
    int value = 0;
    if (end - text < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = text[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* At the backslash. */
static bool skip_escape(struct scan *s, bool *clean)
{
    if (s->end - s->at < 2)
        return false;
    const char c = s->at[1];
    if (c != 'u') {
        s->at += 2;
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    }
    const int code = hex4(s->at + 2, s->end);
    if (code < 0)
        return false;
    s->at += 6;
    if (code >= 0xd800 && code <= 0xdbff && s->end - s->at >= 2 && s->at[0] == '\\' &&
        s->at[1] == 'u') {
        const int low = hex4(s->at + 2, s->end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            s->at += 6;
            return true;
        }
    }
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
        *clean = false;
    return true;
}

/* At the opening quote. */
static int skip_string(struct scan *s, bool *clean, bool *escaped)
{
    s->at++;
    for (;;) {
        s->at += utf8_plain_span(s->at, (size_t)(s->end - s->at));
        if (s->at == s->end)
            return ERR_BAD;
        const unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            s->at++;
            return ERR_OK;
        }
        if (c == '\\') {
            *escaped = true;
            if (!skip_escape(s, clean))
                return ERR_BAD;
        } else if (c == '\0' || c >= 0x80) {
            return ERR_BAD;
        } else { /* a control character, which some programs write as it is */
            *clean = false;
            s->at++;
        }
    }
}

static int skip_word(struct scan *s, enum scan_kind *kind, bool *clean)
{
    static const struct {
        const char *word;
        size_t len;
        enum scan_kind kind;
        bool clean;
    } words[] = {{"null", 4, SCAN_NULL, true},        {"true", 4, SCAN_BOOL, true},
                 {"false", 5, SCAN_BOOL, true},       {"NaN", 3, SCAN_NUMBER, false},
                 {"Infinity", 8, SCAN_NUMBER, false}, {"-Infinity", 9, SCAN_NUMBER, false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((size_t)(s->end - s->at) < words[i].len ||
            memcmp(s->at, words[i].word, words[i].len) != 0)
            continue;
        s->at += words[i].len;
        *kind = words[i].kind;
        *clean &= words[i].clean;
        return ERR_OK;
    }
    return ERR_BAD;
}

static int skip_number(struct scan *s, enum scan_kind *kind, bool *clean)
{
    bool whole;
    const size_t len = number_span(s->at, (size_t)(s->end - s->at), &whole);
    if (len == 0)
        return skip_word(s, kind, clean);
    if ((!whole && memchr(s->at, 'e', len) != NULL) || len > NUMBER_SAFE_LEN ||
        (!whole && memchr(s->at, 'E', len) != NULL))
        *clean &= isfinite(number_value(s->at, len)) != 0;
    s->at += len;
    *kind = SCAN_NUMBER;
    return ERR_OK;
}

static int skip_value(struct scan *s, unsigned depth, enum scan_kind *kind, bool *clean,
                      bool *escaped);

/* At the opening bracket. */
static int skip_container(struct scan *s, unsigned depth, bool *clean)
{
    const bool object = *s->at == '{';
    const char close = object ? '}' : ']';
    enum scan_kind kind;
    bool escaped, line;
    if (depth == JSON_DEPTH_MAX)
        return ERR_RANGE;
    s->at++;
    line = skip_space(s);
    if (s->at < s->end && *s->at == close) {
        s->at++;
        *clean &= !line;
        return ERR_OK;
    }
    for (;;) {
        if (object) {
            if (s->at == s->end || *s->at != '"' || skip_string(s, clean, &escaped) != ERR_OK)
                return ERR_BAD;
            line |= skip_space(s);
            if (s->at == s->end || *s->at != ':')
                return ERR_BAD;
            s->at++;
            line |= skip_space(s);
        }
        const int err = skip_value(s, depth + 1, &kind, clean, &escaped);
        if (err != ERR_OK)
            return err;
        line |= skip_space(s);
        if (s->at == s->end || (*s->at != ',' && *s->at != close))
            return ERR_BAD;
        if (*s->at++ == close)
            break;
        line |= skip_space(s);
    }
    *clean &= !line;
    return ERR_OK;
}

/* depth: how many containers are around it. */
static int skip_value(struct scan *s, unsigned depth, enum scan_kind *kind, bool *clean,
                      bool *escaped)
{
    if (s->at == s->end)
        return ERR_BAD;
    const char c = *s->at;
    if (c == '"') {
        *kind = SCAN_STRING;
        return skip_string(s, clean, escaped);
    }
    if (c == '{' || c == '[') {
        *kind = c == '{' ? SCAN_OBJECT : SCAN_ARRAY;
        return skip_container(s, depth, clean);
    }
    return skip_number(s, kind, clean);
}

static int read_value(struct scan *s, unsigned depth, struct scan_value *out)
{
    *out = (struct scan_value){.text = s->at, .clean = true};
    const int err = skip_value(s, depth, &out->kind, &out->clean, &out->escaped);
    out->len = (size_t)(s->at - out->text);
    return err;
}

static void begin(struct scan *s, const char *text, size_t len)
{
    *s = (struct scan){.at = text, .end = text + len, .first = true};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        s->at += 3;
    skip_space(s);
}

int scan_one(const char *text, size_t len, struct scan_value *out)
{
    struct scan s;
    begin(&s, text, len);
    const int err = read_value(&s, 0, out);
    if (err != ERR_OK)
        return err;
    skip_space(&s);
    return s.at == s.end ? ERR_OK : ERR_BAD;
}

int scan_open(struct scan *s, const char *text, size_t len)
{
    begin(s, text, len);
    if (s->at == s->end || (*s->at != '{' && *s->at != '['))
        return ERR_BAD;
    s->close = *s->at++ == '{' ? '}' : ']';
    return ERR_OK;
}

/* 1: a member or element begins at s->at; 0: that was all. */
static int step(struct scan *s)
{
    skip_space(s);
    if (s->at < s->end && *s->at == s->close) {
        s->at++;
        skip_space(s);
        return s->at == s->end ? 0 : ERR_BAD;
    }
    if (!s->first) {
        if (s->at == s->end || *s->at != ',')
            return ERR_BAD;
        s->at++;
        skip_space(s);
    }
    s->first = false;
    return 1;
}

int scan_element(struct scan *s, struct scan_value *value)
{
    const int more = step(s);
    if (more != 1)
        return more;
    const int err = read_value(s, 1, value);
    return err == ERR_OK ? 1 : err;
}

int scan_member(struct scan *s, struct scan_value *name, struct scan_value *value)
{
    const int more = step(s);
    if (more != 1)
        return more;
    if (s->at == s->end || *s->at != '"' || read_value(s, 1, name) != ERR_OK)
        return ERR_BAD;
    skip_space(s);
    if (s->at == s->end || *s->at != ':')
        return ERR_BAD;
    s->at++;
    skip_space(s);
    const int err = read_value(s, 1, value);
    return err == ERR_OK ? 1 : err;
}

char *scan_text(const struct scan_value *value, size_t *len)
{
    json *parsed = value->kind == SCAN_STRING ? json_parse(value->text, value->len) : NULL;
    const char *text = json_text(parsed);
    char *copy = text == NULL ? NULL : strdup(text);
    json_free(parsed);
    if (copy != NULL)
        *len = strlen(copy);
    return copy;
}

bool scan_is(const struct scan_value *value, const char *text, size_t len)
{
    if (value->kind != SCAN_STRING)
        return false;
    if (!value->escaped)
        return value->len == len + 2 && memcmp(value->text + 1, text, len) == 0;
    if (value->len > 6 * len + 2)
        return false;
    size_t held = 0;
    char *copy = scan_text(value, &held);
    const bool same = copy != NULL && held == len && memcmp(copy, text, len) == 0;
    free(copy);
    return same;
}

bool scan_number(const struct scan_value *value, double *out)
{
    if (value->kind != SCAN_NUMBER)
        return false;
    bool whole;
    const size_t len = number_span(value->text, value->len, &whole);
    *out = len == 0 ? (double)INFINITY : number_value(value->text, len);
    return true;
}

bool scan_int(const struct scan_value *value, int64_t *out)
{
    bool whole;
    if (value->kind != SCAN_NUMBER || number_span(value->text, value->len, &whole) == 0)
        return false;
    if (whole) {
        int64_t number = 0;
        const bool negative = value->text[0] == '-';
        for (size_t i = negative; i < value->len; i++) {
            const int digit = value->text[i] - '0';
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, negative ? -digit : digit, &number))
                return false;
        }
        *out = number;
        return true;
    }
    const double d = number_value(value->text, value->len);
    if (!(d >= -TWO_63 && d < TWO_63) || d != floor(d))
        return false;
    *out = (int64_t)d;
    return true;
}

bool scan_utf8(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t bad;
        at += utf8_plain_span(text + at, len - at);
        if (at == len)
            break;
        const size_t n = text[at] == '\0' ? 0 : utf8_char(text + at, len - at, &bad);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
