/* Ids: hex, random, derived, and W3C trace context. */
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "span/span.h"

char *id_to_hex(const uint8_t *id, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads 2 * len digits, whatever follows them. */
static int read_hex(const char *text, size_t len, uint8_t *id)
{
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return ERR_BAD;
        id[i] = (uint8_t)(high << 4 | low);
    }
    return ERR_OK;
}

int id_from_hex(const char *text, size_t len, uint8_t *id)
{
    if (text == NULL || strlen(text) != 2 * len)
        return ERR_BAD;
    return read_hex(text, len, id);
}

bool id_is_zero(const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (id[i] != 0)
            return false;
    return true;
}

void id_random(uint8_t *id, size_t len)
{
    static uint64_t fallback;
    if (getrandom(id, len, 0) != (ssize_t)len) { /* a kernel without it: unique, not secret */
        uint64_t seed[3] = {(uint64_t)clock_wall_ns(), (uint64_t)getpid(), ++fallback};
        for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
            uint64_t h = hash_bytes(i, seed, sizeof(seed));
            memcpy(id + i, &h, len - i < sizeof(h) ? len - i : sizeof(h));
        }
    }
    if (id_is_zero(id, len))
        id[len - 1] = 1;
}

void id_derive(const char *ring_id, uint64_t conn, uint64_t offset, const char *salt, uint8_t *id,
               size_t len)
{
    uint8_t place[16];
    for (unsigned i = 0; i < 8; i++) {
        place[i] = (uint8_t)(conn >> (8 * i));
        place[8 + i] = (uint8_t)(offset >> (8 * i));
    }
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t h = hash_bytes(i, ring_id, strlen(ring_id));
        h = hash_bytes(h, salt, salt == NULL ? 0 : strlen(salt));
        h = hash_bytes(h, place, sizeof(place));
        for (size_t k = 0; k < sizeof(h) && i + k < len; k++)
            id[i + k] = (uint8_t)(h >> (8 * k));
    }
    if (id_is_zero(id, len))
        id[len - 1] = 1;
}

static bool is_lower_hex(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return true;
}

/* W3C Trace Context §3.2: version "-" trace-id "-" parent-id "-" trace-flags, lower case. */
int traceparent_parse(const char *text, uint8_t *trace_id, uint8_t *span_id)
{
    enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, LENGTH = 55 };
    size_t len = text == NULL ? 0 : strnlen(text, 1024);
    if (len < LENGTH || text[2] != '-' || text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
        return ERR_BAD;
    if (!is_lower_hex(text, 2) || !is_lower_hex(text + TRACE_AT, 32) ||
        !is_lower_hex(text + SPAN_AT, 16) || !is_lower_hex(text + FLAGS_AT, 2))
        return ERR_BAD;
    bool version_00 = memcmp(text, "00", 2) == 0;
    if (memcmp(text, "ff", 2) == 0 || (version_00 && len != LENGTH) ||
        (len > LENGTH && text[LENGTH] != '-'))
        return ERR_BAD;
    uint8_t trace[TRACE_ID_LEN];
    uint8_t span[SPAN_ID_LEN];
    if (read_hex(text + TRACE_AT, TRACE_ID_LEN, trace) != ERR_OK ||
        read_hex(text + SPAN_AT, SPAN_ID_LEN, span) != ERR_OK || id_is_zero(trace, TRACE_ID_LEN) ||
        id_is_zero(span, SPAN_ID_LEN))
        return ERR_BAD;
    memcpy(trace_id, trace, sizeof(trace));
    memcpy(span_id, span, sizeof(span));
    return ERR_OK;
}
