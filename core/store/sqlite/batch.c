/* What a transaction knows and changes: rows are read once, changed in memory and written at the
 * end, so that a span that is created and completed, and a trace of many spans, are one row written
 * once. */
#include <string.h>

#include "store/sqlite/rollup.h"

void batch_forget(struct backend_session *s)
{
    struct batch *b = &s->batch;
    map_release(&b->traces);
    map_release(&b->spans);
    map_release(&b->rollups);
    b->first_rollup = NULL;
    scratch_clear(&b->scratch);
    b->first_trace = NULL;
    b->first_span = NULL;
}

static int load_trace(struct backend_session *s, struct touched_trace *t)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_TOTALS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", t->row);
    err = sql_step(s, st);
    if (err == 1) {
        struct scratch *keep = &s->batch.scratch;
        struct stored_trace *now = &t->now;
        now->start_time = sqlite3_column_int64(st, 0);
        now->end_time = sqlite3_column_int64(st, 1);
        now->span_count = sqlite3_column_int64(st, 2);
        now->calls = sqlite3_column_int64(st, 3);
        now->errors = sqlite3_column_int64(st, 4);
        now->running = sqlite3_column_int64(st, 5);
        now->tokens_input = statement_figure(st, 6);
        now->tokens_output = statement_figure(st, 7);
        now->tokens_cache_read = statement_figure(st, 8);
        now->total_cost = sqlite3_column_double(st, 9);
        now->ttft_ms = sql_column_number(st, 10);
        t->ended = now->end_time != 0;
        t->ttft_start = sqlite3_column_int64(st, 11);
        t->model_row = sqlite3_column_int64(st, 12);
        struct text *texts[] = {&now->project_id, &now->user_id, &now->session_id, &now->model,
                                &t->models,       &now->error,   &t->own_error};
        for (int i = 0; i < 7 && err == 1; i++)
            if (scratch_copy(keep, sql_column_text(st, 13 + i), texts[i]) != ERR_OK)
                err = ERR_NOMEM;
    }
    sqlite3_reset(st);
    return err == 1 ? ERR_OK : err == 0 ? ERR_NOENT : err;
}

struct touched_trace *batch_add_trace(struct backend_session *s, struct text id, int64_t row)
{
    struct touched_trace *t = scratch_take(&s->batch.scratch, sizeof(*t));
    if (t == NULL || map_set(&s->batch.traces, id.at, id.len, t) != ERR_OK)
        return NULL;
    t->row = row;
    t->hash = ids_hash(s->b, id);
    t->now.trace_id = id;
    *s->batch.last_trace = t;
    s->batch.last_trace = &t->next;
    return t;
}

/* The trace of an id, out of the batch or of the file. ERR_NOENT. */
int batch_trace(struct backend_session *s, struct text id, struct touched_trace **out)
{
    *out = map_get(&s->batch.traces, id.at, id.len);
    if (*out != NULL)
        return ERR_OK;
    struct touched_trace loaded = {.now.trace_id = id};
    int err = ids_find(s, IDS_OF_TRACES, id, &loaded.row);
    if (err == ERR_OK)
        err = load_trace(s, &loaded);
    if (err != ERR_OK)
        return err;
    *out = batch_add_trace(s, id, loaded.row);
    if (*out == NULL)
        return ERR_NOMEM;
    **out = loaded;
    return ERR_OK;
}

static int load_span(struct backend_session *s, struct touched_span *span, int64_t *trace)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_SPAN_STATE, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", span->row);
    err = sql_step(s, st);
    if (err == 1) {
        struct stored_span *now = &span->now;
        *trace = sqlite3_column_int64(st, 0);
        now->start_time = sqlite3_column_int64(st, 1);
        now->end_time = sqlite3_column_int64(st, 2);
        span->ended = now->end_time != 0;
        now->type = (enum span_type)sqlite3_column_int(st, 3);
        now->tokens_input = statement_figure(st, 4);
        now->tokens_output = statement_figure(st, 5);
        now->tokens_cache_read = statement_figure(st, 6);
        now->cost_usd = sql_column_number(st, 7);
        now->ttft_ms = sql_column_number(st, 8);
        if (scratch_copy(&s->batch.scratch, sql_column_text(st, 9), &now->model) != ERR_OK ||
            scratch_copy(&s->batch.scratch, sql_column_text(st, 10), &now->error) != ERR_OK)
            err = ERR_NOMEM;
    }
    sqlite3_reset(st);
    return err == 1 ? ERR_OK : err == 0 ? ERR_NOENT : err;
}

static int trace_of_row(struct backend_session *s, int64_t row, struct touched_trace **out)
{
    int err;
    struct text id = {NULL, 0};
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_ID, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    err = sql_step(s, st);
    if (err == 1 && scratch_copy(&s->batch.scratch, sql_column_text(st, 0), &id) != ERR_OK)
        err = ERR_NOMEM;
    sqlite3_reset(st);
    if (err != 1)
        return err == 0 ? ERR_NOENT : err;
    return batch_trace(s, id, out);
}

