#include "json/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

#if defined(__SSE2__)
#define STEP 16

/* Has a bit for each of the sixteen bytes that is not plain ASCII for JSON. */
static uint64_t not_plain(const char *text)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    /* As signed bytes, those from 0x80 on lie below the space, too. */
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (uint64_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
}

/* How many bytes before the first of them are surely plain. */
static size_t plain_before(uint64_t found)
{
    return (size_t)__builtin_ctzll(found);
}
#else
#define STEP  8
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Has bits in HIGHS when one of the eight bytes is not plain ASCII for JSON. */
static uint64_t not_plain(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    uint64_t quote = word ^ (ONES * '"'), slash = word ^ (ONES * '\\');
    return (word | (word - ONES * 0x20) | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) &
           HIGHS;
}

static size_t plain_before(uint64_t found)
{
    (void)found; /* which byte comes first depends on the machine */
    return 0;
}
#endif

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

size_t utf8_plain_span(const char *text, size_t len)
{
    size_t at = 0;
    for (;;) {
        /* Nearly all bytes are plain: look at many of them at once. */
        while (len - at >= STEP) {
            const uint64_t found = not_plain(text + at);
            if (found != 0) {
                at += plain_before(found);
                break;
            }
            at += STEP;
        }
        while (at < len && is_plain((unsigned char)text[at]))
            at++;
        if (at == len || (unsigned char)text[at] < 0x80)
            return at;
        /* A character that is not ASCII seldom comes alone. */
        while (at < len && (unsigned char)text[at] >= 0x80) {
            size_t bad;
            size_t n = utf8_char(text + at, len - at, &bad);
            if (n == 0)
                return at;
            at += n;
        }
    }
}

/* to NULL: only counts. */
static size_t clean(char *to, const char *text, size_t len)
{
    size_t made = 0;
    for (size_t at = 0; at < len;) {
        size_t used = utf8_plain_span(text + at, len - at), bad = 1;
        const char *from = text + at;
        size_t n = used;
        if (n == 0) {
            used = n = text[at] == '\0' ? 0 : utf8_char(text + at, len - at, &bad);
            if (n == 0) {
                from = UTF8_REPLACEMENT;
                n = UTF8_REPLACEMENT_LEN;
                used = bad;
            }
        }
        if (to != NULL)
            memcpy(to + made, from, n);
        made += n;
        at += used;
    }
    return made;
}

size_t utf8_clean(char *to, const char *text, size_t len)
{
    return clean(to, text, len);
}

size_t utf8_clean_len(const char *text, size_t len)
{
    return clean(NULL, text, len);
}
