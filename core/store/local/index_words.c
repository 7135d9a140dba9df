/* Words of spans that have ended, for searches: a table of words for each INDEX_SEGMENT spans. A
 * table without the texts themselves cannot forget one of them, so one from whose spans the store
 * has dropped some is made anew of those that are left. */
#include <inttypes.h>
#include <stdio.h>

#include "store/local/index_internal.h"
#include "store/local/local.h"
#include "store/words.h"

#define BATCH      1000
#define AGAIN      (300 * NS_PER_SEC) /* between two makings of one table */
#define LATER      200
#define LOOK_EVERY 32 /* spans: whether somebody waits */
#define SQL_MAX    256

int index_add_word(void *user, const char *word, size_t len)
{
    struct buf *words = user;
    buf_append_cut(words, word, len);
    buf_append_cut(words, " ", 1);
    return ERR_OK;
}

static int run_on(struct local_index *x, const char *format, int64_t segment)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql), format, (long long)segment, (long long)segment);
    return index_exec(x, sql);
}

static int make_table(struct local_index *x, int64_t segment)
{
    int err = run_on(x, "CREATE VIRTUAL TABLE IF NOT EXISTS text_%lld USING " INDEX_FTS, segment);
    if (err == ERR_OK)
        err = index_run(x, "INSERT OR IGNORE INTO segment VALUES(?1, 0, ?2)", "ii", segment,
                        clock_wall_ns());
    return err;
}

static int drop_table(struct local_index *x, int64_t segment)
{
    int err = run_on(x, "DROP TABLE IF EXISTS text_%lld", segment);
    return err == ERR_OK ? index_run(x, "DELETE FROM segment WHERE id = ?1", "i", segment) : err;
}

static int put_words(struct local_index *x, sqlite3_stmt *put, int64_t row, struct text document)
{
    struct stored_span span;
    struct buf scratch;
    buf_init(&scratch, LOCAL_SCRATCH_MAX);
    int err = document_span(document, true, &span, &scratch);
    buf_clear(&x->words);
    if (err == ERR_OK)
        err = words_of_span(&span, index_add_word, &x->words);
    buf_release(&scratch);
    if (err != ERR_OK || x->words.len == 0)
        return err == ERR_BAD ? ERR_OK : err;
    sqlite3_bind_int64(put, 1, row);
    sqlite3_bind_text64(put, 2, x->words.data, x->words.len, SQLITE_STATIC, SQLITE_UTF8);
    err = index_step(x, put);
    sqlite3_reset(put);
    return err;
}

static sqlite3_stmt *prepare_put(struct local_index *x, int64_t segment, int *err)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql), "INSERT INTO text_%" PRId64 "(rowid, words) VALUES(?1, ?2)",
             segment);
    return index_prepare(x, sql, err);
}

/* Spans after `from` up to `to`, at most `limit`, fewer when somebody waits; *last is the last one
 * looked at: `to` when that were all. Returns the count. */
static int put_range(struct local_index *x, int64_t segment, int64_t from, int64_t to,
                     int64_t limit, int64_t *last)
{
    int err = make_table(x, segment);
    int count = 0;
    sqlite3_stmt *st = NULL;
    sqlite3_stmt *put = err == ERR_OK ? prepare_put(x, segment, &err) : NULL;
    if (err == ERR_OK)
        st = index_prepare(x,
                           "SELECT row, end_time, document FROM s.span WHERE row > ?1"
                           " AND row <= ?2 ORDER BY row LIMIT ?3",
                           &err);
    if (err == ERR_OK) {
        sqlite3_bind_int64(st, 1, from);
        sqlite3_bind_int64(st, 2, to);
        sqlite3_bind_int64(st, 3, limit);
    }
    *last = from;
    while (err == ERR_OK) {
        bool wait = limit < INDEX_SEGMENT && count % LOOK_EVERY == LOOK_EVERY - 1;
        if (wait && index_is_wanted(x))
            break;
        err = index_step(x, st);
        if (err != 1) {
            *last = err == ERR_OK && count < limit ? to : *last;
            break;
        }
        *last = sqlite3_column_int64(st, 0);
        count++;
        if (sqlite3_column_int64(st, 1) != 0)
            err = put_words(x, put, *last, local_column(st, 2));
        else
            err = index_run(x, "INSERT OR IGNORE INTO later VALUES(?1)", "i", *last);
    }
    sqlite3_finalize(st);
    sqlite3_finalize(put);
    return err < 0 ? err : count;
}