struct touched_span *batch_add_span(struct backend_session *s, struct text id)
{
    struct touched_span *span = scratch_take(&s->batch.scratch, sizeof(*span));
    if (span == NULL || map_set(&s->batch.spans, id.at, id.len, span) != ERR_OK)
        return NULL;
    span->hash = ids_hash(s->b, id);
    span->now.span_id = id;
    *s->batch.last_span = span;
    s->batch.last_span = &span->next;
    return span;
}

int batch_span(struct backend_session *s, struct text id, struct touched_span **out)
{
    *out = map_get(&s->batch.spans, id.at, id.len);
    if (*out != NULL)
        return ERR_OK;
    struct touched_span loaded = {.now.span_id = id};
    int64_t trace = 0;
    int err = ids_find(s, IDS_OF_SPANS, id, &loaded.row);
    if (err == ERR_OK)
        err = load_span(s, &loaded, &trace);
    if (err == ERR_OK)
        err = trace_of_row(s, trace, &loaded.trace);
    if (err != ERR_OK)
        return err;
    *out = batch_add_span(s, id);
    if (*out == NULL)
        return ERR_NOMEM;
    loaded.now.trace_id = loaded.trace->now.trace_id;
    **out = loaded;
    return ERR_OK;
}

/* ---- The end of the transaction */

static int store_span(struct backend_session *s, struct touched_span *span)
{
    const struct stored_span *n = &span->now;
    if (!span->fresh)
        return sql_run(s, SQL_SPAN_UPDATE, "iifffddittttt", span->row, n->end_time, n->tokens_input,
                       n->tokens_output, n->tokens_cache_read, n->cost_usd, n->ttft_ms,
                       (int64_t)(n->error.at != NULL), n->model, n->error, n->metadata,
                       n->input_data, n->output_data);
    return sql_run(s, SQL_SPAN_INSERT,
                   "iiiiiifffddi"
                   "tttttttt",
                   span->row, span->trace->row, (int64_t)span->hash, n->start_time, n->end_time,
                   (int64_t)n->type, n->tokens_input, n->tokens_output, n->tokens_cache_read,
                   n->cost_usd, n->ttft_ms, (int64_t)(n->error.at != NULL), n->span_id,
                   n->parent_span_id, n->name, n->model, n->error, n->metadata, n->input_data,
                   n->output_data);
}

static int store_trace(struct backend_session *s, struct touched_trace *t)
{
    const struct stored_trace *n = &t->now;
    if (!t->fresh)
        return sql_run(s, SQL_TRACE_UPDATE, "iiiiiifffddiitbtttt", t->row, n->end_time,
                       n->span_count, n->calls, n->errors, n->running, n->tokens_input,
                       n->tokens_output, n->tokens_cache_read, n->total_cost, n->ttft_ms,
                       t->ttft_start, t->model_row, n->model, t->models, n->error, t->own_error,
                       n->metadata, n->output);
    return sql_run(s, SQL_TRACE_INSERT, "iiiiiiiifffddiittttttbttttt", t->row, (int64_t)t->hash,
                   n->start_time, n->end_time, n->span_count, n->calls, n->errors, n->running,
                   n->tokens_input, n->tokens_output, n->tokens_cache_read, n->total_cost,
                   n->ttft_ms, t->ttft_start, t->model_row, n->trace_id, n->project_id, n->user_id,
                   n->session_id, n->name, n->model, t->models, n->tags, n->error, t->own_error,
                   n->metadata, n->output);
}

/* What the search index has already, or may be reading just now, it has to read again. What was
 * running it has left for later, but when that was too much. */
static int tell_index(struct backend_session *s)
{
    const struct search_index *x = &s->b->index;
    int err = ERR_OK;
    for (struct touched_trace *t = s->batch.first_trace; t != NULL && err == ERR_OK; t = t->next)
        if (!t->fresh && t->now.output.at != NULL && t->row <= x->claimed_trace &&
            (t->ended || t->row <= x->forced_trace))
            err = sql_run(s, SQL_AGAIN_PUT, "iii", (int64_t)0, t->row, t->row);
    for (struct touched_span *span = s->batch.first_span; span != NULL && err == ERR_OK;
         span = span->next)
        if (!span->fresh && span->changed && span->row <= x->claimed_span &&
            (span->ended || span->row <= x->forced_span))
            err = sql_run(s, SQL_AGAIN_PUT, "iii", (int64_t)1, span->row, span->trace->row);
    if (err == ERR_OK && x->again_done > s->b->again_deleted)
        err = sql_run(s, SQL_AGAIN_DELETE, "i", x->again_done);
    return err;
}

