#include "llm/message.h"

#include <stdlib.h>
#include <string.h>

#include "llm/llm.h"

json *message_new(const char *role, json **parts)
{
    json *m = json_object();
    json_set_text(m, "role", role ? role : "user");
    json *list = json_array();
    json_set(m, "parts", list);
    if (parts)
        *parts = json_get(m, "parts");
    return m;
}

json *text_message(const char *role, json *content)
{
    json *parts;
    json *m = message_new(role, &parts);
    json_add(parts, part_text(content));
    return m;
}

static json *part_new(const char *type)
{
    json *part = json_object();
    json_set_text(part, "type", type);
    return part;
}

json *part_text(json *content)
{
    json *part = part_new("text");
    json_set(part, "content", content);
    return part;
}

json *part_reasoning(json *content)
{
    json *part = part_new("reasoning");
    json_set(part, "content", content);
    return part;
}

json *json_unwrap(json *value)
{
    const char *text = json_text(value);
    if (!text)
        return value;
    const char *first = text + strspn(text, " \t\r\n");
    if (*first != '{' && *first != '[')
        return value;
    json *inner = json_parse(text, strlen(text));
    if (!inner)
        return value;
    json_free(value);
    return inner;
}

json *part_tool_call(const char *id, const char *name, json *arguments)
{
    json *part = part_new("tool_call");
    json_set_text(part, "id", id);
    json_set_text(part, "name", name ? name : "");
    const char *text = json_text(arguments);
    if (text && !*text) { /* no arguments, in a stream: nothing was added */
        json_free(arguments);
        arguments = json_object();
    }
    json_set(part, "arguments", json_unwrap(arguments));
    return part;
}

json *part_tool_response(const char *id, json *response)
{
    json *part = part_new("tool_call_response");
    json_set_text(part, "id", id);
    json_set(part, "response", response ? response : json_null());
    return part;
}

size_t base64_size(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] == '=')
        len--;
    size_t rest = len % 4;
    return len / 4 * 3 + (rest > 1 ? rest - 1 : 0);
}

json *part_refusal(json *content)
{
    json *part = part_new("refusal");
    json_set(part, "content", content);
    return part;
}

static json *blob(const char *modality, const char *mime_type, size_t size)
{
    json *part = part_new("blob");
    json_set_text(part, "modality", modality);
    json_set_text(part, "mime_type", mime_type);
    json_set_int(part, "size", (int64_t)size);
    return part;
}

json *part_blob(const char *modality, const char *mime_type, const char *base64)
{
    return blob(modality, mime_type, base64 ? base64_size(base64, strlen(base64)) : 0);
}

/* data:[<type>][;base64],<data> (RFC 2397) */
static json *part_from_data_url(const char *modality, const char *url)
{
    const char *comma = strchr(url, ',');
    if (!comma)
        return blob(modality, NULL, 0);
    size_t head = (size_t)(comma - url) - 5;
    char type[128];
    size_t n = strcspn(url + 5, ";,");
    if (n > head)
        n = head;
    if (n >= sizeof(type))
        n = sizeof(type) - 1;
    memcpy(type, url + 5, n);
    type[n] = '\0';
    size_t len = strlen(comma + 1);
    bool base64 = head >= 7 && memcmp(comma - 7, ";base64", 7) == 0;
    return blob(modality, n ? type : NULL, base64 ? base64_size(comma + 1, len) : len);
}

json *part_from_url(const char *modality, const char *url)
{
    if (url && strncmp(url, "data:", 5) == 0)
        return part_from_data_url(modality, url);
    json *part = part_new("uri");
    json_set_text(part, "modality", modality);
    char *public_url = url ? llm_redact_target(url) : NULL;
    json_set_text(part, "uri", public_url);
    free(public_url);
    return part;
}

json *part_file(const char *modality, const char *file_id)
{
    json *part = part_new("file");
    json_set_text(part, "modality", modality);
    json_set_text(part, "file_id", file_id);
    return part;
}

static const struct finish_name {
    const char *reason, *name;
} finish_names[] = {
    {"stop", "stop"},
    {"end_turn", "stop"},
    {"stop_sequence", "stop"},
    {"completed", "stop"},
    {"pause_turn", "stop"},
    {"eos", "stop"},
    {"eos_token", "stop"},
    {"length", "length"},
    {"max_tokens", "length"},
    {"max_output_tokens", "length"},
    {"model_length", "length"},
    {"model_context_window_exceeded", "length"},
    {"content_filter", "content_filter"},
    {"refusal", "content_filter"},
    {"tool_calls", "tool_call"},
    {"tool_use", "tool_call"},
    {"function_call", "tool_call"},
    {"compaction", "compaction"},
    {"error", "error"},
    {"failed", "error"},
    {"cancelled", "error"},
};

const char *finish_reason_name(const char *reason)
{
    if (!reason)
        return NULL;
    for (size_t i = 0; i < sizeof(finish_names) / sizeof(*finish_names); i++)
        if (strcmp(finish_names[i].reason, reason) == 0)
            return finish_names[i].name;
    return reason;
}
