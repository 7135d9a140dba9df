/* What the store keeps of rings, so that a collector that replaces a killed one knows them: a row
 * for each ring (its process, its connections, never a key) and one with the list of rings. All in
 * the store of the collector's own data directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "collector/internal.h"

/* The row of the list of rings: one a runtime directory, since several may share a store. */
static void index_name(const struct collector *c, char *out, size_t size)
{
    uint64_t hash = hash_bytes(0, c->runtime_dir, strlen(c->runtime_dir));
    snprintf(out, size, "rings-%016llx", (unsigned long long)hash);
}

static bool is_ring(const struct collector *c, const char *id)
{
    for (size_t i = 0; i < c->ring_count; i++)
        if (strcmp(c->rings[i]->id, id) == 0)
            return true;
    return false;
}

int ring_store_row(struct ring *r)
{
    json *row = process_to_json(&r->process);
    json_set(row, "connections", conns_to_json(r));
    json_set(row, "clients", clients_to_json(r));
    char *text = json_print_new(row);
    json_free(row);
    if (text == NULL)
        return ERR_NOMEM;
    int err = store_ring_put(r->collector->depots[0]->store, r->id, text);
    free(text);
    return err;
}

void ring_load_row(struct ring *r)
{
    struct store *s = r->collector->depots[0]->store;
    char *text = s != NULL ? store_ring_get(s, r->id) : NULL;
    if (text == NULL)
        return;
    json *row = json_parse(text, strlen(text));
    free(text);
    if (row == NULL)
        return;
    r->inherited = true;
    r->lived = r->collector->predecessor;
    r->explicit.met = true;
    (void)json_get_int(row, "boot_to_wall", &r->boot_to_wall);
    conns_from_json(r, json_get(row, "connections"));
    clients_from_json(r, json_get(row, "clients"));
    json_free(row);
}

/* The ring is gone: what its process left running is ended, its row removed. */
void ring_abandon_row(struct ring *r)
{
    struct depot *own = r->collector->depots[0];
    if ((r->inherited || r->explicit.forgot) && r->depot->store != NULL)
        store_abandon(r->depot->store, r->id, r->lived, "process ended");
    if (own->store != NULL)
        store_ring_forget(own->store, r->id);
}

int index_store(struct collector *c)
{
    char name[64];
    index_name(c, name, sizeof(name));
    json *list = json_array();
    for (size_t i = 0; i < c->ring_count; i++)
        json_add(list, json_string(c->rings[i]->id));
    char *text = json_print_new(list);
    json_free(list);
    if (text == NULL)
        return ERR_NOMEM;
    int err = store_ring_put(c->depots[0]->store, name, text);
    free(text);
    return err;
}

static void forget_ring(struct collector *c, const char *id, int64_t last_seen)
{
    struct depot *own = c->depots[0];
    char *text = store_ring_get(own->store, id);
    json *row = text != NULL ? json_parse(text, strlen(text)) : NULL;
    struct depot *d = depot_get(c, json_get_text(row, "data_dir"));
    if (depot_ready(d))
        store_abandon(d->store, id, last_seen, "process ended");
    store_ring_forget(own->store, id);
    json_free(row);
    free(text);
}

static void run_row_name(const char *hex, char *out, size_t size)
{
    snprintf(out, size, "run-%s", hex);
}

int run_row_store(struct trace_state *t)
{
    struct store *s = t->depot->collector->depots[0]->store;
    char name[64], hex[TRACE_ID_HEX];
    run_row_name(id_to_hex(t->trace->trace_id, TRACE_ID_LEN, hex), name, sizeof(name));
    json *row = json_object();
    json *ids = json_array();
    for (size_t i = 0; i < t->destination_count; i++)
        json_add(ids, json_from_int(t->destinations[i]));
    json_set(row, "destinations", ids);
    json_set_text(row, "data_dir", t->depot->dir);
    char *text = json_print_new(row);
    json_free(row);
    if (text == NULL)
        return ERR_NOMEM;
    int err = store_ring_put(s, name, text);
    free(text);
    return err;
}

