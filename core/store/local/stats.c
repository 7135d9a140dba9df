/* Totals: by hour from what the index has put together, from the spans of an hour that still
 * changes; by user and session from the traces. Nothing but one group is held in memory. */
#include "store/local/stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/local/local.h"

#define HOUR_NS (3600 * NS_PER_SEC)
#define DAY_NS  (24 * HOUR_NS)

struct answer {
    struct backend_session *s;
    const struct stored_stats *q;
    struct totals totals; /* of the group that is being put together */
    int64_t time;         /* its start; -1: none yet */
    size_t given;
    stored_group_fn *each;
    void *user;
};

static int64_t bucket(const struct stored_stats *q, int64_t hour)
{
    if ((q->group_by & GROUP_HOUR) != 0)
        return hour * HOUR_NS;
    return (q->group_by & GROUP_DAY) != 0 ? hour * HOUR_NS / DAY_NS * DAY_NS : 0;
}

static int64_t end_of(const struct stored_stats *q, int64_t time)
{
    if ((q->group_by & GROUP_HOUR) != 0)
        return time + HOUR_NS;
    return (q->group_by & GROUP_DAY) != 0 ? time + DAY_NS : INT64_MAX;
}

/* Traces that began in the group's time and in that of the question, and when. */
static int add_traces(struct answer *a, struct stored_group *g)
{
    int err;
    int64_t from = a->time > a->q->from ? a->time : a->q->from;
    int64_t to = end_of(a->q, a->time);
    if (a->q->to != 0 && a->q->to < to)
        to = a->q->to;
    sqlite3_stmt *st = local_prepare(a->s,
                                     "SELECT count(*), min(start_time), max(start_time)"
                                     " FROM ui.digest WHERE start_time >= ?1 AND"
                                     " start_time < ?2 AND (?3 IS NULL OR project_id = ?3)",
                                     &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, from);
    sqlite3_bind_int64(st, 2, to);
    local_bind_text(st, 3, a->q->project_id);
    err = local_step(a->s, st);
    g->traces = err == 1 ? sqlite3_column_int64(st, 0) : 0;
    if (g->traces > 0) {
        int64_t first = sqlite3_column_int64(st, 1);
        int64_t last = sqlite3_column_int64(st, 2);
        g->first_time = g->first_time == 0 || first < g->first_time ? first : g->first_time;
        g->last_time = last > g->last_time ? last : g->last_time;
    }
    sqlite3_finalize(st);
    return err < 0 ? err : ERR_OK;
}

static void take_percentiles(struct stored_group *g, const struct histogram *latency,
                             const struct histogram *ttft)
{
    g->latency_p50_ms = histogram_percentile(latency, 0.5);
    g->latency_p95_ms = histogram_percentile(latency, 0.95);
    g->ttft_p50_ms = histogram_percentile(ttft, 0.5);
    g->ttft_p95_ms = histogram_percentile(ttft, 0.95);
}

static int give_total(void *user, const struct total *t)
{
    struct answer *a = user;
    struct stored_group g = {.time = a->time,
                             .traces = SPAN_UNKNOWN,
                             .spans = t->spans,
                             .calls = t->calls,
                             .errors = t->errors,
                             .tokens_input = t->tokens_input,
                             .tokens_output = t->tokens_output,
                             .tokens_cache_read = t->tokens_cache_read,
                             .cost = t->cost,
                             .first_time = t->first_time,
                             .last_time = t->last_time};
    if (a->given >= a->q->limit && a->q->group_by != 0)
        return ERR_OK;
    take_percentiles(&g, &t->latency, &t->ttft);
    if ((a->q->group_by & GROUP_MODEL) == 0) {
        int err = add_traces(a, &g);
        if (err != ERR_OK || (g.traces == 0 && g.spans == 0))
            return err; /* another project's hour */
        a->given++;
        return a->each(a->user, &g);
    }
    a->given++;
    if (t->model == 0)
        return a->each(a->user, &g);
    int err;
    sqlite3_stmt *st = local_prepare(a->s, "SELECT name FROM ui.model WHERE id = ?1", &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, t->model);
    err = local_step(a->s, st);
    if (err == 1) {
        g.model = local_column(st, 0);
        err = a->each(a->user, &g);
    }
    sqlite3_finalize(st);
    return err;
}

static int latest_first(const void *a, const void *b)
{
    const struct total *x = *(const struct total *const *)a;
    const struct total *y = *(const struct total *const *)b;
    return (x->last_time < y->last_time) - (x->last_time > y->last_time);
}

static const struct total no_total = {.tokens_input = SPAN_UNKNOWN,
                                      .tokens_output = SPAN_UNKNOWN,
                                      .tokens_cache_read = SPAN_UNKNOWN,
                                      .cost = -1};

