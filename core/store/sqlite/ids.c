#include "store/sqlite/ids.h"

#include <stdlib.h>
#include <string.h>

#include "store/id_entry.h"
#include "store/sqlite/sqlite.h"

enum { CHUNK_BITS = 7, CHUNKS = 1 << CHUNK_BITS };
enum { SEGMENT_ROWS = 32768, FILTER_MIN = 1 << 18, FILTER_MAX = 1 << 24 };

uint64_t ids_hash(const struct backend *b, struct text id)
{
    return hash_bytes(b->hash_seed, id.at, id.len);
}

/* Hashes are spread evenly, so that their first bits say which chunk of a segment has them. */
static int64_t chunk_row(int64_t segment, uint64_t key)
{
    return segment * CHUNKS + (int64_t)(key >> (64 - CHUNK_BITS));
}

/* ---- Finding */

/* Whether the row is there and has the id. */
static int check_row(struct backend_session *s, enum ids_kind kind, struct text id, int64_t row)
{
    int err;
    sqlite3_stmt *st = sql_use(s, kind == IDS_OF_TRACES ? SQL_TRACE_ID : SQL_SPAN_ID, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    err = sql_step(s, st);
    bool same = err == 1 && text_same(sql_column_text(st, 0), id);
    sqlite3_reset(st);
    return err < 0 ? err : same ? ERR_OK : ERR_NOENT;
}

static int find_in_chunk(struct backend_session *s, enum ids_kind kind, struct text id,
                         uint64_t key, int64_t first_row, struct text chunk, int64_t *row)
{
    const uint8_t *entries = (const uint8_t *)chunk.at;
    size_t low = 0;
    size_t count = chunk.len / ID_ENTRY_BYTES;
    size_t end = count;
    while (count > 0) {
        size_t half = count / 2;
        if (id_entry_key(entries + (low + half) * ID_ENTRY_BYTES) < key) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    for (; low < end && id_entry_key(entries + low * ID_ENTRY_BYTES) == key; low++) {
        *row = first_row + id_entry_offset(entries + low * ID_ENTRY_BYTES);
        int err = check_row(s, kind, id, *row);
        if (err != ERR_NOENT)
            return err;
    }
    return ERR_NOENT;
}

/* The newest segments first: an id that was purged and made again is there. */
static int find_in_segments(struct backend_session *s, enum ids_kind kind, struct text id,
                            uint64_t key, int64_t *row)
{
    int err;
    int found = ERR_NOENT;
    sqlite3_stmt *segments = sql_use(s, SQL_SEGMENTS, &err);
    sqlite3_stmt *chunk = segments == NULL ? NULL : sql_use(s, SQL_CHUNK_GET, &err);
    if (chunk == NULL)
        return err;
    sql_bind(segments, "i", (int64_t)kind);
    while (found == ERR_NOENT && (err = sql_step(s, segments)) == 1) {
        sql_bind(chunk, "i", chunk_row(sqlite3_column_int64(segments, 0), key));
        err = sql_step(s, chunk);
        if (err == 1)
            found = find_in_chunk(s, kind, id, key, sqlite3_column_int64(segments, 1),
                                  sql_column_text(chunk, 0), row);
        else if (err < 0)
            found = err;
        sqlite3_reset(chunk);
    }
    sqlite3_reset(segments);
    return err < 0 ? err : found;
}

int ids_find(struct backend_session *s, enum ids_kind kind, struct text id, int64_t *row)
{
    struct ids *ids = &s->b->ids[kind];
    uint64_t key = ids_hash(s->b, id);
    pthread_rwlock_rdlock(&s->b->memory_lock);
    *row = idmap_get(&ids->recent, key);
    bool maybe = *row == 0 && idfilter_has(&ids->filter, key);
    pthread_rwlock_unlock(&s->b->memory_lock);
    if (*row != 0)
        return check_row(s, kind, id, *row);
    return maybe ? find_in_segments(s, kind, id, key, row) : ERR_NOENT;
}

/* ---- Memory */

int ids_add(struct backend *b, enum ids_kind kind, uint64_t hash, int64_t row)
{
    return idmap_set(&b->ids[kind].recent, hash, row);
}

static void filter_chunk(struct idfilter *filter, struct text chunk)
{
    const uint8_t *entries = (const uint8_t *)chunk.at;
    for (size_t at = 0; at + ID_ENTRY_BYTES <= chunk.len; at += ID_ENTRY_BYTES)
        idfilter_add(filter, id_entry_key(entries + at));
}

static int fill_filter(struct backend_session *s, enum ids_kind kind)
{
    int err;
    struct idfilter *filter = &s->b->ids[kind].filter;
    int64_t indexed = s->b->ids[kind].indexed;
    size_t capacity = FILTER_MIN;
    while (capacity < FILTER_MAX && (int64_t)capacity < 2 * indexed)
        capacity *= 2;
    sqlite3_stmt *st = sql_use(s, SQL_CHUNKS_ALL, &err);
    if (st == NULL)
        return err;
    if (idfilter_reset(filter, capacity) != ERR_OK)
        return ERR_NOMEM;
    sql_bind(st, "i", (int64_t)kind);
    while ((err = sql_step(s, st)) == 1)
        filter_chunk(filter, sql_column_text(st, 0));
    return err;
}

int ids_open(struct backend_session *s, enum ids_kind kind)
{
    int err;
    struct ids *ids = &s->b->ids[kind];
    idmap_init(&ids->recent, s->b->hash_seed);
    idfilter_init(&ids->filter, s->b->hash_seed);
    ids->indexed = kind == IDS_OF_TRACES ? s->b->meta.indexed_trace : s->b->meta.indexed_span;
    sqlite3_stmt *st = sql_use(s, kind == IDS_OF_TRACES ? SQL_TRACE_HASHES : SQL_SPAN_HASHES, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", ids->indexed);
    while ((err = sql_step(s, st)) == 1) {
        err = idmap_set(&ids->recent, (uint64_t)sqlite3_column_int64(st, 1),
                        sqlite3_column_int64(st, 0));
        if (err != ERR_OK)
            break;
    }
    sqlite3_reset(st);
    return err == ERR_OK ? fill_filter(s, kind) : err;
}

void ids_release(struct ids *ids)
{
    idmap_release(&ids->recent);
    idfilter_release(&ids->filter);
}

/* ---- Segments */

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct idmap_entry *)a)->key;
    uint64_t y = ((const struct idmap_entry *)b)->key;
    return (x > y) - (x < y);
}

