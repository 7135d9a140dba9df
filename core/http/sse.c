#include <string.h>

#include "http/frames.h"

void sse_init(struct sse *s)
{
    memset(s, 0, sizeof(*s));
    buf_init(&s->line, FRAME_BYTES_MAX);
    buf_init(&s->data, FRAME_BYTES_MAX);
    buf_init(&s->event, FRAME_BYTES_MAX);
    s->at_start = 1;
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
    buf_release(&s->event);
}

static void dispatch(struct sse *s, frame_fn *each, void *user)
{
    if (s->has_data) {
        struct frame frame = {buf_str(&s->event), buf_str(&s->data), s->data.len,
                              s->cut + s->data.dropped};
        each(user, &frame);
    }
    buf_clear(&s->data);
    buf_clear(&s->event);
    s->cut = 0;
    s->has_data = 0;
}

static int name_is(const char *line, size_t name_len, const char *name)
{
    return strlen(name) == name_len && memcmp(line, name, name_len) == 0;
}

static void field(struct sse *s, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon == NULL ? len : (size_t)(colon - line);
    const char *value = colon == NULL ? line + len : colon + 1;
    if (value < line + len && *value == ' ')
        value++;
    size_t value_len = (size_t)(line + len - value);
    if (name_is(line, name_len, "data")) {
        if (s->has_data)
            buf_append_cut(&s->data, "\n", 1);
        buf_append_cut(&s->data, value, value_len);
        s->has_data = 1;
    } else if (name_is(line, name_len, "event")) {
        buf_clear(&s->event);
        buf_append_cut(&s->event, value, value_len);
    }
}

static void end_line(struct sse *s, const char *line, size_t len, frame_fn *each, void *user)
{
    if (s->at_start && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        len -= 3;
    }
    s->at_start = 0;
    s->cut += s->line.dropped;
    if (len == 0)
        dispatch(s, each, user);
    else if (line[0] != ':')
        field(s, line, len);
}

/* The first CR or LF. */
static const char *line_end(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    const char *cr = memchr(at, '\r', (size_t)((lf == NULL ? end : lf) - at));
    return cr != NULL ? cr : lf;
}

void sse_feed(struct sse *s, const char *bytes, size_t len, frame_fn *each, void *user)
{
    const char *at = bytes, *end = bytes + len;
    while (at < end) {
        if (s->after_cr && *at == '\n')
            at++;
        s->after_cr = 0;
        const char *stop = at < end ? line_end(at, end) : NULL;
        if (stop == NULL) {
            buf_append_cut(&s->line, at, (size_t)(end - at));
            return;
        }
        if (s->line.len == 0) {
            end_line(s, at, (size_t)(stop - at), each, user);
        } else {
            buf_append_cut(&s->line, at, (size_t)(stop - at));
            end_line(s, s->line.data, s->line.len, each, user);
            buf_clear(&s->line);
        }
        s->after_cr = *stop == '\r';
        at = stop + 1;
    }
}

void sse_finish(struct sse *s, frame_fn *each, void *user)
{
    if (s->line.len > 0)
        end_line(s, s->line.data, s->line.len, each, user);
    buf_clear(&s->line);
    dispatch(s, each, user);
}
