/* Queries: out of the index, and of what is not in it yet by looking at each document. A word that
 * is everywhere is not looked up everywhere: what the filters and the order bring first is asked
 * for by itself then. */
#include "store/sqlite/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/sqlite/sqlite.h"

static void hit(struct search *q, int64_t row)
{
    if (row >= 0 && (size_t)row < q->rows)
        q->bits[(size_t)row / 64] |= UINT64_C(1) << ((size_t)row % 64);
}

static bool is_hit(const struct search *q, int64_t row)
{
    return row >= 0 && (size_t)row < q->rows &&
           (q->bits[(size_t)row / 64] >> ((size_t)row % 64) & 1) != 0;
}

/* ---- Without the index */

static bool span_has_words(const struct search *q, sqlite3_stmt *st)
{
    struct stored_span span = {
        .name = sql_column_text(st, 1),
        .model = sql_column_text(st, 2),
        .error = sql_column_text(st, 3),
        .input_data = sql_column_text(st, 4),
        .output_data = sql_column_text(st, 5),
    };
    return words_in_span(&q->words, &span);
}

static bool trace_has_words(const struct search *q, sqlite3_stmt *st)
{
    struct stored_trace t = {
        .name = sql_column_text(st, 1),
        .user_id = sql_column_text(st, 2),
        .session_id = sql_column_text(st, 3),
        .output = sql_column_text(st, 4),
    };
    return words_in_trace(&q->words, &t);
}

static int look_at(struct search *q, enum sql which, int64_t argument,
                   bool (*has_words)(const struct search *q, sqlite3_stmt *st))
{
    int err;
    sqlite3_stmt *st = sql_use(q->s, which, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", argument);
    while ((err = sql_step(q->s, st)) == 1) {
        int64_t trace = sqlite3_column_int64(st, 0);
        if (!is_hit(q, trace) && has_words(q, st))
            hit(q, trace);
    }
    return err;
}

static int look_at_unindexed(struct search *q)
{
    int err;
    int64_t traces = 0;
    int64_t spans = 0;
    int64_t again = 0;
    sqlite3_stmt *st = sql_use(q->s, SQL_ABOUT_GET, &err);
    if (st == NULL)
        return err;
    if ((err = sql_step(q->s, st)) == 1) {
        traces = sqlite3_column_int64(st, 0);
        spans = sqlite3_column_int64(st, 1);
        again = sqlite3_column_int64(st, 2);
    }
    sqlite3_reset(st);
    if (err >= 0)
        err = look_at(q, SQL_LOOK_TRACES, traces, trace_has_words);
    if (err == ERR_OK)
        err = look_at(q, SQL_LOOK_TRACES_LATER, again, trace_has_words);
    if (err == ERR_OK)
        err = look_at(q, SQL_LOOK_SPANS, spans, span_has_words);
    if (err == ERR_OK)
        err = look_at(q, SQL_LOOK_SPANS_LATER, again, span_has_words);
    return err;
}

int search_confirm(struct search *q, int64_t trace)
{
    int err;
    struct search alone = *q;
    sqlite3_stmt *st = sql_use(q->s, SQL_RESTATED_GET, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", trace);
    err = sql_step(q->s, st);
    sqlite3_reset(st);
    if (err != 1)
        return err < 0 ? err : 1;
    alone.rows = (size_t)trace + 1;
    alone.bits = calloc(alone.rows / 64 + 1, sizeof(*alone.bits));
    if (alone.bits == NULL)
        return ERR_NOMEM;
    err = look_at(&alone, SQL_LOOK_TRACE, trace, trace_has_words);
    if (err == ERR_OK)
        err = look_at(&alone, SQL_LOOK_SPANS_OF, trace, span_has_words);
    if (err == ERR_OK)
        err = is_hit(&alone, trace);
    free(alone.bits);
    return err;
}

/* ---- With it */

/* The words, each in quotes, so that none is syntax. (None has a quote in it.) Not the project:
 * what every document has would be gone through with each of them, and memory knows it of each
 * trace. */
static int make_match(struct search *q)
{
    struct buf match;
    buf_init(&match, 4096);
    int err = ERR_OK;
    for (size_t i = 0; i < q->words.count && err == ERR_OK; i++)
        err = buf_printf(&match, "\"%.*s\" ", (int)q->words.lengths[i], q->words.words[i]);
    q->match = buf_take(&match);
    buf_release(&match);
    return err == ERR_OK && q->match == NULL ? ERR_NOMEM : err;
}

static int read_parts(struct search *q)
{
    int err;
    sqlite3_stmt *st = sql_use(q->s, SQL_PARTS, &err);
    if (st == NULL)
        return err;
    while ((err = sql_step(q->s, st)) == 1) {
        struct search_part *parts = realloc(q->parts, (q->part_count + 1) * sizeof(*parts));
        if (parts == NULL) {
            sqlite3_reset(st);
            return ERR_NOMEM;
        }
        q->parts = parts;
        q->parts[q->part_count++] = (struct search_part){
            .id = sqlite3_column_int64(st, 0),
            .first_trace = sqlite3_column_int64(st, 1),
            .last_trace = sqlite3_column_int64(st, 2),
        };
    }
    return err;
}

static int prepare(struct search *q, const char *what, int64_t part, const char *rows,
                   sqlite3_stmt **out)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "SELECT %s FROM search.words_%lld WHERE words_%lld MATCH ?1%s", what,
             (long long)part, (long long)part, rows);
    if (sqlite3_prepare_v2(q->s->db, sql, -1, out, NULL) != SQLITE_OK)
        return sql_failed(q->s, "prepare a search");
    sql_bind(*out, "t", text_of(q->match));
    return ERR_OK;
}

