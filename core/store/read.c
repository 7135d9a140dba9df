/* Reading traces and spans. Nothing here holds a read transaction while a callback runs: a reader
 * that is stopped (a pager) would keep the log from being taken in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

static json *column_json(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return text == NULL ? NULL : json_parse_printed(text, (size_t)sqlite3_column_bytes(st, column));
}

/* Columns as in TRACE_COLUMNS, from `at` on. */
struct trace *db_read_trace(sqlite3_stmt *st, int at)
{
    struct trace *t = trace_new();
    const void *id = sqlite3_column_blob(st, at);
    if (t == NULL || id == NULL || sqlite3_column_bytes(st, at) != TRACE_ID_LEN) {
        trace_free(t);
        return NULL;
    }
    memcpy(t->trace_id, id, TRACE_ID_LEN);
    t->start_time = sqlite3_column_int64(st, at + 1);
    t->end_time = sqlite3_column_int64(st, at + 2);
    t->span_count = sqlite3_column_int64(st, at + 3);
    t->tokens_input = statement_figure(st, at + 4);
    t->tokens_output = statement_figure(st, at + 5);
    if (sqlite3_column_type(st, at + 6) != SQLITE_NULL)
        t->total_cost = sqlite3_column_double(st, at + 6);
    t->name = db_column_text(st, at + 11);
    t->project_id = db_column_text(st, at + 12);
    t->user_id = db_column_text(st, at + 13);
    t->session_id = db_column_text(st, at + 14);
    t->error = db_column_text(st, at + 15);
    t->metadata = column_json(st, at + 16);
    t->tags = column_json(st, at + 17);
    t->output = db_column_text(st, at + 18);
    return t;
}

/* A span whose document cannot be read is shown as that, not left out. */
static struct span *unreadable_span(int64_t key)
{
    struct span *span = span_new();
    if (span == NULL)
        return NULL;
    db_span_id(key, span->span_id);
    span->name = strdup("(damaged)");
    span->error = strdup("the stored span cannot be read");
    span->partial = true;
    return span;
}

/* Columns as in SPAN_COLUMNS, from `at` on. Times come from their own columns: the document has
 * microseconds only. */
struct span *db_read_span(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    struct span *span =
        text == NULL ? NULL : span_parse(text, (size_t)sqlite3_column_bytes(st, at));
    if (span == NULL)
        span = unreadable_span(sqlite3_column_int64(st, at + 3));
    if (span == NULL)
        return NULL;
    span->start_time = sqlite3_column_int64(st, at + 1);
    span->end_time = sqlite3_column_int64(st, at + 2);
    return span;
}

static int get_trace(struct store *s, int64_t row, struct trace **out)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_BY_ROW, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    *out = db_read_trace(st, 0);
    sqlite3_reset(st);
    return *out == NULL ? ERR_NOMEM : ERR_OK;
}

/* What the transaction holds in memory is written first, so that it is read too. */
static int settle(struct store *s)
{
    if (!s->in_transaction)
        return db_follow(s);
    return s->failed ? ERR_IO : db_flush_touched(s);
}

int store_get_trace(struct store *s, const uint8_t *trace_id, struct trace **out)
{
    *out = NULL;
    int64_t row;
    int err = settle(s);
    if (err == ERR_OK)
        err = db_trace_row(s, trace_id, &row);
    return err != ERR_OK ? err : get_trace(s, row, out);
}

static int get_span(struct store *s, int64_t row, struct span **out)
{
    int err;
    sqlite3_stmt *st = db_use(s, SPAN_BY_ROW, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    *out = db_read_span(st, 0);
    sqlite3_reset(st);
    return *out == NULL ? ERR_NOMEM : ERR_OK;
}

int store_get_span(struct store *s, const uint8_t *trace_id, const uint8_t *span_id,
                   struct span **out)
{
    *out = NULL;
    int64_t row;
    int err = settle(s);
    if (err == ERR_OK)
        err = db_span_row(s, span_id, &row);
    if (err == ERR_OK)
        err = get_span(s, row, out);
    const struct span *found = *out;
    if (found != NULL && trace_id != NULL && !id_is_zero(found->trace_id, TRACE_ID_LEN) &&
        memcmp(found->trace_id, trace_id, TRACE_ID_LEN) != 0) {
        span_free(*out);
        *out = NULL;
        return ERR_NOENT;
    }
    return err;
}

/* The lowest and the highest id that begin with these digits. */
static int prefix_range(const char *hex, uint8_t *low, uint8_t *high)
{
    size_t len = strlen(hex);
    if (len < 4 || len > (size_t)2 * TRACE_ID_LEN)
        return ERR_BAD;
    char text[TRACE_ID_HEX];
    memset(text, '0', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, hex, len);
    int err = id_from_hex(text, TRACE_ID_LEN, low);
    memset(text + len, 'f', (size_t)2 * TRACE_ID_LEN - len);
    return err != ERR_OK ? err : id_from_hex(text, TRACE_ID_LEN, high);
}

struct prefix {
    uint8_t low[TRACE_ID_LEN];
    uint8_t high[TRACE_ID_LEN];
    int64_t row; /* the one found, or 0 */
};

/* Takes the row when its id has the prefix. ERR_EXIST: there was one before. */
static int take_if_in_prefix(struct store *s, void *user, int64_t row)
{
    struct prefix *p = user;
    int64_t found = 0;
    int err = db_int(s, &found, TRACE_IN_RANGE, "ibb", row, (const void *)p->low, TRACE_ID_LEN,
                     (const void *)p->high, TRACE_ID_LEN);
    if (err == ERR_NOENT || (err == ERR_OK && p->row == row))
        return ERR_OK;
    if (err == ERR_OK && p->row != 0)
        return ERR_EXIST;
    p->row = row;
    return err;
}

/* Those that are not in the index yet. */
static int find_in_tail(struct store *s, struct prefix *p)
{
    int64_t indexed = 0;
    int err = db_int(s, &indexed, META_INDEXED, "");
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, TRACE_TAIL_PREFIX, &err) : NULL;
    if (st == NULL)
        return err;
    db_bind(st, "bbi", (const void *)p->low, TRACE_ID_LEN, (const void *)p->high, TRACE_ID_LEN,
            indexed);
    while ((err = db_step(s, st)) == 1) {
        int64_t row = sqlite3_column_int64(st, 0);
        if (p->row != 0 && p->row != row) {
            sqlite3_reset(st);
            return ERR_EXIST;
        }
        p->row = row;
    }
    return err;
}

