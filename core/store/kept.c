/* Traces and spans with what their collector wanted to remember of them. */
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

/* Columns: destinations at `at`, the ring's id behind it. */
static void read_owner(sqlite3_stmt *st, int at, struct store_owner *owner)
{
    owner->destination_count =
        db_destinations_parse((const char *)sqlite3_column_text(st, at), owner->destinations, 8);
    owner->ring_id = db_column_text(st, at + 1);
}

static int enter(struct store *s)
{
    if (s->in_transaction)
        return s->failed ? ERR_IO : ERR_OK;
    return db_follow(s);
}

/* The row of an id, stepped to. */
static int get_row(struct store *s, int (*find)(struct store *, const uint8_t *, int64_t *),
                   const uint8_t *id, enum statement which, sqlite3_stmt **out)
{
    int64_t row;
    int err = enter(s);
    if (err == ERR_OK)
        err = find(s, id, &row);
    if (err != ERR_OK)
        return err;
    *out = db_use(s, which, &err);
    if (*out == NULL)
        return err;
    db_bind(*out, "i", row);
    err = db_step(s, *out);
    return err == 1 ? ERR_OK : err < 0 ? err : ERR_NOENT;
}

int store_find_kept_span(struct store *s, const uint8_t *span_id, struct span **out,
                         struct store_owner *owner)
{
    *out = NULL;
    memset(owner, 0, sizeof(*owner));
    sqlite3_stmt *st;
    int err = get_row(s, db_span_row, span_id, SPAN_KEPT, &st);
    if (err != ERR_OK)
        return err;
    *out = db_read_span(st, 0);
    if (*out != NULL) {
        const void *trace_id = sqlite3_column_blob(st, 9);
        if (trace_id != NULL && sqlite3_column_bytes(st, 9) == TRACE_ID_LEN)
            memcpy((*out)->trace_id, trace_id, TRACE_ID_LEN);
        (*out)->state = db_column_text(st, 6);
        read_owner(st, 7, owner);
    }
    sqlite3_reset(st);
    return *out == NULL ? ERR_NOMEM : ERR_OK;
}

int store_find_kept_trace(struct store *s, const uint8_t *trace_id, struct trace **out,
                          struct store_owner *owner)
{
    *out = NULL;
    memset(owner, 0, sizeof(*owner));
    sqlite3_stmt *st;
    int err = get_row(s, db_trace_row, trace_id, TRACE_KEPT, &st);
    if (err != ERR_OK)
        return err;
    *out = db_read_trace(st, 0);
    if (*out != NULL) {
        (*out)->state = db_column_text(st, 20);
        read_owner(st, 21, owner);
    }
    sqlite3_reset(st);
    return *out == NULL ? ERR_NOMEM : ERR_OK;
}
