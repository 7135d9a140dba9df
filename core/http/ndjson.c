#include <string.h>

#include "http/frames.h"

void ndjson_init(struct ndjson *n)
{
    buf_init(&n->line, FRAME_BYTES_MAX);
}

void ndjson_release(struct ndjson *n)
{
    buf_release(&n->line);
}

static void end_line(struct ndjson *n, frame_fn *each, void *user)
{
    struct buf *line = &n->line;
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    if (strspn(buf_str(line), " \t\r") < line->len) {
        struct frame frame = {"", line->data, line->len, line->dropped};
        each(user, &frame);
    }
    buf_clear(line);
}

void ndjson_feed(struct ndjson *n, const char *bytes, size_t len, frame_fn *each, void *user)
{
    while (len > 0) {
        const char *lf = memchr(bytes, '\n', len);
        size_t used = lf == NULL ? len : (size_t)(lf - bytes) + 1;
        /* Copied, since a frame ends with NUL. */
        buf_append_cut(&n->line, bytes, lf == NULL ? used : used - 1);
        if (lf != NULL)
            end_line(n, each, user);
        bytes += used;
        len -= used;
    }
}

void ndjson_finish(struct ndjson *n, frame_fn *each, void *user)
{
    end_line(n, each, user);
}
