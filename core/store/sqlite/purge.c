/* Deletes what is too old, some rows a step. A trace goes first, its spans with it or, when they
 * are many, in the next steps: nobody sees them any more. */
#include "store/sqlite/rollup.h"

enum { SPANS_A_STEP = 1000, TRACES_A_STEP = 250, FREE_PAGES_MIN = 1024 };

struct step {
    struct backend_session *s;
    int64_t rows[TRACES_A_STEP]; /* deleted traces */
    size_t count;
    int spans;
};

static void read_doomed_span(sqlite3_stmt *st, struct stored_span *span)
{
    *span = (struct stored_span){
        .start_time = sqlite3_column_int64(st, 1),
        .end_time = sqlite3_column_int64(st, 2),
        .type = (enum span_type)sqlite3_column_int(st, 3),
        .tokens_input = statement_figure(st, 4),
        .tokens_output = statement_figure(st, 5),
        .tokens_cache_read = statement_figure(st, 6),
        .cost_usd = sql_column_number(st, 7),
        .ttft_ms = sql_column_number(st, 8),
        .model = sql_column_text(st, 9),
    };
    if (sqlite3_column_int(st, 10) != 0)
        span->error = text_of("failed");
}

/* Takes the spans of a trace that is gone, as many as the step has room for, out of the totals and
 * the file; *left: there are more. */
static int delete_spans(struct step *step, int64_t row, const struct stored_trace *trace,
                        bool *left)
{
    int err;
    struct backend_session *s = step->s;
    int64_t rows[SPANS_A_STEP];
    int count = 0;
    int room = SPANS_A_STEP - step->spans;
    sqlite3_stmt *st = sql_use(s, SQL_SPANS_DOOMED, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "ii", row, (int64_t)room);
    while ((err = sql_step(s, st)) == 1 && count < room) {
        struct stored_span span;
        read_doomed_span(st, &span);
        rows[count++] = sqlite3_column_int64(st, 0);
        err = rollup_span(&s->batch, trace, &span, -1);
        if (err != ERR_OK)
            break;
    }
    sqlite3_reset(st);
    for (int i = 0; i < count && err >= 0; i++)
        err = sql_run(s, SQL_SPAN_DELETE, "i", rows[i]);
    step->spans += count;
    *left = count == room;
    return err < 0 ? err : ERR_OK;
}

/* The first trace that is gone with spans left. 1, 0: none. */
static int first_doomed(struct step *step, int64_t *row, struct stored_trace *trace)
{
    int err;
    struct scratch *keep = &step->s->batch.scratch;
    sqlite3_stmt *st = sql_use(step->s, SQL_DOOMED_FIRST, &err);
    if (st == NULL)
        return err;
    err = sql_step(step->s, st);
    if (err == 1) {
        *row = sqlite3_column_int64(st, 0);
        *trace = (struct stored_trace){.start_time = sqlite3_column_int64(st, 1)};
        if (scratch_copy(keep, sql_column_text(st, 2), &trace->project_id) != ERR_OK ||
            scratch_copy(keep, sql_column_text(st, 3), &trace->user_id) != ERR_OK ||
            scratch_copy(keep, sql_column_text(st, 4), &trace->session_id) != ERR_OK)
            err = ERR_NOMEM;
    }
    sqlite3_reset(st);
    return err;
}

static int finish_doomed(struct step *step)
{
    int err = ERR_OK;
    while (err == ERR_OK && step->spans < SPANS_A_STEP) {
        int64_t row = 0;
        struct stored_trace trace;
        bool left = false;
        err = first_doomed(step, &row, &trace);
        if (err != 1)
            return err;
        err = delete_spans(step, row, &trace, &left);
        if (err == ERR_OK && !left)
            err = sql_run(step->s, SQL_DOOMED_DELETE, "i", row);
    }
    return err;
}

