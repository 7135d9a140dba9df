/* Fills the index behind the writes. It writes to its own file alone, so that no writer waits for
 * it; what a writer changed after it was looked at comes by the table `again`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/sqlite/sqlite.h"

enum { BATCH_DOCUMENTS = 8000, BATCH_BYTES = 8 << 20 };
#define DAY_NS INT64_C(86400000000000)

enum kind { KIND_TRACE, KIND_SPAN };

struct document {
    int64_t trace;
    size_t at, len; /* in the batch's text */
};

/* What one step reads and writes. */
struct work {
    struct backend_session *s;
    struct buf text;
    struct document *documents;
    size_t count;
    int64_t done[2];  /* rows by kind */
    int64_t last[2];  /* the last there is */
    int64_t quota[2]; /* how many new ones are read */
    int64_t later[2]; /* how many wait */
    bool force[2];    /* too many: they are taken as they are */
    int64_t again_done, forced[2], total;
    bool more, dropped;
};

static int add_word(void *user, const char *word, size_t len)
{
    struct buf *text = user;
    int err = buf_append(text, word, len);
    return err == ERR_OK ? buf_append_char(text, ' ') : err;
}

static void begin_document(struct work *w, int64_t trace)
{
    w->documents[w->count] = (struct document){.trace = trace, .at = w->text.len};
}

static void end_document(struct work *w)
{
    w->documents[w->count].len = w->text.len - w->documents[w->count].at;
    w->count++;
}

static bool is_full(const struct work *w)
{
    return w->count == BATCH_DOCUMENTS || w->text.len > BATCH_BYTES;
}

/* ---- Reading */

static int take_span(struct work *w, sqlite3_stmt *st)
{
    struct stored_span span = {
        .name = sql_column_text(st, 3),
        .model = sql_column_text(st, 4),
        .error = sql_column_text(st, 5),
        .input_data = sql_column_text(st, 6),
        .output_data = sql_column_text(st, 7),
    };
    begin_document(w, sqlite3_column_int64(st, 2));
    int err = words_of_span(&span, add_word, &w->text);
    if (err == ERR_OK)
        end_document(w);
    return err;
}

static int take_trace(struct work *w, sqlite3_stmt *st)
{
    struct stored_trace t = {
        .name = sql_column_text(st, 3),
        .user_id = sql_column_text(st, 4),
        .session_id = sql_column_text(st, 5),
        .output = sql_column_text(st, 6),
    };
    begin_document(w, sqlite3_column_int64(st, 2));
    int err = words_of_trace(&t, add_word, &w->text);
    if (err == ERR_OK)
        end_document(w);
    return err;
}

static int take(struct work *w, enum kind kind, sqlite3_stmt *st)
{
    return kind == KIND_SPAN ? take_span(w, st) : take_trace(w, st);
}

/* New rows; those that run are left for later. */
static int read_new(struct work *w, enum kind kind)
{
    int err;
    int64_t count = 0;
    struct backend_session *s = w->s;
    sqlite3_stmt *st = sql_use(s, kind == KIND_SPAN ? SQL_SEARCH_SPANS : SQL_SEARCH_TRACES, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "ii", w->done[kind], w->quota[kind]);
    while (!is_full(w) && (err = sql_step(s, st)) == 1) {
        w->done[kind] = sqlite3_column_int64(st, 0);
        w->more = true;
        count++;
        if (sqlite3_column_int64(st, 1) == 0)
            err = sql_run(s, SQL_LATER_PUT, "ii", (int64_t)kind, w->done[kind]);
        else
            err = take(w, kind, st);
        if (err != ERR_OK)
            break;
    }
    sqlite3_reset(st);
    if (err == 0 && count < w->quota[kind] && !is_full(w))
        w->done[kind] = w->last[kind]; /* the last ones may have been purged */
    return err < 0 ? err : ERR_OK;
}