static int finish_group(struct answer *a)
{
    int err = ERR_OK;
    if (a->totals.count > 1)
        qsort(a->totals.items, a->totals.count, sizeof(struct total *), latest_first);
    if (a->time >= 0 && a->totals.count == 0 && (a->q->group_by & GROUP_MODEL) == 0)
        err = give_total(a, &no_total); /* there may be traces without spans */
    else if (a->time >= 0)
        err = totals_each(&a->totals, give_total, a);
    totals_clear(&a->totals);
    return err;
}

static int add_hour(struct answer *a, int64_t hour, bool changing)
{
    int err;
    bool one_project = a->q->project_id.at != NULL;
    const char *sql = TOTALS_OF_HOUR("ui");
    if (one_project)
        sql = TOTALS_FACTS_OF_HOUR("ui") " AND (SELECT project_id FROM ui.digest d"
                                         " WHERE d.trace = f.trace) = ?2";
    else if (changing)
        sql = TOTALS_FACTS_OF_HOUR("ui");
    sqlite3_stmt *st = local_prepare(a->s, sql, &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, hour);
    if (one_project)
        local_bind_text(st, 2, a->q->project_id);
    while ((err = local_step(a->s, st)) == 1) {
        err = one_project || changing ? totals_add_fact(&a->totals, st)
                                      : totals_add_hour(&a->totals, st);
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err;
}

/* Hours that have spans, and whether they still change. */
#define HOURS                                                                                      \
    "SELECT hour, max(changing) FROM (SELECT hour, 1 AS changing FROM ui.hour UNION ALL"           \
    " SELECT hour, 0 FROM ui.total"
#define HOURS_END ") WHERE hour >= ?1 AND hour <= ?2 GROUP BY hour ORDER BY hour"
/* Hours in which a trace began: from one to the next by the index, not trace by trace. */
#define NEXT_HOUR(after)                                                                           \
    "(SELECT start_time / 3600000000000 FROM ui.digest WHERE start_time >= (" after                \
    ") * 3600000000000 ORDER BY start_time LIMIT 1)"
static const char hours_of_spans[] = HOURS HOURS_END;
static const char hours_of_both[] =
    "WITH RECURSIVE began(hour) AS (SELECT " NEXT_HOUR("?1") " UNION ALL SELECT " NEXT_HOUR(
        "began.hour + 1") " FROM began WHERE began.hour < ?2) " HOURS
                          " UNION ALL SELECT hour, 0 FROM began WHERE hour IS NOT NULL" HOURS_END;

/* By time and model, hour by hour. */
static int answer_by_hours(struct answer *a)
{
    int err;
    sqlite3_stmt *st = local_prepare(
        a->s, (a->q->group_by & GROUP_MODEL) != 0 ? hours_of_spans : hours_of_both, &err);
    if (st == NULL)
        return err;
    sqlite3_bind_int64(st, 1, a->q->from / HOUR_NS);
    sqlite3_bind_int64(st, 2, a->q->to == 0 ? INT64_MAX : (a->q->to - 1) / HOUR_NS);
    while ((err = local_step(a->s, st)) == 1) {
        int64_t hour = sqlite3_column_int64(st, 0);
        err = ERR_OK;
        if (bucket(a->q, hour) != a->time) {
            err = finish_group(a);
            a->time = bucket(a->q, hour);
        }
        if (err == ERR_OK)
            err = add_hour(a, hour, sqlite3_column_int(st, 1) != 0);
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err == ERR_OK ? finish_group(a) : err;
}

/* ---- by user and session */

#define OF_TRACES                                                                                  \
    " WHERE (?1 IS NULL OR d.project_id = ?1) AND (?2 IS NULL OR d.user_id = ?2)"                  \
    " AND d.start_time >= ?3 AND d.start_time < ?4"

static void bind_traces(sqlite3_stmt *st, const struct stored_stats *q)
{
    local_bind_text(st, 1, q->project_id);
    local_bind_text(st, 2, q->group_by == GROUP_SESSION ? q->user_id : (struct text){0});
    sqlite3_bind_int64(st, 3, q->from);
    sqlite3_bind_int64(st, 4, q->to == 0 ? INT64_MAX : q->to);
}

#define CALLS_OF(condition)                                                                        \
    "SELECT f.latency, f.ttft FROM ui.digest d CROSS JOIN ui.fact f ON f.trace = d.trace"          \
    " AND f.call = 1" OF_TRACES " AND " condition

/* Of the calls of a group's traces. */
static int add_percentiles(struct answer *a, struct text key, struct stored_group *g)
{
    int err;
    const char *sql =
        a->q->group_by == GROUP_USER ? CALLS_OF("d.user_id = ?5") : CALLS_OF("d.session_id = ?5");
    struct histogram *times = calloc(2, sizeof(*times));
    if (times == NULL)
        return ERR_NOMEM;
    sqlite3_stmt *st = local_prepare(a->s, sql, &err);
    if (st != NULL) {
        bind_traces(st, a->q);
        local_bind_text(st, 5, key);
        while ((err = local_step(a->s, st)) == 1)
            for (int i = 0; i < 2; i++)
                if (sqlite3_column_type(st, i) != SQLITE_NULL)
                    histogram_add(&times[i], sqlite3_column_double(st, i), 1);
        sqlite3_finalize(st);
        take_percentiles(g, &times[0], &times[1]);
    }
    free(times);
    return err;
}

#define INPUT      LOCAL_SUM("d.tokens_input")
#define OUTPUT     LOCAL_SUM("d.tokens_output")
#define CACHE_READ LOCAL_SUM("d.tokens_cache_read")

static int answer_by_traces(struct answer *a)
{
    int err;
    bool users = a->q->group_by == GROUP_USER;
#define GROUPS_OF(column)                                                                          \
    "SELECT " column ", count(*), sum(d.spans), sum(d.calls), sum(d.errors), " INPUT ", " OUTPUT   \
    ", " CACHE_READ ", sum(d.cost), min(d.start_time),"                                            \
    " max(d.start_time) FROM ui.digest d" OF_TRACES " GROUP BY " column                            \
    " ORDER BY max(d.start_time) DESC LIMIT ?5"
    sqlite3_stmt *st =
        local_prepare(a->s, users ? GROUPS_OF("d.user_id") : GROUPS_OF("d.session_id"), &err);
    if (st == NULL)
        return err;
    bind_traces(st, a->q);
    sqlite3_bind_int64(st, 5, (int64_t)a->q->limit);
    while ((err = local_step(a->s, st)) == 1) {
        struct text key = local_column(st, 0);
        const struct text none = {0};
        struct stored_group g = {
            .user_id = users ? key : none,
            .session_id = users ? none : key,
            .traces = sqlite3_column_int64(st, 1),
            .spans = sqlite3_column_int64(st, 2),
            .calls = sqlite3_column_int64(st, 3),
            .errors = sqlite3_column_int64(st, 4),
            .tokens_input = statement_figure(st, 5),
            .tokens_output = statement_figure(st, 6),
            .tokens_cache_read = statement_figure(st, 7),
            .cost = sqlite3_column_type(st, 8) == SQLITE_NULL ? -1 : sqlite3_column_double(st, 8),
            .first_time = sqlite3_column_int64(st, 9),
            .last_time = sqlite3_column_int64(st, 10),
            .latency_p50_ms = -1,
            .latency_p95_ms = -1,
            .ttft_p50_ms = -1,
            .ttft_p95_ms = -1};
        if (key.at != NULL) /* those without are no group that anybody waits for */
            err = add_percentiles(a, key, &g);
        else
            err = ERR_OK;
        if (err == ERR_OK)
            err = a->each(a->user, &g);
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err;
}

/* Nothing is stored: everything is zero. */
static int answer_nothing(struct answer *a)
{
    const struct stored_group none = {.tokens_input = SPAN_UNKNOWN,
                                      .tokens_output = SPAN_UNKNOWN,
                                      .tokens_cache_read = SPAN_UNKNOWN,
                                      .cost = -1,
                                      .latency_p50_ms = -1,
                                      .latency_p95_ms = -1,
                                      .ttft_p50_ms = -1,
                                      .ttft_p95_ms = -1};
    return a->q->group_by == 0 && a->given == 0 ? a->each(a->user, &none) : ERR_OK;
}

/* The question with parts of an hour taken for the whole of it: totals of spans are kept by hours,
 * and what is told of traces has to be of the same time. */
static struct stored_stats whole_hours(const struct stored_stats *q)
{
    struct stored_stats whole = *q;
    whole.from -= whole.from % HOUR_NS;
    int64_t over = whole.to % HOUR_NS;
    if (over != 0)
        whole.to = whole.to < INT64_MAX - HOUR_NS ? whole.to + HOUR_NS - over : INT64_MAX;
    return whole;
}

int local_stats(struct backend_session *s, const struct stored_stats *asked, stored_group_fn *each,
                void *user)
{
    const struct stored_stats whole = whole_hours(asked);
    const struct stored_stats *q = &whole;
    struct answer a = {.s = s, .q = q, .time = -1, .each = each, .user = user};
    bool indexed;
    int err = local_enter_indexed(s, &indexed);
    if (err == ERR_NOENT)
        return answer_nothing(&a);
    if (err == ERR_OK && !indexed)
        err = local_wait_indexed(s, &indexed);
    if (err == ERR_OK && !indexed)
        err = local_error(s, ERR_BUSY, "the index of %s is still being made", s->store->path);
    if (err != ERR_OK)
        return err;
    if (q->group_by == GROUP_USER || q->group_by == GROUP_SESSION)
        return answer_by_traces(&a);
    totals_init(&a.totals, (q->group_by & GROUP_MODEL) != 0);
    err = answer_by_hours(&a);
    totals_release(&a.totals);
    return err == ERR_OK ? answer_nothing(&a) : err;
}
