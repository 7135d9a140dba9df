/* Traces and spans by id. */
#include <stdlib.h>
#include <string.h>

#include "store/local/document.h"
#include "store/local/local.h"

struct figures {
    int64_t calls, tokens_cache_read;
    double ttft_ms;
};

/* Of a trace that the index does not know yet. */
static int read_figures(struct backend_session *s, int64_t trace, struct figures *out)
{
    *out = (struct figures){.tokens_cache_read = SPAN_UNKNOWN, .ttft_ms = -1};
    int err;
    sqlite3_stmt *st =
        local_prepare(s, "SELECT start_time, document FROM main.span WHERE trace = ?1", &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, trace);
    int64_t first = INT64_MAX;
    while ((err = local_step(s, st)) == 1) {
        struct facts facts;
        document_facts(local_column(st, 1), &facts);
        out->calls += facts.call;
        if (facts.tokens_cache_read >= 0)
            out->tokens_cache_read =
                (out->tokens_cache_read < 0 ? 0 : out->tokens_cache_read) + facts.tokens_cache_read;
        if (facts.call && facts.ttft_ms >= 0 && sqlite3_column_int64(st, 0) < first) {
            first = sqlite3_column_int64(st, 0);
            out->ttft_ms = facts.ttft_ms;
        }
    }
    sqlite3_finalize(st);
    return err;
}

static int64_t count_models(struct text models, struct text model)
{
    if (models.len == 0)
        return model.at != NULL;
    int64_t n = 1;
    for (size_t i = 0; i < models.len; i++)
        n += models.at[i] == '\n';
    return n;
}

static double column_cost(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL ? -1 : sqlite3_column_double(st, column);
}

static struct text column_hex(sqlite3_stmt *st, int column, char hex[static TRACE_ID_HEX])
{
    const uint8_t *id = sqlite3_column_blob(st, column);
    if (id == NULL || sqlite3_column_bytes(st, column) != TRACE_ID_LEN)
        return (struct text){"", 0};
    return text_of(id_to_hex(id, TRACE_ID_LEN, hex));
}

int local_give_trace(struct backend_session *s, sqlite3_stmt *st, int figures,
                     stored_trace_fn *each, void *user)
{
    char hex[TRACE_ID_HEX];
    struct figures f;
    if (figures < 0 || sqlite3_column_type(st, figures) == SQLITE_NULL) {
        int err = read_figures(s, sqlite3_column_int64(st, LOCAL_TRACE_COLUMN_COUNT - 1), &f);
        if (err != ERR_OK)
            return err;
    } else {
        f = (struct figures){sqlite3_column_int64(st, figures), statement_figure(st, figures + 1),
                             column_cost(st, figures + 2)};
    }
    struct stored_trace t = {
        .trace_id = column_hex(st, 0, hex),
        .start_time = sqlite3_column_int64(st, 1),
        .end_time = sqlite3_column_int64(st, 2),
        .span_count = sqlite3_column_int64(st, 3),
        .tokens_input = statement_figure(st, 4),
        .tokens_output = statement_figure(st, 5),
        .total_cost = sqlite3_column_double(st, 6),
        .errors = sqlite3_column_int64(st, 7),
        .running = sqlite3_column_int64(st, 8),
        .model = local_column(st, 9),
        .name = local_column(st, 11),
        .project_id = local_column(st, 12),
        .user_id = local_column(st, 13),
        .session_id = local_column(st, 14),
        .error = local_column(st, 15),
        .metadata = local_column(st, 16),
        .tags = local_column(st, 17),
        .output = local_column(st, 18),
        .calls = f.calls,
        .tokens_cache_read = f.tokens_cache_read,
        .ttft_ms = f.ttft_ms,
    };
    t.models = count_models(local_column(st, 10), t.model);
    return each(user, &t);
}

static int parse_id(struct text text, size_t len, uint8_t *id)
{
    char hex[TRACE_ID_HEX];
    if (text.len != 2 * len)
        return ERR_NOENT;
    memcpy(hex, text.at, text.len);
    hex[text.len] = '\0';
    return id_from_hex(hex, len, id) == ERR_OK ? ERR_OK : ERR_NOENT;
}

/* The row of a trace that the project may see. */
static int find_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                      int64_t *row)
{
    uint8_t id[TRACE_ID_LEN];
    int err = parse_id(trace_id, TRACE_ID_LEN, id);
    if (err == ERR_OK)
        err = db_trace_row(s->store, id, row);
    if (err != ERR_OK && err != ERR_NOENT)
        return local_error(s, err, "%s", store_error(s->store));
    if (err != ERR_OK || project_id.at == NULL)
        return err;
    sqlite3_stmt *st =
        local_prepare(s, "SELECT 1 FROM main.trace WHERE row = ?1 AND project_id = ?2", &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, *row);
    local_bind_text(st, 2, project_id);
    err = local_step(s, st);
    sqlite3_finalize(st);
    return err == 1 ? ERR_OK : err < 0 ? err : ERR_NOENT;
}

