/* zstd (RFC 8878), with the window that RFC 9659 allows in HTTP. */
#include <zstd.h>

#include "http/coding.h"

static void *zstd_open(void)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL)
        return NULL;
    if (ZSTD_isError(ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, CODING_WINDOW_LOG))) {
        ZSTD_freeDStream(stream);
        return NULL;
    }
    return stream;
}

static void zstd_close(void *decoder)
{
    ZSTD_freeDStream(decoder);
}

static int zstd_decode(void *decoder, const char **in, size_t *in_len, char *out, size_t room)
{
    ZSTD_inBuffer input = {*in, *in_len, 0};
    ZSTD_outBuffer output = {out, room, 0};
    /* A call returns at the end of each frame; a frame may follow. */
    size_t before;
    do {
        before = input.pos + output.pos;
        if (ZSTD_isError(ZSTD_decompressStream(decoder, &output, &input)))
            return ERR_BAD;
    } while (output.pos < room && input.pos < input.size && input.pos + output.pos > before);
    *in += input.pos;
    *in_len -= input.pos;
    return (int)output.pos;
}

const struct coding_kind coding_zstd = {
    .name = "zstd",
    .open = zstd_open,
    .close = zstd_close,
    .decode = zstd_decode,
};
