#include "cli/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

size_t text_decode(const char *text, size_t len, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0)
        return 0;
    unsigned char first = (unsigned char)text[0];
    size_t size = first < 0x80             ? 1
                  : (first & 0xe0) == 0xc0 ? 2
                  : (first & 0xf0) == 0xe0 ? 3
                  : (first & 0xf8) == 0xf0 ? 4
                                           : 0;
    if (size == 0 || size > len)
        return 0;
    uint32_t value = size == 1 ? first : first & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        unsigned char next = (unsigned char)text[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3f);
    }
    if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return size;
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* Invisible characters that reorder or hide text (Unicode TR 36, "bidirectional text spoofing"). */
static const struct range steering[] = {{0x00ad, 0x00ad},   {0x061c, 0x061c},   {0x180e, 0x180e},
                                        {0x200b, 0x200c},   {0x200e, 0x200f},   {0x2028, 0x202e},
                                        {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
                                        {0xe0000, 0xe0fff}, {0x1d173, 0x1d17a}, {0xfffe, 0xffff}};
/* East Asian Width W and F, and emoji, coarsely (Unicode TR 11). */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
    {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},
    {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},
    {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},   {0x2b1b, 0x2b1c},
    {0x2b50, 0x2b50},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004},
    {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
static const struct range zero[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x06d6, 0x06dc}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d},
    {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x200d, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0x1f3fb, 0x1f3ff}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int text_code_width(uint32_t code)
{
    if (code < 0x300)
        return 1;
    if (in_ranges(zero, COUNT(zero), code))
        return 0;
    return in_ranges(wide, COUNT(wide), code) ? 2 : 1;
}

static void escape_byte(struct buf *out, unsigned char byte)
{
    char text[8];
    int n = snprintf(text, sizeof(text), "\\x%02x", byte);
    buf_append_cut(out, text, (size_t)n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static void escape_blank(struct buf *out, const char *text, size_t *at, size_t len,
                         enum text_mode mode)
{
    if (mode == TEXT_LINE) {
        while (*at + 1 < len && is_blank(text[*at + 1]))
            (*at)++;
        buf_append_cut(out, " ", 1);
    } else if (text[*at] == '\t') {
        buf_append_cut(out, "    ", 4);
    } else if (text[*at] == '\n' || text[*at] == ' ') {
        buf_append_cut(out, &text[*at], 1);
    } else if (text[*at] != '\r' || *at + 1 == len || text[*at + 1] != '\n') {
        escape_byte(out, (unsigned char)text[*at]);
    }
    (*at)++;
}

void text_escape(struct buf *out, const char *text, size_t len, enum text_mode mode)
{
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        if (is_blank(text[i])) {
            escape_blank(out, text, &i, len, mode);
            continue;
        }
        size_t size = text_decode(text + i, len - i, &code);
        if (size == 0 || code < 0x20 || code == 0x7f) {
            escape_byte(out, (unsigned char)text[i++]);
            continue;
        }
        if ((code >= 0x80 && code < 0xa0) || in_ranges(steering, COUNT(steering), code)) {
            char escaped[16];
            int n = snprintf(escaped, sizeof(escaped), "\\u{%" PRIx32 "}", code);
            buf_append_cut(out, escaped, (size_t)n);
        } else {
            buf_append_cut(out, text + i, size);
        }
        i += size;
    }
}

int text_width(const char *text)
{
    int width = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t size = text_decode(text + i, len - i, &code);
        width += size == 0 ? 1 : text_code_width(code);
        i += size == 0 ? 1 : size;
    }
    return width;
}

int text_fit(struct buf *out, const char *text, int columns, bool utf8)
{
    size_t len = strlen(text);
    bool cut = text_width(text) > columns;
    int room = cut ? columns - 1 : columns;
    int used = 0;
    if (columns <= 0)
        return 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t size = text_decode(text + i, len - i, &code);
        int width = size == 0 ? 1 : text_code_width(code);
        if (used + width > room)
            break;
        size = size == 0 ? 1 : size;
        if (utf8 || (unsigned char)text[i] < 0x80)
            buf_append_cut(out, text + i, size);
        else
            buf_append_cut(out, "??", (size_t)width);
        used += width;
        i += size;
    }
    if (cut) {
        buf_append_cut(out, utf8 ? "…" : "~", utf8 ? strlen("…") : 1);
        used++;
    }
    return used;
}

