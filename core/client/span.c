#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/active.h"
#include "client/begin.h"
#include "client/set.h"
#include "client/warning.h"

static llmt_span *begin_in(const struct item *parent, const uint8_t *parent_span, const char *name,
                           const char *type, const llmt_span_options *options)
{
    struct scene s = scene_enter();
    const bool own = parent->epoch == s.moment.epoch;
    const struct place place = {.trace = parent->ids.trace,
                                .parent = parent_span,
                                .client = parent->client,
                                .settings = parent->settings,
                                .number = parent->number,
                                .announced = own && (parent->flags & ITEM_ANNOUNCED) != 0};
    struct item item;
    s.thread->last_error = begin_span(&s, &place, name, type, options, &item);
    if (!item_new(&item, HANDLE_SPAN, s.thread->shard)) {
        s.thread->last_error = LLMT_ENOMEM;
        warning_give(place.client, TROUBLE_TOO_MANY);
        return NULL;
    }
    if (!options || !(options->flags & LLMT_DETACHED))
        (void)active_push(s.thread, &item);
    return (llmt_span *)handle_pointer(item.handle);
}

static llmt_span *no_span(int result)
{
    thread_get(process_epoch())->last_error = result;
    return NULL;
}

llmt_span *llmt_trace_span_begin(llmt_trace *trace, const char *name, const char *type,
                                 const llmt_span_options *options)
{
    struct item parent;
    const int result = item_find(trace, HANDLE_TRACE, &parent);
    return result == LLMT_OK ? begin_in(&parent, parent.caller, name, type, options)
                             : no_span(result);
}

llmt_span *llmt_span_span_begin(llmt_span *span, const char *name, const char *type,
                                const llmt_span_options *options)
{
    struct item parent;
    const int result = item_find(span, HANDLE_SPAN, &parent);
    return result == LLMT_OK ? begin_in(&parent, parent.ids.span, name, type, options)
                             : no_span(result);
}

static int set_span_json(llmt_span *span, enum wire_field_name name, const char *json)
{
    struct scene s;
    struct item item;
    const int result = scene_open(&s, span, HANDLE_SPAN, &item);
    return result == LLMT_OK ? set_json(&s, &item, name, json) : result;
}

int llmt_span_set_input(llmt_span *span, const char *json)
{
    return set_span_json(span, WIRE_FIELD_INPUT, json);
}

int llmt_span_set_output(llmt_span *span, const char *json)
{
    return set_span_json(span, WIRE_FIELD_OUTPUT, json);
}

int llmt_span_set_metadata(llmt_span *span, const char *json)
{
    return set_span_json(span, WIRE_FIELD_METADATA, json);
}

int llmt_span_set_model(llmt_span *span, const char *model)
{
    struct scene s;
    struct item item;
    const int result = scene_open(&s, span, HANDLE_SPAN, &item);
    if (result != LLMT_OK)
        return result;
    if (!model || !*model)
        return LLMT_EINVAL;
    struct message m;
    scene_message(&m, &item);
    message_text(&m, WIRE_FIELD_MODEL, model, LLMT_NAME_MAX, SIZE_MAX);
    return scene_send(&s, &m, WIRE_SPAN_OUTPUT, item.client);
}

static int set_figures(llmt_span *span, const enum wire_field_name *names, const int64_t *tokens,
                       size_t count, double cost)
{
    struct scene s;
    struct item item;
    int result = scene_open(&s, span, HANDLE_SPAN, &item);
    if (result != LLMT_OK)
        return result;
    struct message m;
    scene_message(&m, &item);
    result = add_figures(&m, names, tokens, count, cost);
    if (result != LLMT_OK) {
        warning_give(item.client, TROUBLE_BAD_NUMBER);
        return result;
    }
    return m.count > 0 ? scene_send(&s, &m, WIRE_SPAN_OUTPUT, item.client) : LLMT_OK;
}

int llmt_span_set_usage(llmt_span *span, int64_t tokens_input, int64_t tokens_output,
                        double cost_usd)
{
    static const enum wire_field_name names[] = {WIRE_FIELD_TOKENS_INPUT, WIRE_FIELD_TOKENS_OUTPUT};
    const int64_t tokens[] = {tokens_input, tokens_output};
    return set_figures(span, names, tokens, 2, cost_usd);
}

int llmt_span_set_usage_details(llmt_span *span, int64_t tokens_cache_read,
                                int64_t tokens_cache_write, int64_t tokens_reasoning)
{
    static const enum wire_field_name names[] = {
        WIRE_FIELD_TOKENS_CACHE_READ, WIRE_FIELD_TOKENS_CACHE_WRITE, WIRE_FIELD_TOKENS_REASONING};
    const int64_t tokens[] = {tokens_cache_read, tokens_cache_write, tokens_reasoning};
    return set_figures(span, names, tokens, 3, LLMT_UNKNOWN);
}

int llmt_span_set_error(llmt_span *span, const char *text)
{
    struct scene s;
    struct item item;
    const int result = scene_open(&s, span, HANDLE_SPAN, &item);
    if (result != LLMT_OK)
        return result;
    struct message m;
    scene_message(&m, &item);
    message_text(&m, WIRE_FIELD_ERROR, text && *text ? text : "error", SIZE_MAX, LLMT_TEXT_MAX);
    return scene_send(&s, &m, WIRE_SPAN_ERROR, item.client);
}

int llmt_span_set_errorf(llmt_span *span, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int result = llmt_span_set_errorv(span, format, arguments);
    va_end(arguments);
    return result;
}

int llmt_span_set_errorv(llmt_span *span, const char *format, va_list arguments)
{
    struct item item;
    const int result = item_find(span, HANDLE_SPAN, &item);
    if (result != LLMT_OK) /* nothing is formatted in vain */
        return result;
    if (!format)
        return llmt_span_set_error(span, NULL);
    char near[512];
    va_list again;
    va_copy(again, arguments);
    const int len = vsnprintf(near, sizeof(near), format, arguments);
    char *text = near;
    if (len >= (int)sizeof(near)) {
        text = malloc((size_t)len + 1);
        if (text)
            (void)vsnprintf(text, (size_t)len + 1, format, again);
        else
            text = near; /* its beginning */
    } else if (len < 0) {
        (void)snprintf(near, sizeof(near), "%s", format); /* a text that no locale can print */
    }
    va_end(again);
    const int set = llmt_span_set_error(span, text);
    if (text != near)
        free(text);
    return set;
}

int llmt_span_end(llmt_span *span)
{
    return end_item(span, HANDLE_SPAN, WIRE_SPAN_END);
}

const char *llmt_span_id(const llmt_span *span, char out[LLMT_SPAN_ID_SIZE])
{
    return item_write_id(span, HANDLE_SPAN, false, out);
}

const char *llmt_span_trace_id(const llmt_span *span, char out[LLMT_TRACE_ID_SIZE])
{
    return item_write_id(span, HANDLE_SPAN, true, out);
}
