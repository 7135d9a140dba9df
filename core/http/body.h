/* Where a body ends (RFC 9112 §6), and its bytes without chunk framing. Pure. Private to this
 * room. */
#ifndef TRACER_HTTP_BODY_H
#define TRACER_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"

enum body_kind {
    BODY_NONE,
    BODY_LENGTH,
    BODY_CHUNKED,
    BODY_UNTIL_CLOSE,
    BODY_SNIFF /* chunked was announced, but the framing may have been taken off already */
};

enum chunk_state {
    CHUNK_SIZE,      /* before or among the digits */
    CHUNK_EXTENSION, /* behind them, up to LF */
    CHUNK_DATA,
    CHUNK_DATA_END, /* the line end behind the data */
    CHUNK_TRAILER,  /* a trailer line that is not empty so far */
    CHUNK_TRAILER_START
};

struct body {
    enum body_kind kind;
    enum chunk_state chunk;
    uint64_t left;     /* of the length, or of the chunk */
    unsigned digits;   /* of the size line */
    size_t line_bytes; /* of the size line or the trailers */
    char sniffed[20];  /* BODY_SNIFF: bytes that did not decide yet */
    size_t sniffed_len;
};

struct body_part {
    size_t used;      /* bytes of the input that are dealt with */
    const char *data; /* body bytes among them (or in the struct body) */
    size_t len;
    bool end; /* the body is over */
};

/* The framing of the message. method: of the request that a response answers. ERR_BAD: it cannot
 * be told (two lengths that differ, a length that is no number, a request whose last transfer
 * coding is not chunked). sniff: see http_options.curl_layer. */
int body_begin(struct body *b, const struct http_head *head, enum http_role role,
               const char *method, bool sniff) WARN_UNUSED_RESULT;
/* Looks at the next bytes (len >= 1), up to the first of: all used, a stretch of body bytes, the
 * end. ERR_BAD. Not to be called for BODY_NONE or after the end. */
int body_next(struct body *b, const char *data, size_t len,
              struct body_part *part) WARN_UNUSED_RESULT;
/* Skips lost bytes. Returns how many of them are inside the body (all of len, or up to the end of
 * a body of known length); *known says whether the framing can be followed on. */
uint64_t body_skip(struct body *b, uint64_t len, bool *known);
/* True when nothing of the body is missing: a body of known length, or none. */
bool body_at_end(const struct body *b);

#endif