char *text_tokens(int64_t tokens, char *out)
{
    if (tokens < 0)
        snprintf(out, TEXT_FIGURE_MAX, "-");
    else if (tokens < 1000)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64, tokens);
    else if (tokens < 100000)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 ",%03" PRId64, tokens / 1000, tokens % 1000);
    else if (tokens < 999500)
        snprintf(out, TEXT_FIGURE_MAX, "%.0fk", (double)tokens / 1e3);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%.2fM", (double)tokens / 1e6);
    return out;
}

#define COST_LEAST 1e-6 /* what is shown with two digits; less has no room */

char *text_cost(double usd, char *out)
{
    if (!isfinite(usd) || usd < 0)
        snprintf(out, TEXT_FIGURE_MAX, "-");
    else if (usd >= 100)
        snprintf(out, TEXT_FIGURE_MAX, "$%.0f", usd > 1e12 ? 1e12 : usd);
    else if (usd >= 1)
        snprintf(out, TEXT_FIGURE_MAX, "$%.2f", usd);
    else if (usd >= 0.1)
        snprintf(out, TEXT_FIGURE_MAX, "$%.3f", usd);
    else if (usd >= 0.001)
        snprintf(out, TEXT_FIGURE_MAX, "$%.4f", usd);
    else if (usd >= 0.0001)
        snprintf(out, TEXT_FIGURE_MAX, "$%.5f", usd);
    else if (usd >= COST_LEAST)
        snprintf(out, TEXT_FIGURE_MAX, "$%.*f", 1 - (int)floor(log10(usd)), usd);
    else
        snprintf(out, TEXT_FIGURE_MAX, usd > 0 ? "<$0.000001" : "$0");
    return out;
}

char *text_duration(int64_t ns, char *out)
{
    double seconds = (double)ns / 1e9;
    if (ns < 0)
        snprintf(out, TEXT_FIGURE_MAX, "-");
    else if (ns < NS_PER_MS)
        snprintf(out, TEXT_FIGURE_MAX, "%.0f us", (double)ns / 1e3);
    else if (seconds < 0.9995)
        snprintf(out, TEXT_FIGURE_MAX, "%.0f ms", seconds * 1e3);
    else if (seconds < 59.995)
        snprintf(out, TEXT_FIGURE_MAX, "%.2f s", seconds);
    else if (ns < INT64_C(3600) * NS_PER_SEC)
        snprintf(out, TEXT_FIGURE_MAX, "%dm%02ds", (int)((ns + NS_PER_SEC / 2) / NS_PER_SEC / 60),
                 (int)((ns + NS_PER_SEC / 2) / NS_PER_SEC % 60));
    else if (ns >= INT64_C(172800) * NS_PER_SEC)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " days", ns / (86400 * NS_PER_SEC));
    else
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 "h%02dm", ns / (INT64_C(3600) * NS_PER_SEC),
                 (int)(ns / (60 * NS_PER_SEC) % 60));
    return out;
}

char *text_bytes(int64_t bytes, char *out)
{
    if (bytes < 0)
        snprintf(out, TEXT_FIGURE_MAX, "-");
    else if (bytes < 1024)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " bytes", bytes);
    else if (bytes < INT64_C(1048576))
        snprintf(out, TEXT_FIGURE_MAX, "%.1f KB", (double)bytes / 1024);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%.1f MB", (double)bytes / 1048576.0);
    return out;
}

char *text_age(int64_t ns, char *out)
{
    int64_t s = ns < 0 ? 0 : ns / NS_PER_SEC;
    if (s < 120)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " s", s);
    else if (s < 7200)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " min", s / 60);
    else if (s < 172800)
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " h", s / 3600);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%" PRId64 " days", s / 86400);
    return out;
}

char *text_time(int64_t wall_ns, int64_t now, char *out)
{
    time_t then = (time_t)(wall_ns / NS_PER_SEC);
    time_t today = (time_t)(now / NS_PER_SEC);
    struct tm a;
    struct tm b;
    if (wall_ns <= 0 || localtime_r(&then, &a) == NULL || localtime_r(&today, &b) == NULL)
        snprintf(out, TEXT_FIGURE_MAX, "-");
    else if (a.tm_year == b.tm_year && a.tm_yday == b.tm_yday)
        strftime(out, TEXT_FIGURE_MAX, "%H:%M:%S", &a);
    else if (a.tm_year == b.tm_year)
        strftime(out, TEXT_FIGURE_MAX, "%b %d %H:%M", &a);
    else
        strftime(out, TEXT_FIGURE_MAX, "%Y-%m-%d", &a);
    return out;
}
