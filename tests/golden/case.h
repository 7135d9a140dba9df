/* A golden case: a file with the bytes of one exchange and the call expected of it.
 *
 *   # comment, up to the first line that begins with @@
 *   @@ options host=api.openai.com tls=yes endpoints=* content_max=65536
 *   @@ request
 *   POST /v1/chat/completions HTTP/1.1      head lines get CR LF
 *                                           a blank line, then the body as it stands
 *   @@ response
 *   HTTP/1.1 200 OK
 *
 *   data: ...
 *   @@ +25ms                                what follows comes later, and in a piece of its own
 *   @@ close                                the connection ends here, before the answer does
 *   @@ lost 100                             so many bytes were not captured
 *   @@ call
 *   {...}
 *
 * A head without content-length and transfer-encoding gets a content-length; with
 * `transfer-encoding: chunked` every piece is one chunk; with `content-encoding: gzip` the body is
 * compressed, flushed after each piece. */
#ifndef TESTS_GOLDEN_CASE_H
#define TESTS_GOLDEN_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CASE_PIECES_MAX 512

struct case_piece {
    struct buf bytes;
    int64_t time;  /* boot ns */
    uint64_t lost; /* bytes lost behind it */
};

struct golden_case {
    char host[128], endpoints[256];
    bool tls;
    size_t content_max;
    struct buf request;
    struct case_piece pieces[CASE_PIECES_MAX]; /* of the response */
    size_t piece_count;
    bool close;       /* aborted */
    struct buf input; /* the file up to and with the line `@@ call` */
    struct buf expected;
};

#define CASE_START_NS INT64_C(1000000000)

/* False with a message on stderr. */
bool case_load(struct golden_case *c, const char *path);
void case_release(struct golden_case *c);

#endif
