/* Captured calls inside a span that a program made itself: several become one, and that one fills
 * what the program left open. */
#include <stdlib.h>
#include <string.h>

#include "span/fill.h"
#include "span/span.h"

void json_move(json **to, json **from)
{
    if (*from == NULL)
        return;
    json_free(*to);
    *to = *from;
    *from = NULL;
}

void json_merge(json **to, json *from, bool wins)
{
    if (*to == NULL || !json_is_object(*to) || !json_is_object(from)) {
        if (from != NULL && (*to == NULL || wins)) {
            json_free(*to);
            *to = from;
        } else {
            json_free(from);
        }
        return;
    }
    for (json *e = json_first(from); e != NULL; e = json_first(from)) {
        char *key = strdup(json_key(e));
        json *value = key == NULL ? NULL : json_take(from, key);
        if (value == NULL) {
            free(key);
            break;
        }
        if (wins || json_get(*to, key) == NULL)
            json_set(*to, key, value);
        else
            json_free(value);
        free(key);
    }
    json_free(from);
}

static void fill_text(char **to, char **from)
{
    if (*to != NULL)
        return;
    *to = *from;
    *from = NULL;
}

static void fill_figure(int64_t *to, int64_t from)
{
    if (*to < 0)
        *to = from;
}

static void fill_number(double *to, double from)
{
    if (*to < 0)
        *to = from;
}

static void fill_figures(struct span *s, struct span *from)
{
    if (s->tokens_input < 0 && s->tokens_output < 0) /* else the figures are the program's own */
        fill_text(&s->usage_source, &from->usage_source);
    fill_figure(&s->tokens_input, from->tokens_input);
    fill_figure(&s->tokens_output, from->tokens_output);
    fill_figure(&s->tokens_cache_read, from->tokens_cache_read);
    fill_figure(&s->tokens_cache_write, from->tokens_cache_write);
    fill_figure(&s->tokens_reasoning, from->tokens_reasoning);
    if (s->cost_usd < 0) {
        s->cost_usd = from->cost_usd;
        fill_text(&s->cost_source, &from->cost_source);
    }
    fill_figure(&s->chunk_count, from->chunk_count);
    fill_number(&s->ttfc_ms, from->ttfc_ms);
    fill_number(&s->ttft_ms, from->ttft_ms);
    fill_figure(&s->status_code, from->status_code);
    fill_figure(&s->retry, from->retry);
    if (s->stream < 0)
        s->stream = from->stream;
}

void span_fill(struct span *s, struct span *from)
{
    fill_figures(s, from);
    fill_text(&s->model, &from->model);
    fill_text(&s->provider, &from->provider);
    fill_text(&s->operation, &from->operation);
    fill_text(&s->request_model, &from->request_model);
    fill_text(&s->response_model, &from->response_model);
    fill_text(&s->response_id, &from->response_id);
    if (s->error == NULL)
        fill_text(&s->error_type, &from->error_type);
    fill_text(&s->error, &from->error);
    s->partial |= from->partial;
    if (s->finish_reasons == NULL)
        json_move(&s->finish_reasons, &from->finish_reasons);
    if (s->input_data == NULL)
        json_move(&s->input_data, &from->input_data);
    if (s->output_data == NULL)
        json_move(&s->output_data, &from->output_data);
    json_merge(&s->metadata, from->metadata, false);
    from->metadata = NULL;
    fill_text(&s->process.exe, &from->process.exe);
    if (s->process.pid <= 0)
        s->process.pid = from->process.pid;
    if (s->process.argv == NULL)
        json_move(&s->process.argv, &from->process.argv);
    fill_text(&s->capture_route, &from->capture_route);
    s->dropped_bytes += from->dropped_bytes;
    if (s->ring_id == NULL)
        s->ring_id = from->ring_id;
}

static void move_text(char **to, char **from)
{
    if (*from == NULL)
        return;
    free(*to);
    *to = *from;
    *from = NULL;
}

static void add_figure(int64_t *to, int64_t from)
{
    if (from < 0)
        return;
    int64_t before = *to < 0 ? 0 : *to;
    *to = from > INT64_MAX - before ? INT64_MAX : before + from;
}

static bool has_tokens(const struct span *s)
{
    return s->tokens_input >= 0 || s->tokens_output >= 0;
}

/* Where figures of two calls come from: the less certain of the two. */
static void sum_source(char **to, char **from, const char *less)
{
    if (*from != NULL && (*to == NULL || strcmp(*from, less) == 0))
        move_text(to, from);
}

