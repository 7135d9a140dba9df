/* JSON text looked at as it lies, without a tree: the members of an object and the elements of an
 * array one after another, each value borrowed from the text. For documents of which a few values
 * are wanted and the rest is kept as text. Takes what json_parse takes, but refuses bytes that are
 * no UTF-8, and NUL. Pure; nothing is allocated but by scan_text. */
#ifndef TRACER_JSON_SCAN_H
#define TRACER_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum scan_kind {
    SCAN_NONE, /* the zero value: no value */
    SCAN_NULL,
    SCAN_BOOL,
    SCAN_NUMBER, /* NaN and infinities too */
    SCAN_STRING,
    SCAN_OBJECT,
    SCAN_ARRAY
};

struct scan_value {
    const char *text; /* as it lies there; of a string with its quotes */
    size_t len;
    enum scan_kind kind;
    /* It prints as it lies: on one line, by RFC 8259 to the letter, without escapes of NUL or of
     * half a surrogate pair and numbers beyond a double. Otherwise json_parse and json_print make
     * it so. */
    bool clean;
    bool escaped; /* of a string: what is between the quotes is not yet its text */
};

struct scan {
    const char *at, *end; /* after an error: about where it is */
    char close;           /* of what is gone through */
    bool first;
};

/* One value that fills the text, but for white space and a byte order mark around it. ERR_BAD:
 * malformed. ERR_RANGE: deeper than JSON_DEPTH_MAX. */
int scan_one(const char *text, size_t len, struct scan_value *out) WARN_UNUSED_RESULT;
/* Begins to go through an object or array that fills the text. ERR_BAD: neither begins there. */
int scan_open(struct scan *s, const char *text, size_t len) WARN_UNUSED_RESULT;
/* The next member of an object. 1; 0: that was all, and the text ends well; ERR_BAD, ERR_RANGE. */
int scan_member(struct scan *s, struct scan_value *name,
                struct scan_value *value) WARN_UNUSED_RESULT;
/* The next element of an array; the same. */
int scan_element(struct scan *s, struct scan_value *value) WARN_UNUSED_RESULT;

/* Whether a string, escaped or not, is this text. */
bool scan_is(const struct scan_value *value, const char *text, size_t len);
/* The text of an escaped string as new memory (free()), *len its bytes; it holds no NUL before
 * that. NULL: out of memory, or no string. */
char *scan_text(const struct scan_value *value, size_t *len);
/* False unless it is a number; infinite when it is NaN, infinite or too large for a double. */
bool scan_number(const struct scan_value *value, double *out);
/* False unless it is a number without fraction, such as 3, 3.0 and 3e2, within int64_t. */
bool scan_int(const struct scan_value *value, int64_t *out);
/* Whether the bytes are UTF-8 without NUL. */
bool scan_utf8(const char *text, size_t len);

#endif
