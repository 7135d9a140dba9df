/* Appends every finished span to a file, one JSON object a line, as `llm-tracer spans --json`
 * prints it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/exporters.h"

#define LINES_MAX ((size_t)128 * 1024 * 1024)

static enum export_result fail(struct export_context *c, enum export_result result,
                               const char *what)
{
    snprintf(c->error, c->error_size, "%s %.200s: %s", what,
             c->destination->url != NULL ? c->destination->url : "(no path)", strerror(errno));
    return result;
}

/* Appends the span's line. ERR_OK also when there is nothing to write. */
static int add_line(struct export_context *c, const struct outbox_entry *entry, struct buf *lines)
{
    struct span *s = NULL;
    if (entry->op != OUTBOX_SPAN_END ||
        store_get_span(c->store, entry->trace_id, entry->span_id, &s) != ERR_OK)
        return ERR_OK;
    if (!c->destination->content) {
        json_free(s->input_data);
        json_free(s->output_data);
        json_free(s->process.argv); /* a prompt may stand there too */
        s->input_data = s->output_data = s->process.argv = NULL;
    }
    size_t before = lines->len;
    int err = span_print(s, lines);
    if (err == ERR_OK)
        err = buf_append_char(lines, '\n');
    if (err != ERR_OK && lines->data != NULL) {
        lines->len = before;
        lines->data[before] = '\0';
    }
    span_free(s);
    return err;
}

/* Writes all of it or, as far as the system allows, nothing. */
static enum export_result append(struct export_context *c, const struct buf *lines)
{
    const char *path = c->destination->url;
    struct stat st;
    if (lines->len == 0)
        return EXPORT_DELIVERED;
    errno = ENOENT;
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(c, EXPORT_RETRY, "cannot open");
    size_t done = 0;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    while (done < lines->len) {
        ssize_t n = write(fd, lines->data + done, lines->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    enum export_result result = EXPORT_DELIVERED;
    if (done < lines->len) {
        result = fail(c, EXPORT_RETRY, "cannot write");
        struct stat now;
        /* A half line would spoil the file; not if someone else wrote behind it. */
        if (regular && done > 0 && fstat(fd, &now) == 0 &&
            now.st_size == st.st_size + (off_t)done && ftruncate(fd, st.st_size) != 0)
            result = fail(c, EXPORT_RETRY, "cannot take back half a line in");
    }
    if (close(fd) != 0 && result == EXPORT_DELIVERED)
        result = fail(c, EXPORT_RETRY, "cannot write");
    return result;
}

static size_t deliver_batch(struct export_context *c, const struct outbox_entry *entries,
                            size_t count, bool *delivered, enum export_result *all)
{
    struct buf lines;
    size_t taken = 0;
    buf_init(&lines, LINES_MAX);
    while (taken < count && add_line(c, &entries[taken], &lines) == ERR_OK)
        delivered[taken++] = true;
    *all = append(c, &lines);
    buf_release(&lines);
    return *all == EXPORT_DELIVERED ? taken : 0;
}

static enum export_result deliver(struct export_context *c, const struct outbox_entry *entry)
{
    struct buf lines;
    buf_init(&lines, LINES_MAX);
    int err = add_line(c, entry, &lines);
    enum export_result result = EXPORT_DELIVERED;
    if (err == ERR_OK) {
        result = append(c, &lines);
    } else {
        snprintf(c->error, c->error_size, "the span cannot be printed: %s", err_str(err));
        result = err == ERR_FULL ? EXPORT_REJECTED : EXPORT_RETRY;
    }
    buf_release(&lines);
    return result;
}

static void release(void *state)
{
    (void)state; /* it has none */
}

const struct exporter exporter_file = {
    .name = "file",
    .deliver = deliver,
    .deliver_batch = deliver_batch,
    .release = release,
};
