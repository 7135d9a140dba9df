/* Pages of traces. A page begins behind the last one's (key, start_time, row), so that what comes
 * in meanwhile moves nothing; traces whose key is unknown come behind all others, newest first,
 * which is the second part of the list. With the index, its table digest is gone through by one of
 * its own indexes; while that is still made, the store's own table is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/local/local.h"
#include "store/local/search.h"

#define PARAMETERS_MAX (STORED_TAGS_MAX + 32)

/* What a filter or an order looks at, in the index and in the store. */
enum column {
    START,
    DURATION,
    COST,
    TOKENS,
    TTFT,
    STATUS,
    USER,
    SESSION,
    PROJECT,
    NAME,
    MODEL,
    TAGS,
    ROW
};
static const char any_tokens[] = "iif(t.tokens_input IS NULL AND t.tokens_output IS NULL, NULL,"
                                 " coalesce(t.tokens_input, 0) + coalesce(t.tokens_output, 0))";
static const char any_status[] = LOCAL_STATUS;
static const char *const columns[2][ROW + 1] = {
    {"t.start_time", "iif(t.end_time > 0, t.end_time - t.start_time, NULL)", "t.cost", any_tokens,
     "NULL", any_status, "t.user_id", "t.session_id", "t.project_id", "t.name",
     "coalesce(t.models, t.model)", "t.tags", "t.row"},
    {"d.start_time", "d.duration", "d.cost", "d.tokens", "d.ttft", "d.status", "d.user_id",
     "d.session_id", "d.project_id", "d.name", "d.models", "d.tags", "d.trace"}};
static const enum column keys[] = {[SORT_START] = START,
                                   [SORT_DURATION] = DURATION,
                                   [SORT_COST] = COST,
                                   [SORT_TOKENS] = TOKENS,
                                   [SORT_TTFT] = TTFT};

struct parameter {
    struct text text; /* at NULL: a number */
    bool real;
    int64_t number;
    double figure;
};

struct query {
    struct buf sql;
    int err;
    struct parameter parameters[PARAMETERS_MAX];
    int count;
};

/* Where a page begins. */
struct position {
    bool set;
    bool unknown; /* among those whose key is */
    double key;
    int64_t start, row;
};

static void put(struct query *q, const char *sql)
{
    if (q->err == ERR_OK)
        q->err = buf_append_str(&q->sql, sql);
}

static void put_parameter(struct query *q, struct parameter p)
{
    char name[16];
    if (q->count == PARAMETERS_MAX) {
        q->err = ERR_FULL;
        return;
    }
    q->parameters[q->count++] = p;
    snprintf(name, sizeof(name), "?%d", q->count);
    put(q, name);
}

static void put_text(struct query *q, struct text text)
{
    put_parameter(q, (struct parameter){.text = text});
}

static void put_int(struct query *q, int64_t number)
{
    put_parameter(q, (struct parameter){.number = number});
}

static void put_figure(struct query *q, double figure)
{
    put_parameter(q, (struct parameter){.real = true, .figure = figure});
}

static void put_equal(struct query *q, const char *column, struct text text)
{
    if (text.at == NULL)
        return;
    put(q, " AND ");
    put(q, column);
    put(q, " = ");
    put_text(q, text);
}

static void put_part(struct query *q, const char *column, struct text text)
{
    if (text.at == NULL || text.len == 0)
        return;
    put(q, " AND local_contains(");
    put(q, column);
    put(q, ", ");
    put_text(q, text);
    put(q, ")");
}

static void put_tags(struct query *q, const char *column, const struct stored_filter *f)
{
    if (f->tag_count == 0)
        return;
    put(q, " AND json_valid(");
    put(q, column);
    put(q, ") AND EXISTS (SELECT 1 FROM json_each(");
    put(q, column);
    put(q, ") WHERE value IN (");
    for (size_t i = 0; i < f->tag_count; i++) {
        put(q, i > 0 ? ", " : "");
        put_text(q, f->tags[i]);
    }
    put(q, "))");
}

static void put_filters(struct query *q, const char *const *c, const struct stored_filter *f)
{
    put_equal(q, c[PROJECT], f->project_id);
    put_equal(q, c[USER], f->user_id);
    put_equal(q, c[SESSION], f->session_id);
    put_part(q, c[NAME], f->name);
    put_part(q, c[MODEL], f->model);
    put_tags(q, c[TAGS], f);
    if (f->status != STORED_ANY) {
        put(q, " AND ");
        put(q, c[STATUS]);
        put(q, " = ");
        put_int(q, (int64_t)f->status);
    }
    if (f->from != 0) {
        put(q, " AND ");
        put(q, c[START]);
        put(q, " >= ");
        put_int(q, f->from);
    }
    if (f->to != 0) {
        put(q, " AND ");
        put(q, c[START]);
        put(q, " < ");
        put_int(q, f->to);
    }
    if (f->min_duration_ms > 0) {
        put(q, " AND ");
        put(q, c[DURATION]);
        put(q, " >= ");
        put_int(q, f->min_duration_ms > INT64_MAX / NS_PER_MS ? INT64_MAX
                                                              : f->min_duration_ms * NS_PER_MS);
    }
}

