/* Figures: what came into the store since the last look, and what runs there. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/local/index_internal.h"
#include "store/local/local.h"
#include "store/words.h"

#define OPEN_MAX   2000 /* running traces and spans that are looked at again each time */
#define RECENT_MAX 200  /* so are the newest traces, which may still be described */

struct fill {
    struct local_index *x;
    sqlite3_stmt *put, *change, *hour, *model_find, *model_add;
    int64_t hour_told; /* the last one */
    struct buf scratch;
};

static int64_t model_id(struct fill *f, struct text name)
{
    int64_t id = 0;
    if (name.at == NULL || name.len == 0)
        return 0;
    local_bind_text(f->model_find, 1, name);
    if (index_step(f->x, f->model_find) == 1)
        id = sqlite3_column_int64(f->model_find, 0);
    sqlite3_reset(f->model_find);
    if (id != 0)
        return id;
    local_bind_text(f->model_add, 1, name);
    (void)index_step(f->x, f->model_add);
    sqlite3_reset(f->model_add);
    return sqlite3_last_insert_rowid(f->x->db);
}

static int run_with(struct fill *f, sqlite3_stmt *st, int64_t first, int64_t second)
{
    sqlite3_bind_int64(st, 1, first);
    if (sqlite3_bind_parameter_count(st) > 1)
        sqlite3_bind_int64(st, 2, second);
    int err = index_step(f->x, st);
    sqlite3_reset(st);
    return err;
}

static void bind_known(sqlite3_stmt *st, int at, double value)
{
    if (value >= 0)
        sqlite3_bind_double(st, at, value);
    else
        sqlite3_bind_null(st, at);
}

/* Columns: row, trace, start_time, end_time, tokens_input, tokens_output, cost, document. */
static int put_fact(struct fill *f, sqlite3_stmt *st)
{
    struct facts facts;
    document_facts(local_column(st, 7), &facts);
    buf_clear(&f->scratch);
    int64_t row = sqlite3_column_int64(st, 0);
    int64_t start = sqlite3_column_int64(st, 2);
    int64_t end = sqlite3_column_int64(st, 3);
    sqlite3_stmt *put = f->put;
    sqlite3_bind_int64(put, 1, row);
    sqlite3_bind_int64(put, 2, sqlite3_column_int64(st, 1));
    sqlite3_bind_int64(put, 3, start);
    bind_known(put, 4, end > 0 ? (double)(end > start ? end - start : 0) / 1e6 : -1);
    bind_known(put, 5, facts.ttft_ms);
    for (int i = 0; i < 2; i++)
        sqlite3_bind_value(put, 6 + i, sqlite3_column_value(st, 4 + i));
    if (facts.tokens_cache_read >= 0)
        sqlite3_bind_int64(put, 8, facts.tokens_cache_read);
    else
        sqlite3_bind_null(put, 8);
    sqlite3_bind_value(put, 9, sqlite3_column_value(st, 6));
    int64_t model = model_id(f, document_text(&facts.model, &f->scratch));
    if (model != 0)
        sqlite3_bind_int64(put, 10, model);
    else
        sqlite3_bind_null(put, 10);
    sqlite3_bind_int(put, 11, facts.call);
    sqlite3_bind_int(put, 12, facts.failed);
    sqlite3_bind_int(put, 13, end == 0);
    int err = index_step(f->x, put);
    sqlite3_reset(put);
    if (err == ERR_OK)
        err = run_with(f, f->change, sqlite3_column_int64(st, 1), 0);
    if (err == ERR_OK && start / INDEX_HOUR != f->hour_told) {
        f->hour_told = start / INDEX_HOUR;
        err = run_with(f, f->hour, f->hour_told, clock_wall_ns());
    }
    return err;
}

#define SPAN_COLUMNS                                                                               \
    "s.row, s.trace, s.start_time, s.end_time, s.tokens_input, s.tokens_output, s.cost,"           \
    " s.document"

