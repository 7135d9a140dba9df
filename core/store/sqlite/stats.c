/* Totals by group, out of the rollups. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/sqlite/rollup.h"

enum { GROUPS_MAX = 10000, SAMPLES_FOLD = 16384 };

struct group {
    struct text key, user; /* at NULL: not grouped by */
    int64_t time;          /* hours */
    bool told;
    struct rollup_figures figures;
    struct buf latency, ttft; /* printed histograms, one after another: length, bytes */
};

struct grouping {
    struct backend_session *s;
    const struct stored_stats *q;
    struct map map;
    struct group **groups;
    size_t count, cap;
    bool sampling; /* the second time: histograms of the groups that are told */
};

static void free_group(struct group *g)
{
    buf_release(&g->latency);
    buf_release(&g->ttft);
    free((char *)(uintptr_t)g->key.at);
    free(g);
}

static int copy_text(struct text from, struct text *out)
{
    char *at = calloc(from.len + 1, 1);
    out->at = at;
    out->len = from.len;
    if (at == NULL)
        return ERR_NOMEM;
    if (from.len > 0)
        memcpy(at, from.at, from.len);
    return ERR_OK;
}

static int add_group(struct grouping *all, const char *name, size_t len, struct text key,
                     int64_t time, struct group **out)
{
    if (all->count == all->cap) {
        size_t cap = all->cap == 0 ? 64 : 2 * all->cap;
        struct group **groups = realloc(all->groups, cap * sizeof(struct group *));
        if (groups == NULL)
            return ERR_NOMEM;
        all->groups = groups;
        all->cap = cap;
    }
    struct group *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return ERR_NOMEM;
    g->time = time;
    buf_init(&g->latency, (size_t)1 << 24);
    buf_init(&g->ttft, (size_t)1 << 24);
    if (copy_text(key, &g->key) != ERR_OK || map_set(&all->map, name, len, g) != ERR_OK) {
        free_group(g);
        return ERR_NOMEM;
    }
    all->groups[all->count++] = g;
    *out = g;
    return ERR_OK;
}

static int find_group(struct grouping *all, struct text key, int64_t time, struct group **out)
{
    size_t len = sizeof(time) + key.len;
    char stack[512];
    char *name = len <= sizeof(stack) ? stack : malloc(len);
    if (name == NULL)
        return ERR_NOMEM;
    memcpy(name, &time, sizeof(time));
    if (key.len > 0)
        memcpy(name + sizeof(time), key.at, key.len);
    int err = ERR_OK;
    *out = map_get(&all->map, name, len);
    if (*out == NULL)
        err = add_group(all, name, len, key, time, out);
    if (name != stack)
        free(name);
    return err;
}

/* ---- Histograms: kept as they were printed, since most are short and groups may be many */

static int merge_samples(const struct buf *samples, struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    for (size_t at = 0; at < samples->len;) {
        uint32_t len;
        memcpy(&len, samples->data + at, sizeof(len));
        int err = histogram_parse(h, samples->data + at + sizeof(len), len);
        if (err != ERR_OK)
            return err;
        at += sizeof(len) + len;
    }
    return ERR_OK;
}

static int keep_samples(struct buf *samples, const void *bytes, size_t size)
{
    uint32_t len = (uint32_t)size;
    int err = size == 0 ? ERR_OK : buf_append(samples, &len, sizeof(len));
    return err == ERR_OK ? buf_append(samples, bytes, size) : err;
}

static int fold_samples(struct buf *samples)
{
    struct histogram h;
    struct buf folded;
    buf_init(&folded, 1 << 16);
    int err = merge_samples(samples, &h);
    if (err == ERR_OK)
        err = histogram_print(&h, &folded);
    buf_clear(samples);
    if (err == ERR_OK)
        err = keep_samples(samples, buf_str(&folded), folded.len);
    buf_release(&folded);
    return err;
}

static int add_samples(struct buf *samples, struct text printed)
{
    int err = printed.at == NULL ? ERR_OK : keep_samples(samples, printed.at, printed.len);
    return err == ERR_OK && samples->len > SAMPLES_FOLD ? fold_samples(samples) : err;
}

/* ---- Reading */

static int64_t group_time(const struct stored_stats *q, int64_t hour)
{
    if ((q->group_by & GROUP_HOUR) != 0)
        return hour;
    if ((q->group_by & GROUP_DAY) != 0)
        return (hour >= 0 ? hour / 24 : -((-hour + 23) / 24)) * 24;
    return 0;
}

