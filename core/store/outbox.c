/* What waits for delivery, in order. */
#include <string.h>

#include "base/clock.h"
#include "store/db.h"

/* Entries of a purged trace have nothing to deliver any more. */
static int drop_entry(struct store *s, int64_t seq)
{
    if (s->mode != STORE_WRITE)
        return ERR_OK;
    bool own;
    int err = db_enter(s, &own);
    return err != ERR_OK ? err : db_leave(s, own, db_run(s, OUTBOX_DELETE, "i", seq));
}

/* False: what it speaks of is gone. */
static bool read_entry(struct store *s, sqlite3_stmt *st, int64_t destination,
                       struct outbox_entry *out)
{
    memset(out, 0, sizeof(*out));
    out->seq = sqlite3_column_int64(st, 0);
    out->destination = destination;
    out->op = (enum outbox_op)sqlite3_column_int(st, 1);
    out->attempts = sqlite3_column_int64(st, 4);
    const void *trace = sqlite3_column_blob(st, 5);
    if (trace == NULL || sqlite3_column_bytes(st, 5) != TRACE_ID_LEN)
        return false;
    memcpy(out->trace_id, trace, TRACE_ID_LEN);
    db_note_trace(s, out->trace_id, sqlite3_column_int64(st, 2)); /* it will be asked for next */
    int64_t span = sqlite3_column_int64(st, 3);
    if (span == 0)
        return true;
    if (sqlite3_column_type(st, 6) == SQLITE_NULL)
        return false;
    db_span_id(sqlite3_column_int64(st, 6), out->span_id);
    db_note_span(s, out->span_id, span);
    return true;
}

int store_outbox_next(struct store *s, int64_t destination, int64_t after, struct outbox_entry *out,
                      size_t max)
{
    enum { GONE_MAX = 256 };
    int64_t gone[GONE_MAX];
    size_t gone_count = 0;
    size_t count = 0;
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, OUTBOX_NEXT, &err) : NULL;
    if (st == NULL)
        return err;
    db_bind(st, "ii", destination, after);
    while (count < max && gone_count < GONE_MAX && (err = db_step(s, st)) == 1) {
        if (read_entry(s, st, destination, &out[count]))
            count++;
        else
            gone[gone_count++] = sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    bool full = gone_count == GONE_MAX;
    for (size_t i = 0; i < gone_count && err >= 0; i++) {
        after = gone[i];
        err = drop_entry(s, gone[i]);
    }
    if (err < 0)
        return err;
    return count == 0 && full ? store_outbox_next(s, destination, after, out, max) : (int)count;
}

int store_outbox_bounds(struct store *s, int64_t destination, int64_t *first, int64_t *last)
{
    *first = *last = 0;
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, OUTBOX_BOUNDS, &err) : NULL;
    if (st == NULL)
        return err;
    db_bind(st, "i", destination);
    err = db_step(s, st);
    if (err != 1)
        return err;
    *first = sqlite3_column_int64(st, 0);
    *last = sqlite3_column_int64(st, 1);
    sqlite3_reset(st);
    return ERR_OK;
}

int store_outbox_destinations(struct store *s, int64_t *out, size_t max)
{
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, OUTBOX_DESTINATIONS, &err) : NULL;
    if (st == NULL)
        return err;
    size_t count = 0;
    while (count < max && (err = db_step(s, st)) == 1)
        out[count++] = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return err < 0 ? err : (int)count;
}

/* A row of the outbox. */
struct stored_entry {
    int64_t destination, op, trace, span;
};

/* Takes an entry out of the outbox and off its trace's count. ERR_NOENT: it was not there. */
static int take_entry(struct store *s, int64_t seq, struct stored_entry *out)
{
    int err;
    sqlite3_stmt *st = db_use(s, OUTBOX_GET, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", seq);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    *out = (struct stored_entry){
        .destination = sqlite3_column_int64(st, 0),
        .op = sqlite3_column_int64(st, 1),
        .trace = sqlite3_column_int64(st, 2),
        .span = sqlite3_column_int64(st, 3),
    };
    sqlite3_reset(st);
    struct db_touched *t;
    err = db_touch_row(s, out->trace, &t);
    if (err == ERR_OK && t->waiting > 0) {
        t->waiting--;
        t->dirty = true;
    }
    return err == ERR_OK || err == ERR_NOENT ? db_run(s, OUTBOX_DELETE, "i", seq) : err;
}

int store_outbox_done(struct store *s, int64_t seq)
{
    bool own;
    struct stored_entry entry = {0};
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    err = take_entry(s, seq, &entry);
    if (err == ERR_OK)
        err =
            db_run(s, DESTINATION_DELIVERED, "iii", entry.destination, (int64_t)1, clock_wall_ns());
    return db_leave(s, own, err == ERR_NOENT ? ERR_OK : err);
}

int store_outbox_failed(struct store *s, int64_t seq, const char *why)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    int64_t destination = 0;
    err = db_int(s, &destination, OUTBOX_GET, "i", seq);
    if (err == ERR_OK)
        err = db_run(s, OUTBOX_FAILED, "it", seq, why);
    if (err == ERR_OK)
        err = db_run(s, DESTINATION_FAILED, "iti", destination, why, clock_wall_ns());
    return db_leave(s, own, err == ERR_NOENT ? ERR_OK : err);
}

int store_outbox_reject(struct store *s, int64_t seq, const char *why)
{
    bool own;
    struct stored_entry e = {0};
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    err = take_entry(s, seq, &e);
    if (err == ERR_OK)
        err = db_run(s, REJECTED_INSERT, "iiiiiit", seq, e.destination, e.op, e.trace, e.span,
                     clock_wall_ns(), why);
    if (err == ERR_OK)
        err = db_run(s, REJECTED_TRIM, "");
    if (err == ERR_OK)
        err = db_run(s, DESTINATION_REJECTED, "iti", e.destination, why, clock_wall_ns());
    return db_leave(s, own, err == ERR_NOENT ? ERR_OK : err);
}

int store_remote_put(struct store *s, int64_t destination, const char *local, const char *remote)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    return db_leave(s, own, db_run(s, REMOTE_PUT, "tit", local, destination, remote));
}

char *store_remote_get(struct store *s, int64_t destination, const char *local)
{
    int err = s->in_transaction ? ERR_OK : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, REMOTE_GET, &err) : NULL;
    if (st == NULL)
        return NULL;
    db_bind(st, "ti", local, destination);
    char *remote = db_step(s, st) == 1 ? db_column_text(st, 0) : NULL;
    sqlite3_reset(st);
    return remote;
}
