/* The id index: sorted segments of (key, row), appended one after the other and never changed. A
 * tree ordered by random ids would be rewritten all over by each batch (at a million spans that
 * cost as much as the spans themselves); a segment costs twelve bytes an id. A writer keeps a
 * filter in memory, so that an id that is new is not looked for in each of them. */
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/id_entry.h"

enum { CHUNK_ENTRIES = 1024, BATCH_MIN = 16384, BATCH_MAX = 65536 };

/* The first entry of the chunk that is not below the key. */
static size_t lower_bound(const uint8_t *entries, size_t count, int64_t key)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if ((int64_t)id_entry_key(entries + (low + half) * ID_ENTRY_BYTES) < key) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

/* Offers the rows of a chunk that have the key; the first that `check` accepts is the answer. */
static int find_in_chunk(struct store *s, const uint8_t *entries, size_t count, int64_t first_row,
                         int64_t key, db_check_fn *check, const uint8_t *id, int64_t *row)
{
    for (size_t i = lower_bound(entries, count, key); i < count; i++) {
        const uint8_t *entry = entries + i * ID_ENTRY_BYTES;
        if ((int64_t)id_entry_key(entry) != key)
            break;
        *row = first_row + id_entry_offset(entry);
        int err = check(s, id, *row);
        if (err != ERR_NOENT)
            return err;
    }
    return ERR_NOENT;
}

int db_segment_find(struct store *s, enum db_ids_kind kind, int64_t key, db_check_fn *check,
                    const uint8_t *id, int64_t *row)
{
    int err;
    sqlite3_stmt *st = db_use(s, SEGMENT_FIND, &err);
    if (st == NULL)
        return err;
    db_bind(st, "ii", (int64_t)kind, key);
    while ((err = db_step(s, st)) == 1) {
        const uint8_t *entries = sqlite3_column_blob(st, 0);
        size_t count = (size_t)sqlite3_column_bytes(st, 0) / ID_ENTRY_BYTES;
        if (entries == NULL)
            continue;
        err = find_in_chunk(s, entries, count, sqlite3_column_int64(st, 1), key, check, id, row);
        if (err == ERR_NOENT)
            continue;
        sqlite3_reset(st);
        return err;
    }
    return err < 0 ? err : ERR_NOENT;
}

int db_segment_range(struct store *s, enum db_ids_kind kind, int64_t low, int64_t high,
                     db_range_fn *each, void *user)
{
    int err;
    sqlite3_stmt *st = db_use(s, SEGMENT_RANGE, &err);
    if (st == NULL)
        return err;
    db_bind(st, "iii", (int64_t)kind, low, high);
    while ((err = db_step(s, st)) == 1) {
        const uint8_t *entries = sqlite3_column_blob(st, 0);
        size_t count = (size_t)sqlite3_column_bytes(st, 0) / ID_ENTRY_BYTES;
        for (size_t i = lower_bound(entries, count, low);
             i < count && (int64_t)id_entry_key(entries + i * ID_ENTRY_BYTES) <= high; i++) {
            err = each(s, user,
                       sqlite3_column_int64(st, 1) + id_entry_offset(entries + i * ID_ENTRY_BYTES));
            if (err != ERR_OK) {
                sqlite3_reset(st);
                return err;
            }
        }
    }
    return err;
}

static int by_key(const void *a, const void *b)
{
    int64_t x = (int64_t)((const struct idmap_entry *)a)->key;
    int64_t y = (int64_t)((const struct idmap_entry *)b)->key;
    return (x > y) - (x < y);
}

/* Entries of one key stay in one chunk. */
static size_t chunk_length(const struct idmap_entry *entries, size_t count)
{
    size_t n = count < CHUNK_ENTRIES ? count : CHUNK_ENTRIES;
    while (n < count && entries[n].key == entries[n - 1].key)
        n++;
    return n;
}

/* Writes sorted entries whose rows are first_row and later as a segment. */
static int write_segment(struct store *s, enum db_ids_kind kind, struct idmap_entry *entries,
                         size_t count, int64_t first_row, int64_t last_row)
{
    qsort(entries, count, sizeof(*entries), by_key);
    int err = db_run(s, SEGMENT_INSERT, "iii", (int64_t)kind, first_row, last_row);
    int64_t segment = sqlite3_last_insert_rowid(s->db);
    for (size_t at = 0; at < count && err == ERR_OK;) {
        size_t n = chunk_length(entries + at, count - at);
        uint8_t *chunk = malloc(n * ID_ENTRY_BYTES);
        if (chunk == NULL)
            return ERR_NOMEM;
        for (size_t i = 0; i < n; i++)
            id_entry_put(chunk + i * ID_ENTRY_BYTES, entries[at + i].key,
                         (uint64_t)(entries[at + i].row - first_row));
        err = db_run(s, CHUNK_INSERT, "iib", segment, (int64_t)entries[at].key, (const void *)chunk,
                     (int)(n * ID_ENTRY_BYTES));
        free(chunk);
        at += n;
    }
    return err;
}

static int collect_spans(struct store *s, int64_t after, int64_t to, struct idmap_entry *out,
                         size_t *count)
{
    int err = db_catch_up(s, IDS_SPAN); /* then memory has them all */
    const struct idmap *m = &s->ids[IDS_SPAN].recent;
    for (size_t i = 0; i < m->cap && err == ERR_OK; i++)
        if (m->entries[i].row > after && m->entries[i].row <= to)
            out[(*count)++] = m->entries[i];
    return err;
}