static int write_chunk(struct backend_session *s, int64_t segment,
                       const struct idmap_entry *entries, size_t count, int64_t first_row)
{
    uint8_t *bytes = malloc(count * ID_ENTRY_BYTES);
    if (bytes == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        id_entry_put(bytes + i * ID_ENTRY_BYTES, entries[i].key,
                     (uint64_t)(entries[i].row - first_row));
    int err = sql_run(s, SQL_CHUNK_PUT, "ib", chunk_row(segment, entries[0].key),
                      (struct text){(char *)bytes, count * ID_ENTRY_BYTES});
    free(bytes);
    return err;
}

static int write_segment(struct backend_session *s, enum ids_kind kind, struct idmap_entry *entries,
                         size_t count, int64_t first_row, int64_t last_row)
{
    qsort(entries, count, sizeof(*entries), by_key);
    int err = sql_run(s, SQL_SEGMENT_PUT, "iii", (int64_t)kind, first_row, last_row);
    int64_t segment = sqlite3_last_insert_rowid(s->db);
    for (size_t at = 0; at < count && err == ERR_OK;) {
        size_t end = at;
        while (end < count &&
               chunk_row(segment, entries[end].key) == chunk_row(segment, entries[at].key))
            end++;
        err = write_chunk(s, segment, entries + at, end - at, first_row);
        at = end;
    }
    return err;
}

int ids_index(struct backend_session *s, enum ids_kind kind, int64_t *upto)
{
    struct ids *ids = &s->b->ids[kind];
    const struct sql_meta *meta = &s->b->meta; /* as memory has it: before this transaction */
    int64_t last = (kind == IDS_OF_TRACES ? meta->next_trace : meta->next_span) - 1;
    *upto = 0;
    if (last - ids->indexed < SEGMENT_ROWS)
        return ERR_OK;
    size_t count = 0;
    struct idmap_entry *entries = malloc((ids->recent.count + 1) * sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < ids->recent.cap; i++)
        if (ids->recent.entries[i].row > ids->indexed)
            entries[count++] = ids->recent.entries[i];
    int err = write_segment(s, kind, entries, count, ids->indexed + 1, last);
    free(entries);
    *upto = last;
    return err;
}

void ids_indexed(struct backend *b, enum ids_kind kind, int64_t upto)
{
    struct ids *ids = &b->ids[kind];
    for (size_t i = 0; i < ids->recent.cap; i++)
        if (ids->recent.entries[i].row != 0 && ids->recent.entries[i].row <= upto)
            idfilter_add(&ids->filter, ids->recent.entries[i].key);
    idmap_forget(&ids->recent, upto);
    ids->indexed = upto;
}

bool ids_filter_is_full(const struct ids *ids)
{
    return ids->filter.count > ids->filter.capacity && ids->filter.capacity < FILTER_MAX;
}

int ids_refill(struct backend_session *s, enum ids_kind kind)
{
    return fill_filter(s, kind);
}

static int segment_is_empty(struct backend_session *s, enum ids_kind kind, int64_t first,
                            int64_t last)
{
    int err;
    sqlite3_stmt *st =
        sql_use(s, kind == IDS_OF_TRACES ? SQL_TRACE_IN_RANGE : SQL_SPAN_IN_RANGE, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "ii", first, last);
    err = sql_step(s, st);
    sqlite3_reset(st);
    return err < 0 ? err : err == 0;
}

int ids_drop(struct backend_session *s, enum ids_kind kind)
{
    enum { MOST = 64 };
    int64_t empty[MOST];
    size_t count = 0;
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_SEGMENTS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", (int64_t)kind);
    while ((err = sql_step(s, st)) == 1 && count < MOST) {
        err = segment_is_empty(s, kind, sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2));
        if (err < 0)
            break;
        if (err == 1)
            empty[count++] = sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    for (size_t i = 0; i < count && err >= 0; i++) {
        err = sql_run(s, SQL_CHUNKS_DROP, "ii", empty[i] * CHUNKS, (empty[i] + 1) * CHUNKS);
        if (err == ERR_OK)
            err = sql_run(s, SQL_SEGMENT_DROP, "i", empty[i]);
    }
    return err < 0 ? err : (int)count;
}
