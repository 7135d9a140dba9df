/* One trace, its spans, one span. */
#include "store/sqlite/sqlite.h"

void read_trace_row(sqlite3_stmt *st, struct stored_trace *t, struct text *models)
{
    *t = (struct stored_trace){
        .trace_id = sql_column_text(st, 0),
        .project_id = sql_column_text(st, 1),
        .name = sql_column_text(st, 2),
        .start_time = sqlite3_column_int64(st, 3),
        .end_time = sqlite3_column_int64(st, 4),
        .metadata = sql_column_text(st, 5),
        .tags = sql_column_text(st, 6),
        .user_id = sql_column_text(st, 7),
        .session_id = sql_column_text(st, 8),
        .output = sql_column_text(st, 9),
        .span_count = sqlite3_column_int64(st, 10),
        .total_cost = sqlite3_column_double(st, 11),
        .calls = sqlite3_column_int64(st, 12),
        .errors = sqlite3_column_int64(st, 13),
        .running = sqlite3_column_int64(st, 14),
        .tokens_input = statement_figure(st, 15),
        .tokens_output = statement_figure(st, 16),
        .tokens_cache_read = statement_figure(st, 17),
        .ttft_ms = sql_column_number(st, 18),
        .model = sql_column_text(st, 19),
        .error = sql_column_text(st, 21),
    };
    *models = sql_column_text(st, 20);
    t->models = models_count(*models);
    if (t->error.at == NULL)
        t->error = sql_column_text(st, 22);
}

static void read_span_row(sqlite3_stmt *st, struct stored_span *s)
{
    *s = (struct stored_span){
        .span_id = sql_column_text(st, 0),
        .trace_id = sql_column_text(st, 1),
        .parent_span_id = sql_column_text(st, 2),
        .name = sql_column_text(st, 3),
        .type = (enum span_type)sqlite3_column_int(st, 4),
        .start_time = sqlite3_column_int64(st, 5),
        .end_time = sqlite3_column_int64(st, 6),
        .metadata = sql_column_text(st, 7),
        .model = sql_column_text(st, 8),
        .tokens_input = statement_figure(st, 9),
        .tokens_output = statement_figure(st, 10),
        .cost_usd = sql_column_number(st, 11),
        .error = sql_column_text(st, 12),
        .tokens_cache_read = statement_figure(st, 13),
        .ttft_ms = sql_column_number(st, 14),
        .input_data = sql_column_text(st, 15),
        .output_data = sql_column_text(st, 16),
    };
}

/* Reads the row of a trace that the project may see and gives it to `each` if that is not NULL. */
static int find_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                      int64_t *row, stored_trace_fn *each, void *user)
{
    int err = ids_find(s, IDS_OF_TRACES, trace_id, row);
    if (err != ERR_OK)
        return err;
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_BY_ROW, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", *row);
    err = sql_step(s, st);
    if (err == 1) {
        struct stored_trace t;
        struct text models;
        read_trace_row(st, &t, &models);
        if (!project_sees(project_id, t.project_id))
            err = ERR_NOENT;
        else
            err = each == NULL ? ERR_OK : each(user, &t);
    } else if (err == 0) {
        err = ERR_NOENT;
    }
    sqlite3_reset(st);
    return err;
}

int sqlite_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                 stored_trace_fn *each, void *user)
{
    int64_t row;
    return find_trace(s, project_id, trace_id, &row, each, user);
}

int sqlite_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                 bool content, stored_span_fn *each, void *user)
{
    int64_t row;
    int err = find_trace(s, project_id, trace_id, &row, NULL, NULL);
    if (err != ERR_OK)
        return err;
    sqlite3_stmt *st = sql_use(s, content ? SQL_SPANS_OF_TRACE : SQL_SPANS_OF_TRACE_BARE, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    while ((err = sql_step(s, st)) == 1) {
        struct stored_span span;
        read_span_row(st, &span);
        err = each(user, &span);
        if (err != 0)
            break;
    }
    sqlite3_reset(st);
    return err;
}

int sqlite_span(struct backend_session *s, struct text project_id, struct text span_id,
                stored_span_fn *each, void *user)
{
    int64_t row;
    int err = ids_find(s, IDS_OF_SPANS, span_id, &row);
    sqlite3_stmt *st = err == ERR_OK ? sql_use(s, SQL_SPAN_BY_ROW, &err) : NULL;
    if (st == NULL)
        return err;
    sql_bind(st, "i", row);
    err = sql_step(s, st);
    if (err == 1 && project_sees(project_id, sql_column_text(st, 17))) {
        struct stored_span span;
        read_span_row(st, &span);
        err = each(user, &span);
    } else if (err >= 0) {
        err = ERR_NOENT;
    }
    sqlite3_reset(st);
    return err;
}
