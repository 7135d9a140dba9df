#include "golden/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define FILE_MAX ((size_t)8 << 20)

static void add(struct buf *b, const char *data, size_t len)
{
    if (buf_append(b, data, len) != 0)
        abort();
}

static void add_text(struct buf *b, const char *text)
{
    add(b, text, strlen(text));
}

/* A message as the file has it. */
struct message {
    struct buf head;
    struct case_piece body[CASE_PIECES_MAX];
    size_t count;
    bool in_body, chunked, gzip, length;
};

static void message_init(struct message *m)
{
    memset(m, 0, sizeof(*m));
    buf_init(&m->head, FILE_MAX);
    for (size_t i = 0; i < CASE_PIECES_MAX; i++)
        buf_init(&m->body[i].bytes, FILE_MAX);
    m->count = 1;
    m->body[0].time = CASE_START_NS + 10000000;
}

static void message_release(struct message *m)
{
    buf_release(&m->head);
    for (size_t i = 0; i < CASE_PIECES_MAX; i++)
        buf_release(&m->body[i].bytes);
}

static void message_line(struct message *m, const char *line, size_t len)
{
    if (m->in_body) {
        add(&m->body[m->count - 1].bytes, line, len);
        return;
    }
    size_t text = len && line[len - 1] == '\n' ? len - 1 : len;
    if (text == 0) {
        m->in_body = true;
        return;
    }
    add(&m->head, line, text);
    add_text(&m->head, "\r\n");
    m->chunked |= strncasecmp(line, "transfer-encoding: chunked", 26) == 0;
    m->gzip |= strncasecmp(line, "content-encoding: gzip", 22) == 0;
    m->length |= strncasecmp(line, "content-length:", 15) == 0 ||
                 strncmp(line, "connection: close", 17) == 0;
}

static void compress_body(struct message *m)
{
    z_stream z = {.zalloc = Z_NULL};
    unsigned char out[65536];
    if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    for (size_t i = 0; i < m->count; i++) {
        struct buf plain = m->body[i].bytes;
        buf_init(&m->body[i].bytes, FILE_MAX);
        z.next_in = (unsigned char *)plain.data;
        z.avail_in = (unsigned)plain.len;
        do {
            z.next_out = out;
            z.avail_out = sizeof(out);
            deflate(&z, i + 1 == m->count ? Z_FINISH : Z_SYNC_FLUSH);
            add(&m->body[i].bytes, (char *)out, sizeof(out) - z.avail_out);
        } while (z.avail_out == 0);
        buf_release(&plain);
    }
    deflateEnd(&z);
}

/* A piece is a chunk; one behind lost bytes belongs to the chunk before. */
static void frame_chunk(struct message *m, size_t i, bool aborted)
{
    char line[64];
    struct case_piece *piece = &m->body[i];
    struct buf plain = piece->bytes;
    size_t size = plain.len;
    for (size_t j = i; m->body[j].lost && j + 1 < m->count; j++)
        size += (size_t)m->body[j].lost + m->body[j + 1].bytes.len;
    buf_init(&piece->bytes, FILE_MAX);
    if (size > 0 && (i == 0 || !m->body[i - 1].lost)) {
        snprintf(line, sizeof(line), "%zx\r\n", size);
        add_text(&piece->bytes, line);
    }
    add(&piece->bytes, buf_str(&plain), plain.len);
    if (size > 0 && !piece->lost)
        add_text(&piece->bytes, "\r\n");
    if (i + 1 == m->count && !aborted)
        add_text(&piece->bytes, "0\r\n\r\n");
    buf_release(&plain);
}

static void frame_body(struct message *m, bool aborted)
{
    char line[64];
    size_t total = 0;
    for (size_t i = 0; i < m->count; i++)
        total += m->body[i].bytes.len + m->body[i].lost;
    if (!m->chunked && !m->length) {
        snprintf(line, sizeof(line), "content-length: %zu\r\n", total + (aborted ? 1000 : 0));
        add_text(&m->head, line);
    }
    for (size_t i = 0; m->chunked && i < m->count; i++)
        frame_chunk(m, i, aborted);
    add_text(&m->head, "\r\n");
}