static int store_index(struct backend_session *s)
{
    int64_t traces;
    int64_t spans;
    int err = ids_index(s, IDS_OF_TRACES, &traces);
    if (err == ERR_OK)
        err = ids_index(s, IDS_OF_SPANS, &spans);
    if (err == ERR_OK && traces != 0)
        s->batch.meta.indexed_trace = traces;
    if (err == ERR_OK && spans != 0)
        s->batch.meta.indexed_span = spans;
    return err;
}

static int store_changes(struct backend_session *s)
{
    struct batch *b = &s->batch;
    int err = ERR_OK;
    for (struct touched_trace *t = b->first_trace; t != NULL && err == ERR_OK; t = t->next)
        if (t->changed)
            err = store_trace(s, t);
    for (struct touched_span *span = b->first_span; span != NULL && err == ERR_OK;
         span = span->next)
        if (span->changed)
            err = store_span(s, span);
    if (err == ERR_OK)
        err = rollup_store(s);
    if (err == ERR_OK)
        err = store_index(s);
    if (err == ERR_OK)
        err = tell_index(s);
    if (err == ERR_OK)
        err = sql_run(s, SQL_META_SET, "iiii", b->meta.next_trace, b->meta.next_span,
                      b->meta.indexed_trace, b->meta.indexed_span);
    return err;
}

/* What memory takes over, and room for the rest, while the transaction can still be given up. */
static int reserve_memory(struct backend_session *s)
{
    const struct sql_meta *old = &s->b->meta;
    const struct sql_meta *meta = &s->batch.meta;
    int err = ERR_OK;
    pthread_rwlock_wrlock(&s->b->memory_lock);
    if (meta->next_trace > old->next_trace)
        err = shelf_reserve(&s->b->shelf, old->next_trace, meta->next_trace - 1);
    for (struct touched_trace *t = s->batch.first_trace; t != NULL && err == ERR_OK; t = t->next)
        if (t->fresh)
            err = ids_add(s->b, IDS_OF_TRACES, t->hash, t->row);
    for (struct touched_span *span = s->batch.first_span; span != NULL && err == ERR_OK;
         span = span->next)
        if (span->fresh)
            err = ids_add(s->b, IDS_OF_SPANS, span->hash, span->row);
    pthread_rwlock_unlock(&s->b->memory_lock);
    return err;
}

static void follow_trace(struct backend *b, const struct touched_trace *t)
{
    struct shelf_entry e;
    touch_shelf_entry(t, &e);
    const struct shelf_entry *old = t->fresh ? NULL : shelf_get(&b->shelf, t->row);
    if (old != NULL) { /* they never change, and were not read */
        e.name = old->name;
        e.tags = old->tags;
    }
    shelf_put(&b->shelf, t->row, &e);
}

static void follow_index(struct backend_session *s)
{
    const struct sql_meta *meta = &s->batch.meta;
    if (meta->indexed_trace != s->b->meta.indexed_trace)
        ids_indexed(s->b, IDS_OF_TRACES, meta->indexed_trace);
    if (meta->indexed_span != s->b->meta.indexed_span)
        ids_indexed(s->b, IDS_OF_SPANS, meta->indexed_span);
    /* Too small, it says "maybe" too often; that costs time only. */
    for (int kind = IDS_OF_TRACES; kind <= IDS_OF_SPANS; kind++)
        if (ids_filter_is_full(&s->b->ids[kind]))
            (void)ids_refill(s, (enum ids_kind)kind);
}

static void follow_commit(struct backend_session *s)
{
    pthread_rwlock_wrlock(&s->b->memory_lock);
    follow_index(s);
    for (struct touched_trace *t = s->batch.first_trace; t != NULL; t = t->next)
        if (t->changed)
            follow_trace(s->b, t);
    pthread_rwlock_unlock(&s->b->memory_lock);
    s->b->meta = s->batch.meta;
    s->b->again_deleted = s->b->index.again_done;
    search_index_wake(&s->b->index, s->b->meta.next_trace + s->b->meta.next_span - 2);
}

int batch_begin(struct backend_session *s)
{
    struct batch *b = &s->batch;
    batch_forget(s);
    b->meta = s->b->meta;
    b->last_trace = &b->first_trace;
    b->last_span = &b->first_span;
    return sql_run(s, SQL_BEGIN_WRITE, "");
}

int batch_end(struct backend_session *s, int err)
{
    if (err == ERR_OK)
        err = store_changes(s);
    if (err == ERR_OK)
        err = reserve_memory(s);
    if (err == ERR_OK)
        err = sql_run(s, SQL_COMMIT, "");
    if (err == ERR_OK) {
        follow_commit(s);
        return ERR_OK;
    }
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    if (err == ERR_FULL) /* what the log holds twice may be the room that is missing */
        (void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return err == ERR_NOENT ? sql_error(s, ERR_CORRUPT, "%s: a row is missing", s->b->path) : err;
}
