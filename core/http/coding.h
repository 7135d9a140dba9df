/* Content codings undone as a stream: what the sender flushed comes out at once. Each decoder's
 * memory is bounded, whatever the data asks for. Private to this room. */
#ifndef TRACER_HTTP_CODING_H
#define TRACER_HTTP_CODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

#define CODING_CHAIN_MAX    4                  /* codings applied to one body */
#define CODING_WINDOW_LOG   23                 /* zstd: RFC 9659 allows 8 MB */
#define CODING_OUTPUT_BYTES ((size_t)64 << 10) /* decoded at a time */

/* One decoder: gzip, deflate, br, zstd. */
struct coding_kind {
    const char *name, *alias; /* as in Content-Encoding; alias may be NULL */
    /* NULL when out of memory. */
    void *(*open)(void);
    void (*close)(void *decoder);
    /* Decodes from *in (moved on) to out; returns the number of bytes written or ERR_BAD. Output
     * below the room given means that all input was used, or that the stream is over: what is
     * behind its end is used up too. */
    int (*decode)(void *decoder, const char **in, size_t *in_len, char *out, size_t room);
};

extern const struct coding_kind coding_gzip, coding_deflate, coding_brotli, coding_zstd;

struct coding;

/* Takes decoded bytes; false: no more are wanted. */
typedef bool coding_sink(void *user, const char *data, size_t len);

/* The decoders for a message's Transfer-Encoding and Content-Encoding; *out is NULL when there is
 * none to undo. max bounds what a decoder makes for another one. ERR_UNSUPPORTED: a coding that is
 * not known, or more than CODING_CHAIN_MAX of them; ERR_NOMEM. */
int coding_new(struct coding **out, const struct http_head *head, uint64_t max) WARN_UNUSED_RESULT;
void coding_free(struct coding *c);
/* ERR_BAD: broken data, ERR_RANGE: more than max, ERR_FULL: the sink said stop; nothing is to be
 * fed after any of them. *left is the number of bytes that were not looked at. */
int coding_feed(struct coding *c, const char *data, size_t len, coding_sink *sink, void *user,
                size_t *left) WARN_UNUSED_RESULT;

#endif