static int put_next(struct local_index *x, int64_t from, int64_t span_head)
{
    int64_t segment = from / INDEX_SEGMENT; /* of row from + 1 */
    int64_t end = (segment + 1) * INDEX_SEGMENT;
    int64_t to = end < span_head ? end : span_head;
    int64_t last;
    int count = put_range(x, segment, from, to, BATCH, &last);
    if (count < 0)
        return count;
    int err = index_run(x, "UPDATE state SET text_head = ?1", "i", last);
    if (err == ERR_OK && last == end)
        err = run_on(x, "INSERT INTO text_%lld(text_%lld) VALUES('optimize')", segment);
    return err;
}

/* Those that ran when it was their turn, and have ended. Returns the count. */
static int put_later(struct local_index *x)
{
    int err;
    int count = 0;
    sqlite3_stmt *st =
        index_prepare(x,
                      "SELECT s.row, s.document FROM later l CROSS JOIN s.span s ON s.row = l.span"
                      " WHERE s.end_time <> 0 LIMIT ?1",
                      &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, LATER);
    while ((err = index_step(x, st)) == 1) {
        int64_t row = sqlite3_column_int64(st, 0);
        int64_t segment = (row - 1) / INDEX_SEGMENT;
        err = make_table(x, segment);
        sqlite3_stmt *put = err == ERR_OK ? prepare_put(x, segment, &err) : NULL;
        if (err == ERR_OK)
            err = put_words(x, put, row, local_column(st, 1));
        sqlite3_finalize(put);
        if (err == ERR_OK)
            err = index_run(x, "DELETE FROM later WHERE span = ?1", "i", row);
        count++;
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err < 0 ? err : count;
}

/* A table with words of spans that are gone: at once when all are, else after a while, since the
 * store drops them in many small steps. Returns 1 when there was one. */
static int make_anew(struct local_index *x, int64_t text_head)
{
    int64_t segment;
    int64_t last;
    int err =
        index_get(x, &segment,
                  "SELECT id FROM segment WHERE gone > 0 AND (made < ?1 OR NOT EXISTS (SELECT 1"
                  " FROM fact WHERE span > id * ?2 AND span <= (id + 1) * ?2)) LIMIT 1",
                  "ii", clock_wall_ns() - AGAIN, INDEX_SEGMENT);
    if (err != ERR_OK)
        return err == ERR_NOENT ? 0 : err;
    int64_t begin = segment * INDEX_SEGMENT;
    int64_t end = begin + INDEX_SEGMENT < text_head ? begin + INDEX_SEGMENT : text_head;
    err = drop_table(x, segment);
    int count = err == ERR_OK ? put_range(x, segment, begin, end, INDEX_SEGMENT, &last) : err;
    if (count == 0)
        count = drop_table(x, segment);
    return count < 0 ? count : 1;
}

static int step(struct local_index *x)
{
    int64_t span_head = 0;
    int64_t text_head = 0;
    int err = index_get(x, &span_head, "SELECT span_head FROM state", "");
    if (err == ERR_OK)
        err = index_get(x, &text_head, "SELECT text_head FROM state", "");
    if (err != ERR_OK)
        return err;
    if (text_head < span_head) {
        err = put_next(x, text_head, span_head);
        return err == ERR_OK ? 1 : err;
    }
    int count = put_later(x);
    return count == 0 ? make_anew(x, text_head) : count;
}

int index_words(struct local_index *x)
{
    int more = index_exec(x, "BEGIN IMMEDIATE");
    if (more != ERR_OK)
        return more;
    more = step(x);
    int err = more < 0 ? more : index_exec(x, "COMMIT; PRAGMA incremental_vacuum(256)");
    if (err != ERR_OK)
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    return err != ERR_OK ? err : more > 0;
}
