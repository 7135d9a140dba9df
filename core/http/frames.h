/* Framing inside a body: server-sent events and newline-delimited JSON. Pure, incremental. */
#ifndef TRACER_HTTP_FRAMES_H
#define TRACER_HTTP_FRAMES_H

#include <stddef.h>

#include "base/buf.h"

#define FRAME_BYTES_MAX 16777216 /* 16 MB: of one event or line; what is over is cut */

struct frame {
    const char *event; /* SSE: the event's type; "" when it named none. NDJSON: "" */
    const char *data;  /* NUL-terminated; SSE: the data lines joined by \n */
    size_t data_len;
    size_t cut; /* bytes of it that were over FRAME_BYTES_MAX, or found no memory */
};

typedef void frame_fn(void *user, const struct frame *frame);

/* SSE by the WHATWG HTML standard, §9.2.6: CR, LF and CRLF end lines, comments are skipped, a blank
 * line dispatches. */
struct sse {
    struct buf line, data, event;
    size_t cut;
    int after_cr, at_start, has_data;
};
void sse_init(struct sse *s);
void sse_release(struct sse *s);
void sse_feed(struct sse *s, const char *bytes, size_t len, frame_fn *each, void *user);
/* The stream ended: an event without its blank line is dispatched too (servers cut it off). */
void sse_finish(struct sse *s, frame_fn *each, void *user);

/* One JSON text a line; blank lines are skipped. */
struct ndjson {
    struct buf line;
};
void ndjson_init(struct ndjson *n);
void ndjson_release(struct ndjson *n);
void ndjson_feed(struct ndjson *n, const char *bytes, size_t len, frame_fn *each, void *user);
void ndjson_finish(struct ndjson *n, frame_fn *each, void *user);

#endif
