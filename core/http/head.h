/* The head of a message: start line and fields. Pure functions over the caller's bytes. Private to
 * this room. */
#ifndef TRACER_HTTP_HEAD_H
#define TRACER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

enum http_role { HTTP_REQUEST, HTTP_RESPONSE };

/* Length of the head (which does not begin with a blank line) with its blank line, or 0 when the
 * blank line is not among the len bytes. *scanned says how far an earlier call looked (0 at first)
 * and is moved on, so that a head which comes in small pieces is looked at once. */
size_t head_end(const char *text, size_t len, size_t *scanned);

/* False when no head can begin with these bytes (len >= 1). any_version: HTTP/2 and HTTP/3 too. */
bool head_plausible(const char *text, size_t len, enum http_role role);

/* True when the bytes begin with what can only be a start line: used to find the next message after
 * a loss, so that it is stricter than head_plausible. */
bool head_starts(const char *text, size_t len, enum http_role role, bool any_version);

/* Parses a whole head in place: texts are terminated, names put in lower case, folded lines joined.
 * out's texts point into text, which must have room for a NUL at text[len]. ERR_BAD; ERR_FULL:
 * more than HTTP_HEADERS_MAX fields. */
int head_parse(char *text, size_t len, enum http_role role, bool any_version,
               struct http_head *out) WARN_UNUSED_RESULT;

/* Next element of a comma-separated field value, without white space around it and parameters
 * behind it; *value is moved on. False at the end. */
bool head_next_token(const char **value, const char **token, size_t *len);
/* Compares without case. */
bool head_token_is(const char *token, size_t len, const char *word);

#endif
