/* What the collector writes about itself for `llm-tracer status`: collector.json in the runtime
 * directory, replaced as a whole. Its members are listed in collector.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define STATUS_MAX  (1u << 20)
#define NOTICES_MAX 16u

void collector_notice(struct collector *c, const char *text)
{
    log_warn("%s", text);
    if (c->notices == NULL)
        c->notices = json_array();
    if (json_length(c->notices) < NOTICES_MAX)
        json_add(c->notices, json_string(text));
}

static json *ring_status(struct ring *r)
{
    json *o = json_object();
    struct ring_counters *n = &r->counters;
    if (!r->done && !r->failed)
        ring_reader_counters(r->reader, n);
    json_set_text(o, "ring_id", r->id);
    json_set_int(o, "pid", r->process.pid);
    json_set_text(o, "exe", r->process.exe);
    json_set_bool(o, "alive", r->alive);
    json_set_int(o, "connections", (int64_t)r->conns.count);
    json_set_int(o, "open_calls", (int64_t)r->open_calls);
    json_set_int(o, "calls", (int64_t)r->calls);
    json_set_int(o, "lost_records", (int64_t)n->lost_records);
    json_set_int(o, "lost_bytes", (int64_t)n->lost_bytes);
    json_set_int(o, "untracked", (int64_t)n->untracked);
    json_set_int(o, "corrupt_blocks", (int64_t)n->corrupt_blocks);
    json_set_int(o, "blocks_reserved", (int64_t)n->blocks_reserved);
    json_set_int(o, "blocks_used", (int64_t)n->blocks_used);
    return o;
}

static json *http2_status(struct collector *c)
{
    json *o = json_object();
    size_t at = 0, len;
    const void *key;
    for (void *count; (count = map_next(&c->http2, &at, &key, &len)) != NULL;) {
        char host[1100];
        if (len < sizeof(host)) {
            memcpy(host, key, len);
            host[len] = '\0';
            json_set_int(o, host, (int64_t)(uintptr_t)count);
        }
    }
    return o;
}

static json *status_make(struct collector *c)
{
    json *o = json_object();
    json *rings = json_array();
    struct totals t = c->totals;
    for (size_t i = 0; i < c->ring_count; i++) {
        struct ring *r = c->rings[i];
        json_add(rings, ring_status(r));
        t.lost_records += r->counters.lost_records;
        t.lost_bytes += r->counters.lost_bytes;
        t.untracked += r->counters.untracked;
        t.corrupt_blocks += r->counters.corrupt_blocks;
    }
    size_t waiting = 0;
    const char *error = NULL;
    for (size_t i = 0; i < c->depot_count; i++) {
        waiting += c->depots[i]->span_count;
        if (c->depots[i]->error != NULL)
            error = c->depots[i]->error;
    }
    json_set_text(o, "version", TRACER_VERSION);
    json_set_int(o, "pid", getpid());
    json_set_int(o, "started", c->started);
    json_set_int(o, "updated", clock_wall_ns());
    json_set_bool(o, "foreground", c->foreground);
    json_set_text(o, "runtime_dir", c->runtime_dir);
    json_set_text(o, "data_dir", c->depots[0]->dir);
    json_set_bool(o, "data_fallback", c->data_fallback);
    json_set_text(o, "store_error", error);
    json_set_int(o, "waiting_spans", (int64_t)waiting);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {{"calls", t.calls},
                   {"spans", t.spans},
                   {"gaps", t.gaps},
                   {"gap_bytes", t.gap_bytes},
                   {"lost_records", t.lost_records},
                   {"lost_bytes", t.lost_bytes},
                   {"untracked", t.untracked},
                   {"corrupt_blocks", t.corrupt_blocks},
                   {"unparsed", t.unparsed},
                   {"unknown_records", t.unknown_records},
                   {"released_early", t.released_early},
                   {"bad_messages", t.api_bad},
                   {"lost_messages", t.api_lost},
                   {"late_messages", t.api_late},
                   {"rings_done", t.rings_done}};
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        json_set_int(o, figures[i].name, (int64_t)figures[i].value);
    json_set(o, "http2", http2_status(c));
    json_set(o, "notices", c->notices != NULL ? json_copy(c->notices) : json_array());
    json_set(o, "rings", rings);
    return o;
}

void status_write(struct collector *c)
{
    char path[4200], temp[4300];
    c->status_due = false;
    c->told = c->now;
    json *o = status_make(c);
    char *text = json_print_new(o);
    json_free(o);
    if (text == NULL)
        return;
    snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, COLLECTOR_STATUS_NAME);
    snprintf(temp, sizeof(temp), "%s.new", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        size_t len = strlen(text);
        bool whole = write(fd, text, len) == (ssize_t)len;
        close(fd);
        if (!whole || rename(temp, path) != 0)
            unlink(temp); /* a full file system: the last one stands */
    }
    free(text);
}

json *collector_status_read(const char *runtime_dir)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", runtime_dir, COLLECTOR_STATUS_NAME);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    char *text = malloc(STATUS_MAX);
    size_t len = 0;
    for (ssize_t n; text != NULL && len < STATUS_MAX; len += (size_t)n) {
        n = read(fd, text + len, STATUS_MAX - len);
        if (n <= 0)
            break;
    }
    close(fd);
    json *o = text != NULL ? json_parse(text, len) : NULL;
    free(text);
    return o;
}
