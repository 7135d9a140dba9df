/* gzip (RFC 1952) and deflate, which servers send with (RFC 1950) and without its wrapper. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "http/coding.h"

struct zlib {
    z_stream stream;
    bool gzip;
    bool started; /* inflateInit2 was called */
    bool over;
    unsigned char first; /* deflate: the first byte, until the second tells the wrapper */
    bool has_first;
    bool padding; /* gzip: what is left is no member */
};

static struct zlib *zlib_open(bool gzip)
{
    struct zlib *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return NULL;
    z->gzip = gzip;
    if (gzip && inflateInit2(&z->stream, 15 + 16) != Z_OK) {
        free(z);
        return NULL;
    }
    z->started = gzip;
    return z;
}

static void *gzip_open(void)
{
    return zlib_open(true);
}

static void *deflate_open(void)
{
    return zlib_open(false);
}

static void zlib_close(void *decoder)
{
    struct zlib *z = decoder;
    if (z->started)
        inflateEnd(&z->stream);
    free(z);
}

static int inflate_some(struct zlib *z, const char **in, size_t *in_len, char *out, size_t room)
{
    uInt given = *in_len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)*in_len;
    z->stream.next_in = (Bytef *)(uintptr_t)*in;
    z->stream.avail_in = given;
    z->stream.next_out = (Bytef *)out;
    z->stream.avail_out = (uInt)room;
    int err = inflate(&z->stream, Z_SYNC_FLUSH);
    *in += given - z->stream.avail_in;
    *in_len -= given - z->stream.avail_in;
    if (err == Z_STREAM_END)
        z->over = true;
    else if (err != Z_OK && err != Z_BUF_ERROR)
        return ERR_BAD;
    return (int)(room - z->stream.avail_out);
}

/* The first two bytes are a zlib header (RFC 1950 §2.2), or it is raw deflate. */
static int deflate_start(struct zlib *z, const char **in, size_t *in_len)
{
    if (!z->has_first) {
        z->first = (unsigned char)*(*in)++;
        --*in_len;
        z->has_first = true;
    }
    bool wrapped = (z->first & 0x0f) == 8 && z->first >> 4 <= 7;
    if (wrapped && *in_len == 0)
        return ERR_AGAIN;
    if (wrapped)
        wrapped = (z->first * 256 + (unsigned char)**in) % 31 == 0;
    if (inflateInit2(&z->stream, wrapped ? 15 : -15) != Z_OK)
        return ERR_BAD;
    z->started = true;
    const char *byte = (const char *)&z->first;
    size_t one = 1;
    char none;
    return inflate_some(z, &byte, &one, &none, 0);
}

static int deflate_decode(void *decoder, const char **in, size_t *in_len, char *out, size_t room)
{
    struct zlib *z = decoder;
    if (!z->started && *in_len > 0) {
        int err = deflate_start(z, in, in_len);
        if (err < 0)
            return err == ERR_AGAIN ? 0 : err;
    }
    int n = z->started && !z->over ? inflate_some(z, in, in_len, out, room) : 0;
    if (z->over)
        *in_len = 0;
    return n;
}

/* A gzip body may have several members (RFC 1952 §2.2). What follows the last and does not begin
 * like one is padding. */
static int gzip_decode(void *decoder, const char **in, size_t *in_len, char *out, size_t room)
{
    struct zlib *z = decoder;
    int made = 0;
    while ((size_t)made < room) {
        if (z->over) {
            if (*in_len == 0)
                break;
            z->padding = z->padding || (unsigned char)**in != 0x1f;
            if (z->padding) {
                *in_len = 0;
                break;
            }
            if (inflateReset(&z->stream) != Z_OK)
                return ERR_BAD;
            z->over = false;
        }
        int n = inflate_some(z, in, in_len, out + made, room - (size_t)made);
        if (n < 0)
            return n;
        made += n;
        if (!z->over)
            break;
    }
    return made;
}

const struct coding_kind coding_gzip = {
    .name = "gzip",
    .alias = "x-gzip",
    .open = gzip_open,
    .close = zlib_close,
    .decode = gzip_decode,
};

const struct coding_kind coding_deflate = {
    .name = "deflate",
    .open = deflate_open,
    .close = zlib_close,
    .decode = deflate_decode,
};
