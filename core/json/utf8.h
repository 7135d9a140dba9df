/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. Private
 * to this room. Pure. */
#ifndef TRACER_JSON_UTF8_H
#define TRACER_JSON_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD */
#define UTF8_REPLACEMENT_LEN 3

/* Length of the character at text (1..4), or 0 when it is malformed or cut off; len >= 1. *bad is
 * then the number of bytes that one U+FFFD stands for (Unicode §3.9, maximal subpart): 1..3. */
size_t utf8_char(const char *text, size_t len, size_t *bad);
/* The number of leading bytes that JSON writes as they are: valid UTF-8 without quotes,
 * backslashes and control characters. */
size_t utf8_plain_span(const char *text, size_t len);
/* Copies text with U+FFFD for each malformed part and each NUL; to has room for 3 * len. Returns
 * the number of bytes written. */
size_t utf8_clean(char *to, const char *text, size_t len);
/* What utf8_clean would write. */
size_t utf8_clean_len(const char *text, size_t len);

#endif