static void sum_figures(struct span *sum, struct span *from)
{
    /* A call without figures says nothing of where the others' come from. */
    if (has_tokens(from) == has_tokens(sum))
        sum_source(&sum->usage_source, &from->usage_source, "estimated");
    else if (has_tokens(from))
        move_text(&sum->usage_source, &from->usage_source);
    add_figure(&sum->tokens_input, from->tokens_input);
    add_figure(&sum->tokens_output, from->tokens_output);
    add_figure(&sum->tokens_cache_read, from->tokens_cache_read);
    add_figure(&sum->tokens_cache_write, from->tokens_cache_write);
    add_figure(&sum->tokens_reasoning, from->tokens_reasoning);
    add_figure(&sum->chunk_count, from->chunk_count);
    if (from->cost_usd >= 0) {
        sum->cost_usd = (sum->cost_usd < 0 ? 0 : sum->cost_usd) + from->cost_usd;
        sum_source(&sum->cost_source, &from->cost_source, "table");
    }
    sum->dropped_bytes = sum->dropped_bytes > INT64_MAX - from->dropped_bytes
                             ? INT64_MAX
                             : sum->dropped_bytes + from->dropped_bytes;
}

static void take_first(double *to, double from, bool first)
{
    if (from >= 0 && (first || *to < 0))
        *to = from;
}

static void take_figure(int64_t *to, int64_t from, bool wins)
{
    if (from >= 0 && (wins || *to < 0))
        *to = from;
}

static void take_value(json **to, json **from, bool wins)
{
    if (wins || *to == NULL)
        json_move(to, from);
}

/* What is the last call's, where it knows it; that it did not fail it always knows. */
static void take_last(struct span *sum, struct span *from, bool last)
{
    char **const texts[][2] = {{&sum->model, &from->model},
                               {&sum->provider, &from->provider},
                               {&sum->operation, &from->operation},
                               {&sum->request_model, &from->request_model},
                               {&sum->response_model, &from->response_model},
                               {&sum->response_id, &from->response_id},
                               {&sum->capture_route, &from->capture_route}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (last || *texts[i][0] == NULL)
            move_text(texts[i][0], texts[i][1]);
    take_figure(&sum->status_code, from->status_code, last);
    take_figure(&sum->retry, from->retry, last);
    if (from->stream >= 0 && (last || sum->stream < 0))
        sum->stream = from->stream;
    take_value(&sum->finish_reasons, &from->finish_reasons, last);
    take_value(&sum->input_data, &from->input_data, last);
    take_value(&sum->output_data, &from->output_data, last);
    json_merge(&sum->metadata, from->metadata, last);
    from->metadata = NULL;
    if (!last)
        return;
    free(sum->error);
    free(sum->error_type);
    sum->error = from->error;
    sum->error_type = from->error_type;
    from->error = from->error_type = NULL;
    sum->partial = from->partial;
    sum->end_time = from->end_time;
}

void span_sum(struct span *sum, struct span *from)
{
    const bool first = from->start_time < sum->start_time;
    sum_figures(sum, from);
    take_first(&sum->ttfc_ms, from->ttfc_ms, first);
    take_first(&sum->ttft_ms, from->ttft_ms, first);
    take_last(sum, from, from->end_time >= sum->end_time);
    if (first)
        sum->start_time = from->start_time;
    fill_text(&sum->process.exe, &from->process.exe);
    if (sum->process.pid <= 0)
        sum->process.pid = from->process.pid;
    if (sum->process.argv == NULL)
        json_move(&sum->process.argv, &from->process.argv);
    if (sum->ring_id == NULL)
        sum->ring_id = from->ring_id;
}

static char *copy_text(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

struct span *span_copy(const struct span *s)
{
    struct span *copy = s->printed == NULL ? malloc(sizeof(*copy)) : NULL;
    if (copy == NULL)
        return NULL;
    *copy = *s;
    char **const texts[] = {&copy->name,          &copy->model,         &copy->provider,
                            &copy->operation,     &copy->request_model, &copy->response_model,
                            &copy->response_id,   &copy->usage_source,  &copy->cost_source,
                            &copy->error,         &copy->error_type,    &copy->process.exe,
                            &copy->capture_route, &copy->state};
    json **const values[] = {&copy->finish_reasons, &copy->input_data, &copy->output_data,
                             &copy->metadata, &copy->process.argv};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = copy_text(*texts[i]);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        *values[i] = json_copy(*values[i]);
    return copy;
}
