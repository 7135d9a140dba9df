#include "client/begin.h"

#include <string.h>

#include "client/hex.h"
#include "client/warning.h"

/* Never zero, which means none. */
static void make_id(struct thread *t, uint8_t *out, size_t size)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word;
        do
            word = thread_random(t);
        while (word == 0);
        memcpy(out + at, &word, 8);
    }
}

/* What was wrong with the texts of a call, the worst last. */
static int worse(int a, int b)
{
    return a == LLMT_ENOBUFS || b == LLMT_OK ? a : b;
}

static int json_fault(bool good, uint64_t client)
{
    if (good)
        return LLMT_OK;
    warning_give(client, TROUBLE_BAD_JSON);
    return LLMT_EJSON;
}

/* The caller's ids, or new ones. */
static void choose_ids(struct scene *s, const struct client_view *c, const char *traceparent,
                       struct item *item)
{
    if (traceparent && *traceparent) {
        if (hex_read_traceparent(traceparent, item->ids.trace, item->caller))
            return;
        warning_give(c->handle, TROUBLE_BAD_TRACEPARENT);
    }
    memset(item->caller, 0, sizeof(item->caller));
    make_id(s->thread, item->ids.trace, sizeof(item->ids.trace));
}

static void add_project(struct message *m, const struct client_view *c, const char *project)
{
    if (!project || !*project)
        return;
    if (settings_is_project(project))
        message_raw(m, WIRE_FIELD_PROJECT_ID, project, strlen(project));
    else
        warning_give(c->handle, TROUBLE_BAD_PROJECT);
}

int begin_trace(struct scene *s, const struct client_view *c, const char *name,
                const llmt_trace_options *options, struct item *item)
{
    static const llmt_trace_options none;
    const llmt_trace_options *o = options ? options : &none;
    client_note_use(c->handle);
    memset(item->ids.span, 0, sizeof(item->ids.span));
    choose_ids(s, c, o->traceparent, item);
    item->client = c->handle;
    item->settings = c->settings;
    item->number = c->number;
    item->epoch = s->moment.epoch;
    item->flags = client_announce(c->handle, c->number, c->settings, &s->moment, s->thread)
                      ? ITEM_ANNOUNCED
                      : 0;
    struct message m;
    scene_message(&m, item);
    memcpy(m.head.parent_id, item->caller, sizeof(item->caller));
    message_text(&m, WIRE_FIELD_NAME, name && *name ? name : UNNAMED, LLMT_NAME_MAX, SIZE_MAX);
    const int fault =
        json_fault(message_json(&m, WIRE_FIELD_METADATA, o->metadata, true), c->handle);
    message_tags(&m, o->tags);
    message_text(&m, WIRE_FIELD_USER_ID, o->user_id, LLMT_NAME_MAX, SIZE_MAX);
    message_text(&m, WIRE_FIELD_SESSION_ID, o->session_id, LLMT_NAME_MAX, SIZE_MAX);
    add_project(&m, c, o->project_id);
    return worse(scene_send(s, &m, WIRE_TRACE_BEGIN, c->handle), fault);
}

/* WIRE_SPAN_TYPE_LIMIT: none of the eight. */
static enum wire_span_type type_of(const char *type)
{
    static const char names[WIRE_SPAN_TYPE_LIMIT][12] = {
        [WIRE_SPAN_LLM] = "llm",
        [WIRE_SPAN_TOOL] = "tool",
        [WIRE_SPAN_AGENT] = "agent",
        [WIRE_SPAN_FUNCTION] = "function",
        [WIRE_SPAN_RETRIEVAL] = "retrieval",
        [WIRE_SPAN_EMBEDDING] = "embedding",
        [WIRE_SPAN_CHAIN] = "chain",
        [WIRE_SPAN_OTHER] = "other",
    };
    int found = 0;
    while (found < WIRE_SPAN_TYPE_LIMIT &&
           (!type || type[0] != names[found][0] || strcmp(type, names[found]) != 0))
        found++;
    return (enum wire_span_type)found;
}

static void fill_span(const struct scene *s, const struct place *place, struct item *item)
{
    memcpy(item->ids.trace, place->trace, sizeof(item->ids.trace));
    make_id(s->thread, item->ids.span, sizeof(item->ids.span));
    memset(item->caller, 0, sizeof(item->caller));
    item->client = place->client;
    item->settings = place->settings;
    item->number = place->number;
    item->epoch = s->moment.epoch;
    item->flags = 0;
    if (place->announced ||
        client_announce(place->client, place->number, place->settings, &s->moment, s->thread))
        item->flags = ITEM_ANNOUNCED;
}

int begin_span(struct scene *s, const struct place *place, const char *name, const char *type,
               const llmt_span_options *options, struct item *item)
{
    fill_span(s, place, item);
    struct message m;
    scene_message(&m, item);
    if (place->parent)
        memcpy(m.head.parent_id, place->parent, sizeof(m.head.parent_id));
    int fault = LLMT_OK;
    enum wire_span_type known = type_of(type);
    if (known == WIRE_SPAN_TYPE_LIMIT) {
        known = WIRE_SPAN_OTHER;
        fault = LLMT_ETYPE;
        warning_give(place->client, TROUBLE_BAD_TYPE);
    }
    m.head.span_type = (uint8_t)known;
    message_text(&m, WIRE_FIELD_NAME, name && *name ? name : UNNAMED, LLMT_NAME_MAX, SIZE_MAX);
    if (options) {
        message_text(&m, WIRE_FIELD_MODEL, options->model, LLMT_NAME_MAX, SIZE_MAX);
        bool good = message_json(&m, WIRE_FIELD_INPUT, options->input, false);
        good = message_json(&m, WIRE_FIELD_METADATA, options->metadata, true) && good;
        fault = worse(fault, json_fault(good, place->client));
    }
    return worse(scene_send(s, &m, WIRE_SPAN_BEGIN, place->client), fault);
}