/* (start_time, row) behind those of the position, newest first. */
static void put_behind(struct query *q, const char *const *c, const struct position *p)
{
    put(q, "(");
    put(q, c[START]);
    put(q, ", ");
    put(q, c[ROW]);
    put(q, ") < (");
    put_int(q, p->start);
    put(q, ", ");
    put_int(q, p->row);
    put(q, ")");
}

/* Behind a position of a list by start alone: it is its own key. */
static void put_behind_start(struct query *q, const char *const *c, bool ascending,
                             const struct position *p)
{
    put(q, " AND ");
    if (!ascending) {
        put_behind(q, c, p);
        return;
    }
    put(q, c[START]);
    put(q, " >= ");
    put_int(q, p->start);
    put(q, " AND (");
    put(q, c[START]);
    put(q, " > ");
    put_int(q, p->start);
    put(q, " OR ");
    put(q, c[ROW]);
    put(q, " < ");
    put_int(q, p->row);
    put(q, ")");
}

static void put_behind_key(struct query *q, const char *const *c, const char *key, bool ascending,
                           const struct position *p)
{
    put(q, " AND ");
    put(q, key);
    put(q, ascending ? " >= " : " <= ");
    put_figure(q, p->key);
    put(q, " AND (");
    put(q, key);
    put(q, ascending ? " > " : " < ");
    put_figure(q, p->key);
    put(q, " OR ");
    put_behind(q, c, p);
    put(q, ")");
}

/* How one part of the list is sorted. */
struct order {
    enum stored_sort sort;
    bool ascending;
    bool unknown; /* those whose key is: newest first */
};

static void put_position(struct query *q, const char *const *c, struct order o,
                         const struct position *p)
{
    const char *key = c[keys[o.sort]];
    if (o.sort != SORT_START) {
        put(q, " AND ");
        put(q, key);
        put(q, o.unknown ? " IS NULL" : " IS NOT NULL");
    }
    if (!p->set)
        return;
    if (o.sort == SORT_START || o.unknown)
        put_behind_start(q, c, o.ascending && !o.unknown, p);
    else
        put_behind_key(q, c, key, o.ascending, p);
}

static void put_order(struct query *q, const char *const *c, const char *key, struct order o)
{
    bool by_start = o.sort == SORT_START || o.unknown;
    put(q, " ORDER BY ");
    put(q, by_start ? c[START] : key);
    put(q, o.ascending && !o.unknown ? " ASC" : " DESC");
    if (!by_start) {
        put(q, ", ");
        put(q, c[START]);
        put(q, " DESC");
    }
    put(q, ", ");
    put(q, c[ROW]);
    put(q, " DESC");
}

/* Of the store itself, while there is no index. */
static void make_direct(struct query *q, const struct stored_filter *f, struct order o,
                        const struct position *p, size_t limit)
{
    const char *const *c = columns[0];
    put(q, "SELECT " LOCAL_TRACE_COLUMNS ", NULL, NULL, NULL, ");
    put(q, c[keys[o.sort]]);
    put(q, " FROM main.trace t WHERE 1");
    put_filters(q, c, f);
    put_position(q, c, o, p);
    put_order(q, c, c[keys[o.sort]], o);
    put(q, " LIMIT ");
    put_int(q, (int64_t)limit);
}

/* The page is chosen in the digest, whose rows are small, and only then looked up. */
static void make_indexed(struct query *q, const struct stored_filter *f, const struct search *found,
                         struct order o, const struct position *p, size_t limit)
{
    const char *const *c = columns[1];
    const char *key = c[keys[o.sort]];
    put(q, "SELECT " LOCAL_TRACE_COLUMNS ", d.calls, d.tokens_cache_read, d.ttft, d.key"
           " FROM (SELECT d.trace, d.calls, d.tokens_cache_read, d.ttft, d.start_time, ");
    put(q, key);
    put(q, " AS key FROM ui.digest d");
    put(q, found->few ? " NOT INDEXED WHERE 1" : " WHERE 1");
    put_filters(q, c, f);
    put(q, found->sql != NULL ? found->sql : "");
    put_position(q, c, o, p);
    put(q, " AND EXISTS (SELECT 1 FROM main.trace e WHERE e.row = d.trace)");
    put_order(q, c, key, o);
    put(q, " LIMIT ");
    put_int(q, (int64_t)limit);
    put(q, ") d CROSS JOIN main.trace t ON t.row = d.trace");
    put_order(q, c, "d.key", o);
}

static sqlite3_stmt *prepare(struct backend_session *s, const struct query *q, int *err)
{
    if ((*err = q->err) != ERR_OK)
        return NULL;
    sqlite3_stmt *st = local_prepare(s, buf_str(&q->sql), err);
    for (int i = 0; st != NULL && i < q->count; i++) {
        const struct parameter *p = &q->parameters[i];
        if (p->text.at != NULL)
            local_bind_text(st, i + 1, p->text);
        else if (p->real)
            sqlite3_bind_double(st, i + 1, p->figure);
        else
            sqlite3_bind_int64(st, i + 1, p->number);
    }
    return st;
}

