/* The rings of a runtime directory: found, read in turn, and given up when their process is gone
 * and everything in them is stored. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define RINGS_MAX     4096u
#define IGNORED_MAX   4096u
#define ALIVE_NS      (100 * NS_PER_MS)
#define ALIVE_NS_BUSY NS_PER_SEC
#define ROWS_NS       NS_PER_SEC /* between two rewrites of a ring's row */
#define CORRUPT_TRIES 64
#define PRESSED_TURNS 16
#define CLOCK_STEP    (10 * NS_PER_MS)    /* the wall clock was set, not only kept in time */
#define TIME_MAX      (UINT64_C(1) << 61) /* 73 years after the boot */

static bool is_near(int64_t a, int64_t b)
{
    return a - b < CLOCK_STEP && b - a < CLOCK_STEP;
}

/* Wall times of several processes, and of several collectors, are compared: to work out the offset
 * anew for each would put them into another order than they were. */
static void settle_clock(struct ring *r)
{
    int64_t *ours = &r->collector->boot_to_wall, *its = &r->process.boot_to_wall;
    if (r->boot_to_wall != 0)
        *its = r->boot_to_wall;
    else if (is_near(*its, *ours))
        *its = *ours;
    if (*its != *ours && !is_near(*ours, clock_boot_to_wall()) &&
        is_near(*its, clock_boot_to_wall()))
        *ours = *its;
}

static void on_process(struct ring *r, const struct wire_record *head, const uint8_t *payload)
{
    struct collector *c = r->collector;
    if (r->has_process || process_read(&r->process, payload, head->length) != ERR_OK)
        return;
    r->has_process = true;
    settle_clock(r);
    r->depot = depot_get(c, r->process.data_dir);
    process_resolve(&r->process, r);
    run_joined(c, r->process.run_trace);
    r->row_dirty = c->rows_dirty = true;
}

static void on_connection_record(struct ring *r, const struct wire_record *head,
                                 const uint8_t *payload, struct kept k)
{
    struct conn *c = ring_conn_get(r, head->conn, head->type != WIRE_CLOSE);
    if (c == NULL) {
        kept_release(r, k);
    } else if (head->type == WIRE_CONNECTION) {
        ring_conn_open(c, head, payload, k);
    } else if (head->type == WIRE_CLOSE) {
        ring_conn_keep(c, k);
        ring_conn_closing(c, head, payload);
    } else {
        ring_conn_data(c, head, payload, k);
    }
}

static int on_record(void *user, const struct wire_record *head, const uint8_t *payload,
                     uint64_t position)
{
    struct ring *r = user;
    const struct kept k = {position, head->size};
    kept_take(r, k);
    r->depot->read_bytes += head->size;
    r->collector->read_bytes += head->size;
    switch (head->type) {
    case WIRE_PROCESS: /* stays in the ring for the next collector */
        on_process(r, head, payload);
        kept_release(r, k);
        break;
    case WIRE_CONNECTION:
    case WIRE_DATA_OUT:
    case WIRE_DATA_IN:
    case WIRE_CLOSE:
        on_connection_record(r, head, payload, k);
        break;
    case WIRE_TRACE_BEGIN:
    case WIRE_TRACE_END:
    case WIRE_SPAN_BEGIN:
    case WIRE_SPAN_OUTPUT:
    case WIRE_SPAN_ERROR:
    case WIRE_SPAN_END:
    case WIRE_CLIENT:
    case WIRE_CLIENT_END:
        ring_api(r, head, payload, k);
        break;
    case WIRE_FLUSH:
        ring_flush(r, head, payload, k);
        break;
    default:
        r->collector->totals.unknown_records++;
        kept_release(r, k);
    }
    if (head->time < TIME_MAX && r->process.boot_to_wall + (int64_t)head->time > r->lived)
        r->lived = r->process.boot_to_wall + (int64_t)head->time;
    return 0;
}

/* Reads what is there. False: the ring cannot be read any more. *whole: every block was looked at,
 * however quickly writers go on. */
