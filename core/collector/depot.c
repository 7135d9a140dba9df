/* A data directory: its store, its exporter, and the commit group. Many finished spans become one
 * transaction; what they were made from is released when it is durable. A store that refuses keeps
 * everything here until it takes it; when that is too much, the rings are left alone (and count
 * their own losses) rather than forgetting what was read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collector/internal.h"

#define BACKOFF_MIN (250 * NS_PER_MS)
#define BACKOFF_MAX (30 * NS_PER_SEC)
#define PURGE_NS    (60 * NS_PER_SEC)
#define NS_PER_DAY  (86400 * NS_PER_SEC)
/* How running calls are written again: see next_changed. */
#define SHOW_NS    NS_PER_SEC
#define SHOW_BYTES (1u << 20) /* with one commit */

static void export_notice(void *user, const char *text)
{
    (void)user;
    log_warn("%s", text);
}

/* One exporter a data directory, whatever the number of collectors that write to it. */
static void start_export(struct depot *d)
{
    char path[4200];
    if (d->lock < 0) {
        snprintf(path, sizeof(path), "%s/export.lock", d->dir);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            close(fd);
            return;
        }
        d->lock = fd;
    }
    if (export_start(&d->queue, d->dir, export_notice, d) != ERR_OK)
        d->queue = NULL;
}

void depot_failed(struct depot *d, const char *what)
{
    const char *why = d->store != NULL ? store_error(d->store) : "";
    char *text = NULL;
    if (asprintf(&text, "%s%s%s", what, *why != '\0' ? ": " : "", why) < 0)
        text = NULL;
    free(d->error);
    d->error = text;
    d->backoff = d->backoff == 0 ? BACKOFF_MIN : d->backoff * 2;
    if (d->backoff > BACKOFF_MAX)
        d->backoff = BACKOFF_MAX;
    d->retry_at = d->collector->now + d->backoff;
    if (!d->said)
        log_error("store in %s: %s; spans are kept in memory until it works again", d->dir,
                  text != NULL ? text : what);
    d->said = true;
}

static void depot_works(struct depot *d)
{
    if (d->said)
        log_warn("store in %s: works again", d->dir);
    d->said = false;
    free(d->error);
    d->error = NULL;
    d->backoff = 0;
    d->retry_at = 0;
}

bool depot_ready(struct depot *d)
{
    if (d->store != NULL)
        return true;
    if (d->collector->now < d->retry_at)
        return false;
    char *notice = NULL;
    int err = store_make_folder(d->dir);
    if (err == ERR_OK)
        err = store_open(&d->store, d->dir, STORE_WRITE, &notice);
    if (notice != NULL)
        collector_notice(d->collector, notice);
    free(notice);
    if (err != ERR_OK) {
        char what[128];
        d->store = NULL;
        snprintf(what, sizeof(what), "cannot be opened: %s%s%s", err_str(err),
                 err == ERR_IO ? ": " : "", err == ERR_IO ? strerror(errno) : "");
        depot_failed(d, what);
        return false;
    }
    depot_works(d);
    start_export(d);
    return true;
}

void depot_free(struct depot *d)
{
    if (d->queue != NULL)
        export_stop(d->queue, 2000);
    for (size_t i = 0; i < d->span_count; i++) {
        span_free(d->spans[i].span);
        client_leave(d->spans[i].client);
    }
    explicit_release_depot(d);
    free(d->spans);
    free(d->traces);
    free(d->kept.items);
    store_close(d->store);
    if (d->lock >= 0)
        close(d->lock);
    free(d->error);
    free(d->dir);
    free(d);
}

int depot_add_span(struct depot *d, const struct finished *f)
{
    if (d->span_count == d->span_cap) {
        size_t cap = d->span_cap == 0 ? 64 : d->span_cap * 2;
        struct finished *spans = realloc(d->spans, cap * sizeof(*spans));
        if (spans == NULL)
            return ERR_NOMEM;
        d->spans = spans;
        d->span_cap = cap;
    }
    d->spans[d->span_count++] = *f;
    d->unstored_bytes += f->bytes + sizeof(struct span);
    f->trace->open++; /* until it is committed */
    struct trace *trace = f->trace->trace;
    if (f->trace->by_hand != NULL && trace->error == NULL && f->span->error != NULL)
        trace->error = strdup(f->span->error);
    if (f->span->end_time > f->trace->last)
        f->trace->last = f->span->end_time;
    explicit_trace_extend(f->trace, f->span->end_time);
    return ERR_OK;
}

bool depot_waiting(const struct depot *d)
{
    const struct collector *c = d->collector;
    return d->span_count > 0 || d->trace_count > 0 || d->kept.count > 0 ||
           (d == c->depots[0] && c->rows_dirty);
}