static int add_row(struct grouping *all, sqlite3_stmt *st, bool by_key)
{
    struct rollup_figures f;
    struct group *g;
    struct text user = sql_column_text(st, 2);
    struct text key = by_key ? sql_column_text(st, 1) : (struct text){NULL, 0};
    if (all->q->user_id.at != NULL && (all->q->group_by & GROUP_SESSION) != 0 &&
        !text_same(user, all->q->user_id))
        return ERR_OK;
    int err = find_group(all, key, group_time(all->q, sqlite3_column_int64(st, 0)), &g);
    if (err != ERR_OK)
        return err;
    if (!all->sampling) {
        rollup_read_figures(st, 3, &f);
        rollup_add(&g->figures, &f);
        return ERR_OK;
    }
    if (!g->told)
        return ERR_OK;
    err = add_samples(&g->latency, sql_column_text(st, 16));
    return err == ERR_OK ? add_samples(&g->ttft, sql_column_text(st, 17)) : err;
}

static int read_kind(struct grouping *all, enum rollup_kind kind, bool by_key)
{
    int err;
    const struct stored_stats *q = all->q;
    bool everyone = q->project_id.at == NULL;
    sqlite3_stmt *st = sql_use(all->s, everyone ? SQL_ROLLUP_EVERYONE : SQL_ROLLUP_RANGE, &err);
    if (st == NULL)
        return err;
    /* Parts of an hour are taken for the whole of it. */
    int64_t to = q->to == 0 ? INT64_MAX : rollup_hour(q->to - 1) + 1;
    sql_bind(st, "tiii", q->project_id, (int64_t)kind,
             q->from == 0 ? INT64_MIN : rollup_hour(q->from), to);
    while ((err = sql_step(all->s, st)) == 1) {
        err = add_row(all, st, by_key);
        if (err != ERR_OK)
            break;
    }
    sqlite3_reset(st);
    return err;
}

/* Of a session or user that is told: sums and histograms at once. */
static int read_key(struct grouping *all, enum rollup_kind kind, struct group *g, int64_t from,
                    int64_t to)
{
    int err;
    sqlite3_stmt *st = sql_use(all->s, SQL_ROLLUP_OF_KEY, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "titii", all->q->project_id, (int64_t)kind, g->key, from, to);
    while ((err = sql_step(all->s, st)) == 1) {
        all->sampling = false;
        err = add_row(all, st, true);
        all->sampling = true;
        if (err == ERR_OK)
            err = add_row(all, st, true);
        if (err != ERR_OK)
            break;
    }
    sqlite3_reset(st);
    return err;
}

/* The groups of the latest rows, at most `limit`. */
static int find_latest(struct grouping *all, enum rollup_kind kind, int64_t from, int64_t to,
                       size_t limit)
{
    int err;
    const struct stored_stats *q = all->q;
    sqlite3_stmt *st = sql_use(all->s, SQL_ROLLUP_LATEST, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "tiiii", q->project_id, (int64_t)kind,
             from <= 0 ? INT64_MIN : from * ROLLUP_HOUR_NS, from, to);
    while (all->count < limit && (err = sql_step(all->s, st)) == 1) {
        struct group *g;
        if (kind == ROLLUP_SESSION && q->user_id.at != NULL &&
            !text_same(sql_column_text(st, 1), q->user_id))
            continue;
        err = find_group(all, sql_column_text(st, 0), 0, &g);
        if (err != ERR_OK)
            break;
        g->told = true;
    }
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

/* Sessions or users of one project: the latest by an index, then what they have. */
static int read_latest(struct grouping *all, enum rollup_kind kind, size_t limit)
{
    const struct stored_stats *q = all->q;
    int64_t from = q->from == 0 ? INT64_MIN : rollup_hour(q->from);
    int64_t to = q->to == 0 ? INT64_MAX : rollup_hour(q->to - 1) + 1;
    int err = sql_exec(all->s, "BEGIN"); /* both look at the same */
    if (err == ERR_OK)
        err = find_latest(all, kind, from, to, limit);
    for (size_t i = 0; i < all->count && err == ERR_OK; i++)
        err = read_key(all, kind, all->groups[i], from, to);
    if (!sqlite3_get_autocommit(all->s->db))
        (void)sqlite3_exec(all->s->db, "COMMIT", NULL, NULL, NULL);
    return err;
}

/* What is written between the two times is in the second one only: a group that is new then is not
 * told, and histograms may have some more than the sums. */
static int read_all(struct grouping *all)
{
    unsigned by = all->q->group_by;
    struct group *only;
    int err = ERR_OK;
    if ((by & GROUP_USER) != 0)
        return read_kind(all, ROLLUP_USER, true);
    if ((by & GROUP_SESSION) != 0)
        return read_kind(all, ROLLUP_SESSION, true);
    if (by == 0)
        err = find_group(all, (struct text){NULL, 0}, 0, &only);
    if (err == ERR_OK && (by & GROUP_MODEL) == 0)
        err = read_kind(all, ROLLUP_TRACE, false);
    return err == ERR_OK ? read_kind(all, ROLLUP_MODEL, (by & GROUP_MODEL) != 0) : err;
}

/* ---- Telling */

static int by_time(const void *va, const void *vb)
{
    const struct group *a = *(struct group *const *)va;
    const struct group *b = *(struct group *const *)vb;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->figures.last_time != b->figures.last_time)
        return a->figures.last_time > b->figures.last_time ? -1 : 1;
    return 0;
}

