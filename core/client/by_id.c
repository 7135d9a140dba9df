/* For programs that carry ids themselves: nothing here has a handle but the client. */
#include <string.h>

#include "client/begin.h"
#include "client/flush.h"
#include "client/hex.h"
#include "client/set.h"
#include "client/warning.h"

/* The client of a call, when it may record. */
static int open_client(llmt_client *client, struct client_view *c)
{
    const int result = client_find(client, c);
    if (result == LLMT_OK && (c->flags & CLIENT_DISABLED))
        return LLMT_EDISABLED;
    return result;
}

int llmt_create_trace(llmt_client *client, const char *name, const llmt_trace_options *options,
                      char trace_id[LLMT_TRACE_ID_SIZE])
{
    struct client_view c;
    if (trace_id)
        trace_id[0] = '\0';
    int result = open_client(client, &c);
    if (result != LLMT_OK)
        return result;
    struct scene s = scene_enter();
    struct item item;
    result = begin_trace(&s, &c, name, options, &item);
    if (trace_id) {
        hex_write(trace_id, item.ids.trace, sizeof(item.ids.trace));
        trace_id[LLMT_TRACE_ID_SIZE - 1] = '\0';
    }
    return result;
}

int llmt_create_span(llmt_client *client, const char *trace_id, const char *name, const char *type,
                     const llmt_span_options *options, char span_id[LLMT_SPAN_ID_SIZE])
{
    struct client_view c;
    if (span_id)
        span_id[0] = '\0';
    int result = open_client(client, &c);
    if (result != LLMT_OK)
        return result;
    uint8_t trace[WIRE_TRACE_ID_LEN], parent[WIRE_SPAN_ID_LEN];
    const char *parent_id = options ? options->parent_span_id : NULL;
    const bool child = parent_id && *parent_id;
    if (!trace_id || !hex_read(trace_id, trace, sizeof(trace)) ||
        (child && !hex_read(parent_id, parent, sizeof(parent))))
        return LLMT_EINVAL;
    struct scene s = scene_enter();
    client_note_use(c.handle);
    const struct place place = {.trace = trace,
                                .parent = child ? parent : NULL,
                                .client = c.handle,
                                .settings = c.settings,
                                .number = c.number};
    struct item item;
    result = begin_span(&s, &place, name, type, options, &item);
    if (span_id) {
        hex_write(span_id, item.ids.span, sizeof(item.ids.span));
        span_id[LLMT_SPAN_ID_SIZE - 1] = '\0';
    }
    return result;
}

/* Announces the client, sends what completes, and waits with LLMT_SYNC. fault: what was wrong with
 * the call's texts and figures; it is told rather than that the wait was in vain. */
static int complete(const struct client_view *c, struct message *m, enum wire_type type, int fault)
{
    struct scene s = scene_enter();
    client_note_use(c->handle);
    (void)client_announce(c->handle, c->number, c->settings, &s.moment, s.thread);
    int result = scene_send(&s, m, type, c->handle);
    if (result == LLMT_OK && c->settings->mode == LLMT_SYNC)
        result = flush_sync(c->handle, c->number, c->settings);
    return result == LLMT_ENOBUFS || fault == LLMT_OK ? result : fault;
}

int llmt_complete_trace(llmt_client *client, const char *trace_id, const char *output)
{
    struct client_view c;
    const int result = open_client(client, &c);
    if (result != LLMT_OK)
        return result;
    struct message m;
    message_init(&m, c.number);
    if (!trace_id || !hex_read(trace_id, m.head.trace_id, sizeof(m.head.trace_id)))
        return LLMT_EINVAL;
    message_text(&m, WIRE_FIELD_OUTPUT, output, SIZE_MAX, LLMT_TEXT_MAX);
    return complete(&c, &m, WIRE_TRACE_END, LLMT_OK);
}

int llmt_complete_span(llmt_client *client, const char *span_id, const char *output,
                       const char *error, int64_t tokens_input, int64_t tokens_output,
                       double cost_usd)
{
    static const enum wire_field_name names[] = {WIRE_FIELD_TOKENS_INPUT, WIRE_FIELD_TOKENS_OUTPUT};
    const int64_t tokens[] = {tokens_input, tokens_output};
    struct client_view c;
    const int result = open_client(client, &c);
    if (result != LLMT_OK)
        return result;
    struct message m;
    message_init(&m, c.number);
    if (!span_id || !hex_read(span_id, m.head.span_id, sizeof(m.head.span_id)))
        return LLMT_EINVAL;
    int fault = add_figures(&m, names, tokens, 2, cost_usd);
    if (fault != LLMT_OK)
        warning_give(c.handle, TROUBLE_BAD_NUMBER);
    if (!message_json(&m, WIRE_FIELD_OUTPUT, output, false)) {
        warning_give(c.handle, TROUBLE_BAD_JSON);
        fault = LLMT_EJSON;
    }
    message_text(&m, WIRE_FIELD_ERROR, error, SIZE_MAX, LLMT_TEXT_MAX);
    return complete(&c, &m, WIRE_SPAN_END, fault);
}