static bool ring_poll(struct ring *r, uint64_t *records, bool *whole)
{
    const size_t before = r->collector->read_bytes;
    for (int tries = 0; tries < CORRUPT_TRIES; tries++) {
        int n = ring_reader_poll(r->reader, POLL_BYTES, on_record, r);
        if (n >= 0) {
            *records += (uint64_t)n;
            *whole = r->collector->read_bytes - before < POLL_BYTES;
            return true;
        }
        if (n == ERR_NOMEM)
            return true; /* what was not taken is delivered again */
        if (n != ERR_CORRUPT)
            return false;
    }
    return true;
}

/* The process is gone and its last record was read. What it left open ends when it was last known
 * to run: it may have been gone long before somebody looked. */
static void ring_finish(struct ring *r)
{
    int64_t now = clock_wall_ns();
    if (r->lived == 0 || r->lived > now)
        r->lived = now;
    ring_look_again(r, true);
    size_t at = 0;
    for (struct conn *c; (c = map_next(&r->conns, &at, NULL, NULL)) != NULL;)
        ring_conn_end(c, r->lived - r->process.boot_to_wall);
    join_look(r, true);
    if (!explicit_end_ring(r))
        return; /* the rest after the next commit */
    traces_end_ring(r);
    ring_reader_counters(r->reader, &r->counters);
    r->done = true;
    r->depot->hurry = true; /* a wrapper may wait for it */
}

static void look_alive(struct ring *r, uint64_t records)
{
    struct collector *c = r->collector;
    int64_t pause = records > 0 ? ALIVE_NS_BUSY : ALIVE_NS;
    if (r->alive && (c->marks_waiting || c->now - r->alive_checked >= pause)) {
        r->alive_checked = c->now;
        r->alive = !r->failed && ring_reader_alive(r->reader);
        if (r->alive)
            r->lived = clock_wall_ns();
    }
}

/* Connections that live on are written to the ring's row, and their first record is given back. */
static void look_rows(struct ring *r)
{
    struct collector *c = r->collector;
    if (r->row_dirty || c->now - r->rows_checked < ROWS_NS)
        return;
    r->rows_checked = c->now;
    size_t at = 0;
    for (struct conn *conn; (conn = map_next(&r->conns, &at, NULL, NULL)) != NULL;)
        if (conn->birth.size > 0 && !conn->stored && c->now - conn->opened >= ROWS_NS) {
            r->row_dirty = c->rows_dirty = true;
            return;
        }
}

void ring_service(struct ring *r)
{
    if (r->done || depot_full(r->depot))
        return;
    uint64_t records = 0;
    bool whole = false;
    look_alive(r, 0);
    bool was_alive = r->alive;
    /* What is kept of a ring that runs short is given back once all of it was seen. */
    const unsigned turns = r->explicit.pressed ? PRESSED_TURNS : 1;
    for (unsigned i = 0;
         i < turns && !whole && !r->failed && (i == 0 || r->depot->trace_count < GROUP_SPANS); i++)
        if (!ring_poll(r, &records, &whole)) {
            log_warn("ring %s cannot be read any more", r->name);
            r->failed = true;
        }
    if (r->failed || whole || !ring_reader_pending(r->reader)) {
        r->polls++;
        if (r->waiting != NULL)
            ring_look_again(r, false);
        join_look(r, false);
        if (!explicit_service(r)) {
            r->polls--; /* what was read is not all made into spans: nobody shall rely on it */
        } else if (!was_alive && records == 0) {
            if (++r->empty_after_death >= 2)
                ring_finish(r);
        }
    }
    if (records > 0)
        r->collector->active = r->collector->now;
    ring_relieve(r);
    look_rows(r);
}

/* Makes what was released last: behind every commit, so that a successor reads little twice; and
 * now and then for blocks whose holders died. */
void rings_give_back(struct collector *c)
{
    for (size_t i = 0; i < c->ring_count; i++) {
        struct ring *r = c->rings[i];
        if (r->failed || (!r->released && c->now - r->reclaimed < NS_PER_SEC))
            continue;
        r->released = false;
        r->reclaimed = c->now;
        ring_reader_reclaim(r->reader);
    }
}

struct ring *ring_of(const struct collector *c, const char *id)
{
    for (size_t i = 0; i < c->ring_count && id != NULL; i++)
        if (strcmp(c->rings[i]->id, id) == 0 && !c->rings[i]->done)
            return c->rings[i];
    return NULL;
}

