#include "client/hex.h"

#include <string.h>

#include "wire/record.h"

void hex_write(char *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_read(const char *text, uint8_t *out, size_t count)
{
    size_t digits = 0;
    uint8_t any = 0;
    for (; *text; text++) {
        if (*text == '-')
            continue;
        const int value = digit(*text);
        if (value < 0 || digits == 2 * count)
            return false;
        uint8_t *byte = &out[digits / 2];
        *byte = (uint8_t)(digits % 2 == 0 ? value << 4 : *byte | value);
        any |= (uint8_t)value;
        digits++;
    }
    return digits == 2 * count && any != 0;
}

/* Lower-case digits only, as the specification has it. */
static bool read_field(const char *text, uint8_t *out, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++) {
        const char *pair = text + 2 * i;
        const int high = pair[0] >= 'A' && pair[0] <= 'F' ? -1 : digit(pair[0]);
        const int low = pair[1] >= 'A' && pair[1] <= 'F' ? -1 : digit(pair[1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        any |= out[i];
    }
    return any != 0;
}

bool hex_read_traceparent(const char *text, uint8_t *trace, uint8_t *span)
{
    uint8_t version = 0, flags = 0;
    const size_t len = strnlen(text, 512);
    if (len < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    (void)read_field(text, &version, 1);
    (void)read_field(text + 53, &flags, 1);
    /* Zero is a version, and are flags; so they are told from what is no number by their text. */
    if ((version == 0 && memcmp(text, "00", 2) != 0) || version == 0xff ||
        (flags == 0 && memcmp(text + 53, "00", 2) != 0))
        return false;
    if (version == 0 ? len != 55 : len > 55 && text[55] != '-')
        return false;
    return read_field(text + 3, trace, WIRE_TRACE_ID_LEN) &&
           read_field(text + 36, span, WIRE_SPAN_ID_LEN);
}
