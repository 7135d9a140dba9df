#include "store/dynamodb/totals.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COST_PARTS 1e12 /* of a dollar */

const char *const dynamo_totals_tokens[TOKENS_KINDS] = {"tokens_input", "tokens_output",
                                                        "tokens_cache_read"};

void dynamo_totals_init(struct totals *t)
{
    memset(t, 0, sizeof(*t));
    t->ttft_time = INT64_MAX;
    map_init(&t->models);
}

void dynamo_totals_release(struct totals *t)
{
    struct model_count *m;
    size_t at = 0;
    while ((m = map_next(&t->models, &at, NULL, NULL)) != NULL) {
        free(m->name);
        free(m);
    }
    map_release(&t->models);
    free(t->error);
    free(t->model);
    free(t->model_span);
}

static bool is_call(const struct stored_span *s)
{
    return s->type == SPAN_LLM || s->type == SPAN_EMBEDDING;
}

static bool is_told(struct text text)
{
    return text.at != NULL && text.len > 0;
}

static char *copy_text(struct totals *t, struct text text, size_t max)
{
    size_t len = text.len < max ? text.len : max;
    while (len > 0 && len < text.len && ((unsigned char)text.at[len] & 0xc0) == 0x80)
        len--;
    char *copy = strndup(text.at, len);
    if (copy == NULL)
        t->err = ERR_NOMEM;
    return copy;
}

static void count_model(struct totals *t, struct text model, int64_t spans)
{
    if (!is_told(model))
        return;
    struct model_count *m = map_get(&t->models, model.at, model.len);
    if (m == NULL) {
        m = calloc(1, sizeof(*m));
        if (m != NULL)
            m->name = copy_text(t, model, STORED_CONTENT_MAX);
        if (m == NULL || m->name == NULL || map_set(&t->models, model.at, model.len, m) != ERR_OK) {
            if (m != NULL)
                free(m->name);
            free(m);
            t->err = ERR_NOMEM;
            return;
        }
    }
    m->spans += spans;
}

/* The items hold the true sums, of any length; only one call's share has bounds. */
static void add_clamped(int64_t *to, int64_t figure)
{
    if (__builtin_add_overflow(*to, figure, to))
        *to = figure < 0 ? INT64_MIN : INT64_MAX;
}

static void count(struct totals *t, const struct stored_span *s, int sign)
{
    const int64_t tokens[TOKENS_KINDS] = {s->tokens_input, s->tokens_output, s->tokens_cache_read};
    t->spans += sign;
    t->calls += is_call(s) ? sign : 0;
    t->errors += is_told(s->error) ? sign : 0;
    t->running += s->end_time == 0 ? sign : 0;
    for (int i = 0; i < TOKENS_KINDS; i++) {
        if (tokens[i] < 0)
            continue;
        t->told[i] = true;
        add_clamped(&t->tokens[i], sign * tokens[i]);
    }
    if (s->cost_usd >= 0)
        t->cost += sign * s->cost_usd;
    count_model(t, s->model, sign);
}

static void replace_text(struct totals *t, char **to, struct text text, size_t max)
{
    free(*to);
    *to = copy_text(t, text, max);
}

static void note_firsts(struct totals *t, const struct stored_span *s, int64_t arrived)
{
    int64_t failed = s->end_time != 0 ? s->end_time : s->start_time;
    if (is_call(s) && s->ttft_ms >= 0 && s->start_time < t->ttft_time) {
        t->ttft_time = s->start_time;
        t->ttft_ms = s->ttft_ms;
    }
    if (is_told(s->error) && (t->error == NULL || failed < t->error_time)) {
        replace_text(t, &t->error, s->error, DYNAMO_ERROR_MAX);
        t->error_time = failed;
    }
    if (is_told(s->model) && (t->model == NULL || arrived < t->model_arrived)) {
        replace_text(t, &t->model, s->model, STORED_CONTENT_MAX);
        replace_text(t, &t->model_span, s->span_id, STORED_ID_MAX);
        t->model_arrived = arrived;
    }
}

void dynamo_totals_add(struct totals *t, const struct stored_span *s, int64_t arrived)
{
    count(t, s, 1);
    note_firsts(t, s, arrived);
}

void dynamo_totals_change(struct totals *t, const struct stored_span *before,
                          const struct stored_span *after, int64_t arrived)
{
    count(t, before, -1);
    count(t, after, 1);
    note_firsts(t, after, arrived);
}

/* map: the name of model_counts, zero: of the value 0; an expression may have 4 KB. */
static void update_model_count(struct update *u, const struct model_count *m, const char *map,
                               const char *zero)
{
    char name[16], spans[16];
    update_name(u, m->name, name);
    update_value(u, spans);
    out_n(&u->values, m->spans);
    out_format(&u->set, "%s%s.%s = if_not_exists(%s.%s, %s) + %s", u->set.buf.len > 0 ? ", " : "",
               map, name, map, name, zero, spans);
}

