#include "store/sqlite/rollup.h"

#include <string.h>

#include "base/buf.h"

struct sample {
    struct sample *next;
    double ms;
    int by;
};

/* What a transaction changes of one row. */
struct rollup_cell {
    struct rollup_cell *next;
    struct text project, key, user;
    enum rollup_kind kind;
    int64_t hour;
    struct rollup_figures change;
    struct sample *latency, *ttft;
};

int64_t rollup_hour(int64_t time)
{
    return time >= 0 ? time / ROLLUP_HOUR_NS : -((-time + ROLLUP_HOUR_NS - 1) / ROLLUP_HOUR_NS);
}

/* Absent and empty are one. */
static struct text key_of(struct text t)
{
    return t.at == NULL ? (struct text){"", 0} : t;
}

static char *put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

/* The cell of the batch, new if it was not changed before. NULL: out of memory. */
static struct rollup_cell *cell_of(struct batch *b, enum rollup_kind kind, int64_t hour,
                                   struct text project, struct text key, struct text user)
{
    key = key_of(key);
    user = key_of(user);
    size_t len =
        sizeof(kind) + sizeof(hour) + 2 * sizeof(size_t) + project.len + key.len + user.len;
    char *name = scratch_take(&b->scratch, len);
    if (name == NULL)
        return NULL;
    char *at = put(put(name, &kind, sizeof(kind)), &hour, sizeof(hour));
    at = put(put(at, &project.len, sizeof(size_t)), &key.len, sizeof(size_t));
    put(put(put(at, project.at, project.len), key.at, key.len), user.at, user.len);
    struct rollup_cell *cell = map_get(&b->rollups, name, len);
    if (cell != NULL)
        return cell;
    cell = scratch_take(&b->scratch, sizeof(*cell));
    if (cell == NULL || map_set(&b->rollups, name, len, cell) != ERR_OK)
        return NULL;
    *cell = (struct rollup_cell){.next = b->first_rollup, .kind = kind, .hour = hour};
    if (scratch_copy(&b->scratch, project, &cell->project) != ERR_OK ||
        scratch_copy(&b->scratch, key, &cell->key) != ERR_OK ||
        scratch_copy(&b->scratch, user, &cell->user) != ERR_OK)
        return NULL;
    b->first_rollup = cell;
    return cell;
}

static void note_time(struct rollup_figures *f, int64_t time)
{
    if (f->first_time == 0 || time < f->first_time)
        f->first_time = time;
    if (time > f->last_time)
        f->last_time = time;
}

/* Both ways: a change may take away. */
static int64_t sum_of(int64_t a, int64_t b)
{
    const int64_t sum = a + b; /* neither is larger than FIGURE_MAX */
    return sum > FIGURE_MAX ? FIGURE_MAX : sum < -FIGURE_MAX ? -FIGURE_MAX : sum;
}

static double cost_of(double a, double b)
{
    const double sum = a + b;
    return sum > COST_SUM_MAX ? COST_SUM_MAX : sum < -COST_SUM_MAX ? -COST_SUM_MAX : sum;
}

void rollup_add(struct rollup_figures *to, const struct rollup_figures *f)
{
    to->traces += f->traces;
    to->spans += f->spans;
    to->calls += f->calls;
    to->errors += f->errors;
    to->tokens_input = sum_of(to->tokens_input, f->tokens_input);
    to->tokens_output = sum_of(to->tokens_output, f->tokens_output);
    to->tokens_cache_read = sum_of(to->tokens_cache_read, f->tokens_cache_read);
    to->told_input += f->told_input;
    to->told_output += f->told_output;
    to->told_cache_read += f->told_cache_read;
    to->cost = cost_of(to->cost, f->cost);
    if (f->first_time != 0) {
        note_time(to, f->first_time);
        note_time(to, f->last_time);
    }
}

int rollup_trace(struct batch *b, const struct stored_trace *t, int by)
{
    int64_t hour = rollup_hour(t->start_time);
    struct text none = {NULL, 0};
    struct rollup_cell *cells[] = {
        cell_of(b, ROLLUP_TRACE, hour, t->project_id, none, none),
        cell_of(b, ROLLUP_USER, hour, t->project_id, t->user_id, none),
        cell_of(b, ROLLUP_SESSION, hour, t->project_id, t->session_id, t->user_id),
    };
    for (int i = 0; i < 3; i++) {
        if (cells[i] == NULL)
            return ERR_NOMEM;
        cells[i]->change.traces += by;
        if (by > 0)
            note_time(&cells[i]->change, t->start_time);
    }
    return ERR_OK;
}

static void add_figure(int64_t *sum, int64_t *told, int64_t value, int by)
{
    if (value < 0)
        return;
    *sum = sum_of(*sum, by * figure_limit(value));
    *told += by;
}

static int add_sample(struct batch *b, struct sample **list, double ms, int by)
{
    if (*list != NULL && (*list)->ms == ms) { /* one is taken away and put back by a change */
        (*list)->by += by;
        return ERR_OK;
    }
    struct sample *sample = scratch_take(&b->scratch, sizeof(*sample));
    if (sample == NULL)
        return ERR_NOMEM;
    *sample = (struct sample){*list, ms, by};
    *list = sample;
    return ERR_OK;
}

