#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "export/service.h"

#define NAME_MAX_CHARS 255
#define TAG_MAX_CHARS  100
#define TAGS_MAX       50

static const struct service *service_of(const struct export_context *c)
{
    return *c->state;
}

char *service_project(const struct export_context *c)
{
    if (c->destination->project_id != NULL && c->destination->project_id[0] != '\0')
        return strdup(c->destination->project_id);
    const char *id = c->key != NULL ? strstr(c->key, "project-") : NULL;
    return strdup(id != NULL ? id + strlen("project-") : "public");
}

static void set_limited(json *body, const char *key, const char *text, size_t max)
{
    if (text == NULL)
        return;
    char *cut = text_limit(text, max);
    json_set_text(body, key, cut);
    free(cut);
}

static void set_name(json *body, const char *name, const char *fallback)
{
    set_limited(body, "name", name != NULL && name[0] != '\0' ? name : fallback, NAME_MAX_CHARS);
}

static void set_trimmed_text(json *body, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    char *cut = text_trim(text, SERVICE_TEXT_MAX);
    json_set_text(body, key, cut);
    free(cut);
}

static void set_time(json *body, const char *key, int64_t wall_ns)
{
    char text[CLOCK_ISO_MAX];
    if (wall_ns > 0)
        json_set_text(body, key, clock_iso(wall_ns, text));
}

/* Older servers make text of every metadata value, nested ones in a form that is not JSON, so we
 * make the text ourselves. */
static json *flatten(json *metadata)
{
    json *out = json_object();
    for (const json *e = json_first(metadata); e != NULL; e = json_next(e)) {
        if (json_is_string(e) || json_is_number(e)) {
            json_set(out, json_key(e), json_copy(e));
        } else if (!json_is_null(e)) {
            char *text = json_print_new(e);
            json_set_text(out, json_key(e), text);
            free(text);
        }
    }
    json_free(metadata);
    return out;
}

/* Sets body.metadata; takes metadata over. client_id is how a lost answer's object is found. */
static void set_metadata(const struct service *s, json *body, json *metadata, const uint8_t *id,
                         size_t id_len)
{
    char hex[TRACE_ID_HEX];
    if (!s->client_times || !s->client_ids) {
        metadata = flatten(metadata);
        json_trim(&metadata, OLD_METADATA_MAX - 200);
    } else {
        json_trim(&metadata, NEW_CONTENT_MAX);
    }
    if (!s->client_ids)
        json_set_text(metadata, "client_id", id_to_hex(id, id_len, hex));
    if (json_length(metadata) > 0)
        json_set(body, "metadata", metadata);
    else
        json_free(metadata);
}

static json *copy_object(const json *value)
{
    return json_is_object(value) ? json_copy(value) : json_object();
}

static json *tags_of(const struct trace *t)
{
    json *tags = json_array();
    size_t count = 0;
    for (const json *e = json_first(t->tags); e != NULL && count < TAGS_MAX; e = json_next(e)) {
        const char *text = json_text(e);
        if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
            continue;
        char *cut = text_limit(text, TAG_MAX_CHARS);
        json_add(tags, json_string(cut));
        free(cut);
        count++;
    }
    return tags;
}

static json *trace_metadata(const struct service *s, const struct trace *t)
{
    json *metadata = copy_object(t->metadata);
    if (!s->client_times)
        set_time(metadata, "start_time", t->start_time);
    return metadata;
}

json *body_create_trace(const struct export_context *c, const struct trace *t)
{
    const struct service *s = service_of(c);
    char hex[TRACE_ID_HEX];
    json *body = json_object();
    if (s->client_ids)
        json_set_text(body, "trace_id", id_to_hex(t->trace_id, TRACE_ID_LEN, hex));
    set_name(body, t->name, "trace");
    json_set_text(body, "project_id", s->project);
    if (s->client_times)
        set_time(body, "start_time", t->start_time);
    if (json_length(t->tags) > 0)
        json_set(body, "tags", tags_of(t));
    set_limited(body, "user_id", t->user_id, NAME_MAX_CHARS);
    set_limited(body, "session_id", t->session_id, NAME_MAX_CHARS);
    set_metadata(s, body, trace_metadata(s, t), t->trace_id, TRACE_ID_LEN);
    return body;
}

/* As the contract's clients tell of a failed trace; its other fields are fixed by then. */
bool body_tells_exit(const struct export_context *c, const struct trace *t)
{
    const char *ended_by = json_get_text(t->metadata, STORE_ENDED_BY);
    bool has_output = c->destination->content && t->output != NULL && t->output[0] != '\0';
    return !service_of(c)->client_times && !has_output && ended_by != NULL &&
           strcmp(ended_by, STORE_ENDED_BY_EXIT) == 0;
}

json *body_complete_trace(const struct export_context *c, const struct trace *t)
{
    const struct service *s = service_of(c);
    json *body = json_object();
    if (c->destination->content)
        set_trimmed_text(body, "output", t->output);
    if (body_tells_exit(c, t))
        json_set_text(body, "output", "Error: process ended before the trace was ended");
    if (s->client_times) {
        set_time(body, "end_time", t->end_time);
        json *metadata = trace_metadata(s, t);
        json_set_text(metadata, "error", t->error);
        set_metadata(s, body, metadata, t->trace_id, TRACE_ID_LEN);
    }
    return body;
}

