#include <stdlib.h>

#include "store/db.h"
#include "store/local/stats.h"

void totals_init(struct totals *t, bool by_model)
{
    *t = (struct totals){.by_model = by_model};
}

void totals_clear(struct totals *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    t->count = 0;
}

void totals_release(struct totals *t)
{
    totals_clear(t);
    free(t->items);
    t->items = NULL;
    t->cap = 0;
}

static struct total *total_of(struct totals *t, int64_t model)
{
    if (!t->by_model)
        model = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i]->model == model)
            return t->items[i];
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 16 : t->cap * 2;
        struct total **items = realloc(t->items, cap * sizeof(struct total *));
        if (items == NULL)
            return NULL;
        t->items = items;
        t->cap = cap;
    }
    struct total *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->model = model;
    made->tokens_input = made->tokens_output = made->tokens_cache_read = SPAN_UNKNOWN;
    made->cost = -1;
    t->items[t->count++] = made;
    return made;
}

int totals_each(const struct totals *t, total_fn *each, void *user)
{
    int err = ERR_OK;
    for (size_t i = 0; i < t->count && err == ERR_OK; i++)
        err = each(user, t->items[i]);
    return err;
}

static void add_cost(double *to, double value)
{
    if (value >= 0)
        *to = (*to < 0 ? 0 : *to) + value;
}

static double column_known(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL ? -1 : sqlite3_column_double(st, column);
}

static void add_times(struct total *o, int64_t first, int64_t last)
{
    if (o->first_time == 0 || first < o->first_time)
        o->first_time = first;
    if (last > o->last_time)
        o->last_time = last;
}

int totals_add_fact(struct totals *t, sqlite3_stmt *st)
{
    struct total *o = total_of(t, sqlite3_column_int64(st, 0));
    if (o == NULL)
        return ERR_NOMEM;
    double latency = column_known(st, 7);
    double ttft = column_known(st, 8);
    bool call = sqlite3_column_int(st, 1) != 0;
    o->spans++;
    o->calls += call;
    o->errors += sqlite3_column_int64(st, 2);
    o->tokens_input = figure_add(o->tokens_input, statement_figure(st, 3));
    o->tokens_output = figure_add(o->tokens_output, statement_figure(st, 4));
    o->tokens_cache_read = figure_add(o->tokens_cache_read, statement_figure(st, 5));
    add_cost(&o->cost, column_known(st, 6));
    if (call && latency >= 0)
        histogram_add(&o->latency, latency, 1);
    if (call && ttft >= 0)
        histogram_add(&o->ttft, ttft, 1);
    add_times(o, sqlite3_column_int64(st, 9), sqlite3_column_int64(st, 9));
    return ERR_OK;
}

int totals_add_hour(struct totals *t, sqlite3_stmt *st)
{
    struct total *o = total_of(t, sqlite3_column_int64(st, 0));
    if (o == NULL)
        return ERR_NOMEM;
    o->spans += sqlite3_column_int64(st, 1);
    o->calls += sqlite3_column_int64(st, 2);
    o->errors += sqlite3_column_int64(st, 3);
    o->tokens_input = figure_add(o->tokens_input, sqlite3_column_int64(st, 4));
    o->tokens_output = figure_add(o->tokens_output, sqlite3_column_int64(st, 5));
    o->tokens_cache_read = figure_add(o->tokens_cache_read, sqlite3_column_int64(st, 6));
    add_cost(&o->cost, sqlite3_column_double(st, 7));
    add_times(o, sqlite3_column_int64(st, 10), sqlite3_column_int64(st, 11));
    const void *latency = sqlite3_column_blob(st, 8);
    int err = histogram_parse(&o->latency, latency, (size_t)sqlite3_column_bytes(st, 8));
    const void *ttft = sqlite3_column_blob(st, 9);
    return err == ERR_OK ? histogram_parse(&o->ttft, ttft, (size_t)sqlite3_column_bytes(st, 9))
                         : err;
}
