/* br (RFC 7932). The large window extension is off, as it is by default: 16 MB at most. */
#include <brotli/decode.h>

#include "http/coding.h"

static void *brotli_open(void)
{
    return BrotliDecoderCreateInstance(NULL, NULL, NULL);
}

static void brotli_close(void *decoder)
{
    BrotliDecoderDestroyInstance(decoder);
}

static int brotli_decode(void *decoder, const char **in, size_t *in_len, char *out, size_t room)
{
    const uint8_t *next_in = (const uint8_t *)*in;
    uint8_t *next_out = (uint8_t *)out;
    size_t left = room;
    if (BrotliDecoderIsFinished(decoder)) {
        *in_len = 0;
        return 0;
    }
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(decoder, in_len, &next_in, &left, &next_out, NULL);
    *in = (const char *)next_in;
    if (result == BROTLI_DECODER_RESULT_ERROR)
        return ERR_BAD;
    if (result == BROTLI_DECODER_RESULT_SUCCESS)
        *in_len = 0;
    return (int)(room - left);
}

const struct coding_kind coding_brotli = {
    .name = "br",
    .open = brotli_open,
    .close = brotli_close,
    .decode = brotli_decode,
};
