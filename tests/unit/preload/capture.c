#include "capture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reader.h"

struct walk {
    struct capture *capture;
    const char *ring;
};

static struct captured *connection_of(struct walk *walk, uint64_t id)
{
    struct capture *c = walk->capture;
    for (size_t i = c->count; i > 0; i--)
        if (c->connections[i - 1].id == id && strcmp(c->connections[i - 1].ring, walk->ring) == 0)
            return &c->connections[i - 1];
    c->connections = realloc(c->connections, (c->count + 1) * sizeof(*c->connections));
    if (c->connections == NULL)
        abort();
    struct captured *new = &c->connections[c->count++];
    memset(new, 0, sizeof(*new));
    snprintf(new->ring, sizeof(new->ring), "%s", walk->ring);
    new->id = id;
    return new;
}

static void add_bytes(struct stream *stream, const struct wire_record *head, const uint8_t *data,
                      size_t len)
{
    size_t end = (size_t)head->offset + len;
    if (end > stream->len) {
        stream->data = realloc(stream->data, end + 1);
        if (stream->data == NULL)
            abort();
        memset(stream->data + stream->len, 0, end + 1 - stream->len);
        stream->len = end;
    }
    for (size_t i = 0; i < len; i++)
        stream->overlap = stream->overlap || stream->data[head->offset + i] != 0;
    memcpy(stream->data + head->offset, data, len);
    stream->seen += len;
    if (head->lost > stream->lost)
        stream->lost = head->lost;
    if ((head->flags & WIRE_EOF) != 0)
        stream->eof = true;
}

static void add_process(struct walk *walk, const uint8_t *payload, size_t len)
{
    struct capture *c = walk->capture;
    c->processes = realloc(c->processes, (c->process_count + 1) * sizeof(*c->processes));
    if (c->processes == NULL)
        abort();
    struct captured_process *process = &c->processes[c->process_count++];
    snprintf(process->ring, sizeof(process->ring), "%s", walk->ring);
    memcpy(&process->info, payload, sizeof(process->info));
    process->texts_len = len - sizeof(process->info);
    process->texts = malloc(process->texts_len + 1);
    if (process->texts == NULL)
        abort();
    memcpy(process->texts, payload + sizeof(process->info), process->texts_len);
    process->texts[process->texts_len] = '\0';
}

static void add_close(struct captured *conn, const struct wire_record *head, const uint8_t *payload)
{
    struct wire_close_info info;
    memcpy(&info, payload, sizeof(info));
    conn->closed = true;
    conn->failed = (head->flags & WIRE_ERROR) != 0;
    conn->close_out = head->offset;
    conn->close_in = info.in_offset;
    if (head->lost > conn->out.lost)
        conn->out.lost = head->lost;
    if (info.in_lost > conn->in.lost)
        conn->in.lost = info.in_lost;
}

static int add_record(void *user, const struct wire_record *head, const uint8_t *payload,
                      uint64_t position)
{
    (void)position;
    struct walk *walk = user;
    if (head->type == WIRE_PROCESS) {
        add_process(walk, payload, head->length);
        return 0;
    }
    struct captured *conn = connection_of(walk, head->conn);
    size_t len = head->length;
    if ((head->flags & WIRE_HAS_SPAN) != 0) {
        memcpy(conn->span, payload, sizeof(conn->span));
        conn->spans++;
        payload += sizeof(conn->span);
        len -= sizeof(conn->span);
    }
    if (head->type == WIRE_CONNECTION) {
        conn->has_connection = true;
        memcpy(&conn->info, payload, sizeof(conn->info));
        const char *host = (const char *)payload + sizeof(conn->info);
        snprintf(conn->host, sizeof(conn->host), "%s", host);
        snprintf(conn->peer, sizeof(conn->peer), "%s", host + strlen(host) + 1);
    } else if (head->type == WIRE_DATA_OUT) {
        if (conn->first_out_time == 0 || head->time < conn->first_out_time)
            conn->first_out_time = head->time;
        add_bytes(&conn->out, head, payload, len);
    } else if (head->type == WIRE_DATA_IN) {
        if (conn->first_in_time == 0 || head->time < conn->first_in_time)
            conn->first_in_time = head->time;
        add_bytes(&conn->in, head, payload, len);
    } else if (head->type == WIRE_CLOSE) {
        add_close(conn, head, payload);
    }
    return 0;
}

static void read_ring(struct capture *capture, const char *path)
{
    struct ring_reader *reader;
    if (ring_reader_new(&reader, path) != 0)
        abort();
    struct walk walk = {capture, ring_reader_identity(reader)->ring_id};
    int records;
    while ((records = ring_reader_poll(reader, 1 << 26, add_record, &walk)) > 0)
        continue;
    if (records < 0)
        abort();
    struct ring_counters counters;
    ring_reader_counters(reader, &counters);
    capture->lost_records += counters.lost_records;
    capture->untracked += counters.untracked;
    ring_reader_free(reader);
}

void capture_read(struct capture *capture, const char *dir)
{
    memset(capture, 0, sizeof(*capture));
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[1024];
        if (strncmp(entry->d_name, "ring-", 5) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        read_ring(capture, path);
    }
    closedir(folder);
}

void capture_release(struct capture *capture)
{
    for (size_t i = 0; i < capture->count; i++) {
        free(capture->connections[i].out.data);
        free(capture->connections[i].in.data);
    }
    for (size_t i = 0; i < capture->process_count; i++)
        free(capture->processes[i].texts);
    free(capture->connections);
    free(capture->processes);
    memset(capture, 0, sizeof(*capture));
}

const struct captured *capture_find(const struct capture *capture, const char *text)
{
    const struct captured *found = NULL;
    for (size_t i = 0; i < capture->count; i++) {
        const struct stream *out = &capture->connections[i].out;
        if (out->len == 0 || memmem(out->data, out->len, text, strlen(text)) == NULL)
            continue;
        if (found != NULL)
            abort();
        found = &capture->connections[i];
    }
    return found;
}

const char *capture_text(const struct captured_process *process, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t at = 0; at < process->texts_len;) {
        const char *text = process->texts + at;
        if (strncmp(text, name, name_len) == 0 && text[name_len] == '=')
            return text + name_len + 1;
        at += strlen(text) + 1;
    }
    return NULL;
}
