/* Destinations, and how delivery to each of them goes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/db.h"

void destination_release(struct destination *d)
{
    free(d->kind);
    free(d->url);
    free(d->project_id);
    memset(d, 0, sizeof(*d));
}

void db_destinations_print(const int64_t *destinations, size_t count, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && at + 22 < size; i++)
        if (destinations[i] > 0)
            at += (size_t)snprintf(out + at, size - at, at == 0 ? "%" PRId64 : ",%" PRId64,
                                   destinations[i]);
}

size_t db_destinations_parse(const char *text, int64_t *out, size_t max)
{
    size_t count = 0;
    while (text != NULL && *text != '\0' && count < max) {
        char *end;
        out[count] = strtoll(text, &end, 10);
        if (end == text)
            break;
        count++;
        text = *end == ',' ? end + 1 : end;
    }
    return count;
}

static char *copy(const char *text, bool *failed)
{
    char *made = text == NULL ? NULL : strdup(text);
    *failed |= text != NULL && made == NULL;
    return made;
}

/* So that the same id is there when the store has to be begun anew. */
static int remember(struct store *s, const struct destination *d, int64_t id)
{
    for (size_t i = 0; i < s->known_count; i++)
        if (s->known[i].id == id)
            return ERR_OK;
    struct destination *more = realloc(s->known, (s->known_count + 1) * sizeof(*more));
    if (more == NULL)
        return ERR_NOMEM;
    s->known = more;
    bool failed = false;
    struct destination made = {.id = id, .content = d->content};
    made.kind = copy(d->kind, &failed);
    made.url = copy(d->url, &failed);
    made.project_id = copy(d->project_id, &failed);
    if (failed) {
        destination_release(&made);
        return ERR_NOMEM;
    }
    s->known[s->known_count++] = made;
    return ERR_OK;
}

int store_destination(struct store *s, const struct destination *d, const char *key, int64_t *id)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    err = db_int(s, id, DESTINATION_FIND, "ttti", d->kind, d->url, d->project_id,
                 (int64_t)d->content);
    if (err == ERR_NOENT) {
        err = db_run(s, DESTINATION_INSERT, "ttti", d->kind, d->url, d->project_id,
                     (int64_t)d->content);
        if (err == ERR_OK)
            *id = sqlite3_last_insert_rowid(s->db);
    }
    if (err == ERR_OK && key != NULL) {
        err = keys_put(s->dir, *id, key);
        if (err != ERR_OK)
            (void)db_error(s, err, "%s/keys: the key cannot be kept: %s", s->dir, err_str(err));
    }
    if (err == ERR_OK)
        err = remember(s, d, *id);
    return db_leave(s, own, err);
}

static int read_destination(sqlite3_stmt *st, struct destination *out)
{
    *out = (struct destination){
        .id = sqlite3_column_int64(st, 0),
        .kind = db_column_text(st, 1),
        .url = db_column_text(st, 2),
        .project_id = db_column_text(st, 3),
        .content = sqlite3_column_int(st, 4) != 0,
    };
    return out->kind == NULL ? ERR_NOMEM : ERR_OK;
}

int store_destination_get(struct store *s, int64_t id, struct destination *out, char **key)
{
    memset(out, 0, sizeof(*out));
    *key = NULL;
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, DESTINATION_GET, &err) : NULL;
    if (st == NULL)
        return err;
    db_bind(st, "i", id);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    err = read_destination(st, out);
    sqlite3_reset(st);
    if (err == ERR_OK)
        err = keys_get(s->dir, id, key);
    if (err != ERR_OK)
        destination_release(out);
    return err;
}

/* The state of the first destination after *id. ERR_NOENT: there is none. */
static int next_delivery(struct store *s, int64_t id, struct delivery_state *out)
{
    memset(out, 0, sizeof(*out));
    int err;
    sqlite3_stmt *st = db_use(s, DESTINATION_ALL, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", id);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    err = read_destination(st, &out->destination);
    out->delivered = sqlite3_column_int64(st, 5);
    out->rejected = sqlite3_column_int64(st, 6);
    out->last_error = db_column_text(st, 7);
    out->last_error_time = sqlite3_column_int64(st, 8);
    out->last_success_time = sqlite3_column_int64(st, 9);
    sqlite3_reset(st);
    if (err == ERR_OK)
        err = db_int(s, &out->waiting, OUTBOX_WAITING, "i", out->destination.id);
    return err;
}

int store_each_delivery(struct store *s, delivery_fn *each, void *user)
{
    int64_t id = 0;
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    while (err == ERR_OK) {
        struct delivery_state state;
        err = next_delivery(s, id, &state);
        if (err == ERR_OK)
            err = each(user, &state);
        id = state.destination.id;
        destination_release(&state.destination);
        free(state.last_error);
    }
    return err == ERR_NOENT ? ERR_OK : err;
}

int store_delivery_note(struct store *s, int64_t destination, const char *error)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    if (error == NULL)
        err = db_run(s, DESTINATION_DELIVERED, "iii", destination, (int64_t)0, clock_wall_ns());
    else
        err = db_run(s, DESTINATION_FAILED, "iti", destination, error, clock_wall_ns());
    return db_leave(s, own, err);
}
