/* Values and texts made to fit where room is limited (contract: "DynamoDB layout"). Pure. */
#ifndef TRACER_JSON_TRIM_H
#define TRACER_JSON_TRIM_H

#include <stddef.h>

#include "json/json.h"

/* Characters that Python's json.dumps makes of it, in which older servers count. */
size_t json_ascii_size(const json *value);
/* Bytes that json_print makes of it; SIZE_MAX when out of memory. */
size_t json_printed_size(const json *value);
/* Makes *value (owned, an object) fit: long strings keep head and tail, then the largest members
 * go; marks _truncated and _original_size. Leaves alone what fits. */
void json_trim(json **value, size_t max);
/* The same by another measure. */
void json_trim_sized(json **value, size_t max, size_t (*size)(const json *));
/* At most max characters of UTF-8 text, cut at the end: new memory. */
char *text_limit(const char *text, size_t max);
/* Text of at most max characters that keeps head and tail: new memory, NULL when out of memory. */
char *text_trim(const char *text, size_t max);

#endif
