/* Rings, so that a collector which replaces another one knows their processes. */
#include <string.h>

#include "store/db.h"

int db_ring_row(struct store *s, const char *ring_id, int64_t *row)
{
    *row = 0;
    if (ring_id == NULL)
        return ERR_OK;
    if (s->ring_row != 0 && strcmp(s->ring_id, ring_id) == 0) {
        *row = s->ring_row;
        return ERR_OK;
    }
    int err = db_int(s, row, RING_FIND, "t", ring_id);
    if (err == ERR_NOENT) {
        err = db_run(s, RING_INSERT, "t", ring_id);
        if (err == ERR_OK)
            *row = sqlite3_last_insert_rowid(s->db);
    }
    if (err == ERR_OK && strlen(ring_id) < sizeof(s->ring_id)) {
        memcpy(s->ring_id, ring_id, strlen(ring_id) + 1);
        s->ring_row = *row;
    }
    return err;
}

int store_ring_put(struct store *s, const char *ring_id, const char *info)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    int64_t row;
    err = db_ring_row(s, ring_id, &row);
    if (err == ERR_OK)
        err = db_run(s, RING_INFO, "it", row, info);
    return db_leave(s, own, err);
}

char *store_ring_get(struct store *s, const char *ring_id)
{
    int err;
    sqlite3_stmt *st = db_use(s, RING_GET, &err);
    if (st == NULL)
        return NULL;
    db_bind(st, "t", ring_id);
    char *info = db_step(s, st) == 1 ? db_column_text(st, 0) : NULL;
    sqlite3_reset(st);
    return info;
}

int store_ring_forget(struct store *s, const char *ring_id)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    s->ring_row = 0;
    return db_leave(s, own, db_run(s, RING_FORGET, "t", ring_id));
}