static int add_span(struct batch *b, struct rollup_cell *cell, const struct stored_span *span,
                    int by)
{
    struct rollup_figures *f = &cell->change;
    bool call = span->type == SPAN_LLM || span->type == SPAN_EMBEDDING;
    int err = ERR_OK;
    f->spans += by;
    f->calls += call ? by : 0;
    f->errors += span->error.at != NULL ? by : 0;
    add_figure(&f->tokens_input, &f->told_input, span->tokens_input, by);
    add_figure(&f->tokens_output, &f->told_output, span->tokens_output, by);
    add_figure(&f->tokens_cache_read, &f->told_cache_read, span->tokens_cache_read, by);
    if (span->cost_usd >= 0)
        f->cost = cost_of(f->cost, by * cost_add(span->cost_usd, -1));
    if (by > 0 && cell->kind == ROLLUP_MODEL)
        note_time(f, span->start_time);
    if (call && span->end_time != 0)
        err = add_sample(b, &cell->latency,
                         span->end_time < span->start_time
                             ? 0
                             : (double)(span->end_time - span->start_time) / 1e6,
                         by);
    if (err == ERR_OK && call && span->ttft_ms >= 0)
        err = add_sample(b, &cell->ttft, span->ttft_ms, by);
    return err;
}

int rollup_span(struct batch *b, const struct stored_trace *t, const struct stored_span *span,
                int by)
{
    int64_t hour = rollup_hour(t->start_time);
    struct text none = {NULL, 0};
    struct rollup_cell *cells[] = {
        cell_of(b, ROLLUP_MODEL, rollup_hour(span->start_time), t->project_id, span->model, none),
        cell_of(b, ROLLUP_USER, hour, t->project_id, t->user_id, none),
        cell_of(b, ROLLUP_SESSION, hour, t->project_id, t->session_id, t->user_id),
    };
    for (int i = 0; i < 3; i++) {
        int err = cells[i] == NULL ? ERR_NOMEM : add_span(b, cells[i], span, by);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

void rollup_read_figures(sqlite3_stmt *st, int column, struct rollup_figures *f)
{
    int64_t *figures[] = {&f->traces,
                          &f->spans,
                          &f->calls,
                          &f->errors,
                          &f->tokens_input,
                          &f->tokens_output,
                          &f->tokens_cache_read,
                          &f->told_input,
                          &f->told_output,
                          &f->told_cache_read,
                          &f->first_time,
                          &f->last_time};
    for (int i = 0; i < 12; i++)
        *figures[i] = sqlite3_column_int64(st, column + i);
    for (int i = 4; i < 7; i++)
        *figures[i] = *figures[i] < 0 ? 0 : figure_limit(*figures[i]);
    f->cost = sqlite3_column_double(st, column + 12);
}

/* What is there, to which the change is added; histograms are replaced by what they become. */
static int add_existing(struct backend_session *s, struct rollup_cell *cell,
                        struct histogram *latency, struct histogram *ttft)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_ROLLUP_GET, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "tiitt", cell->project, (int64_t)cell->kind, cell->hour, cell->key, cell->user);
    err = sql_step(s, st);
    if (err == 1) {
        struct rollup_figures old;
        struct text latencies = sql_column_text(st, 13);
        struct text ttfts = sql_column_text(st, 14);
        rollup_read_figures(st, 0, &old);
        rollup_add(&cell->change, &old);
        if (histogram_parse(latency, latencies.at, latencies.len) != ERR_OK ||
            histogram_parse(ttft, ttfts.at, ttfts.len) != ERR_OK)
            err = sql_error(s, ERR_CORRUPT, "%s: a total is damaged", s->b->path);
    }
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

static int print_histogram(struct histogram *h, const struct sample *samples, struct buf *out)
{
    for (; samples != NULL; samples = samples->next)
        if (samples->by != 0)
            histogram_add(h, samples->ms, samples->by);
    buf_clear(out);
    return h->total == 0 ? ERR_OK : histogram_print(h, out);
}

static int store_cell(struct backend_session *s, struct rollup_cell *cell, struct buf *latency,
                      struct buf *ttft)
{
    struct histogram histograms[2] = {{0}, {0}};
    struct rollup_figures *f = &cell->change;
    int err = add_existing(s, cell, &histograms[0], &histograms[1]);
    if (err == ERR_OK)
        err = print_histogram(&histograms[0], cell->latency, latency);
    if (err == ERR_OK)
        err = print_histogram(&histograms[1], cell->ttft, ttft);
    if (err != ERR_OK)
        return err;
    if (f->traces <= 0 && f->spans <= 0)
        return sql_run(s, SQL_ROLLUP_DELETE, "tiitt", cell->project, (int64_t)cell->kind,
                       cell->hour, cell->key, cell->user);
    return sql_run(s, SQL_ROLLUP_PUT, "tiittiiiiiiiiiiiidbb", cell->project, (int64_t)cell->kind,
                   cell->hour, cell->key, cell->user, f->traces, f->spans, f->calls, f->errors,
                   f->tokens_input, f->tokens_output, f->tokens_cache_read, f->told_input,
                   f->told_output, f->told_cache_read, f->first_time, f->last_time,
                   f->cost < 0 ? 0.0 : f->cost, (struct text){latency->data, latency->len},
                   (struct text){ttft->data, ttft->len});
}

int rollup_store(struct backend_session *s)
{
    struct buf latency;
    struct buf ttft;
    int err = ERR_OK;
    buf_init(&latency, 1 << 16);
    buf_init(&ttft, 1 << 16);
    for (struct rollup_cell *c = s->batch.first_rollup; c != NULL && err == ERR_OK; c = c->next)
        err = store_cell(s, c, &latency, &ttft);
    buf_release(&latency);
    buf_release(&ttft);
    return err;
}