static int tell(struct grouping *all, const struct group *g, stored_group_fn *each, void *user)
{
    struct histogram h;
    const struct rollup_figures *f = &g->figures;
    unsigned by = all->q->group_by;
    struct text key = g->key.len == 0 ? (struct text){NULL, 0} : g->key;
    struct text none = {NULL, 0};
    struct stored_group out = {
        .model = (by & GROUP_MODEL) != 0 ? key : none,
        .user_id = (by & GROUP_USER) != 0 ? key : none,
        .session_id = (by & GROUP_SESSION) != 0 ? key : none,
        .time = g->time * ROLLUP_HOUR_NS,
        .traces = (by & GROUP_MODEL) != 0 ? SPAN_UNKNOWN : f->traces,
        .spans = f->spans,
        .calls = f->calls,
        .errors = f->errors,
        .tokens_input = f->told_input > 0 ? f->tokens_input : SPAN_UNKNOWN,
        .tokens_output = f->told_output > 0 ? f->tokens_output : SPAN_UNKNOWN,
        .tokens_cache_read = f->told_cache_read > 0 ? f->tokens_cache_read : SPAN_UNKNOWN,
        .cost = f->cost,
        .first_time = f->first_time,
        .last_time = f->last_time,
    };
    int err = merge_samples(&g->latency, &h);
    out.latency_p50_ms = histogram_percentile(&h, 0.5);
    out.latency_p95_ms = histogram_percentile(&h, 0.95);
    if (err == ERR_OK)
        err = merge_samples(&g->ttft, &h);
    out.ttft_p50_ms = histogram_percentile(&h, 0.5);
    out.ttft_p95_ms = histogram_percentile(&h, 0.95);
    if (err != ERR_OK)
        return sql_error(all->s, ERR_CORRUPT, "%s: a total is damaged", all->s->b->path);
    return each(user, &out);
}

/* All, and then the histograms of those that are told. */
static int read_twice(struct grouping *all, size_t limit)
{
    int err = read_all(all);
    if (err == ERR_OK && all->count > 1)
        qsort(all->groups, all->count, sizeof(struct group *), by_time);
    for (size_t i = 0; i < all->count && i < limit; i++)
        all->groups[i]->told = true;
    all->sampling = true;
    return err == ERR_OK ? read_all(all) : err;
}

int sqlite_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user)
{
    struct grouping all = {.s = s, .q = q};
    size_t limit = q->limit < 1 ? 1 : q->limit > GROUPS_MAX ? GROUPS_MAX : q->limit;
    map_init(&all.map);
    int err = (q->group_by & (GROUP_USER | GROUP_SESSION)) != 0 && q->project_id.at != NULL
                  ? read_latest(
                        &all, (q->group_by & GROUP_USER) != 0 ? ROLLUP_USER : ROLLUP_SESSION, limit)
                  : read_twice(&all, limit);
    if (err == ERR_OK && all.count > 1)
        qsort(all.groups, all.count, sizeof(struct group *), by_time);
    for (size_t i = 0; i < limit && i < all.count && err == ERR_OK; i++)
        if (all.groups[i]->told)
            err = tell(&all, all.groups[i], each, user);
    for (size_t i = 0; i < all.count; i++)
        free_group(all.groups[i]);
    free(all.groups);
    map_release(&all.map);
    return err;
}
