#include "service/gzip.h"

#define ZLIB_CONST

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define GZIP_WINDOW 31 /* the largest window, gzip header and trailer (zlib.h, inflateInit2) */
#define CHUNK       ((size_t)32 << 10)

struct gzip {
    z_stream stream;
};

/* Takes up to INT_MAX bytes at a time: zlib counts in unsigned int. */
static void feed(z_stream *z, const unsigned char **in, size_t *left)
{
    if (z->avail_in > 0 || *left == 0)
        return;
    size_t n = *left > INT_MAX ? INT_MAX : *left;
    z->next_in = *in;
    z->avail_in = (uInt)n;
    *in += n;
    *left -= n;
}

static int inflate_all(z_stream *z, const unsigned char *in, size_t left, struct buf *out)
{
    unsigned char chunk[CHUNK];
    for (;;) {
        feed(z, &in, &left);
        z->next_out = chunk;
        z->avail_out = sizeof(chunk);
        int code = inflate(z, Z_NO_FLUSH);
        int err = buf_append(out, chunk, sizeof(chunk) - z->avail_out);
        if (err != ERR_OK)
            return err;
        if (code == Z_MEM_ERROR)
            return ERR_NOMEM;
        if (code == Z_STREAM_END) {
            if (z->avail_in == 0 && left == 0)
                return ERR_OK;
            if (inflateReset(z) != Z_OK) /* another member follows */
                return ERR_BAD;
        } else if (code != Z_OK || (z->avail_in == 0 && left == 0 && z->avail_out > 0)) {
            return ERR_BAD;
        }
    }
}

int gzip_inflate(const void *in, size_t len, struct buf *out)
{
    z_stream z = {0};
    if (len == 0)
        return ERR_BAD;
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return ERR_NOMEM;
    int err = inflate_all(&z, in, len, out);
    inflateEnd(&z);
    return err;
}

struct gzip *gzip_new(int level)
{
    struct gzip *z = calloc(1, sizeof(*z));
    if (z != NULL &&
        deflateInit2(&z->stream, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        return NULL;
    }
    return z;
}

void gzip_free(struct gzip *z)
{
    if (z == NULL)
        return;
    deflateEnd(&z->stream);
    free(z);
}

int gzip_deflate(struct gzip *z, const void *in, size_t len, struct buf *out)
{
    unsigned char chunk[CHUNK];
    const unsigned char *at = in;
    if (deflateReset(&z->stream) != Z_OK)
        return ERR_NOMEM;
    z->stream.avail_in = 0;
    for (;;) {
        feed(&z->stream, &at, &len);
        z->stream.next_out = chunk;
        z->stream.avail_out = sizeof(chunk);
        int code = deflate(&z->stream, len == 0 ? Z_FINISH : Z_NO_FLUSH);
        int err = buf_append(out, chunk, sizeof(chunk) - z->stream.avail_out);
        if (err != ERR_OK || code == Z_STREAM_END)
            return err;
    }
}

/* The weight behind a coding's name: 0 only for q=0, q=0.0 and so on. */
static bool has_weight(const char *parameters, size_t len)
{
    const char *end = parameters + len;
    while (parameters < end && strchr("; \t", *parameters) != NULL)
        parameters++;
    if (end - parameters < 2 || strncasecmp(parameters, "q=", 2) != 0)
        return true;
    for (const char *p = parameters + 2; p < end && *p != ' ' && *p != ';'; p++)
        if (*p != '0' && *p != '.')
            return true;
    return false;
}

bool gzip_is_accepted(const char *accept_encoding)
{
    bool any = false;
    for (const char *p = accept_encoding; p != NULL && *p != '\0';) {
        p += strspn(p, ", \t");
        size_t len = strcspn(p, ",");
        size_t name = strcspn(p, ",; \t");
        if ((name == 4 && strncasecmp(p, "gzip", 4) == 0) ||
            (name == 6 && strncasecmp(p, "x-gzip", 6) == 0))
            return has_weight(p + name, len - name);
        if (name == 1 && *p == '*')
            any = has_weight(p + name, len - name);
        p += len;
    }
    return any;
}
