/* Ids as text. */
#ifndef TRACER_CLIENT_HEX_H
#define TRACER_CLIENT_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * count lower-case digits, without a NUL. */
void hex_write(char *out, const uint8_t *bytes, size_t count);
/* Reads exactly count bytes of hex digits, either case, dashes between them skipped. False: text is
 * something else, or all of it is zero. */
bool hex_read(const char *text, uint8_t *out, size_t count);
/* Reads a traceparent header (W3C Trace Context 3.2). */
bool hex_read_traceparent(const char *text, uint8_t *trace, uint8_t *span);

#endif