/* Nobody sees the trace any more. */
static int doom(struct step *step, int64_t row)
{
    int err;
    struct backend_session *s = step->s;
    struct stored_trace trace = {.start_time = 0};
    struct scratch *keep = &s->batch.scratch;
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_TOTALS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    err = sql_step(s, st);
    if (err == 1) {
        trace.start_time = sqlite3_column_int64(st, 0);
        if (scratch_copy(keep, sql_column_text(st, 13), &trace.project_id) != ERR_OK ||
            scratch_copy(keep, sql_column_text(st, 14), &trace.user_id) != ERR_OK ||
            scratch_copy(keep, sql_column_text(st, 15), &trace.session_id) != ERR_OK)
            err = ERR_NOMEM;
    }
    sqlite3_reset(st);
    if (err == 0) /* it cannot be, but then there is nothing to do */
        return ERR_OK;
    if (err == 1)
        err = rollup_trace(&s->batch, &trace, -1);
    if (err == ERR_OK)
        err = sql_run(s, SQL_DOOMED_INSERT, "iittt", row, trace.start_time, trace.project_id,
                      trace.user_id, trace.session_id);
    return err == ERR_OK ? sql_run(s, SQL_TRACE_DELETE, "i", row) : err;
}

static int doom_traces(struct step *step, int64_t older_than)
{
    struct shelf_place places[TRACES_A_STEP];
    struct shelf_query q = {.to = older_than, .sort = SORT_START, .ascending = true};
    if (older_than <= 0)
        return ERR_OK;
    pthread_rwlock_rdlock(&step->s->b->memory_lock);
    int count = shelf_choose(&step->s->b->shelf, &q, places, TRACES_A_STEP);
    pthread_rwlock_unlock(&step->s->b->memory_lock);
    int err = ERR_OK;
    for (int i = 0; i < count && err == ERR_OK && step->spans < SPANS_A_STEP; i++) {
        err = doom(step, places[i].row);
        if (err == ERR_OK)
            err = finish_doomed(step);
        step->rows[step->count++] = places[i].row;
    }
    return err;
}

/* Gives room back to the file system, some pages a step, when a quarter of the file is free. 1: it
 * did; 0: there is nothing to do. */
static int shrink(struct backend_session *s)
{
    int err;
    int64_t unused = 0;
    int64_t pages = 0;
    sqlite3_stmt *st = sql_use(s, SQL_FREE_PAGES, &err);
    if (st == NULL)
        return err;
    if ((err = sql_step(s, st)) == 1) {
        unused = sqlite3_column_int64(st, 0);
        pages = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    if (err < 0 || unused < FREE_PAGES_MIN || unused < pages / 4)
        return err < 0 ? err : 0;
    st = sql_use(s, SQL_VACUUM_STEP, &err);
    while (st != NULL && (err = sql_step(s, st)) == 1)
        ;
    return err < 0 ? err : 1;
}

/* What is left to do when nothing is too old any more. Returns how much was done. */
static int tidy(struct backend_session *s)
{
    int traces = ids_drop(s, IDS_OF_TRACES);
    int spans = traces < 0 ? traces : ids_drop(s, IDS_OF_SPANS);
    int shrunk = spans < 0 ? spans : shrink(s);
    return shrunk < 0 ? shrunk : traces + spans + shrunk;
}

/* The log goes when nothing happens: what it has is in the file. */
static void empty_log(struct backend_session *s)
{
    (void)sqlite3_busy_timeout(s->db, 50);
    (void)sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(s->db, SQL_BUSY_MS);
}

static int run_step(struct step *step, int64_t older_than)
{
    int done = 0;
    int err = finish_doomed(step);
    if (err == ERR_OK && step->spans < SPANS_A_STEP)
        err = doom_traces(step, older_than);
    if (err == ERR_OK && step->count == 0 && step->spans == 0)
        done = tidy(step->s);
    return err != ERR_OK ? err : done < 0 ? done : step->spans + (int)step->count + done;
}

int sqlite_purge(struct backend_session *s, int64_t older_than)
{
    struct step step = {.s = s};
    if (!s->writer)
        return sql_error(s, ERR_UNSUPPORTED, "this session does not write");
    pthread_mutex_lock(&s->b->writing);
    int err = batch_begin(s);
    int done = err == ERR_OK ? run_step(&step, older_than) : err;
    err = batch_end(s, done < 0 ? done : ERR_OK);
    if (err == ERR_OK) {
        pthread_rwlock_wrlock(&s->b->memory_lock);
        for (size_t i = 0; i < step.count; i++)
            shelf_remove(&s->b->shelf, step.rows[i]);
        pthread_rwlock_unlock(&s->b->memory_lock);
    }
    if (err == ERR_OK && done == 0)
        empty_log(s);
    pthread_mutex_unlock(&s->b->writing);
    return err < 0 ? err : done;
}
