#include <string.h>

#include "client/active.h"
#include "client/begin.h"
#include "client/set.h"
#include "client/warning.h"

llmt_trace *llmt_trace_begin(llmt_client *client, const char *name,
                             const llmt_trace_options *options)
{
    struct client_view c;
    int result = client_find(client, &c);
    if (result == LLMT_OK && (c.flags & CLIENT_DISABLED))
        result = LLMT_EDISABLED;
    if (result != LLMT_OK) { /* without a look at the ring, which would make one */
        thread_get(process_epoch())->last_error = result;
        return NULL;
    }
    struct scene s = scene_enter();
    struct item item;
    s.thread->last_error = begin_trace(&s, &c, name, options, &item);
    if (!item_new(&item, HANDLE_TRACE, s.thread->shard)) {
        s.thread->last_error = LLMT_ENOMEM;
        warning_give(c.handle, TROUBLE_TOO_MANY);
        return NULL;
    }
    if (!options || !(options->flags & LLMT_DETACHED))
        (void)active_push(s.thread, &item);
    return (llmt_trace *)handle_pointer(item.handle);
}

int llmt_trace_set_output(llmt_trace *trace, const char *text)
{
    struct scene s;
    struct item item;
    const int result = scene_open(&s, trace, HANDLE_TRACE, &item);
    if (result != LLMT_OK || !text || !*text)
        return result;
    struct message m;
    scene_message(&m, &item);
    message_text(&m, WIRE_FIELD_OUTPUT, text, SIZE_MAX, LLMT_TEXT_MAX);
    return scene_send(&s, &m, WIRE_SPAN_OUTPUT, item.client);
}

int llmt_trace_set_metadata(llmt_trace *trace, const char *json)
{
    struct scene s;
    struct item item;
    const int result = scene_open(&s, trace, HANDLE_TRACE, &item);
    return result == LLMT_OK ? set_json(&s, &item, WIRE_FIELD_METADATA, json) : result;
}

int llmt_trace_end(llmt_trace *trace)
{
    return end_item(trace, HANDLE_TRACE, WIRE_TRACE_END);
}

const char *llmt_trace_id(const llmt_trace *trace, char out[LLMT_TRACE_ID_SIZE])
{
    return item_write_id(trace, HANDLE_TRACE, true, out);
}