static int read_row(struct work *w, enum kind kind, int64_t row, bool even_running, bool *taken)
{
    int err;
    *taken = true; /* what is gone has nothing to be indexed */
    sqlite3_stmt *st = sql_use(w->s, kind == KIND_SPAN ? SQL_SEARCH_SPAN : SQL_SEARCH_TRACE, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    err = sql_step(w->s, st);
    if (err == 1) {
        *taken = even_running || sqlite3_column_int64(st, 1) != 0;
        err = *taken ? take(w, kind, st) : ERR_OK;
    }
    sqlite3_reset(st);
    return err;
}

/* What ran when it was met, as far as it has ended; when there is too much of it, all. */
static int read_later(struct work *w, enum kind kind)
{
    int err;
    int64_t rows[BATCH_DOCUMENTS / 2];
    size_t count = 0;
    enum sql which = w->force[kind]      ? SQL_LATER_FIRST
                     : kind == KIND_SPAN ? SQL_LATER_SPANS_ENDED
                                         : SQL_LATER_TRACES_ENDED;
    sqlite3_stmt *st = w->later[kind] == 0 ? NULL : sql_use(w->s, which, &err);
    if (w->later[kind] == 0)
        return ERR_OK;
    if (st == NULL)
        return err;
    sql_bind(st, "ii", (int64_t)kind, (int64_t)BATCH_DOCUMENTS / 2);
    while (count < BATCH_DOCUMENTS / 2 && (err = sql_step(w->s, st)) == 1)
        rows[count++] = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    for (size_t i = 0; i < count && err >= 0 && !is_full(w); i++) {
        bool taken;
        err = read_row(w, kind, rows[i], w->force[kind], &taken);
        if (err == ERR_OK && taken)
            err = sql_run(w->s, SQL_LATER_DELETE, "ii", (int64_t)kind, rows[i]);
        w->more = true;
    }
    return err < 0 ? err : ERR_OK;
}

struct change {
    int64_t seq, row, trace;
    enum kind kind;
};

/* What was changed after it had been indexed. */
static int read_again(struct work *w)
{
    int err;
    struct change changes[256];
    size_t count = 0;
    sqlite3_stmt *st = sql_use(w->s, SQL_AGAIN_NEXT, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", w->again_done);
    while (count < 256 && (err = sql_step(w->s, st)) == 1)
        changes[count++] =
            (struct change){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 2),
                            sqlite3_column_int64(st, 3), (enum kind)sqlite3_column_int(st, 1)};
    sqlite3_reset(st);
    for (size_t i = 0; i < count && err >= 0 && !is_full(w); i++) {
        bool taken;
        err = read_row(w, changes[i].kind, changes[i].row, true, &taken);
        if (err == ERR_OK)
            err = sql_run(w->s, SQL_RESTATED_PUT, "i", changes[i].trace);
        w->again_done = changes[i].seq;
        w->more = true;
    }
    return err < 0 ? err : ERR_OK;
}

/* ---- Writing */

static int by_trace(const void *a, const void *b)
{
    int64_t x = ((const struct document *)a)->trace;
    int64_t y = ((const struct document *)b)->trace;
    return (x > y) - (x < y);
}

static int new_part(struct work *w, int64_t *part)
{
    char sql[400];
    int err = sql_run(w->s, SQL_PART_PUT, "i", clock_wall_ns());
    *part = sqlite3_last_insert_rowid(w->s->db);
    snprintf(sql, sizeof(sql),
             "CREATE VIRTUAL TABLE search.words_%" PRId64 " USING fts5(words, content='',"
             " columnsize=0, detail=none, tokenize='words');"
             "INSERT INTO search.words_%" PRId64 "(words_%" PRId64 ", rank)"
             " VALUES('hashsize', 4194304)",
             *part, *part, *part);
    return err == ERR_OK ? sql_exec(w->s, sql) : err;
}

/* The part that documents go to now. */
static int current_part(struct work *w, int64_t *part)
{
    int err;
    sqlite3_stmt *st = sql_use(w->s, SQL_PART_LAST, &err);
    if (st == NULL)
        return err;
    err = sql_step(w->s, st);
    bool room = err == 1 && sqlite3_column_int64(st, 1) < w->s->b->index.limits.part_documents &&
                clock_wall_ns() - sqlite3_column_int64(st, 2) < DAY_NS;
    if (err == 1)
        *part = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    if (err < 0)
        return err;
    return room ? ERR_OK : new_part(w, part);
}

static int insert_documents(struct work *w, int64_t part)
{
    char sql[100];
    sqlite3_stmt *st = NULL;
    snprintf(sql, sizeof(sql), "INSERT INTO search.words_%" PRId64 "(rowid, words) VALUES(?1, ?2)",
             part);
    if (sqlite3_prepare_v2(w->s->db, sql, -1, &st, NULL) != SQLITE_OK)
        return sql_failed(w->s, "prepare a statement");
    int err = ERR_OK;
    for (size_t i = 0; i < w->count && err == ERR_OK; i++) {
        const struct document *d = &w->documents[i];
        sql_bind(st, "it", d->trace << 24 | (w->total++ & 0xffffff),
                 (struct text){buf_str(&w->text) + d->at, d->len});
        err = sql_step(w->s, st);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    return err;
}

static int write_documents(struct work *w)
{
    int64_t part = 0;
    if (w->count == 0)
        return ERR_OK;
    /* FTS5 is quick with ascending rows. */
    qsort(w->documents, w->count, sizeof(*w->documents), by_trace);
    int err = current_part(w, &part);
    if (err == ERR_OK)
        err = insert_documents(w, part);
    return err == ERR_OK ? sql_run(w->s, SQL_PART_ADD, "iiii", part, (int64_t)w->count,
                                   w->documents[0].trace, w->documents[w->count - 1].trace)
                         : err;
}

/* A part of which no trace is left goes. */
static int drop_part(struct work *w)
{
    int err;
    int64_t part = 0;
    char sql[80];
    sqlite3_stmt *st = sql_use(w->s, SQL_PARTS, &err);
    if (st == NULL)
        return err;
    while (part == 0 && (err = sql_step(w->s, st)) == 1) {
        pthread_rwlock_rdlock(&w->s->b->memory_lock);
        if (!shelf_any(&w->s->b->shelf, sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2)))
            part = sqlite3_column_int64(st, 0);
        pthread_rwlock_unlock(&w->s->b->memory_lock);
    }
    sqlite3_reset(st);
    if (err < 0 || part == 0)
        return err < 0 ? err : ERR_OK;
    snprintf(sql, sizeof(sql), "DROP TABLE search.words_%" PRId64, part);
    err = sql_exec(w->s, sql);
    if (err == ERR_OK)
        err = sql_run(w->s, SQL_PART_DELETE, "i", part);
    if (err == ERR_OK)
        err = sql_run(w->s, SQL_RESTATED_TIDY, "");
    w->more = true;
    w->dropped = true;
    return err;
}

/* ---- Steps */

static int read_about(struct work *w)
{
    int err;
    sqlite3_stmt *st = sql_use(w->s, SQL_ABOUT_GET, &err);
    if (st == NULL)
        return err;
    err = sql_step(w->s, st);
    if (err == 1) {
        w->done[KIND_TRACE] = sqlite3_column_int64(st, 0);
        w->done[KIND_SPAN] = sqlite3_column_int64(st, 1);
        w->again_done = sqlite3_column_int64(st, 2);
        w->forced[KIND_TRACE] = sqlite3_column_int64(st, 3);
        w->forced[KIND_SPAN] = sqlite3_column_int64(st, 4);
        w->total = sqlite3_column_int64(st, 5);
    }
    sqlite3_reset(st);
    return err == 1 ? ERR_OK : err == 0 ? ERR_CORRUPT : err;
}

static int fill(struct work *w)
{
    int err = read_again(w);
    for (int kind = KIND_TRACE; kind <= KIND_SPAN; kind++) {
        if (err == ERR_OK)
            err = read_later(w, (enum kind)kind);
        if (err == ERR_OK)
            err = read_new(w, (enum kind)kind);
    }
    if (err == ERR_OK)
        err = write_documents(w);
    if (err == ERR_OK && !w->more)
        err = drop_part(w);
    return err == ERR_OK
               ? sql_run(w->s, SQL_ABOUT_SET, "iiiiii", w->done[KIND_TRACE], w->done[KIND_SPAN],
                         w->again_done, w->forced[KIND_TRACE], w->forced[KIND_SPAN], w->total)
               : err;
}

static int count_later(struct work *w, enum kind kind, int64_t *count)
{
    int err;
    sqlite3_stmt *st = sql_use(w->s, SQL_LATER_COUNT, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", (int64_t)kind);
    err = sql_step(w->s, st);
    if (err == 1)
        *count = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

/* Traces and spans come evenly, so that a part has traces that follow each other. */
static void share(struct work *w, const struct sql_meta *meta)
{
    w->last[KIND_TRACE] = meta->next_trace - 1;
    w->last[KIND_SPAN] = meta->next_span - 1;
    int64_t left[2] = {w->last[0] - w->done[0], w->last[1] - w->done[1]};
    for (int kind = KIND_TRACE; kind <= KIND_SPAN; kind++)
        if (left[kind] > 0)
            w->quota[kind] = 1 + (BATCH_DOCUMENTS - 1) * left[kind] / (left[0] + left[1]);
}

/* Begins the transaction, and says what it may look at: whoever changes such a row after that knows
 * of it. No writer is between its look at that and its commit. */
static int begin(struct search_index *x, struct work *w)
{
    int err = sql_exec(w->s, "BEGIN");
    if (err == ERR_OK)
        err = read_about(w);
    for (int kind = KIND_TRACE; kind <= KIND_SPAN && err == ERR_OK; kind++) {
        err = count_later(w, (enum kind)kind, &w->later[kind]);
        w->force[kind] = w->later[kind] > SEARCH_LATER_MAX;
        if (w->force[kind])
            w->forced[kind] = w->done[kind];
    }
    struct sql_meta meta;
    if (err == ERR_OK)
        err = sql_meta_read(w->s, &meta); /* from here on the store's file is read as it is now */
    if (err == ERR_OK) {
        share(w, &meta);
        x->claimed_trace = w->last[KIND_TRACE];
        x->claimed_span = w->last[KIND_SPAN];
        x->forced_trace = w->forced[KIND_TRACE];
        x->forced_span = w->forced[KIND_SPAN];
    }
    return err;
}

int search_index_step(struct search_index *x)
{
    struct work w = {.s = x->session};
    struct backend *b = x->session->b;
    buf_init(&w.text, (size_t)64 << 20);
    w.documents = malloc(BATCH_DOCUMENTS * sizeof(*w.documents));
    int err = ERR_NOMEM;
    if (w.documents != NULL) {
        pthread_mutex_lock(&b->writing);
        err = begin(x, &w);
        pthread_mutex_unlock(&b->writing);
    }
    if (err == ERR_OK)
        err = fill(&w);
    if (err == ERR_OK)
        err = sql_exec(w.s, "COMMIT");
    if (err == ERR_OK) {
        pthread_mutex_lock(&b->writing);
        x->again_done = w.again_done;
        pthread_mutex_unlock(&b->writing);
        search_index_done(x, w.done[KIND_TRACE] + w.done[KIND_SPAN]);
    } else if (!sqlite3_get_autocommit(w.s->db)) {
        (void)sqlite3_exec(w.s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (err == ERR_OK && w.dropped)
        err = sql_exec(w.s, "PRAGMA search.incremental_vacuum");
    buf_release(&w.text);
    free(w.documents);
    return err == ERR_OK ? w.more : err;
}

int search_index_open(struct search_index *x, struct backend_session *session)
{
    struct work w = {.s = session};
    search_index_init(x, session);
    int err = read_about(&w);
    x->claimed_trace = w.done[KIND_TRACE];
    x->claimed_span = w.done[KIND_SPAN];
    x->forced_trace = w.forced[KIND_TRACE];
    x->forced_span = w.forced[KIND_SPAN];
    x->again_done = w.again_done;
    x->done = w.done[KIND_TRACE] + w.done[KIND_SPAN];
    x->committed = x->session->b->meta.next_trace + x->session->b->meta.next_span - 2;
    return err;
}