int local_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                stored_trace_fn *each, void *user)
{
    int64_t row;
    bool indexed;
    int err = local_enter_indexed(s, &indexed);
    if (err == ERR_OK)
        err = find_trace(s, project_id, trace_id, &row);
    if (err != ERR_OK)
        return err;
    sqlite3_stmt *st = local_prepare(
        s,
        indexed ? "SELECT " LOCAL_TRACE_COLUMNS ", d.calls, d.tokens_cache_read, d.ttft"
                  " FROM main.trace t LEFT JOIN ui.digest d ON d.trace = t.row WHERE t.row = ?1"
                : "SELECT " LOCAL_TRACE_COLUMNS " FROM main.trace t WHERE t.row = ?1",
        &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, row);
    err = local_step(s, st);
    if (err == 1)
        err = local_give_trace(s, st, indexed ? LOCAL_TRACE_COLUMN_COUNT : -1, each, user);
    else if (err == ERR_OK)
        err = ERR_NOENT;
    sqlite3_finalize(st);
    return err;
}

/* One whose document cannot be read is shown as that, not left out. */
static void make_unreadable(struct stored_span *out, const char *hex)
{
    *out = (struct stored_span){.span_id = text_of(hex),
                                .name = text_of("(damaged)"),
                                .type = SPAN_OTHER,
                                .metadata = text_of("{\"partial\":true}"),
                                .error = text_of("the stored span cannot be read"),
                                .tokens_input = SPAN_UNKNOWN,
                                .tokens_output = SPAN_UNKNOWN,
                                .cost_usd = -1,
                                .tokens_cache_read = SPAN_UNKNOWN,
                                .ttft_ms = -1};
}

/* Columns: document, start_time, end_time, id. */
static int give_span(struct backend_session *s, sqlite3_stmt *st, bool content,
                     stored_span_fn *each, void *user)
{
    struct stored_span span;
    uint8_t id[SPAN_ID_LEN];
    char hex[SPAN_ID_HEX];
    int err = document_span(local_column(st, 0), content, &span, &s->scratch);
    if (err != ERR_OK && err != ERR_BAD)
        return err;
    if (err == ERR_BAD) {
        db_span_id(sqlite3_column_int64(st, 3), id);
        make_unreadable(&span, id_to_hex(id, SPAN_ID_LEN, hex));
    }
    span.start_time = sqlite3_column_int64(st, 1);
    span.end_time = sqlite3_column_int64(st, 2);
    return each(user, &span);
}

/* The rows of a trace's spans in order, without their documents, which a sorter would hold. */
static int rows_of_trace(struct backend_session *s, int64_t trace, int64_t **rows, size_t *count)
{
    size_t cap = 0;
    int err;
    *rows = NULL;
    *count = 0;
    sqlite3_stmt *st = local_prepare(
        s, "SELECT row FROM main.span WHERE trace = ?1 ORDER BY start_time, row", &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, trace);
    while ((err = local_step(s, st)) == 1) {
        if (*count == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            int64_t *more = realloc(*rows, cap * sizeof(**rows));
            if (more == NULL) {
                err = ERR_NOMEM;
                break;
            }
            *rows = more;
        }
        (*rows)[(*count)++] = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return err;
}

int local_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                bool content, stored_span_fn *each, void *user)
{
    int64_t trace;
    int64_t *rows = NULL;
    size_t count = 0;
    sqlite3_stmt *st = NULL;
    int err = local_enter(s);
    if (err == ERR_OK)
        err = find_trace(s, project_id, trace_id, &trace);
    if (err == ERR_OK)
        err = rows_of_trace(s, trace, &rows, &count);
    if (err == ERR_OK)
        st = local_prepare(
            s, "SELECT document, start_time, end_time, id FROM main.span WHERE row = ?1", &err);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        sqlite3_bind_int64(st, 1, rows[i]);
        err = local_step(s, st); /* none: it was purged meanwhile */
        if (err == 1)
            err = give_span(s, st, content, each, user);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    free(rows);
    return err;
}

int local_span(struct backend_session *s, struct text project_id, struct text span_id,
               stored_span_fn *each, void *user)
{
    uint8_t id[SPAN_ID_LEN];
    int64_t row;
    int err = local_enter(s);
    if (err == ERR_OK)
        err = parse_id(span_id, SPAN_ID_LEN, id);
    if (err == ERR_OK && (err = db_span_row(s->store, id, &row)) != ERR_OK && err != ERR_NOENT)
        (void)local_error(s, err, "%s", store_error(s->store));
    if (err != ERR_OK)
        return err;
    sqlite3_stmt *st = local_prepare(
        s,
        "SELECT s.document, s.start_time, s.end_time, s.id FROM main.span s WHERE s.row = ?1"
        " AND (?2 IS NULL OR (SELECT project_id FROM main.trace t WHERE t.row = s.trace) = ?2)",
        &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, row);
    local_bind_text(st, 2, project_id);
    err = local_step(s, st);
    err = err == 1 ? give_span(s, st, true, each, user) : err < 0 ? err : ERR_NOENT;
    sqlite3_finalize(st);
    return err;
}