static void replace_model_counts(const struct totals *t, struct update *u)
{
    const struct model_count *m;
    size_t at = 0;
    int64_t told = 0;
    update_set(u, "model_counts");
    out_text(&u->values, "{\"M\":{");
    while ((m = map_next(&t->models, &at, NULL, NULL)) != NULL) {
        if (m->spans <= 0 || told >= DYNAMO_MODELS_MAX)
            continue;
        out_text(&u->values, told++ > 0 ? "," : "");
        out_quote(&u->values, text_of(m->name));
        out_text(&u->values, ":");
        out_n(&u->values, m->spans);
    }
    out_text(&u->values, "}}");
}

static void update_models(const struct totals *t, const struct trace_record *r, struct update *u)
{
    struct model_count *m;
    size_t at = 0;
    int64_t names = r->trace.models;
    if (!r->model_map) { /* an older server's trace, none of whose spans is counted by us */
        replace_model_counts(t, u);
        return;
    }
    char map[16] = "", zero[16];
    while ((m = map_next(&t->models, &at, NULL, NULL)) != NULL) {
        if (m->spans == 0 || names++ >= DYNAMO_MODELS_MAX)
            continue;
        if (map[0] == '\0') {
            update_name(u, "model_counts", map);
            update_value(u, zero);
            out_n(&u->values, 0);
        }
        update_model_count(u, m, map, zero);
    }
}

/* The trace's first model: of the first span that has one, also when that span tells another. */
static void update_first_model(const struct totals *t, const struct trace_record *r,
                               struct update *u)
{
    bool is_first = r->model_span.at == NULL ||
                    (t->model_span != NULL && r->model_span.len == strlen(t->model_span) &&
                     memcmp(r->model_span.at, t->model_span, r->model_span.len) == 0);
    if (t->model == NULL || !is_first)
        return;
    update_set_s(u, "model", text_of(t->model));
    update_set_s(u, "model_span", text_of(t->model_span));
}

/* DynamoDB adds only what fits 38 digits: tiny costs beside huge ones do not. */
static double whole_digits(double cost)
{
    return round(cost * COST_PARTS) / COST_PARTS;
}

void dynamo_totals_update(const struct totals *t, const struct trace_record *r, struct update *u)
{
    update_add_n(u, "span_count", t->spans);
    update_add_n(u, "counted", t->spans);
    update_add_n(u, "calls", t->calls);
    update_add_n(u, "errors", t->errors);
    update_add_n(u, "running", t->running);
    update_add_double(u, "total_cost", whole_digits(t->cost));
    for (int i = 0; i < TOKENS_KINDS; i++)
        if (t->told[i])
            update_add_n(u, dynamo_totals_tokens[i], t->tokens[i]);
    update_models(t, r, u);
    update_first_model(t, r, u);
    if (t->error != NULL && (r->trace.error.at == NULL || r->trace.errors == 0))
        update_set_s(u, "error", text_of(t->error));
    if (t->ttft_time <= r->ttft_time && t->ttft_time != INT64_MAX) {
        update_set_double(u, "ttft_ms", t->ttft_ms);
        update_set_n(u, "ttft_time", t->ttft_time);
        update_where_n(u, "(attribute_not_exists(#) OR # >= $)", "ttft_time", t->ttft_time);
    }
}

static void set_or_remove(struct update *u, const char *name, const char *value)
{
    if (value != NULL)
        update_set_s(u, name, text_of(value));
    else
        update_remove(u, name);
}

void dynamo_totals_replace(const struct totals *t, struct update *u)
{
    update_set_n(u, "span_count", t->spans);
    update_set_n(u, "counted", t->spans);
    update_set_n(u, "calls", t->calls);
    update_set_n(u, "errors", t->errors);
    update_set_n(u, "running", t->running);
    update_set_double(u, "total_cost", whole_digits(t->cost));
    for (int i = 0; i < TOKENS_KINDS; i++) {
        if (t->told[i])
            update_set_n(u, dynamo_totals_tokens[i], t->tokens[i]);
        else
            update_remove(u, dynamo_totals_tokens[i]);
    }
    replace_model_counts(t, u);
    set_or_remove(u, "model", t->model);
    set_or_remove(u, "model_span", t->model_span);
    set_or_remove(u, "error", t->error);
    if (t->ttft_time != INT64_MAX) {
        update_set_double(u, "ttft_ms", t->ttft_ms);
        update_set_n(u, "ttft_time", t->ttft_time);
    } else {
        update_remove(u, "ttft_ms");
        update_remove(u, "ttft_time");
    }
}