/* Takes all that a part has. */
static int take_part(struct search *q, int64_t part, size_t *count)
{
    sqlite3_stmt *st = NULL;
    int err = prepare(q, "rowid", part, "", &st);
    while (err == ERR_OK && (err = sql_step(q->s, st)) == 1) {
        hit(q, sqlite3_column_int64(st, 0) >> 24);
        ++*count;
        err = ERR_OK;
    }
    sqlite3_finalize(st);
    return err;
}

int search_more(struct search *q)
{
    size_t count = 0;
    int err = ERR_OK;
    const struct search_limits *limits = &q->s->b->index.limits;
    while (q->taken < q->part_count && count < limits->hits && err == ERR_OK)
        err = take_part(q, q->parts[q->taken++].id, &count);
    q->complete = q->taken == q->part_count;
    q->probes = limits->probes;
    return err;
}

int search_begin(struct search *q, struct backend_session *s, const struct words_query *words)
{
    struct sql_meta meta;
    *q = (struct search){.s = s, .words = *words};
    /* The store as it is now, then the index, which may be further: nothing is in neither. */
    int err = sql_exec(s, "BEGIN");
    if (err == ERR_OK)
        err = sql_meta_read(s, &meta);
    if (err != ERR_OK)
        return err;
    q->rows = (size_t)meta.next_trace;
    q->bits = calloc(q->rows / 64 + 1, sizeof(*q->bits));
    if (q->bits == NULL)
        return ERR_NOMEM;
    err = make_match(q);
    if (err == ERR_OK)
        err = look_at_unindexed(q);
    if (err == ERR_OK)
        err = read_parts(q);
    return err == ERR_OK ? search_more(q) : err;
}

void search_end(struct search *q)
{
    for (size_t i = 0; i < q->part_count; i++)
        sqlite3_finalize(q->parts[i].probe);
    free(q->parts);
    free(q->bits);
    free(q->match);
    if (q->s != NULL && !sqlite3_get_autocommit(q->s->db))
        (void)sqlite3_exec(q->s->db, "COMMIT", NULL, NULL, NULL);
    memset(q, 0, sizeof(*q));
}

/* 1, 0: whether the part has the words in a document of the trace. */
static int probe_part(struct search *q, struct search_part *part, int64_t trace)
{
    int err = ERR_OK;
    if (part->probe == NULL)
        err = prepare(q, "1", part->id, " AND rowid BETWEEN ?2 AND ?3 LIMIT 1", &part->probe);
    if (err != ERR_OK)
        return err;
    sqlite3_bind_int64(part->probe, 2, trace << 24);
    sqlite3_bind_int64(part->probe, 3, (trace << 24) + 0xffffff);
    err = sql_step(q->s, part->probe);
    sqlite3_reset(part->probe);
    return err;
}

int search_has(struct search *q, int64_t trace)
{
    int found = is_hit(q, trace);
    for (size_t i = q->taken; i < q->part_count && found == 0; i++) {
        struct search_part *part = &q->parts[i];
        if (trace < part->first_trace || trace > part->last_trace)
            continue;
        if (q->probes-- <= 0)
            return ERR_AGAIN;
        found = probe_part(q, part, trace);
    }
    if (found == 1)
        hit(q, trace);
    return found;
}