static int latest_end(void *user, const struct span *span)
{
    int64_t *latest = user;
    if (span->end_time > *latest)
        *latest = span->end_time;
    return 0;
}

void run_row_end(struct collector *c, const char *hex, int64_t end_time)
{
    char name[64];
    uint8_t id[TRACE_ID_LEN];
    struct store *s = c->depots[0]->store;
    run_row_name(hex, name, sizeof(name));
    char *text = s != NULL ? store_ring_get(s, name) : NULL;
    json *row = text != NULL ? json_parse(text, strlen(text)) : NULL;
    free(text);
    struct depot *d = row != NULL ? depot_get(c, json_get_text(row, "data_dir")) : NULL;
    struct trace *t = NULL;
    if (d != NULL && depot_ready(d) && id_from_hex(hex, TRACE_ID_LEN, id) == ERR_OK &&
        store_each_span(d->store, id, latest_end, &end_time) >= 0 &&
        store_get_trace(d->store, id, &t) == ERR_OK && t->end_time < end_time) {
        int64_t ids[DESTINATIONS_MAX];
        size_t count = 0;
        json *list = json_get(row, "destinations");
        for (json *n = json_first(list); n != NULL && count < DESTINATIONS_MAX; n = json_next(n))
            if (json_int(n, &ids[count]))
                count++;
        t->end_time = end_time;
        if (store_begin(d->store) == ERR_OK &&
            (store_put_trace(d->store, t, ids, count) != ERR_OK ||
             store_commit(d->store) != ERR_OK))
            store_rollback(d->store);
    }
    trace_free(t);
    json_free(row);
}

void run_row_forget(struct collector *c, const char *hex)
{
    char name[64];
    run_row_name(hex, name, sizeof(name));
    if (c->depots[0]->store != NULL)
        store_ring_forget(c->depots[0]->store, name);
}

/* At start: rings of the list whose files are gone (a reboot, a cleared tmpfs). */
void rings_forget_lost(struct collector *c, int64_t last_seen)
{
    char name[64];
    struct store *s = c->depots[0]->store;
    if (s == NULL)
        return;
    index_name(c, name, sizeof(name));
    char *text = store_ring_get(s, name);
    json *list = text != NULL ? json_parse(text, strlen(text)) : NULL;
    for (json *id = json_first(list); id != NULL; id = json_next(id))
        if (json_text(id) != NULL && !is_ring(c, json_text(id)))
            forget_ring(c, json_text(id), last_seen);
    json_free(list);
    free(text);
}

void rings_written(struct collector *c, struct depot *d)
{
    if (d != c->depots[0])
        return;
    for (size_t i = 0; i < c->ring_count; i++) {
        struct ring *r = c->rings[i];
        if (!r->row_dirty)
            continue;
        r->row_dirty = false;
        size_t at = 0;
        for (struct conn *conn; (conn = map_next(&r->conns, &at, NULL, NULL)) != NULL;)
            if (conn->stored) {
                kept_release(r, conn->birth);
                conn->birth.size = 0;
            }
        clients_written(r);
    }
    c->index_dirty = c->rows_dirty = false;
}

/* Gives the process's destinations their ids. What the store refuses now is asked again with the
 * next commit. */
void process_resolve(struct process *p, struct ring *r)
{
    if (!depot_ready(r->depot))
        return;
    while (p->destination_count < p->wanted_count) {
        size_t i = p->destination_count;
        int64_t id = 0;
        int err = store_destination(r->depot->store, &p->wanted[i], p->keys[i], &id);
        if (err == ERR_BAD) /* a key that is none: nothing is delivered, and nobody else waits */
            id = 0;
        else if (err != ERR_OK)
            return;
        if (p->keys[i] != NULL)
            explicit_bzero(p->keys[i], strlen(p->keys[i]));
        p->destinations[p->destination_count++] = id;
    }
}
