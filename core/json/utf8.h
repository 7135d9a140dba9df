/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. Private
 * to this room. Pure. */
#ifndef TRACER_JSON_UTF8_H
#define TRACER_JSON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the character at text (1..4), or 0 when it is malformed or cut off; len >= 1. *bad is
 * then the number of bytes that one U+FFFD stands for (Unicode §3.9, maximal subpart): 1..3. */
size_t utf8_char(const char *text, size_t len, size_t *bad);
/* The number of leading bytes that are valid UTF-8; len when all are. */
size_t utf8_span(const char *text, size_t len);

#endif
