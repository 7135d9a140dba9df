/* Counting, cutting and repairing of texts that came from the program. Pure; no allocation. */
#ifndef TRACER_CLIENT_UTF8_H
#define TRACER_CLIENT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

struct utf8_measure {
    size_t taken;  /* bytes of the text that stay within the limits */
    size_t length; /* of those, once they are repaired */
    bool clean;    /* nothing has to be repaired */
};

/* Looks at len bytes, up to max_points code points and max_bytes bytes of the repaired text. A byte
 * that is no UTF-8 and a control character (tab, line feed and carriage return aside) become U+FFFD
 * each. */
struct utf8_measure utf8_measure(const char *text, size_t len, size_t max_points, size_t max_bytes);
/* Writes the repaired form of `taken` bytes; out has room for `length` of them. */
void utf8_repair(char *out, const char *text, size_t taken);
/* The largest length up to max at which no code point is cut in two. */
size_t utf8_cut(const char *text, size_t len, size_t max);

#endif