/* Where prompts may not go, only the parameters of the request do. */
json *body_span_input(const struct export_context *c, const struct span *s)
{
    if (s->input_data == NULL)
        return NULL;
    if (c->destination->content)
        return json_is_object(s->input_data) ? json_copy(s->input_data) : NULL;
    const json *parameters = json_get(s->input_data, "parameters");
    if (parameters == NULL)
        return NULL;
    json *out = json_object();
    json_set(out, "parameters", json_copy(parameters));
    return out;
}

static size_t content_max(const struct service *s)
{
    return s->client_times && s->client_ids ? NEW_CONTENT_MAX : OLD_CONTENT_MAX;
}

json *body_create_span(const struct export_context *c, struct span *span, const char *parent)
{
    const struct service *s = service_of(c);
    char hex[SPAN_ID_HEX];
    json *body = json_object();
    if (s->client_ids)
        json_set_text(body, "span_id", id_to_hex(span->span_id, SPAN_ID_LEN, hex));
    set_name(body, span->name, span_type_name(span->type));
    json_set_text(body, "span_type", span_type_name(span->type));
    json_set_text(body, "parent_span_id", parent);
    set_limited(body, "model", span->model, NAME_MAX_CHARS);
    if (s->client_times)
        set_time(body, "start_time", span->start_time);
    json *input = body_span_input(c, span);
    if (input != NULL) {
        json_trim(&input, content_max(s));
        json_set(body, "input_data", input);
    }
    json *metadata = span_metadata(span, c->destination->content);
    if (!s->client_times)
        set_time(metadata, "start_time", span->start_time);
    if (parent == NULL && !id_is_zero(span->parent_span_id, SPAN_ID_LEN))
        json_set_text(metadata, "parent_span_id",
                      id_to_hex(span->parent_span_id, SPAN_ID_LEN, hex));
    set_metadata(s, body, metadata, span->span_id, SPAN_ID_LEN);
    return body;
}

/* What only the response told, for a server whose complete takes no metadata. */
static json *late_facts(const struct export_context *c, struct span *span)
{
    json *facts = span_metadata(span, c->destination->content);
    json_free(json_take(facts, "process"));
    json_free(json_take(facts, "capture"));
    set_time(facts, "start_time", span->start_time);
    set_time(facts, "end_time", span->end_time);
    if (span->end_time > 0)
        json_set_int(facts, "duration_ms", (span->end_time - span->start_time) / NS_PER_MS);
    json_set_text(facts, "model", span->model);
    json_trim(&facts, OLD_CONTENT_MAX / 4);
    return facts;
}

static size_t left_of(size_t room, const json *value)
{
    size_t size = json_ascii_size(value) + 40; /* with its name */
    return size < room ? room - size : 0;
}

/* The output with what no other field takes; trace_metadata: NULL or what is told with the span.
 * A late input has what the output leaves, at least half. */
static json *span_output(const struct export_context *c, struct span *span, const struct object *o,
                         const json *trace_metadata)
{
    const struct service *s = service_of(c);
    json *output = c->destination->content ? copy_object(span->output_data) : json_object();
    json *facts = s->client_times ? json_object() : late_facts(c, span);
    json *input = late_span_input(c, span, o);
    size_t room = content_max(s);
    if (trace_metadata != NULL) {
        json *metadata = json_copy(trace_metadata);
        json_trim(&metadata, OLD_METADATA_MAX);
        json_set(facts, "trace_metadata", metadata);
    }
    if (json_length(facts) > 0)
        room = left_of(room, facts);
    if (input != NULL) {
        size_t beside_output = left_of(room, output);
        json_trim(&input, beside_output > room / 2 ? beside_output : room / 2);
        room = left_of(room, input);
        json_set(facts, "input_data", input);
    }
    json_trim(&output, room);
    if (json_length(facts) > 0)
        json_set(output, "llm_tracer", facts);
    else
        json_free(facts);
    return output;
}

json *body_amend_span(const struct export_context *c, struct span *span, const struct object *o,
                      const json *trace_metadata)
{
    json *body = json_object();
    json_set(body, "output_data", span_output(c, span, o, trace_metadata));
    return body;
}

json *body_complete_span(const struct export_context *c, struct span *span, const struct object *o)
{
    const struct service *s = service_of(c);
    json *body = json_object();
    json *output = span_output(c, span, o, NULL);
    if (s->client_times) {
        set_time(body, "end_time", span->end_time);
        set_limited(body, "model", span->model, NAME_MAX_CHARS);
        set_metadata(s, body, span_metadata(span, c->destination->content), span->span_id,
                     SPAN_ID_LEN);
    }
    if (json_length(output) > 0)
        json_set(body, "output_data", output);
    else
        json_free(output); /* `{}` would overwrite what is there */
    const struct span_figures counted = span_counted(span);
    if (counted.tokens_input >= 0)
        json_set_int(body, "tokens_input", counted.tokens_input);
    if (counted.tokens_output >= 0)
        json_set_int(body, "tokens_output", counted.tokens_output);
    if (counted.cost_usd >= 0)
        json_set_number(body, "cost_usd", counted.cost_usd);
    set_trimmed_text(body, "error", span->error);
    return body;
}