static struct ring *ring_named(struct collector *c, const char *name)
{
    for (size_t i = 0; i < c->ring_count; i++)
        if (strcmp(c->rings[i]->name, name) == 0)
            return c->rings[i];
    return NULL;
}

static void ignore_file(struct collector *c, const char *name, int err)
{
    if (c->ignored.count >= IGNORED_MAX)
        return;
    log_warn("%s in the runtime directory is left alone: %s", name, err_str(err));
    if (map_set(&c->ignored, name, strlen(name), c) != ERR_OK)
        return;
}

static int ring_keep(struct collector *c, struct ring *r)
{
    if (c->ring_count == c->ring_cap) {
        size_t cap = c->ring_cap == 0 ? 16 : c->ring_cap * 2;
        struct ring **rings = realloc(c->rings, cap * sizeof(struct ring *));
        if (rings == NULL)
            return ERR_NOMEM;
        c->rings = rings;
        c->ring_cap = cap;
    }
    c->rings[c->ring_count++] = r;
    return ERR_OK;
}

static void ring_open(struct collector *c, const char *name)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, name);
    struct ring *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return;
    int err = ring_reader_new(&r->reader, path);
    if (err != ERR_OK) {
        free(r);
        if (err != ERR_NOMEM)
            ignore_file(c, name, err);
        return;
    }
    r->collector = c;
    r->depot = c->depots[0];
    r->name = strdup(name);
    r->id = ring_reader_identity(r->reader)->ring_id;
    r->alive = true;
    r->opened = r->alive_checked = r->rows_checked = r->reclaimed = c->now;
    r->process.listens = -1;
    r->process.content = true;
    r->process.content_max = CONTENT_MAX / 8;
    r->process.pid = ring_reader_identity(r->reader)->pid;
    r->process.boot_to_wall = clock_boot_to_wall();
    map_init(&r->conns);
    if (r->name == NULL || ring_keep(c, r) != ERR_OK) {
        ring_free(r);
        return;
    }
    r->explicit.met = c->round == 0; /* it was there before this collector */
    ring_load_row(r);
    c->index_dirty = c->rows_dirty = true;
}

/* Rings appear under their final name when they are complete. */
void rings_scan(struct collector *c)
{
    c->scanned = c->now;
    c->rings_seen = doorbell_rings(c->bell);
    DIR *dir = opendir(c->runtime_dir);
    if (dir == NULL)
        return;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        run_found(c, e->d_name);
        if (strncmp(e->d_name, "ring-", 5) == 0 && c->ring_count < RINGS_MAX &&
            ring_named(c, e->d_name) == NULL &&
            map_get(&c->ignored, e->d_name, strlen(e->d_name)) == NULL)
            ring_open(c, e->d_name);
    }
    closedir(dir);
}

void ring_free(struct ring *r)
{
    size_t at = 0;
    for (struct conn *c; (c = map_next(&r->conns, &at, NULL, NULL)) != NULL;)
        ring_conn_end(c, clock_boot_ns());
    map_release(&r->conns);
    flushes_forget(r);
    explicit_release_ring(r);
    join_forget(r);
    process_release(&r->process);
    ring_reader_free(r->reader);
    free(r->name);
    free(r);
}

static void add_lost(struct collector *c, const struct ring_counters *n)
{
    c->totals.lost_records += n->lost_records;
    c->totals.lost_bytes += n->lost_bytes;
    c->totals.untracked += n->untracked;
    c->totals.corrupt_blocks += n->corrupt_blocks;
}

static bool has_unstored(const struct ring *r)
{
    const struct depot *d = r->depot;
    return d->span_count > 0 || d->trace_count > 0 || d->kept.count > 0;
}

/* Rings that are done and stored: emptied, unlinked, forgotten. */
void rings_sweep(struct collector *c)
{
    for (size_t i = 0; i < c->ring_count;) {
        struct ring *r = c->rings[i];
        if (!r->done || has_unstored(r) || r->explicit.kept > 0) {
            i++;
            continue;
        }
        char path[4200];
        snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, r->name);
        run_left(r);
        ring_abandon_row(r);
        ring_reader_drop(r->reader);
        unlink(path);
        add_lost(c, &r->counters);
        c->totals.rings_done++;
        c->index_dirty = c->rows_dirty = c->status_due = true;
        ring_free(r);
        c->rings[i] = c->rings[--c->ring_count];
    }
}