/* `@@ WORD ...` inside a message. False: another section begins. */
static bool directive(struct golden_case *c, struct message *m, const char *line)
{
    if (line[3] == '+') {
        int64_t ms = strtoll(line + 4, NULL, 10);
        m->count++;
        m->body[m->count - 1].time = m->body[m->count - 2].time + ms * 1000000;
    } else if (strncmp(line + 3, "close", 5) == 0) {
        c->close = true;
    } else if (strncmp(line + 3, "lost ", 5) == 0) {
        m->body[m->count - 1].lost = strtoull(line + 8, NULL, 10);
        m->count++;
        m->body[m->count - 1].time = m->body[m->count - 2].time;
    } else {
        return false;
    }
    return true;
}

static void options(struct golden_case *c, const char *line)
{
    const char *at;
    if ((at = strstr(line, "host=")))
        sscanf(at, "host=%127s", c->host);
    if ((at = strstr(line, "endpoints=")))
        sscanf(at, "endpoints=%255s", c->endpoints);
    if ((at = strstr(line, "content_max=")))
        c->content_max = strtoul(at + strlen("content_max="), NULL, 10);
    c->tls = !strstr(line, "tls=no");
}

static void take_messages(struct golden_case *c, struct message *request, struct message *response)
{
    if (request->gzip)
        compress_body(request);
    frame_body(request, false);
    add(&c->request, request->head.data, request->head.len);
    for (size_t i = 0; i < request->count; i++)
        add(&c->request, buf_str(&request->body[i].bytes), request->body[i].bytes.len);
    if (response->head.len == 0) /* no answer at all */
        return;
    if (response->gzip)
        compress_body(response);
    frame_body(response, c->close);
    for (size_t i = 0; i < response->count; i++) {
        struct case_piece *piece = &c->pieces[i];
        *piece = response->body[i];
        buf_init(&response->body[i].bytes, 1);
        if (i == 0) {
            struct buf body = piece->bytes;
            buf_init(&piece->bytes, 2 * FILE_MAX);
            add(&piece->bytes, response->head.data, response->head.len);
            add(&piece->bytes, buf_str(&body), body.len);
            buf_release(&body);
        }
    }
    c->piece_count = response->count;
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    char block[65536];
    size_t n;
    if (!f) {
        perror(path);
        return false;
    }
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        add(out, block, n);
    fclose(f);
    return true;
}

/* Sends each line of the file to its section. */
static void read_lines(struct golden_case *c, const struct buf *file, struct message *request,
                       struct message *response)
{
    struct message *m = NULL;
    size_t at = 0;
    bool call = false;
    while (at < file->len) {
        const char *line = file->data + at;
        const char *end = memchr(line, '\n', file->len - at);
        size_t len = end ? (size_t)(end - line) + 1 : file->len - at;
        at += len;
        if (call) {
            add(&c->expected, line, len);
            continue;
        }
        add(&c->input, line, len);
        bool mark = len > 4 && memcmp(line, "@@ ", 3) == 0;
        if (mark && strncmp(line + 3, "call", 4) == 0)
            call = true;
        else if (mark && strncmp(line + 3, "request", 7) == 0)
            m = request;
        else if (mark && strncmp(line + 3, "response", 8) == 0)
            m = response;
        else if (mark && strncmp(line + 3, "options", 7) == 0)
            options(c, line);
        else if (!(mark && m && directive(c, m, line)) && m)
            message_line(m, line, len);
    }
}

bool case_load(struct golden_case *c, const char *path)
{
    static struct message request, response;
    struct buf file;
    memset(c, 0, sizeof(*c));
    c->content_max = (size_t)1 << 20;
    c->tls = true;
    buf_init(&file, FILE_MAX);
    buf_init(&c->request, 2 * FILE_MAX);
    buf_init(&c->input, FILE_MAX);
    buf_init(&c->expected, FILE_MAX);
    for (size_t i = 0; i < CASE_PIECES_MAX; i++)
        buf_init(&c->pieces[i].bytes, 1);
    if (!read_file(path, &file))
        return false;
    message_init(&request);
    message_init(&response);
    read_lines(c, &file, &request, &response);
    if (!strstr(buf_str(&c->input), "@@ call"))
        add_text(&c->input, "@@ call\n");
    take_messages(c, &request, &response);
    message_release(&request);
    message_release(&response);
    buf_release(&file);
    return true;
}

void case_release(struct golden_case *c)
{
    buf_release(&c->request);
    buf_release(&c->input);
    buf_release(&c->expected);
    for (size_t i = 0; i < CASE_PIECES_MAX; i++)
        buf_release(&c->pieces[i].bytes);
}
