/* Pages of traces, newest first. A page begins after the last one's (start_time, row), so that
 * traces which come in meanwhile move nothing. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/db.h"

enum { PAGE_MAX = 1000 };

/* A whole number from *text on, which moves behind it. */
static bool parse_number(const char **text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(*text, &end, 10);
    bool read = errno == 0 && end != *text && !isspace((unsigned char)**text);
    *text = end;
    return read;
}

static int parse_cursor(const char *cursor, int64_t *start, int64_t *row)
{
    *start = INT64_MAX;
    *row = INT64_MAX;
    if (cursor == NULL)
        return ERR_OK;
    if (!parse_number(&cursor, start) || *cursor++ != '.' || !parse_number(&cursor, row) ||
        *cursor != '\0')
        return ERR_BAD;
    return ERR_OK;
}

static char *print_cursor(int64_t start, int64_t row)
{
    char *text = NULL;
    return asprintf(&text, "%" PRId64 ".%" PRId64, start, row) < 0 ? NULL : text;
}

/* Lines of `models`; "" and NULL have none. */
static int64_t count_models(const char *models, const char *model)
{
    if (models == NULL || models[0] == '\0')
        return model != NULL;
    int64_t n = 1;
    for (; *models != '\0'; models++)
        n += *models == '\n';
    return n;
}

static int bind_query(struct store *s, sqlite3_stmt *st, const struct trace_query *q)
{
    int64_t start;
    int64_t row;
    if (parse_cursor(q->cursor, &start, &row) != ERR_OK)
        return db_error(s, ERR_BAD, "that is no cursor of a page");
    db_bind(st, "iiiitt", start, row, q->from, q->to == 0 ? INT64_MAX : q->to, q->name, q->model);
    return ERR_OK;
}

/* Reads one page into rows; *more: there is another one after it. */
static int read_page(struct store *s, sqlite3_stmt *st, size_t limit, struct trace_row *rows,
                     size_t *count, int64_t *start, int64_t *row, bool *more)
{
    int err;
    *more = false;
    while ((err = db_step(s, st)) == 1) {
        if (*count == limit) {
            *more = true;
            break;
        }
        struct trace_row *r = &rows[(*count)];
        r->trace = db_read_trace(st, 0);
        if (r->trace == NULL) {
            err = ERR_NOMEM;
            break;
        }
        (*count)++;
        r->errors = sqlite3_column_int64(st, 7);
        r->running = sqlite3_column_int64(st, 8);
        r->model = db_column_text(st, 9);
        r->models = count_models((const char *)sqlite3_column_text(st, 10), r->model);
        *start = r->trace->start_time;
        *row = sqlite3_column_int64(st, 19);
    }
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

int store_list_traces(struct store *s, const struct trace_query *q, trace_row_fn *each, void *user,
                      char **next_cursor)
{
    *next_cursor = NULL;
    size_t limit = q->limit < 1 ? 1 : q->limit > PAGE_MAX ? PAGE_MAX : q->limit;
    int err = s->in_transaction ? db_flush_touched(s) : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, TRACE_PAGE, &err) : NULL;
    if (st == NULL)
        return err;
    err = bind_query(s, st, q);
    if (err != ERR_OK)
        return err;
    struct trace_row *rows = calloc(limit, sizeof(*rows));
    if (rows == NULL)
        return ERR_NOMEM;
    size_t count = 0;
    int64_t start = 0;
    int64_t row = 0;
    bool more;
    err = read_page(s, st, limit, rows, &count, &start, &row, &more);
    for (size_t i = 0; i < count; i++) {
        if (err == ERR_OK)
            err = each(user, &rows[i]);
        trace_free(rows[i].trace);
        free(rows[i].model);
    }
    free(rows);
    if (err == ERR_OK && more && (*next_cursor = print_cursor(start, row)) == NULL)
        err = ERR_NOMEM;
    return err;
}

static int64_t file_size(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

int store_totals(struct store *s, struct store_totals *out)
{
    memset(out, 0, sizeof(*out));
    int err = s->in_transaction ? db_flush_touched(s) : db_follow(s);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, TRACE_COUNT, &err) : NULL;
    if (st == NULL)
        return err;
    err = db_step(s, st);
    if (err == 1) {
        out->traces = sqlite3_column_int64(st, 0);
        out->spans = sqlite3_column_int64(st, 1);
        sqlite3_reset(st);
    }
    if (err >= 0 && (st = db_use(s, OUTBOX_TOTALS, &err)) != NULL && (err = db_step(s, st)) == 1) {
        out->outbox = sqlite3_column_int64(st, 0);
        out->outbox_oldest = sqlite3_column_int64(st, 1);
        sqlite3_reset(st);
    }
    if (err >= 0)
        err = db_int(s, &out->purged_traces, META_PURGED, "");
    out->bytes = file_size(s->path, "") + file_size(s->path, "-wal");
    return err < 0 ? err : ERR_OK;
}
