/* Totals and groups. DynamoDB adds nothing up, so each question reads the items of all traces of
 * the project in the time asked for, by the index (half a read unit for 4 KB of them). Groups by
 * model, hour or day also read the spans of each of these traces, one request a trace and its
 * spans' whole size in read units, since latencies and models are theirs; totals and groups by user
 * and session do not, and tell no latencies. What takes longer than TIME_MAX_MS is ERR_BUSY, with
 * the advice to ask for a shorter time. Spans count in the time in which their trace began. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/dynamodb/list.h"

#define TIME_MAX_MS  ((int64_t)25000)
#define REFRESH_MS   ((int64_t)5000)
#define QUERY_LIMIT  1000
#define GROUPS_MAX   200000
#define GROUPS_SPANS 20000 /* with two histograms each */
#define HOUR_NS      (3600 * NS_PER_SEC)
#define DAY_NS       (24 * HOUR_NS)

struct sum {
    struct stored_group group;
    struct histogram *latency, *ttft; /* NULL: no call yet */
    char *text;                       /* of the group's text; NULL: none */
};

struct summing {
    struct backend_session *s;
    const struct stored_stats *q;
    struct map groups;
    int64_t begun;
};

static bool reads_spans(const struct stored_stats *q)
{
    return (q->group_by & (GROUP_MODEL | GROUP_DAY | GROUP_HOUR)) != 0;
}

static int64_t time_of(const struct stored_stats *q, int64_t start)
{
    int64_t unit = (q->group_by & GROUP_HOUR) != 0 ? HOUR_NS : DAY_NS;
    if ((q->group_by & (GROUP_HOUR | GROUP_DAY)) == 0)
        return 0;
    return start - ((start % unit) + unit) % unit;
}

static struct sum *sum_new(struct summing *a, struct text text, int64_t time)
{
    struct sum *sum = calloc(1, sizeof(*sum));
    if (sum == NULL)
        return NULL;
    struct stored_group *g = &sum->group;
    g->time = time;
    g->tokens_input = g->tokens_output = g->tokens_cache_read = SPAN_UNKNOWN;
    g->traces = (a->q->group_by & GROUP_MODEL) != 0 ? SPAN_UNKNOWN : 0;
    if (text.at == NULL)
        return sum;
    sum->text = strndup(text.at, text.len);
    if (sum->text == NULL) {
        free(sum);
        return NULL;
    }
    struct text *to = (a->q->group_by & GROUP_MODEL) != 0  ? &g->model
                      : (a->q->group_by & GROUP_USER) != 0 ? &g->user_id
                                                           : &g->session_id;
    *to = (struct text){sum->text, text.len};
    return sum;
}

static void sum_free(struct sum *sum)
{
    free(sum->latency);
    free(sum->ttft);
    free(sum->text);
    free(sum);
}

/* The group, made when it is the first of it. NULL: *err. */
static struct sum *sum_get(struct summing *a, struct text text, int64_t time, int *err)
{
    struct out key;
    out_init(&key);
    out_format(&key, "%lld%c", (long long)time, text.at == NULL ? '-' : '+');
    out_bytes(&key, text.at, text.len);
    *err = key.err;
    struct sum *sum = key.err == ERR_OK ? map_get(&a->groups, key.buf.data, key.buf.len) : NULL;
    if (sum == NULL && key.err == ERR_OK) {
        size_t most = reads_spans(a->q) ? GROUPS_SPANS : GROUPS_MAX;
        sum = a->groups.count < most ? sum_new(a, text, time) : NULL;
        *err =
            sum != NULL ? map_set(&a->groups, key.buf.data, key.buf.len, sum)
            : a->groups.count >= most
                ? session_fail(a->s, ERR_BUSY, "there are too many groups; ask for a shorter time")
                : ERR_NOMEM;
        if (*err != ERR_OK && sum != NULL) {
            sum_free(sum);
            sum = NULL;
        }
    }
    out_release(&key);
    return sum;
}

static void note_time(struct stored_group *g, int64_t start)
{
    if (g->first_time == 0 || start < g->first_time)
        g->first_time = start;
    if (start > g->last_time)
        g->last_time = start;
}

static int add_trace(struct summing *a, const struct stored_trace *t)
{
    int err;
    struct text text = (a->q->group_by & GROUP_USER) != 0      ? t->user_id
                       : (a->q->group_by & GROUP_SESSION) != 0 ? t->session_id
                                                               : (struct text){NULL, 0};
    if ((a->q->group_by & GROUP_MODEL) != 0)
        return ERR_OK;
    struct sum *sum = sum_get(a, text, time_of(a->q, t->start_time), &err);
    if (sum == NULL)
        return err;
    struct stored_group *g = &sum->group;
    g->traces++;
    g->spans = figure_add(g->spans, t->span_count);
    g->calls = figure_add(g->calls, t->calls);
    g->errors = figure_add(g->errors, t->errors);
    g->tokens_input = figure_add(g->tokens_input, t->tokens_input);
    g->tokens_output = figure_add(g->tokens_output, t->tokens_output);
    g->tokens_cache_read = figure_add(g->tokens_cache_read, t->tokens_cache_read);
    g->cost = cost_add(g->cost, t->total_cost);
    note_time(g, t->start_time);
    return ERR_OK;
}

static int add_duration(struct histogram **h, double ms)
{
    if (*h == NULL)
        *h = calloc(1, sizeof(**h));
    if (*h == NULL)
        return ERR_NOMEM;
    histogram_add(*h, ms, 1);
    return ERR_OK;
}

struct span_adding {
    struct summing *a;
    int64_t trace_start;
};

