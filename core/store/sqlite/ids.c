#include "store/sqlite/sqlite.h"

uint64_t id_hash(const struct backend *b, struct text id)
{
    return hash_bytes(b->hash_seed, id.at, id.len);
}

static int find(struct backend_session *s, enum sql which, struct text id, int64_t *row)
{
    int err;
    sqlite3_stmt *st = sql_use(s, which, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", (int64_t)id_hash(s->b, id));
    while ((err = sql_step(s, st)) == 1) {
        if (!text_same(sql_column_text(st, 1), id))
            continue;
        *row = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
        return ERR_OK;
    }
    return err < 0 ? err : ERR_NOENT;
}

int id_trace_row(struct backend_session *s, struct text id, int64_t *row)
{
    return find(s, SQL_TRACE_FIND, id, row);
}

int id_span_row(struct backend_session *s, struct text id, int64_t *row)
{
    return find(s, SQL_SPAN_FIND, id, row);
}
