/* Whether a text is JSON (RFC 8259), without taking it apart. Pure: reads len bytes, no more, and
 * allocates nothing. */
#ifndef TRACER_CLIENT_JSON_CHECK_H
#define TRACER_CLIENT_JSON_CHECK_H

#include <stddef.h>

#define JSON_CHECK_DEPTH 128 /* what is nested deeper counts as no JSON, as in core/json */

enum json_kind { JSON_NOT, JSON_OBJECT, JSON_OTHER };

/* Control characters and bytes that are no UTF-8 may stand in strings as they are: whoever reads
 * the text repairs them. Anything else that the grammar does not have makes it JSON_NOT. */
enum json_kind json_check(const char *text, size_t len);
/* The same for what is to lie so many levels deep in a document (0..JSON_CHECK_DEPTH). */
enum json_kind json_check_inside(const char *text, size_t len, unsigned levels);

#endif