static int collect_traces(struct store *s, int64_t after, int64_t to, struct idmap_entry *out,
                          size_t *count)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_TAIL, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", after);
    while ((err = db_step(s, st)) == 1 && sqlite3_column_int64(st, 0) <= to) {
        const void *id = sqlite3_column_blob(st, 1);
        if (id != NULL && sqlite3_column_bytes(st, 1) == TRACE_ID_LEN)
            out[(*count)++] = (struct idmap_entry){.key = (uint64_t)db_trace_key(id),
                                                   .row = sqlite3_column_int64(st, 0)};
    }
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

/* Returns the rows done, 0 when too few wait for a segment. */
static int index_kind(struct store *s, enum db_ids_kind kind, int64_t next, int64_t *indexed)
{
    int64_t waiting = next - 1 - *indexed;
    if (waiting < BATCH_MIN)
        return 0;
    if (waiting > BATCH_MAX)
        waiting = BATCH_MAX;
    int64_t to = *indexed + waiting;
    struct idmap_entry *entries = malloc((size_t)waiting * sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    size_t count = 0;
    int err = kind == IDS_SPAN ? collect_spans(s, *indexed, to, entries, &count)
                               : collect_traces(s, *indexed, to, entries, &count);
    if (err == ERR_OK && count > 0)
        err = write_segment(s, kind, entries, count, *indexed + 1, to);
    free(entries);
    if (err != ERR_OK)
        return err;
    *indexed = to;
    if (to == next - 1) { /* all of them are found without memory now */
        idmap_clear(&s->ids[kind].recent);
        s->ids[kind].seen = to;
    }
    return (int)waiting;
}

int db_index_tail(struct store *s, enum db_ids_kind kind)
{
    int64_t next = kind == IDS_SPAN ? s->meta.next_span : s->meta.next_trace;
    int64_t *indexed = kind == IDS_SPAN ? &s->meta.indexed_span : &s->meta.indexed_trace;
    if (next - 1 - *indexed < DB_TAIL_MAX)
        return ERR_OK;
    int done = index_kind(s, kind, next, indexed);
    return done < 0 ? done : ERR_OK;
}

int store_index_step(struct store *s)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    int spans = index_kind(s, IDS_SPAN, s->meta.next_span, &s->meta.indexed_span);
    int traces =
        spans < 0 ? 0 : index_kind(s, IDS_TRACE, s->meta.next_trace, &s->meta.indexed_trace);
    err = spans < 0 ? spans : traces < 0 ? traces : ERR_OK;
    if (err == ERR_OK && spans + traces > 0)
        err = db_segments_drop(s);
    err = db_leave(s, own, err);
    return err < 0 ? err : spans + traces;
}

/* Segments of rows that are all purged. */
int db_segments_drop(struct store *s)
{
    static const enum statement first_row[] = {[IDS_SPAN] = SPAN_FIRST, [IDS_TRACE] = TRACE_FIRST};
    int err = ERR_OK;
    for (int kind = IDS_SPAN; kind <= IDS_TRACE && err == ERR_OK; kind++) {
        int64_t row = 0;
        err = db_int(s, &row, first_row[kind], "");
        if (err == ERR_OK)
            err = db_run(s, CHUNK_DROP, "ii", (int64_t)kind, row);
        if (err == ERR_OK)
            err = db_run(s, SEGMENT_DROP, "ii", (int64_t)kind, row);
    }
    return err;
}

/* Adds what was indexed since the filter was last looked at. */
static int fill(struct store *s, enum db_ids_kind kind, struct db_ids *ids)
{
    int err;
    sqlite3_stmt *st = db_use(s, CHUNKS_AFTER, &err);
    if (st == NULL)
        return err;
    db_bind(st, "ii", (int64_t)kind, ids->filtered);
    while ((err = db_step(s, st)) == 1) {
        const uint8_t *entries = sqlite3_column_blob(st, 0);
        size_t count = (size_t)sqlite3_column_bytes(st, 0) / ID_ENTRY_BYTES;
        for (size_t i = 0; i < count; i++)
            idfilter_add(&ids->filter,
                         (uint64_t)(int64_t)id_entry_key(entries + i * ID_ENTRY_BYTES));
    }
    return err;
}

int db_filter_catch_up(struct store *s, enum db_ids_kind kind, int64_t indexed)
{
    struct db_ids *ids = &s->ids[kind];
    if (indexed <= ids->filtered)
        return ERR_OK;
    size_t more = (size_t)(indexed - ids->filtered);
    int err = ERR_OK;
    if (ids->filter.count + more > ids->filter.capacity) {
        int64_t held = 0; /* of the segments that are left */
        err = db_int(s, &held, SEGMENT_ROWS, "i", (int64_t)kind);
        if (err == ERR_OK)
            err = idfilter_reset(&ids->filter, 2 * (size_t)held + BATCH_MAX);
        if (err == ERR_OK)
            ids->filtered = 0;
    }
    if (err == ERR_OK)
        err = fill(s, kind, ids);
    if (err == ERR_OK)
        ids->filtered = indexed;
    return err;
}
