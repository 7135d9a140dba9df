/* A line for people for every finished span: to the path of the destination, or to stderr of the
 * process that exports when it has none. No prompt or answer goes there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/exporters.h"

#define LINE_MAX_BYTES 2048

/* Names come from the traced program: nothing in them may steer a terminal. */
static void add_clean(struct buf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        char c = *text;
        if ((unsigned char)c < 0x20 || c == 0x7f || (unsigned char)c >= 0x80)
            c = '?';
        buf_append_cut(line, &c, 1);
    }
}

static void add_figure(struct buf *line, const char *format, int64_t value)
{
    char text[64];
    if (value < 0)
        return;
    int n = snprintf(text, sizeof(text), format, value);
    buf_append_cut(line, text, (size_t)n);
}

static void format_span(const struct span *s, struct buf *line)
{
    char time[CLOCK_ISO_MAX];
    char hex[TRACE_ID_HEX];
    char cost[48];
    clock_iso(s->end_time, time);
    buf_append_cut(line, time, 19);
    buf_append_cut(line, "Z ", 2);
    buf_append_cut(line, id_to_hex(s->trace_id, TRACE_ID_LEN, hex), 8);
    buf_append_cut(line, " ", 1);
    add_clean(line, span_type_name(s->type));
    buf_append_cut(line, " ", 1);
    add_clean(line, s->name != NULL ? s->name : "-");
    if (s->model != NULL) {
        buf_append_cut(line, " ", 1);
        add_clean(line, s->model);
    }
    add_figure(line, " %" PRId64 " ms", (s->end_time - s->start_time) / NS_PER_MS);
    add_figure(line, " in=%" PRId64, s->tokens_input);
    add_figure(line, " out=%" PRId64, s->tokens_output);
    if (s->cost_usd >= 0) {
        int n = snprintf(cost, sizeof(cost), " $%.6g", s->cost_usd);
        buf_append_cut(line, cost, (size_t)n);
    }
    if (s->error != NULL) {
        buf_append_cut(line, " error: ", 8);
        add_clean(line, s->error);
    }
    if (s->uncounted)
        buf_append_cut(line, " (counted below)", 16);
    if (s->partial)
        buf_append_cut(line, " (partial)", 10);
}

static enum export_result write_line(struct export_context *c, const struct buf *line)
{
    const char *path = c->destination->url;
    bool named = path != NULL && path[0] != '\0';
    int fd = named ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600)
                   : STDERR_FILENO;
    ssize_t n = fd < 0 ? -1 : write(fd, line->data, line->len);
    int error = errno;
    if (named && fd >= 0)
        close(fd);
    /* With nobody to read it the line has no purpose: only a named file is worth another try. */
    if (n >= 0 || !named)
        return EXPORT_DELIVERED;
    snprintf(c->error, c->error_size, "cannot write %.200s: %s", path, strerror(error));
    return EXPORT_RETRY;
}

static enum export_result deliver(struct export_context *c, const struct outbox_entry *entry)
{
    struct span *s = NULL;
    struct buf line;
    if (entry->op != OUTBOX_SPAN_END ||
        store_get_span(c->store, entry->trace_id, entry->span_id, &s) != ERR_OK)
        return EXPORT_DELIVERED;
    buf_init(&line, LINE_MAX_BYTES);
    format_span(s, &line);
    span_free(s);
    if (line.len == line.max)
        line.len--;
    enum export_result result = EXPORT_DELIVERED;
    buf_append_cut(&line, "\n", 1);
    if (line.data != NULL)
        result = write_line(c, &line);
    buf_release(&line);
    return result;
}

static void release(void *state)
{
    (void)state; /* it has none */
}

const struct exporter exporter_console = {
    .name = "console",
    .deliver = deliver,
    .release = release,
};
