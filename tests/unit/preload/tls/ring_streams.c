#include "ring_streams.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/reader.h"

#define STREAM_MAX (64u * 1024 * 1024)
#define SPAN_BYTES (WIRE_TRACE_ID_LEN + WIRE_SPAN_ID_LEN)

struct gathering {
    struct ring_streams *all;
    uint64_t ring;
    bool failed;
};

static struct ring_stream *stream_of(struct gathering *g, uint64_t id)
{
    struct ring_stream *stream;

    for (size_t i = 0; i < g->all->count; i++) {
        stream = &g->all->streams[i];
        if (stream->ring == g->ring && stream->id == id) {
            return stream;
        }
    }
    if (g->all->count == sizeof(g->all->streams) / sizeof(g->all->streams[0])) {
        return NULL;
    }
    stream = &g->all->streams[g->all->count++];
    stream->ring = g->ring;
    stream->id = id;
    buf_init(&stream->out, STREAM_MAX);
    buf_init(&stream->in, STREAM_MAX);
    return stream;
}

/* Pieces may come in any order, since threads write into different blocks. */
static bool put(struct buf *b, uint64_t offset, const uint8_t *data, size_t len)
{
    if (offset + len > STREAM_MAX) {
        return false;
    }
    while (b->len < offset + len) {
        static const char zeros[4096];
        size_t missing = (size_t)(offset + len) - b->len;

        if (buf_append(b, zeros, missing < sizeof(zeros) ? missing : sizeof(zeros)) != 0) {
            return false;
        }
    }
    if (len > 0) {
        memcpy(b->data + offset, data, len);
    }
    return true;
}

static bool put_connection(struct ring_stream *stream, const uint8_t *payload, size_t len)
{
    struct wire_connection_info info;
    const char *host = (const char *)payload + sizeof(info);

    if (len < sizeof(info) + 2 || payload[len - 1] != '\0') {
        return false;
    }
    memcpy(&info, payload, sizeof(info));
    stream->layer = info.layer;
    stream->tls = info.tls != 0;
    stream->server = info.server != 0;
    snprintf(stream->host, sizeof(stream->host), "%s", host);
    snprintf(stream->peer, sizeof(stream->peer), "%s", host + strlen(host) + 1);
    return true;
}

static int each(void *user, const struct wire_record *head, const uint8_t *payload,
                uint64_t position)
{
    struct gathering *g = user;
    struct ring_stream *stream;
    size_t skip = (head->flags & WIRE_HAS_SPAN) != 0 ? SPAN_BYTES : 0;

    (void)position;
    if (head->conn == 0) {
        return 0;
    }
    stream = stream_of(g, head->conn);
    if (stream == NULL) {
        g->failed = true;
        return 0;
    }
    stream->lost = head->lost > stream->lost ? head->lost : stream->lost;
    if (head->type == WIRE_CONNECTION) {
        g->failed |= !put_connection(stream, payload, head->length);
    } else if (head->type == WIRE_DATA_OUT) {
        stream->out_bytes += head->length - skip;
        g->failed |= !put(&stream->out, head->offset, payload + skip, head->length - skip);
    } else if (head->type == WIRE_DATA_IN) {
        stream->in_bytes += head->length;
        stream->eof |= (head->flags & WIRE_EOF) != 0;
        g->failed |= !put(&stream->in, head->offset, payload, head->length);
    } else if (head->type == WIRE_CLOSE) {
        stream->closed = true;
        stream->failed = (head->flags & WIRE_ERROR) != 0;
    }
    return 0;
}

static bool read_ring(struct gathering *g, const char *path)
{
    struct ring_reader *reader;
    int got;

    if (ring_reader_new(&reader, path) != 0) {
        return false;
    }
    do {
        got = ring_reader_poll(reader, 1 << 20, each, g);
    } while (got > 0);
    ring_reader_free(reader);
    return got == 0;
}

static int by_start(const void *a, const void *b)
{
    const struct ring_stream *x = a, *y = b;

    if (x->ring != y->ring) {
        return x->ring < y->ring ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

struct ring_streams *ring_streams_read(const char *dir)
{
    struct gathering g = {.all = calloc(1, sizeof(*g.all))};
    DIR *entries = opendir(dir);
    struct dirent *entry;
    char path[512];

    while (g.all != NULL && entries != NULL && (entry = readdir(entries)) != NULL) {
        if (strncmp(entry->d_name, "ring-", 5) != 0) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        g.ring++;
        g.failed |= !read_ring(&g, path);
        unlink(path);
    }
    if (entries != NULL) {
        closedir(entries);
    }
    for (size_t i = 0; g.all != NULL && i < g.all->count; i++) {
        struct ring_stream *s = &g.all->streams[i];

        s->whole = s->out_bytes == s->out.len && s->in_bytes == s->in.len;
    }
    if (g.all != NULL) {
        qsort(g.all->streams, g.all->count, sizeof(g.all->streams[0]), by_start);
    }
    if (g.failed) {
        ring_streams_free(g.all);
        return NULL;
    }
    return g.all;
}

void ring_streams_free(struct ring_streams *all)
{
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        buf_release(&all->streams[i].out);
        buf_release(&all->streams[i].in);
    }
    free(all);
}
