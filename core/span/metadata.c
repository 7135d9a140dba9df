/* A span as the tracing service's contract has it: sixteen fields, and all else in its metadata. */
#include <string.h>

#include "span/span.h"

#define EXTRAS_MAX ((size_t)64 * 1024 * 1024)
#define FIGURES    3 /* that a service sums up */

/* Printed and read again: so the names are those of span_print, whatever is added there. */
static json *extras_of(struct span *s)
{
    json *input = s->input_data;
    json *output = s->output_data;
    json *own = s->metadata;
    struct buf text;
    buf_init(&text, EXTRAS_MAX);
    s->input_data = s->output_data = s->metadata = NULL; /* large, and not wanted here */
    int err = span_print(s, &text);
    s->input_data = input;
    s->output_data = output;
    s->metadata = own;
    json *extras = err == ERR_OK ? json_parse_printed(buf_str(&text), text.len) : NULL;
    buf_release(&text);
    return extras != NULL ? extras : json_object();
}

bool span_contract_field(const char *name, size_t len, bool uncounted)
{
    static const char *const contract[] = {
        "trace_id", "span_id",      "parent_span_id", "name",     "span_type",   "start_time",
        "end_time", "duration_ms",  "input_data",     "metadata", "output_data", "model",
        "error",    "tokens_input", "tokens_output",  "cost_usd"}; /* the figures last */
    const size_t count = sizeof(contract) / sizeof(contract[0]) - (uncounted ? FIGURES : 0);
    for (size_t i = 0; i < count; i++)
        if (strlen(contract[i]) == len && memcmp(contract[i], name, len) == 0)
            return true;
    return false;
}

json *span_metadata(struct span *s, bool content)
{
    json *metadata = extras_of(s);
    json *next;
    for (json *e = json_first(metadata); e != NULL; e = next) {
        next = json_next(e);
        const char *key = json_key(e);
        if (key != NULL && span_contract_field(key, strlen(key), s->uncounted))
            json_free(json_take(metadata, key));
    }
    if (!content)
        json_free(json_take(json_get(metadata, "process"), "argv"));
    for (const json *e = json_first(s->metadata); e != NULL; e = json_next(e))
        if (json_key(e) != NULL)
            json_set(metadata, json_key(e), json_copy(e));
    return metadata;
}
