/* Back from the line that span_print wrote. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "span/span.h"

/* Where the texts and the figures of a span are, by their names in JSON. */
static bool read_texts(struct span *s, const json *root)
{
    const struct {
        const char *key;
        char **to;
    } texts[] = {
        {"name", &s->name},
        {"model", &s->model},
        {"provider", &s->provider},
        {"operation", &s->operation},
        {"request_model", &s->request_model},
        {"response_model", &s->response_model},
        {"response_id", &s->response_id},
        {"usage_source", &s->usage_source},
        {"cost_source", &s->cost_source},
        {"error", &s->error},
        {"error_type", &s->error_type},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = json_get_text(root, texts[i].key);
        if (text != NULL && (*texts[i].to = strdup(text)) == NULL)
            return false;
    }
    return true;
}

static void read_figures(struct span *s, const json *root)
{
    const struct {
        const char *key;
        int64_t *to;
    } figures[] = {
        {"chunk_count", &s->chunk_count},
        {"tokens_input", &s->tokens_input},
        {"tokens_output", &s->tokens_output},
        {"tokens_cache_read", &s->tokens_cache_read},
        {"tokens_cache_write", &s->tokens_cache_write},
        {"tokens_reasoning", &s->tokens_reasoning},
        {"status_code", &s->status_code},
        {"retry", &s->retry},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        int64_t value;
        if (json_get_int(root, figures[i].key, &value) && value >= 0)
            *figures[i].to = value;
    }
    double number;
    if (json_get_number(root, "ttfc_ms", &number) && number >= 0)
        s->ttfc_ms = number;
    if (json_get_number(root, "ttft_ms", &number) && number >= 0)
        s->ttft_ms = number;
    if (json_get_number(root, "cost_usd", &number) && number >= 0)
        s->cost_usd = number;
    const json *stream = json_get(root, "stream");
    if (json_is_bool(stream))
        s->stream = json_is_true(stream);
    s->partial = json_is_true(json_get(root, "partial"));
    const json *counted = json_get(root, "counted");
    s->uncounted = json_is_bool(counted) && !json_is_true(counted);
}

static bool read_identity(struct span *s, const json *root)
{
    if (id_from_hex(json_get_text(root, "trace_id"), TRACE_ID_LEN, s->trace_id) != ERR_OK ||
        id_from_hex(json_get_text(root, "span_id"), SPAN_ID_LEN, s->span_id) != ERR_OK)
        return false;
    const char *parent = json_get_text(root, "parent_span_id");
    if (parent != NULL && id_from_hex(parent, SPAN_ID_LEN, s->parent_span_id) != ERR_OK)
        return false;
    (void)span_type_parse(json_get_text(root, "span_type"), &s->type);
    const char *start = json_get_text(root, "start_time");
    const char *end = json_get_text(root, "end_time");
    if ((start != NULL && clock_parse_iso(start, &s->start_time) != ERR_OK) ||
        (end != NULL && clock_parse_iso(end, &s->end_time) != ERR_OK))
        return false;
    return true;
}

static bool read_process(struct span *s, json *root)
{
    json *process = json_get(root, "process");
    (void)json_get_int(process, "pid", &s->process.pid);
    const char *exe = json_get_text(process, "exe");
    s->process.argv = json_take(process, "argv");
    if (exe != NULL && (s->process.exe = strdup(exe)) == NULL)
        return false;
    const json *capture = json_get(root, "capture");
    const char *route = json_get_text(capture, "route");
    (void)json_get_int(capture, "dropped_bytes", &s->dropped_bytes);
    return route == NULL || (s->capture_route = strdup(route)) != NULL;
}

struct span *span_parse(const char *text, size_t len)
{
    json *root = json_parse_printed(text, len);
    struct span *s = json_is_object(root) ? span_new() : NULL;
    if (s != NULL) {
        if (!read_identity(s, root) || !read_texts(s, root) || !read_process(s, root)) {
            span_free(s);
            json_free(root);
            return NULL;
        }
        read_figures(s, root);
        s->finish_reasons = json_take(root, "finish_reasons");
        s->input_data = json_take(root, "input_data");
        s->output_data = json_take(root, "output_data");
        s->metadata = json_take(root, "metadata");
    }
    json_free(root);
    return s;
}
