/* A stream gives the same frames in one piece and byte by byte. */
#include <string.h>

#include "fuzz.h"
#include "http/frames.h"

static void note(void *user, const struct frame *frame)
{
    struct buf *out = user;
    MUST(frame->data[frame->data_len] == '\0');
    MUST(buf_append_str(out, frame->event) == ERR_OK);
    MUST(buf_append_char(out, '|') == ERR_OK);
    MUST(buf_append(out, frame->data, frame->data_len) == ERR_OK);
    MUST(buf_append_char(out, '\n') == ERR_OK);
}

static void run(const char *data, size_t size, size_t piece, struct buf *out)
{
    struct sse s;
    sse_init(&s);
    buf_init(out, 1 << 26);
    for (size_t at = 0; at < size; at += piece)
        sse_feed(&s, data + at, size - at < piece ? size - at : piece, note, out);
    sse_finish(&s, note, out);
    sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, bytes, pieces;
    run((const char *)data, size, size + 1, &whole);
    run((const char *)data, size, 1, &bytes);
    run((const char *)data, size, 7, &pieces);
    MUST(whole.len == bytes.len && strcmp(buf_str(&whole), buf_str(&bytes)) == 0);
    MUST(whole.len == pieces.len && strcmp(buf_str(&whole), buf_str(&pieces)) == 0);
    buf_release(&whole);
    buf_release(&bytes);
    buf_release(&pieces);
    return 0;
}
