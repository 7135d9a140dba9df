/* Rows by id. The id index is filled behind the writes, so an id is looked for in memory (what this
 * handle wrote or saw), then in the index, then in the rows that came after both. An entry may be
 * stale (its row was purged; row numbers are never used again), so each row found is checked. */
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

/* In the index: the first eight digits as they are, for prefixes, and a hash of the whole, since
 * there are makers of ids whose first half hardly changes. */
int64_t db_trace_key(const uint8_t *id)
{
    uint64_t key = 0;
    for (int i = 0; i < 4; i++)
        key = key << 8 | id[i];
    return (int64_t)(key << 32 | (hash_bytes(0, id, TRACE_ID_LEN) >> 32));
}

/* In memory, where one key has one row: nobody shall be able to make two ids with the same. */
static uint64_t memory_key(const struct store *s, enum db_ids_kind kind, const uint8_t *id)
{
    return kind == IDS_SPAN ? (uint64_t)db_span_key(id) : hash_bytes(s->seed, id, TRACE_ID_LEN);
}

/* Counters as the file has them; inside a transaction they are known. */
static int read_meta(struct store *s, struct db_meta *meta)
{
    *meta = s->meta;
    return s->in_transaction ? ERR_OK : db_meta_read(s, meta);
}

static int64_t indexed_of(const struct db_meta *meta, enum db_ids_kind kind)
{
    return kind == IDS_SPAN ? meta->indexed_span : meta->indexed_trace;
}

/* What the index has is found there. The rows after it stay, however many: without them each lookup
 * would read them all again. */
static void make_room(struct store *s, enum db_ids_kind kind)
{
    struct db_ids *ids = &s->ids[kind];
    struct db_meta meta;
    if (ids->recent.count < (ids->room != 0 ? ids->room : REMEMBERED_MAX))
        return;
    if (read_meta(s, &meta) == ERR_OK)
        idmap_forget(&ids->recent, indexed_of(&meta, kind));
    ids->room = 2 * ids->recent.count > REMEMBERED_MAX ? 2 * ids->recent.count : REMEMBERED_MAX;
}

static void note(struct store *s, enum db_ids_kind kind, const uint8_t *id, int64_t row)
{
    struct db_ids *ids = &s->ids[kind];
    make_room(s, kind);
    if (idmap_set(&ids->recent, memory_key(s, kind, id), row) != ERR_OK) {
        idmap_clear(&ids->recent); /* what is forgotten, the catch-up finds again */
        ids->seen = 0;
    } else if (row == ids->seen + 1) {
        ids->seen = row;
    }
}

void db_note_trace(struct store *s, const uint8_t *id, int64_t row)
{
    note(s, IDS_TRACE, id, row);
}

void db_note_span(struct store *s, const uint8_t *id, int64_t row)
{
    note(s, IDS_SPAN, id, row);
}

/* Reads (row, id) of every row after `from` into memory. */
static int read_tail(struct store *s, enum db_ids_kind kind, int64_t from)
{
    int err;
    sqlite3_stmt *st = db_use(s, kind == IDS_SPAN ? SPAN_TAIL : TRACE_TAIL, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", from);
    while ((err = db_step(s, st)) == 1) {
        uint8_t span_id[SPAN_ID_LEN];
        const uint8_t *id = span_id;
        if (kind == IDS_SPAN)
            db_span_id(sqlite3_column_int64(st, 1), span_id);
        else if (sqlite3_column_bytes(st, 1) == TRACE_ID_LEN)
            id = sqlite3_column_blob(st, 1);
        else
            continue;
        if (idmap_set(&s->ids[kind].recent, memory_key(s, kind, id), sqlite3_column_int64(st, 0)) !=
            ERR_OK) {
            sqlite3_reset(st);
            return ERR_NOMEM;
        }
    }
    return err;
}

int db_catch_up(struct store *s, enum db_ids_kind kind)
{
    struct db_meta meta;
    int err = read_meta(s, &meta);
    if (err != ERR_OK)
        return err;
    int64_t last = (kind == IDS_SPAN ? meta.next_span : meta.next_trace) - 1;
    int64_t indexed = indexed_of(&meta, kind);
    int64_t *seen = &s->ids[kind].seen;
    int64_t from = *seen > indexed ? *seen : indexed;
    if (last > from)
        err = read_tail(s, kind, from);
    if (err == ERR_OK)
        *seen = last > from ? last : from;
    return err;
}

/* Whether the row has the id. ERR_NOENT: not, or it is gone. */
static int check_trace(struct store *s, const uint8_t *id, int64_t row)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_ID_BY_ROW, &err);
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

static int check_span(struct store *s, const uint8_t *id, int64_t row)
{
    int64_t found = 0;
    int err = db_int(s, &found, SPAN_ID_BY_ROW, "i", row);
    return err != ERR_OK ? err : found == db_span_key(id) ? ERR_OK : ERR_NOENT;
}

static int find_in_memory(struct store *s, enum db_ids_kind kind, db_check_fn *check,
                          const uint8_t *id, int64_t *row)
{
    *row = idmap_get(&s->ids[kind].recent, memory_key(s, kind, id));
    return *row == 0 ? ERR_NOENT : check(s, id, *row);
}

static int find(struct store *s, enum db_ids_kind kind, db_check_fn *check, const uint8_t *id,
                int64_t *row)
{
    int64_t key = kind == IDS_SPAN ? db_span_key(id) : db_trace_key(id);
    /* A writer holds the lock: what is not in memory after this is in the index or nowhere. */
    int err = s->in_transaction ? db_catch_up(s, kind) : ERR_OK;
    if (err == ERR_OK)
        err = find_in_memory(s, kind, check, id, row);
    if (err != ERR_NOENT)
        return err;
    if (s->in_transaction) {
        err = db_filter_catch_up(s, kind, indexed_of(&s->meta, kind));
        if (err != ERR_OK)
            return err;
        if (!idfilter_has(&s->ids[kind].filter, (uint64_t)key))
            return ERR_NOENT;
    }
    err = db_segment_find(s, kind, key, check, id, row);
    if (err != ERR_NOENT || s->in_transaction)
        return err;
    err = db_catch_up(s, kind);
    return err != ERR_OK ? err : find_in_memory(s, kind, check, id, row);
}

int db_trace_row(struct store *s, const uint8_t *id, int64_t *row)
{
    return find(s, IDS_TRACE, check_trace, id, row);
}

int db_span_row(struct store *s, const uint8_t *id, int64_t *row)
{
    return find(s, IDS_SPAN, check_span, id, row);
}
