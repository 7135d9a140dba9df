/* gzip both ways (RFC 1952), each in memory that is bounded. */
#ifndef TRACER_SERVICE_GZIP_H
#define TRACER_SERVICE_GZIP_H

#include <stdbool.h>

#include "base/buf.h"

#define GZIP_LEAST ((size_t)1024) /* below it compressing is not worth the header */

/* Decompresses all of in, one member or several, to out. ERR_FULL: more than out's ceiling, found
 * without making more than that; ERR_BAD: not gzip, damaged, cut off, or followed by something
 * else; ERR_NOMEM. out holds what came before the failure. */
int gzip_inflate(const void *in, size_t len, struct buf *out) WARN_UNUSED_RESULT;

/* A compressor that is kept by a thread: its 256 KB are made once. NULL: out of memory. level: 1
 * (fast) to 9. */
struct gzip;
struct gzip *gzip_new(int level);
void gzip_free(struct gzip *z);
/* Appends len compressed bytes to out. ERR_FULL, ERR_NOMEM. */
int gzip_deflate(struct gzip *z, const void *in, size_t len, struct buf *out) WARN_UNUSED_RESULT;

/* Whether an Accept-Encoding header (NULL: none) takes gzip (RFC 9110 §12.5.3). */
bool gzip_is_accepted(const char *accept_encoding);

#endif