/* Returns the count, or an error. */
static int put_spans(struct fill *f, const char *sql, int64_t a, int64_t b, int64_t *last)
{
    int err;
    int count = 0;
    sqlite3_stmt *st = index_prepare(f->x, sql, &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, a);
    sqlite3_bind_int64(st, 2, b);
    while ((err = index_step(f->x, st)) == 1) {
        *last = sqlite3_column_int64(st, 0);
        err = put_fact(f, st);
        count++;
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err != ERR_OK ? err : count;
}

static int prepare_all(struct fill *f)
{
    const struct {
        sqlite3_stmt **to;
        const char *sql;
    } all[] = {
        {&f->put, "INSERT OR REPLACE INTO fact"
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"},
        {&f->change, "INSERT OR IGNORE INTO changed VALUES(?1)"},
        {&f->hour, "INSERT OR REPLACE INTO hour VALUES(?1, ?2)"},
        {&f->model_find, "SELECT id FROM model WHERE name = ?1"},
        {&f->model_add, "INSERT INTO model(name) VALUES(?1)"},
    };
    int err = ERR_OK;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && err == ERR_OK; i++)
        *all[i].to = index_prepare(f->x, all[i].sql, &err);
    return err;
}

static void release_all(struct fill *f)
{
    sqlite3_stmt *const all[] = {f->put, f->change, f->hour, f->model_find, f->model_add};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    buf_release(&f->scratch);
}

#define CACHE_READ LOCAL_SUM("f.tokens_cache_read")

/* What the list is sorted and filtered by, of every trace that may have changed; a row that stays
 * the same is not written. */
static const char upsert[] =
    "INSERT INTO digest(trace, start_time, duration, cost, tokens, ttft, status, calls, "
    "tokens_cache_read, "
    "last_time, spans, errors, tokens_input, tokens_output, user_id, session_id, "
    "project_id, name, models, tags) "
    "SELECT t.row, t.start_time, iif(t.end_time > 0, t.end_time - t.start_time, NULL), t.cost,"
    " iif(t.tokens_input IS NULL AND t.tokens_output IS NULL, NULL,"
    "  coalesce(t.tokens_input, 0) + coalesce(t.tokens_output, 0)),"
    " (SELECT f.ttft FROM fact f WHERE f.trace = t.row AND f.call = 1 AND f.ttft IS NOT NULL"
    "  ORDER BY f.start_time, f.span LIMIT 1)," LOCAL_STATUS ","
    " (SELECT count(*) FROM fact f WHERE f.trace = t.row AND f.call = 1),"
    " (SELECT " CACHE_READ " FROM fact f WHERE f.trace = t.row), t.last_time,"
    " t.span_count, t.errors, t.tokens_input, t.tokens_output, t.user_id, t.session_id,"
    " t.project_id, t.name, coalesce(t.models, t.model), t.tags"
    " FROM changed c CROSS JOIN s.trace t ON t.row = c.trace WHERE true "
    "ON CONFLICT(trace) DO UPDATE SET start_time = excluded.start_time, duration = "
    "excluded.duration, "
    "cost = excluded.cost, tokens = excluded.tokens, ttft = excluded.ttft, "
    "status = excluded.status, calls = excluded.calls, "
    "tokens_cache_read = excluded.tokens_cache_read, last_time = excluded.last_time, "
    "spans = excluded.spans, errors = excluded.errors, "
    "tokens_input = excluded.tokens_input, tokens_output = excluded.tokens_output, "
    "user_id = excluded.user_id, session_id = excluded.session_id, "
    "project_id = excluded.project_id, name = excluded.name, "
    "models = excluded.models, tags = excluded.tags "
    "WHERE (digest.start_time, digest.duration, digest.cost, digest.tokens, digest.ttft, "
    "digest.status, digest.calls, digest.tokens_cache_read, digest.last_time, "
    "digest.spans, digest.errors, digest.tokens_input, digest.tokens_output, "
    "digest.user_id, digest.session_id, digest.project_id, digest.name, "
    "digest.models, digest.tags) "
    "IS NOT (excluded.start_time, excluded.duration, excluded.cost, excluded.tokens, "
    "excluded.ttft, excluded.status, excluded.calls, excluded.tokens_cache_read, "
    "excluded.last_time, excluded.spans, excluded.errors, excluded.tokens_input, "
    "excluded.tokens_output, excluded.user_id, excluded.session_id, "
    "excluded.project_id, excluded.name, excluded.models, excluded.tags)";

/* The texts of a trace itself: they may change, so their words are kept where they can. */
static int put_said(struct local_index *x)
{
    int err;
    sqlite3_stmt *put = NULL;
    sqlite3_stmt *note = NULL;
    sqlite3_stmt *st = index_prepare(
        x,
        "SELECT t.row, t.name, t.user_id, t.session_id, d.said, t.output FROM changed c"
        " CROSS JOIN s.trace t ON t.row = c.trace CROSS JOIN digest d ON d.trace = t.row",
        &err);
    if (err == ERR_OK)
        put = index_prepare(x, "INSERT OR REPLACE INTO trace_words(rowid, words) VALUES(?1, ?2)",
                            &err);
    if (err == ERR_OK)
        note = index_prepare(x, "UPDATE digest SET said = ?2 WHERE trace = ?1", &err);
    while (err == ERR_OK && (err = index_step(x, st)) == 1) {
        buf_clear(&x->words);
        const struct stored_trace t = {.name = local_column(st, 1),
                                       .user_id = local_column(st, 2),
                                       .session_id = local_column(st, 3),
                                       .output = local_column(st, 5)};
        (void)words_of_trace(&t, index_add_word, &x->words);
        int64_t hash = (int64_t)hash_bytes(1, x->words.data, x->words.len);
        err = ERR_OK;
        if (sqlite3_column_type(st, 4) != SQLITE_NULL && sqlite3_column_int64(st, 4) == hash)
            continue;
        sqlite3_bind_int64(put, 1, sqlite3_column_int64(st, 0));
        sqlite3_bind_text64(put, 2, x->words.data, x->words.len, SQLITE_STATIC, SQLITE_UTF8);
        err = index_step(x, put);
        sqlite3_reset(put);
        sqlite3_bind_int64(note, 1, sqlite3_column_int64(st, 0));
        sqlite3_bind_int64(note, 2, hash);
        if (err == ERR_OK)
            err = index_step(x, note);
        sqlite3_reset(note);
    }
    sqlite3_finalize(st);
    sqlite3_finalize(put);
    sqlite3_finalize(note);
    return err;
}

static int fill(struct fill *f, int64_t *head, int64_t *trace_head)
{
    struct local_index *x = f->x;
    int64_t ignored = 0;
    int err = index_exec(x, "DELETE FROM changed");
    if (err == ERR_OK)
        err = prepare_all(f);
    if (err != ERR_OK)
        return err;
    int count = put_spans(f,
                          "SELECT " SPAN_COLUMNS " FROM s.span s WHERE s.row > ?1"
                          " ORDER BY s.row LIMIT ?2",
                          *head, INDEX_BATCH, head);
    if (count < 0)
        return count;
    bool more = count == INDEX_BATCH;
    if (!more) {
        err = put_spans(f,
                        "SELECT " SPAN_COLUMNS " FROM (SELECT span FROM fact WHERE running"
                        " AND span <= ?1 ORDER BY span DESC LIMIT ?2) r"
                        " CROSS JOIN s.span s ON s.row = r.span",
                        INT64_MAX, OPEN_MAX, &ignored);
        if (err >= 0)
            err = index_run(x,
                            "INSERT OR IGNORE INTO changed SELECT * FROM"
                            " (SELECT trace FROM digest WHERE status = 1 ORDER BY start_time DESC"
                            " LIMIT ?1) UNION SELECT * FROM"
                            " (SELECT trace FROM digest ORDER BY trace DESC LIMIT ?2)",
                            "ii", (int64_t)OPEN_MAX, (int64_t)RECENT_MAX);
        if (err >= 0)
            err = index_run(x,
                            "INSERT OR IGNORE INTO changed SELECT row FROM s.trace"
                            " WHERE row > ?1 ORDER BY row LIMIT ?2",
                            "ii", *trace_head, (int64_t)INDEX_BATCH);
        const int64_t told = *trace_head;
        if (err >= 0) /* not beyond those taken: without spans, a trace is found by its row alone */
            err = index_get(x, trace_head,
                            "SELECT coalesce(max(row), ?1) FROM (SELECT row FROM s.trace"
                            " WHERE row > ?1 ORDER BY row LIMIT ?2)",
                            "ii", told, (int64_t)INDEX_BATCH);
        more = *trace_head - told >= INDEX_BATCH;
    }
    if (err >= 0)
        err = index_exec(x, upsert);
    if (err >= 0)
        err = put_said(x);
    return err < 0 ? err : more;
}

int index_fill(struct local_index *x)
{
    struct fill f = {.x = x, .hour_told = INT64_MIN};
    int64_t head = 0;
    int64_t trace_head = 0;
    buf_init(&f.scratch, 65536);
    int more = index_exec(x, "BEGIN IMMEDIATE");
    if (more != ERR_OK)
        return more;
    more = index_get(x, &head, "SELECT span_head FROM state", "");
    if (more == ERR_OK)
        more = index_get(x, &trace_head, "SELECT trace_head FROM state", "");
    if (more == ERR_OK)
        more = fill(&f, &head, &trace_head);
    release_all(&f);
    int err = more < 0 ? more
                       : index_run(x, "UPDATE state SET span_head = ?1, trace_head = ?2", "ii",
                                   head, trace_head);
    if (err == ERR_OK)
        err = index_exec(x, "COMMIT");
    if (err != ERR_OK) {
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
        return err;
    }
    return more;
}
