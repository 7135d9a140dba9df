#include "client/utf8.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_LEN 3u

static bool is_tail(const char *at, unsigned low, unsigned high)
{
    const unsigned byte = (unsigned char)*at;
    return byte >= low && byte <= high;
}

/* Length of the well-formed code point at the start of len bytes, 0 when there is none (Unicode
 * 15.0, table 3-7). len is at least 1. */
static size_t point_length(const char *s, size_t len)
{
    const unsigned lead = (unsigned char)s[0];
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return len >= 2 && is_tail(s + 1, 0x80, 0xbf) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
        return len >= 3 && is_tail(s + 1, low, high) && is_tail(s + 2, 0x80, 0xbf) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
        return len >= 4 && is_tail(s + 1, low, high) && is_tail(s + 2, 0x80, 0xbf) &&
                       is_tail(s + 3, 0x80, 0xbf)
                   ? 4
                   : 0;
    }
    return 0;
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* Length of the code point that stays as it is, 0 when it has to be replaced. */
static size_t kept_length(const char *s, size_t len)
{
    return is_control((unsigned char)*s) ? 0 : point_length(s, len);
}

/* How many of the first bytes are printable ASCII, 0x20 to 0x7e. */
static size_t plain_prefix(const char *text, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t at = 0;
    for (; len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, 8);
        /* A byte below 0x20 borrows, one above 0x7e carries or has its high bit already. */
        if (((word - ones * 0x20) | (word + ones) | word) & high)
            break;
    }
    while (at < len && text[at] >= 0x20 && text[at] <= 0x7e)
        at++;
    return at;
}

struct utf8_measure utf8_measure(const char *text, size_t len, size_t max_points, size_t max_bytes)
{
    struct utf8_measure m = {0, 0, true};
    size_t points = 0;
    while (m.taken < len && points < max_points) {
        size_t bound = len - m.taken;
        if (bound > max_points - points)
            bound = max_points - points;
        if (bound > max_bytes - m.length)
            bound = max_bytes - m.length;
        const size_t plain = plain_prefix(text + m.taken, bound);
        m.taken += plain;
        m.length += plain;
        points += plain;
        if (plain == bound)
            break; /* the end of the text, or as much as there may be */
        const size_t kept = kept_length(text + m.taken, len - m.taken);
        const size_t out = kept ? kept : REPLACEMENT_LEN;
        if (out > max_bytes - m.length)
            break;
        m.clean = m.clean && kept != 0;
        m.length += out;
        m.taken += kept ? kept : 1;
        points++;
    }
    return m;
}

void utf8_repair(char *out, const char *text, size_t taken)
{
    size_t at = 0;
    while (at < taken) {
        const size_t kept = kept_length(text + at, taken - at);
        if (kept) {
            memcpy(out, text + at, kept);
            out += kept;
            at += kept;
        } else {
            memcpy(out, REPLACEMENT, REPLACEMENT_LEN); /* NOLINT: of a text that goes on */
            out += REPLACEMENT_LEN;
            at++;
        }
    }
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t end = max;
    while (end > 0 && max - end < 3 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return ((unsigned char)text[end] & 0xc0) == 0x80 ? max : end;
}
