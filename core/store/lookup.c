/* Rows by id. The id indexes are filled behind the writes, so an id is looked for in memory (what
 * this handle wrote or saw), then in the index, then in the rows that came after both. An entry may
 * be stale (its row was purged; row numbers are never used again): whoever uses a row finds it
 * gone.
 */
#include <string.h>

#include "store/db.h"

#define REMEMBERED_MAX ((size_t)1 << 18)

int64_t db_span_key(const uint8_t *id)
{
    uint64_t key = 0;
    for (int i = 0; i < SPAN_ID_LEN; i++)
        key = key << 8 | id[i];
    return (int64_t)key;
}

void db_span_id(int64_t key, uint8_t *id)
{
    for (int i = SPAN_ID_LEN - 1; i >= 0; i--, key = (int64_t)((uint64_t)key >> 8))
        id[i] = (uint8_t)key;
}

static uint64_t trace_key(const struct store *s, const uint8_t *id)
{
    return hash_bytes(s->seed, id, TRACE_ID_LEN);
}

/* What memory forgets is found again by the catch-up. */
static void bound(struct idmap *m, int64_t *seen)
{
    if (m->count >= REMEMBERED_MAX) {
        idmap_clear(m);
        *seen = 0;
    }
}

void db_note_trace(struct store *s, const uint8_t *id, int64_t row)
{
    bound(&s->traces, &s->seen_trace);
    if (idmap_set(&s->traces, trace_key(s, id), row) != ERR_OK)
        s->seen_trace = 0;
    else if (row == s->seen_trace + 1)
        s->seen_trace = row;
}

void db_note_span(struct store *s, const uint8_t *id, int64_t row)
{
    bound(&s->spans, &s->seen_span);
    if (idmap_set(&s->spans, (uint64_t)db_span_key(id), row) != ERR_OK)
        s->seen_span = 0;
    else if (row == s->seen_span + 1)
        s->seen_span = row;
}

/* Counters as the file has them; inside a transaction they are known. */
static int read_meta(struct store *s, struct db_meta *meta)
{
    if (s->in_transaction) {
        *meta = s->meta;
        return ERR_OK;
    }
    int err;
    sqlite3_stmt *st = db_use(s, META_GET, &err);
    if (st == NULL)
        return err;
    err = db_step(s, st);
    if (err == 1) {
        *meta = (struct db_meta){
            .next_span = sqlite3_column_int64(st, 0),
            .next_trace = sqlite3_column_int64(st, 1),
            .indexed_span = sqlite3_column_int64(st, 3),
            .indexed_trace = sqlite3_column_int64(st, 4),
        };
        sqlite3_reset(st);
        return ERR_OK;
    }
    return err < 0 ? err : db_error(s, ERR_CORRUPT, "%s: its counters are missing", s->path);
}

/* Reads (row, id) of every row after `from` into the map. */
static int catch_up(struct store *s, enum statement tail, int64_t from, bool spans)
{
    int err;
    sqlite3_stmt *st = db_use(s, tail, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", from);
    while ((err = db_step(s, st)) == 1) {
        int64_t row = sqlite3_column_int64(st, 0);
        uint64_t key = (uint64_t)sqlite3_column_int64(st, 1);
        if (!spans) {
            const void *id = sqlite3_column_blob(st, 1);
            if (id == NULL || sqlite3_column_bytes(st, 1) != TRACE_ID_LEN)
                continue;
            key = trace_key(s, id);
        }
        if (idmap_set(spans ? &s->spans : &s->traces, key, row) != ERR_OK) {
            sqlite3_reset(st);
            return ERR_NOMEM;
        }
    }
    return err;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int catch_up_spans(struct store *s)
{
    struct db_meta meta;
    int err = read_meta(s, &meta);
    int64_t from = later(s->seen_span, meta.indexed_span);
    if (err == ERR_OK && meta.next_span - 1 > from)
        err = catch_up(s, SPAN_TAIL, from, true);
    if (err == ERR_OK)
        s->seen_span = later(from, meta.next_span - 1);
    return err;
}

static int catch_up_traces(struct store *s)
{
    struct db_meta meta;
    int err = read_meta(s, &meta);
    int64_t from = later(s->seen_trace, meta.indexed_trace);
    if (err == ERR_OK && meta.next_trace - 1 > from)
        err = catch_up(s, TRACE_TAIL, from, false);
    if (err == ERR_OK)
        s->seen_trace = later(from, meta.next_trace - 1);
    return err;
}

/* Whether the trace of that row has the id: a key in memory is only a hash. */
static int check_trace(struct store *s, const uint8_t *id, int64_t row)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_TOTALS, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    const void *found = sqlite3_column_blob(st, 0);
    bool same = found != NULL && sqlite3_column_bytes(st, 0) == TRACE_ID_LEN &&
                memcmp(found, id, TRACE_ID_LEN) == 0;
    sqlite3_reset(st);
    return same ? ERR_OK : ERR_NOENT;
}

int db_trace_row(struct store *s, const uint8_t *id, int64_t *row)
{
    /* A writer holds the lock: what is not in memory after this is in the index or nowhere. */
    int err = s->in_transaction ? catch_up_traces(s) : ERR_OK;
    if (err != ERR_OK)
        return err;
    *row = idmap_get(&s->traces, trace_key(s, id));
    if (*row != 0 && (err = check_trace(s, id, *row)) != ERR_NOENT)
        return err;
    err = db_int(s, row, TRACE_ROW_BY_ID, "b", (const void *)id, TRACE_ID_LEN);
    if (err == ERR_OK)
        err = check_trace(s, id, *row);
    if (err != ERR_NOENT || s->in_transaction)
        return err;
    err = catch_up_traces(s);
    *row = err == ERR_OK ? idmap_get(&s->traces, trace_key(s, id)) : 0;
    return err != ERR_OK ? err : *row == 0 ? ERR_NOENT : check_trace(s, id, *row);
}

static int check_span(struct store *s, int64_t key, int64_t row)
{
    int64_t found = 0;
    int err = db_int(s, &found, SPAN_ID_BY_ROW, "i", row);
    return err != ERR_OK ? err : found == key ? ERR_OK : ERR_NOENT;
}

int db_span_row(struct store *s, const uint8_t *id, int64_t *row)
{
    int64_t key = db_span_key(id);
    int err = s->in_transaction ? catch_up_spans(s) : ERR_OK;
    if (err != ERR_OK)
        return err;
    *row = idmap_get(&s->spans, (uint64_t)key);
    if (*row != 0 && (err = check_span(s, key, *row)) != ERR_NOENT)
        return err;
    err = db_int(s, row, SPAN_ROWS_BY_ID, "i", key);
    if (err == ERR_OK)
        err = check_span(s, key, *row);
    if (err != ERR_NOENT || s->in_transaction)
        return err;
    err = catch_up_spans(s);
    *row = err == ERR_OK ? idmap_get(&s->spans, (uint64_t)key) : 0;
    return err != ERR_OK ? err : *row == 0 ? ERR_NOENT : check_span(s, key, *row);
}