struct page {
    const struct stored_filter *filter;
    bool indexed;
    struct search found; /* what the words are in */
    struct position at;  /* behind what was given */
    size_t given;
    bool more;
    stored_trace_fn *each;
    void *user;
};

static int read_part(struct backend_session *s, struct page *page, bool unknown)
{
    int err;
    struct query q = {.err = ERR_OK};
    buf_init(&q.sql, 65536);
    const struct order o = {page->filter->sort, page->filter->ascending, unknown};
    const size_t limit = page->filter->limit - page->given + 1;
    if (page->indexed)
        make_indexed(&q, page->filter, &page->found, o, &page->at, limit);
    else
        make_direct(&q, page->filter, o, &page->at, limit);
    sqlite3_stmt *st = prepare(s, &q, &err);
    while (st != NULL && err == ERR_OK && (err = local_step(s, st)) == 1) {
        page->more = page->given == page->filter->limit;
        if (page->more) {
            err = ERR_OK;
            break;
        }
        err = local_give_trace(s, st, LOCAL_TRACE_COLUMN_COUNT, page->each, page->user);
        page->given++;
        page->at = (struct position){.set = true,
                                     .unknown = unknown,
                                     .key = sqlite3_column_double(st, LOCAL_TRACE_COLUMN_COUNT + 3),
                                     .start = sqlite3_column_int64(st, 1),
                                     .row = sqlite3_column_int64(st, 19)};
    }
    sqlite3_finalize(st);
    buf_release(&q.sql);
    return err;
}

static int read_page(struct backend_session *s, struct page *page)
{
    int err = ERR_OK;
    if (!page->at.unknown)
        err = read_part(s, page, false);
    if (err != ERR_OK || page->filter->sort == SORT_START || page->more)
        return err;
    if (!page->at.unknown)
        page->at =
            (struct position){.set = true, .unknown = true, .start = INT64_MAX, .row = INT64_MAX};
    /* The page may be full with the last known one: what is left begins the next. */
    return read_part(s, page, true);
}

static char *print_cursor(const struct stored_filter *f, const struct position *p)
{
    char *text = NULL;
    int len = asprintf(&text, "%c%c%c.%a.%" PRId64 ".%" PRId64, 'a' + (int)f->sort,
                       f->ascending ? 'a' : 'd', p->unknown ? 'u' : 'k', p->key, p->start, p->row);
    return len < 0 ? NULL : text;
}

static int parse_cursor(const struct stored_filter *f, struct position *out)
{
    char text[128];
    char part;
    *out = (struct position){0};
    if (f->cursor.at == NULL || f->cursor.len == 0)
        return ERR_OK;
    if (f->cursor.len < 4 || f->cursor.len >= sizeof(text) ||
        f->cursor.at[0] != 'a' + (char)f->sort || f->cursor.at[1] != (f->ascending ? 'a' : 'd') ||
        f->cursor.at[3] != '.' || memchr(f->cursor.at, ' ', f->cursor.len) != NULL)
        return ERR_BAD;
    memcpy(text, f->cursor.at, f->cursor.len);
    text[f->cursor.len] = '\0';
    part = text[2];
    char *after;
    out->key = strtod(text + 4, &after);
    if (*after != '.')
        return ERR_BAD;
    out->start = strtoll(after + 1, &after, 10);
    if (*after != '.')
        return ERR_BAD;
    out->row = strtoll(after + 1, &after, 10);
    if (*after != '\0' || (part != 'u' && part != 'k'))
        return ERR_BAD;
    out->set = true;
    out->unknown = part == 'u';
    return ERR_OK;
}

/* Without its index a list by time to first token cannot be made, nor can a search. */
static int need_index(struct backend_session *s, const struct stored_filter *f, bool *indexed)
{
    if (*indexed || (f->sort != SORT_TTFT && f->q.len == 0))
        return ERR_OK;
    int err = local_wait_indexed(s, indexed);
    if (err == ERR_OK && !*indexed)
        err = local_error(s, ERR_BUSY, "the index of %s is still being made", s->store->path);
    return err;
}

int local_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
               void *user, char **next_cursor)
{
    struct page page = {.filter = f, .each = each, .user = user};
    *next_cursor = NULL;
    int err = parse_cursor(f, &page.at);
    if (err != ERR_OK)
        return local_error(s, ERR_BAD, "that is no cursor of this list");
    err = local_enter_indexed(s, &page.indexed);
    if (err == ERR_NOENT)
        return ERR_OK; /* no store yet: no trace */
    if (err == ERR_OK)
        err = need_index(s, f, &page.indexed);
    if (err == ERR_OK && f->q.len > 0)
        err = search_traces(s, f->q, &page.found);
    if (err == ERR_OK && !page.found.nothing)
        err = read_page(s, &page);
    search_release(s, &page.found);
    if (err == ERR_OK && page.more && (*next_cursor = print_cursor(f, &page.at)) == NULL)
        err = ERR_NOMEM;
    return err;
}
