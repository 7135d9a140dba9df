/* Characters in lower case. */
#include "store/words_inside.h"

#include <string.h>

void folding_init(struct folding *f, struct text t)
{
    f->at = (const unsigned char *)t.at;
    f->end = f->at == NULL ? NULL : f->at + t.len;
}

/* Letters of which small and capital ones lie beside each other, the capital one first. */
static bool in_pairs(uint32_t c, bool *capital_is_even)
{
    *capital_is_even = true;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) {
        *capital_is_even = false;
        return true;
    }
    return (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) ||
           (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) ||
           (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff);
}

uint32_t word_lower(uint32_t c)
{
    bool capital_is_even;
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab) ||
        (c >= 0x410 && c <= 0x42f) || (c >= 0xff21 && c <= 0xff3a))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if (c >= 0x531 && c <= 0x556)
        return c + 48;
    if (in_pairs(c, &capital_is_even))
        return (c % 2 == 0) == capital_is_even ? c + 1 : c;
    switch (c) {
    case 0x178:
        return 0xff;
    case 0x386:
        return 0x3ac;
    case 0x388:
    case 0x389:
    case 0x38a:
        return c + 37;
    case 0x38c:
        return 0x3cc;
    case 0x38e:
    case 0x38f:
        return c + 63;
    case 0x3c2: /* the sigma at a word's end */
        return 0x3c3;
    case 0x1e9e:
        return 0xdf;
    default:
        return c;
    }
}

/* One character; *len its bytes. What is no UTF-8 is one byte, told as 0xfffd. */
uint32_t word_decode(const unsigned char *at, const unsigned char *end, size_t *len)
{
    uint32_t c = *at;
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    *len = 1;
    if (n == 0 || (size_t)(end - at) < n || c > 0xf4)
        return 0xfffd;
    if (n > 1)
        c &= 0x7fU >> n;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (at[i] & 0x3fU);
    }
    *len = n;
    return c;
}

size_t word_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00U >> n & 0xf0U) | c);
    return n;
}

size_t folding_next(struct folding *f, char *out)
{
    if (f->at == f->end)
        return 0;
    if (*f->at < 0x80) {
        unsigned char c = *f->at++;
        *out = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        return 1;
    }
    size_t len;
    uint32_t c = word_decode(f->at, f->end, &len);
    uint32_t small = word_lower(c);
    if (small != c)
        f->at += len;
    else
        for (size_t i = 0; i < len; i++)
            out[i] = (char)*f->at++;
    return small != c ? word_encode(small, out) : len;
}

static bool begins_with(struct folding whole, struct folding part)
{
    char a[4];
    char b[4];
    size_t n;
    while ((n = folding_next(&part, b)) > 0)
        if (folding_next(&whole, a) != n || memcmp(a, b, n) != 0)
            return false;
    return true;
}

bool text_contains(struct text whole, struct text part)
{
    struct folding w;
    struct folding p;
    char skipped[4];
    if (whole.at == NULL)
        return false;
    folding_init(&w, whole);
    folding_init(&p, part);
    do
        if (begins_with(w, p))
            return true;
    while (folding_next(&w, skipped) > 0);
    return false;
}
