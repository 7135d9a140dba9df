/* Histograms of durations: one bucket for what is below a microsecond, then 32 to an octave of
 * microseconds, up to 71 minutes. */
#include <math.h>

#include "base/buf.h"
#include "store/backend.h"

enum { PER_OCTAVE = 32 };

static size_t bucket_of(double ms)
{
    if (!(ms >= 0.001))
        return 0;
    double at = log2(ms / 0.001) * PER_OCTAVE + 1;
    return at >= HISTOGRAM_BUCKETS - 1 ? HISTOGRAM_BUCKETS - 1 : (size_t)at;
}

static void add_to(struct histogram *h, size_t bucket, int64_t count)
{
    int64_t now = (int64_t)h->counts[bucket] + count;
    now = now < 0 ? 0 : now > UINT32_MAX ? UINT32_MAX : now;
    h->total += now - h->counts[bucket];
    h->counts[bucket] = (uint32_t)now;
}

void histogram_add(struct histogram *h, double ms, int64_t count)
{
    add_to(h, bucket_of(ms), count);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (from->counts[i] != 0)
            add_to(into, i, from->counts[i]);
}

double histogram_percentile(const struct histogram *h, double q)
{
    if (h->total <= 0)
        return -1;
    double wanted = ceil(q * (double)h->total);
    int64_t rank = wanted < 1 ? 1 : wanted > (double)h->total ? h->total : (int64_t)wanted;
    size_t bucket = 0;
    for (int64_t seen = h->counts[0]; seen < rank && bucket + 1 < HISTOGRAM_BUCKETS;)
        seen += h->counts[++bucket];
    if (bucket == 0)
        return 0;
    return 0.001 * exp2(((double)bucket - 0.5) / PER_OCTAVE); /* the middle of the bucket */
}

static int put_varint(struct buf *out, uint64_t value)
{
    char bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (char)(value | 0x80);
    bytes[len++] = (char)value;
    return buf_append(out, bytes, len);
}

int histogram_print(const struct histogram *h, struct buf *out)
{
    size_t last = 0; /* the distance is counted from the bucket before the first */
    int err = ERR_OK;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && err == ERR_OK; i++) {
        if (h->counts[i] == 0)
            continue;
        err = put_varint(out, i - last);
        if (err == ERR_OK)
            err = put_varint(out, h->counts[i]);
        last = i;
    }
    return err;
}

static int get_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; *at < end && shift < 63; shift += 7) {
        unsigned char c = *(*at)++;
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return ERR_OK;
    }
    return ERR_BAD;
}

int histogram_parse(struct histogram *h, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    const unsigned char *end = at == NULL ? at : at + len;
    size_t bucket = 0;
    while (at < end) {
        uint64_t distance;
        uint64_t count;
        if (get_varint(&at, end, &distance) != ERR_OK || get_varint(&at, end, &count) != ERR_OK ||
            distance >= HISTOGRAM_BUCKETS - bucket || count > UINT32_MAX)
            return ERR_BAD;
        bucket += (size_t)distance;
        add_to(h, bucket, (int64_t)count);
    }
    return ERR_OK;
}
