/* JSON values. The one room that includes cJSON: every other room uses these functions, so that the
 * library can be replaced in one place. Parsing is bounded in depth and size; texts are always
 * valid UTF-8 afterwards (bad bytes become U+FFFD). Values are not thread-safe. */
#ifndef TRACER_JSON_JSON_H
#define TRACER_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX   128
#define JSON_DEPTH_ADDED 64 /* levels that our own documents have around what was parsed */

typedef struct cJSON json;

/* Parses one value that fills the text (white space and a byte order mark around it are allowed).
 * NULL: malformed, deeper than JSON_DEPTH_MAX, or out of memory. The caller frees it with
 * json_free. RFC 8259, and what programs write beyond it: control characters inside strings, and
 * NaN and infinities, which become null, as do numbers too large for a double. NUL and half a
 * surrogate pair, escaped or not, become U+FFFD. Numbers print with the digits they came with. */
json *json_parse(const char *text, size_t len);
/* The same for what this program printed, which lies around values that were parsed as above. */
json *json_parse_printed(const char *text, size_t len);
void json_free(json *value);

/* Reading. All accept NULL and give NULL / false / "nothing" for it, so that paths can be chained.
 * Borrowed values live as long as their root. */
json *json_get(const json *object, const char *key); /* the first of that name; O(members) */
/* json_path(v, "usage.prompt_tokens_details.cached_tokens"); a number is an array index. */
json *json_path(const json *value, const char *path);
json *json_at(const json *array, size_t index); /* O(index): iterate with json_each */
size_t json_length(const json *array_or_object);
/* for (json *e = json_first(a); e; e = json_next(e)) */
json *json_first(const json *array_or_object);
json *json_next(const json *value);
const char *json_key(const json *value); /* its name in its object; NULL in an array */
bool json_is_object(const json *value);
bool json_is_array(const json *value);
bool json_is_string(const json *value);
bool json_is_number(const json *value);
bool json_is_bool(const json *value);
bool json_is_null(const json *value); /* JSON null; false for NULL */
bool json_is_true(const json *value);
/* The text of a string, or NULL for anything else. */
const char *json_text(const json *value);
/* False (and *out unchanged) unless it is a number; json_int also wants it whole and in range, and
 * is exact over all of int64_t. */
bool json_number(const json *value, double *out);
bool json_int(const json *value, int64_t *out);
/* Shorthands for json_x(json_get(object, key)). */
const char *json_get_text(const json *object, const char *key);
bool json_get_int(const json *object, const char *key, int64_t *out);
bool json_get_number(const json *object, const char *key, double *out);

/* Building. Out of memory anywhere gives NULL, and adding NULL to a container does nothing, so that
 * a tree is built without checks and json_print of it still makes sense. Containers own what is
 * added, which must not be in a container already. Text arguments are copied and made valid UTF-8
 * without NUL. */
json *json_object(void);
json *json_array(void);
json *json_string(const char *text); /* NULL gives JSON null */
json *json_string_n(const char *text, size_t len);
json *json_from_int(int64_t value);   /* printed without loss up to 2^63 */
json *json_from_number(double value); /* not finite: null */
json *json_from_bool(bool value);
json *json_null(void);
json *json_copy(const json *value);
void json_set(json *object, const char *key, json *value);           /* replaces */
void json_set_text(json *object, const char *key, const char *text); /* NULL text: nothing */
void json_set_int(json *object, const char *key, int64_t value);
void json_set_number(json *object, const char *key, double value);
void json_set_bool(json *object, const char *key, bool value);
void json_add(json *array, json *value);
/* Removes the member and hands it to the caller; NULL if there is none. */
json *json_take(json *object, const char *key);

/* Prints on one line into the buffer. ERR_NOMEM, ERR_FULL. */
int json_print(const json *value, struct buf *out) WARN_UNUSED_RESULT;
/* The same as new memory (free()); NULL when out of memory. */
char *json_print_new(const json *value);
/* Appends text as a JSON string literal with its quotes; bad UTF-8 and NUL become U+FFFD. */
int json_quote(struct buf *out, const char *text, size_t len) WARN_UNUSED_RESULT;

#endif