static int add_span(struct summing *a, const struct stored_span *s, int64_t trace_start)
{
    int err;
    bool model = (a->q->group_by & GROUP_MODEL) != 0;
    bool call = s->type == SPAN_LLM || s->type == SPAN_EMBEDDING;
    struct sum *sum =
        sum_get(a, model ? s->model : (struct text){NULL, 0}, time_of(a->q, trace_start), &err);
    if (sum == NULL)
        return err;
    struct stored_group *g = &sum->group;
    if (model) {
        g->spans++;
        g->calls += call;
        g->errors += s->error.len > 0;
        g->tokens_input = figure_add(g->tokens_input, s->tokens_input);
        g->tokens_output = figure_add(g->tokens_output, s->tokens_output);
        g->tokens_cache_read = figure_add(g->tokens_cache_read, s->tokens_cache_read);
        g->cost = cost_add(g->cost, s->cost_usd);
        note_time(g, s->start_time);
    }
    if (call && s->end_time != 0)
        err =
            add_duration(&sum->latency, (double)(s->end_time - s->start_time) / (double)NS_PER_MS);
    if (err == ERR_OK && call && s->ttft_ms >= 0)
        err = add_duration(&sum->ttft, s->ttft_ms);
    return err;
}

static int add_span_item(void *user, const json *item)
{
    struct span_adding *adding = user;
    struct span_record r;
    int err = dynamo_span_record_read(&r, item, false);
    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_OK : err;
    if (!r.expired)
        err = add_span(adding->a, &r.span, adding->trace_start);
    dynamo_span_record_release(&r);
    return err;
}

static int add_item(struct summing *a, const struct match *m, const json *item)
{
    struct trace_record r;
    int err = dynamo_trace_record_read(&r, item, NULL);
    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_OK : err;
    err = r.expired ? 0 : match_trace(a->s, m, &r);
    if (err == 1)
        err = dynamo_record_refresh(a->s, &r, a->begun + REFRESH_MS * NS_PER_MS);
    else {
        dynamo_trace_record_release(&r);
        return err;
    }
    if (err == ERR_OK)
        err = add_trace(a, &r.trace);
    if (err == ERR_OK && reads_spans(a->q)) {
        struct span_adding adding = {a, r.trace.start_time};
        err = dynamo_spans_query(a->s, r.trace.trace_id, SPANS_LIGHT, add_span_item, &adding);
    }
    dynamo_trace_record_release(&r);
    return err;
}

static int add_all(struct summing *a)
{
    const struct stored_stats *q = a->q;
    struct stored_filter f = {.project_id = q->project_id, .from = q->from, .to = q->to};
    struct place at = {NULL, NULL};
    struct match m;
    int err;
    if ((q->group_by & GROUP_SESSION) != 0)
        f.user_id = q->user_id;
    match_init(&m, &f);
    do {
        json *answer = NULL;
        struct place more = {NULL, NULL};
        err = dynamo_traces_query(a->s, &f, QUERY_LIMIT, &at, &answer, &more);
        for (const json *e = json_first(json_get(answer, "Items")); err == ERR_OK && e != NULL;
             e = json_next(e)) {
            err = add_item(a, &m, e);
            if (err == ERR_OK && (clock_boot_ns() - a->begun) / NS_PER_MS > TIME_MAX_MS)
                err = session_fail(a->s, ERR_BUSY,
                                   "there are too many traces to add up; ask for a shorter time");
        }
        json_free(answer);
        place_release(&at);
        at = more;
    } while (err == ERR_OK && at.start != NULL);
    place_release(&at);
    return err;
}

static int by_time(const void *x, const void *y)
{
    const struct stored_group *a = &(*(struct sum *const *)x)->group;
    const struct stored_group *b = &(*(struct sum *const *)y)->group;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return (a->last_time < b->last_time) - (a->last_time > b->last_time);
}

static double percentile(const struct histogram *h, double q)
{
    return h == NULL ? -1 : histogram_percentile(h, q);
}

static int give(struct summing *a, stored_group_fn *each, void *user)
{
    size_t count = 0;
    size_t at = 0;
    struct sum *sum;
    struct sum **sorted = calloc(a->groups.count + 1, sizeof(struct sum *));
    int stop = 0;
    if (sorted == NULL)
        return ERR_NOMEM;
    while ((sum = map_next(&a->groups, &at, NULL, NULL)) != NULL)
        sorted[count++] = sum;
    qsort(sorted, count, sizeof(struct sum *), by_time);
    for (size_t i = 0; i < count && stop == 0 && (i < a->q->limit || a->q->limit == 0); i++) {
        struct stored_group *g = &sorted[i]->group;
        g->latency_p50_ms = percentile(sorted[i]->latency, 0.50);
        g->latency_p95_ms = percentile(sorted[i]->latency, 0.95);
        g->ttft_p50_ms = percentile(sorted[i]->ttft, 0.50);
        g->ttft_p95_ms = percentile(sorted[i]->ttft, 0.95);
        stop = each(user, g);
    }
    free(sorted);
    return stop;
}

int dynamo_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user)
{
    struct summing a = {.s = s, .q = q, .begun = clock_boot_ns()};
    struct sum *sum;
    size_t at = 0;
    int err = ERR_OK;
    if (q->project_id.at == NULL)
        return session_fail(s, ERR_UNSUPPORTED, "DynamoDB adds up the traces of one project");
    map_init(&a.groups);
    if (q->group_by == 0) /* told also when there is nothing */
        (void)sum_get(&a, (struct text){NULL, 0}, 0, &err);
    if (err == ERR_OK)
        err = add_all(&a);
    err = err == ERR_OK ? give(&a, each, user) : dynamo_error(err);
    while ((sum = map_next(&a.groups, &at, NULL, NULL)) != NULL)
        sum_free(sum);
    map_release(&a.groups);
    return err;
}
