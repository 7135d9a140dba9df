#include "json/utf8.h"

#include <stdint.h>
#include <string.h>

/* What may follow each lead byte: the number of continuation bytes and the range of the first of
 * them (Unicode table 3-7). */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return 1;
    if (c < 0xf0) {
        if (c == 0xe0)
            *low = 0xa0;
        else if (c == 0xed)
            *high = 0x9f;
        return 2;
    }
    if (c > 0xf4)
        return 0;
    if (c == 0xf0)
        *low = 0x90;
    else if (c == 0xf4)
        *high = 0x8f;
    return 3;
}

size_t utf8_char(const char *text, size_t len, size_t *bad)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    unsigned char low, high;
    size_t follow = lead(s[0], &low, &high);
    *bad = 1;
    if (follow == 0)
        return 0;
    for (size_t i = 1; i <= follow; i++) {
        if (i >= len || s[i] < low || s[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return follow + 1;
}

size_t utf8_span(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        /* Nearly all bytes are ASCII: look at sixteen of them at once. */
        while (len - at >= 16) {
            uint64_t a, b;
            memcpy(&a, text + at, 8);
            memcpy(&b, text + at + 8, 8);
            if (((a | b) & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += 16;
        }
        if (at >= len)
            break;
        size_t bad;
        size_t n = utf8_char(text + at, len - at, &bad);
        if (n == 0)
            return at;
        at += n;
    }
    return at;
}