bool depot_full(const struct depot *d)
{
    return d->unstored_bytes + d->explicit.bytes > UNSTORED_BYTES_MAX && d->error != NULL;
}

static bool shown_due(const struct depot *d)
{
    return d->shown != NULL && d->collector->now - d->shown->looked >= SHOW_NS;
}

bool depot_due(const struct depot *d)
{
    if (d->collector->now < d->retry_at)
        return false;
    if (!depot_waiting(d) && d->fresh == NULL && !shown_due(d) && !d->settle &&
        !explicit_due(d, INT64_MAX))
        return false;
    return d->hurry || d->collector->now - d->committed >= COMMIT_NS ||
           d->span_count >= COMMIT_SPANS || d->read_bytes >= COMMIT_BYTES;
}

/* Traces before their spans: new ones are put as running, so that the outbox has them in order. */
static int put_traces(struct depot *d, bool ending)
{
    for (size_t i = 0; i < d->trace_count; i++) {
        struct trace_state *t = d->traces[i];
        int err = explicit_trace_dress(t);
        if (err != ERR_OK)
            return err;
        int64_t end = t->trace->end_time;
        if (ending ? end == 0 : t->begun && !(t->changed && end == 0))
            continue;
        if (!ending)
            t->trace->end_time = 0;
        err = store_put_trace(d->store, t->trace, t->destinations, t->destination_count);
        t->trace->end_time = end;
        if (err == ERR_OK && t->run && !t->begun) {
            err = run_row_store(t);
            if (d != d->collector->depots[0])
                err = ERR_OK; /* another folder's trouble; a successor will know less of the run */
        }
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct span *x = ((const struct finished *)a)->span;
    const struct span *y = ((const struct finished *)b)->span;
    if (x->start_time != y->start_time)
        return x->start_time < y->start_time ? -1 : 1;
    return x->end_time < y->end_time ? -1 : x->end_time > y->end_time;
}

/* To where its client's spans go, or, without one, its process's. */
static int put_span(struct depot *d, const struct span *s, const struct client *c,
                    const struct process *p)
{
    return c != NULL ? store_put_span(d->store, s, c->destinations, c->destination_count)
                     : store_put_span(d->store, s, p->destinations, p->destination_count);
}

/* Blocks are read in any order; the outbox keeps the order of the calls. */
static int put_spans(struct depot *d)
{
    if (d->span_count > 1)
        qsort(d->spans, d->span_count, sizeof(*d->spans), by_time);
    for (size_t i = 0; i < d->span_count; i++) {
        struct finished *f = &d->spans[i];
        int err = put_span(d, f->span, f->client, &f->ring->process);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static int put_call(struct depot *d, struct call *call)
{
    struct span *s = call_snapshot(call);
    if (s == NULL)
        return ERR_NOMEM;
    int err = explicit_put_chain(d, s->parent_span_id);
    if (err == ERR_OK)
        err = put_span(d, s, call_client(call), &call->ring->process);
    span_free(s);
    return err;
}

/* Calls that have lasted longer than a group are shown as running. */
static int put_open(struct depot *d, int64_t before)
{
    for (struct call *call = d->fresh; call != NULL; call = call->next) {
        if (call->began > before)
            continue;
        int err = put_call(d, call);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* The next running call of which the store does not show all there is, or NULL. Each is looked at
 * once a second; one with much to write is written less often, a megabyte a second at most. */
static struct call *next_changed(struct depot *d)
{
    while (shown_due(d)) {
        struct call *call = d->shown;
        int64_t pause = SHOW_NS + (int64_t)(call->bytes >> 10) * NS_PER_MS;
        if (call_progress(call) != call->told && d->collector->now - call->written >= pause)
            return call;
        call_looked_at(call);
    }
    return NULL;
}

static int put_shown(struct depot *d)
{
    int err = ERR_OK;
    size_t bytes = 0;
    for (struct call *call; err == ERR_OK && bytes < SHOW_BYTES;) {
        call = next_changed(d);
        if (call == NULL)
            break;
        err = put_call(d, call);
        bytes += call->bytes;
        call_settled(call);
    }
    return err;
}

static bool rings_ready(struct depot *d)
{
    struct collector *c = d->collector;
    for (size_t i = 0; i < c->ring_count; i++) {
        struct ring *r = c->rings[i];
        if (r->depot != d)
            continue;
        if (r->process.destination_count < r->process.wanted_count) {
            process_resolve(&r->process, r);
            if (r->process.destination_count < r->process.wanted_count)
                return false;
            traces_add_destinations(r);
        }
        if (!clients_resolve(r))
            return false;
    }
    return true;
}

static int write_all(struct depot *d, int64_t before)
{
    int err = put_traces(d, false);
    if (err == ERR_OK)
        err = explicit_put(d, before);
    if (err == ERR_OK && d->settle)
        err = inside_put(d);
    if (err == ERR_OK)
        err = put_spans(d);
    if (err == ERR_OK)
        err = put_open(d, before);
    if (err == ERR_OK)
        err = put_shown(d);
    if (err == ERR_OK)
        err = put_traces(d, true);
    struct collector *c = d->collector;
    for (size_t i = 0; i < c->ring_count && err == ERR_OK && d == c->depots[0]; i++)
        if (c->rings[i]->row_dirty)
            err = ring_store_row(c->rings[i]);
    if (err == ERR_OK && d == c->depots[0] && c->index_dirty)
        err = index_store(c);
    return err;
}

static void written(struct depot *d, int64_t before)
{
    struct collector *c = d->collector;
    for (size_t i = 0; i < d->trace_count; i++) {
        struct trace_state *t = d->traces[i];
        if (t->by_hand != NULL && !t->begun)
            run_made_trace(c, t);
        t->dirty = t->changed = false;
        t->begun = true;
        explicit_trace_written(t);
        t->ended = t->trace->end_time != 0;
    }
    d->trace_count = 0;
    for (size_t i = 0; i < d->span_count; i++) {
        d->spans[i].trace->open--;
        span_free(d->spans[i].span);
        client_leave(d->spans[i].client);
    }
    explicit_written(d);
    c->totals.spans += d->span_count;
    d->span_count = 0;
    d->unstored_bytes = 0;
    struct call *next;
    for (struct call *call = d->fresh; call != NULL; call = next) {
        next = call->next;
        if (call->began <= before)
            call_settled(call);
    }
    rings_written(c, d);
}

static bool needs_write(struct depot *d, int64_t before)
{
    struct collector *c = d->collector;
    if (d->span_count > 0 || d->trace_count > 0 || explicit_due(d, before) ||
        (d->settle && d->joined != NULL))
        return true;
    for (struct call *call = d->fresh; call != NULL; call = call->next)
        if (call->began <= before)
            return true;
    if (next_changed(d) != NULL)
        return true;
    return d == c->depots[0] && c->rows_dirty;
}

/* The folder was removed under us: a new one is made, and the store in it starts anew. */
static void follow_folder(struct depot *d)
{
    if (d->store == NULL || access(d->dir, F_OK) == 0 || errno != ENOENT)
        return;
    log_warn("%s was removed; a new store is begun there", d->dir);
    if (d->queue != NULL)
        export_stop(d->queue, 2000);
    d->queue = NULL;
    if (d->lock >= 0)
        close(d->lock);
    d->lock = -1;
    store_close(d->store);
    d->store = NULL;
    d->retry_at = 0;
}

int depot_commit(struct depot *d)
{
    int64_t before = d->committed;
    follow_folder(d);
    if (!depot_ready(d))
        return ERR_IO;
    d->committed = d->collector->now;
    d->explicit.more = false;
    if (needs_write(d, before)) {
        if (!rings_ready(d) || store_begin(d->store) != ERR_OK) {
            depot_failed(d, "cannot be written");
            return ERR_IO;
        }
        int err = write_all(d, before);
        if (err == ERR_OK)
            err = store_commit(d->store);
        if (err != ERR_OK) {
            depot_failed(d, "cannot be written");
            store_rollback(d->store);
            explicit_undone(d);
            for (struct call *call = d->shown; call != NULL; call = call->next)
                call->told = 0; /* what was written of it may be undone */
            return ERR_IO;
        }
        written(d, before);
        if (d->queue != NULL)
            export_wake(d->queue);
    }
    depot_works(d);
    d->read_bytes = 0;
    d->hurry = d->explicit.more; /* the rest with the next one */
    d->settle = d->settle && d->explicit.more;
    d->commits += !d->explicit.more;
    kept_list_release(&d->kept);
    kept_list_trim(&d->kept);
    return ERR_OK;
}

/* What can wait: retention, the secondary indexes, an exporter that another collector had. */
void depot_idle_step(struct depot *d)
{
    struct collector *c = d->collector;
    if (!depot_ready(d))
        return;
    if (d->queue == NULL && c->now - d->opened_at > NS_PER_SEC) {
        d->opened_at = c->now;
        start_export(d);
    }
    if (c->now >= d->index_at && store_index_step(d->store) <= 0)
        d->index_at = c->now + NS_PER_SEC;
    if (c->now >= d->purge_at) {
        int64_t oldest = clock_wall_ns() - option_int(OPTION_TRACE_TTL_DAYS) * NS_PER_DAY;
        int64_t bytes = option_int(OPTION_TRACER_MAX_STORE_MB) * 1024 * 1024;
        if (store_purge(d->store, oldest, bytes) > 0)
            store_drop_index(d->store);
        else
            d->purge_at = c->now + PURGE_NS;
    }
}