/* The bounds of db_trace_key: the hash in its second half may be anything. */
static int64_t key_bound(const uint8_t *id, uint32_t rest)
{
    uint64_t first =
        (uint64_t)id[0] << 24 | (uint64_t)id[1] << 16 | (uint64_t)id[2] << 8 | (uint64_t)id[3];
    return (int64_t)(first << 32 | rest);
}

int store_find_trace(struct store *s, const char *hex, struct trace **out)
{
    *out = NULL;
    struct prefix p = {.row = 0};
    if (prefix_range(hex, p.low, p.high) != ERR_OK)
        return db_error(s, ERR_BAD, "an id is 4 to 32 hexadecimal digits");
    if (strlen(hex) == (size_t)2 * TRACE_ID_LEN)
        return store_get_trace(s, p.low, out);
    int err = settle(s);
    if (err == ERR_OK)
        err = find_in_tail(s, &p); /* before the index: a row may move there meanwhile */
    if (err == ERR_OK)
        err = db_segment_range(s, IDS_TRACE, key_bound(p.low, 0), key_bound(p.high, UINT32_MAX),
                               take_if_in_prefix, &p);
    if (err != ERR_OK)
        return err;
    return p.row == 0 ? ERR_NOENT : get_trace(s, p.row, out);
}

static int each_of_store(struct store *s, span_fn *each, void *user)
{
    int64_t row = 0;
    for (;;) {
        int err;
        sqlite3_stmt *st = db_use(s, SPAN_NEXT, &err);
        if (st == NULL)
            return err;
        db_bind(st, "i", row);
        err = db_step(s, st);
        if (err != 1)
            return err;
        struct span *span = db_read_span(st, 0);
        row = sqlite3_column_int64(st, 5);
        sqlite3_reset(st);
        if (span == NULL)
            return ERR_NOMEM;
        err = each(user, span);
        span_free(span);
        if (err != 0)
            return err;
    }
}

/* The rows of a trace's spans in order; new memory in *rows. */
static int rows_of_trace(struct store *s, int64_t trace, int64_t **rows, size_t *count)
{
    *rows = NULL;
    *count = 0;
    size_t cap = 0;
    int err;
    sqlite3_stmt *st = db_use(s, SPAN_ROWS_OF_TRACE, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", trace);
    while ((err = db_step(s, st)) == 1) {
        if (*count == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            int64_t *more = realloc(*rows, cap * sizeof(**rows));
            if (more == NULL) {
                sqlite3_reset(st);
                return ERR_NOMEM;
            }
            *rows = more;
        }
        (*rows)[(*count)++] = sqlite3_column_int64(st, 0);
    }
    return err;
}

static int each_of_trace(struct store *s, int64_t trace, span_fn *each, void *user)
{
    int64_t *rows;
    size_t count;
    int err = rows_of_trace(s, trace, &rows, &count);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        struct span *span = NULL;
        err = get_span(s, rows[i], &span);
        if (err == ERR_OK)
            err = each(user, span);
        else if (err == ERR_NOENT) /* purged meanwhile */
            err = ERR_OK;
        span_free(span);
    }
    free(rows);
    return err;
}

int store_each_span(struct store *s, const uint8_t *trace_id, span_fn *each, void *user)
{
    int err = settle(s);
    if (err != ERR_OK)
        return err;
    if (trace_id == NULL)
        return each_of_store(s, each, user);
    int64_t trace;
    err = db_trace_row(s, trace_id, &trace);
    return err != ERR_OK ? err : each_of_trace(s, trace, each, user);
}
