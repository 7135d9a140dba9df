#include "client/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct scan {
    const char *at, *end;
    unsigned depth, depth_max;
    uint64_t objects[JSON_CHECK_DEPTH / 64]; /* a bit a level: 1 object, 0 array */
};

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take_char(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_word(struct scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    return true;
}

/* Skips bytes of a string, eight at a time, up to one with a quote or a backslash in it. */
static void skip_plain(struct scan *s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    while (s->end - s->at >= 8) {
        uint64_t word;
        memcpy(&word, s->at, 8);
        const uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        /* A byte that is zero borrows, and had no high bit. */
        if ((((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high)
            return;
        s->at += 8;
    }
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static bool take_escape(struct scan *s)
{
    if (s->at == s->end)
        return false;
    const char c = *s->at++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c);
    for (int i = 0; i < 4; i++)
        if (s->at == s->end || !is_hex(*s->at++))
            return false;
    return true;
}

/* Behind the opening quote. */
static bool take_string(struct scan *s)
{
    skip_plain(s);
    while (s->at < s->end) {
        const char c = *s->at++;
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        if (!take_escape(s))
            return false;
        skip_plain(s);
    }
    return false;
}

static bool take_digits(struct scan *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from;
}

static bool take_number(struct scan *s)
{
    (void)take_char(s, '-');
    if (!take_char(s, '0') && !take_digits(s))
        return false;
    if (take_char(s, '.') && !take_digits(s))
        return false;
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (!take_char(s, '+'))
            (void)take_char(s, '-');
        return take_digits(s);
    }
    return true;
}

static bool in_object(const struct scan *s)
{
    const unsigned level = s->depth - 1;
    return (s->objects[level / 64] >> level % 64 & 1) != 0;
}

static bool enter(struct scan *s, bool object)
{
    if (s->depth == s->depth_max)
        return false;
    const uint64_t bit = UINT64_C(1) << s->depth % 64;
    uint64_t *word = &s->objects[s->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    return true;
}

/* A member's name and its colon. */
static bool take_name(struct scan *s)
{
    skip_space(s);
    if (!take_char(s, '"') || !take_string(s))
        return false;
    skip_space(s);
    return take_char(s, ':');
}

/* The beginning of a value. *open: an object or array that has members began. */
static bool take_value(struct scan *s, bool *open)
{
    *open = false;
    skip_space(s);
    if (s->at == s->end)
        return false;
    const char c = *s->at;
    switch (c) {
    case '"':
        s->at++;
        return take_string(s);
    case 't':
        return take_word(s, "true", 4);
    case 'f':
        return take_word(s, "false", 5);
    case 'n':
        return take_word(s, "null", 4);
    case '{':
    case '[':
        s->at++;
        skip_space(s);
        if (s->depth == s->depth_max)
            return false;
        if (take_char(s, c == '{' ? '}' : ']'))
            return true;
        *open = true;
        return enter(s, c == '{') && (c == '[' || take_name(s));
    default:
        return take_number(s);
    }
}

/* Behind a value: closes what ends there. *more: another value follows. */
static bool take_rest(struct scan *s, bool *more)
{
    *more = false;
    while (s->depth > 0) {
        skip_space(s);
        if (take_char(s, ',')) {
            *more = true;
            return !in_object(s) || take_name(s);
        }
        if (!take_char(s, in_object(s) ? '}' : ']'))
            return false;
        s->depth--;
    }
    skip_space(s);
    return s->at == s->end;
}

enum json_kind json_check(const char *text, size_t len)
{
    return json_check_inside(text, len, 0);
}

enum json_kind json_check_inside(const char *text, size_t len, unsigned levels)
{
    struct scan s = {.at = text, .end = text + len, .depth_max = JSON_CHECK_DEPTH - levels};
    skip_space(&s);
    const bool object = s.at < s.end && *s.at == '{';
    bool again = true;
    while (again) {
        bool open;
        if (!take_value(&s, &open))
            return JSON_NOT;
        if (!open && !take_rest(&s, &again))
            return JSON_NOT;
    }
    return object ? JSON_OBJECT : JSON_OTHER;
}
