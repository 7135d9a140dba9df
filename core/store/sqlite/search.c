/* Which traces have the words of a query: out of the index, and of what is not in it yet by looking
 * at each span. */
#include "store/sqlite/search.h"

#include <stdlib.h>
#include <string.h>

void search_hits_release(struct search_hits *hits)
{
    free(hits->bits);
    memset(hits, 0, sizeof(*hits));
}

static void hit(struct search_hits *hits, int64_t row)
{
    if (row >= 0 && (size_t)row < hits->rows)
        hits->bits[(size_t)row / 64] |= UINT64_C(1) << ((size_t)row % 64);
}

bool search_is_hit(const struct search_hits *hits, int64_t row)
{
    return row >= 0 && (size_t)row < hits->rows &&
           (hits->bits[(size_t)row / 64] >> ((size_t)row % 64) & 1) != 0;
}

static int look_at_spans(struct backend_session *s, const struct words_query *q, int64_t after,
                         struct search_hits *hits)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_SPAN_WORDS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", after);
    while ((err = sql_step(s, st)) == 1) {
        struct stored_span span = {
            .name = sql_column_text(st, 1),
            .model = sql_column_text(st, 2),
            .error = sql_column_text(st, 3),
            .input_data = sql_column_text(st, 4),
            .output_data = sql_column_text(st, 5),
        };
        if (!search_is_hit(hits, sqlite3_column_int64(st, 0)) && words_in_span(q, &span))
            hit(hits, sqlite3_column_int64(st, 0));
    }
    return err;
}

static int look_at_traces(struct backend_session *s, const struct words_query *q, int64_t after,
                          struct search_hits *hits)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_WORDS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", after);
    while ((err = sql_step(s, st)) == 1) {
        struct stored_trace t = {
            .name = sql_column_text(st, 1),
            .user_id = sql_column_text(st, 2),
            .session_id = sql_column_text(st, 3),
            .output = sql_column_text(st, 4),
        };
        if (words_in_trace(q, &t))
            hit(hits, sqlite3_column_int64(st, 0));
    }
    return err;
}

int search_find(struct backend_session *s, const struct words_query *q, struct search_hits *hits)
{
    pthread_rwlock_rdlock(&s->b->memory_lock);
    hits->rows = s->b->shelf.count * SHELF_CHUNK;
    pthread_rwlock_unlock(&s->b->memory_lock);
    hits->bits = calloc(hits->rows / 64 + 1, sizeof(*hits->bits));
    if (hits->bits == NULL)
        return ERR_NOMEM;
    int err = look_at_traces(s, q, 0, hits);
    return err == ERR_OK ? look_at_spans(s, q, 0, hits) : err;
}
