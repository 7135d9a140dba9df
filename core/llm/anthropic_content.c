#include <string.h>

#include "llm/anthropic.h"
#include "llm/message.h"

/* {"source":{"type":"base64","media_type","data"} | {"type":"url","url"} |
 * {"type":"file","file_id"} | {"type":"text","data"}} */
static json *source_part(const char *modality, const json *block)
{
    const json *source = json_get(block, "source");
    const char *type = json_get_text(source, "type");
    if (type && strcmp(type, "url") == 0)
        return part_from_url(modality, json_get_text(source, "url"));
    if (type && strcmp(type, "file") == 0)
        return part_file(modality, json_get_text(source, "file_id"));
    if (type && strcmp(type, "text") == 0)
        return part_text(json_string(json_get_text(source, "data")));
    return part_blob(modality, json_get_text(source, "media_type"), json_get_text(source, "data"));
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A tool's result: a string, or blocks of which the text alone becomes a string. */
static json *tool_result(json *content)
{
    json *first = json_first(content);
    const char *type = json_get_text(first, "type");
    if (json_is_array(content) && json_length(content) == 1 && type && strcmp(type, "text") == 0) {
        json *text = json_take(first, "text");
        json_free(content);
        return text;
    }
    if (!json_is_array(content))
        return content;
    json *parts = json_array();
    for (json *e = first; e; e = json_next(e))
        json_add(parts, anthropic_part(e));
    json_free(content);
    return parts;
}

/* {"type":"server_tool_call","name","server_tool_call":{...}} and its response: the conventions
 * keep what the provider ran itself apart from the tools of the caller. */
static json *server_tool_part(json *block, const char *type, bool response)
{
    json *part = json_object();
    const char *wrap = response ? "server_tool_call_response" : "server_tool_call";
    json_set_text(part, "type", wrap);
    json_set_text(part, "id", json_get_text(block, response ? "tool_use_id" : "id"));
    json_set_text(part, "name", json_get_text(block, "name"));
    json *inner = json_object();
    json_set_text(inner, "type", type);
    const char *member = response ? "content" : "input";
    json_set(inner, member, json_take(block, member));
    json_set(part, wrap, inner);
    return part;
}

json *anthropic_part(json *block)
{
    const char *type = json_get_text(block, "type");
    if (json_is_string(block))
        return part_text(json_copy(block));
    if (!type)
        return NULL;
    if (strcmp(type, "text") == 0)
        return part_text(json_take(block, "text"));
    if (strcmp(type, "thinking") == 0)
        return part_reasoning(json_take(block, "thinking"));
    if (strcmp(type, "redacted_thinking") == 0)
        return part_reasoning(json_string("[redacted]"));
    if (strcmp(type, "tool_use") == 0)
        return part_tool_call(json_get_text(block, "id"), json_get_text(block, "name"),
                              json_take(block, "input"));
    if (strcmp(type, "tool_result") == 0) {
        json *part = part_tool_response(json_get_text(block, "tool_use_id"),
                                        tool_result(json_take(block, "content")));
        if (json_is_true(json_get(block, "is_error")))
            json_set_bool(part, "is_error", true);
        return part;
    }
    if (strcmp(type, "image") == 0)
        return source_part("image", block);
    if (strcmp(type, "document") == 0)
        return source_part("document", block);
    if (strcmp(type, "server_tool_use") == 0 || strcmp(type, "mcp_tool_use") == 0)
        return server_tool_part(block, type, false);
    if (ends_with(type, "_tool_result"))
        return server_tool_part(block, type, true);
    return json_copy(block);
}

json *anthropic_message(const char *role, json *content)
{
    json *parts;
    json *message = message_new(role, &parts);
    if (json_is_string(content)) {
        json_add(parts, part_text(content));
        return message;
    }
    for (json *e = json_first(content); json_is_array(content) && e; e = json_next(e))
        json_add(parts, anthropic_part(e));
    json_free(content);
    return message;
}

json *anthropic_tools(json *tools)
{
    if (!json_is_array(tools)) {
        json_free(tools);
        return NULL;
    }
    json *out = json_array();
    for (json *e = json_first(tools); e; e = json_next(e)) {
        const char *type = json_get_text(e, "type");
        json *schema = json_take(e, "input_schema");
        if (!schema) { /* one of the provider's own tools */
            json_add(out, json_copy(e));
            continue;
        }
        json *definition = json_object();
        json_set_text(definition, "type", type && strcmp(type, "custom") != 0 ? type : "function");
        json_set_text(definition, "name", json_get_text(e, "name"));
        json_set_text(definition, "description", json_get_text(e, "description"));
        json_set(definition, "parameters", schema);
        json_add(out, definition);
    }
    json_free(tools);
    return out;
}

void anthropic_server_tools_finish(struct llm_parser *p)
{
    for (size_t i = 0; i < p->answer.count; i++) {
        struct answer_choice *c = &p->answer.choices[i];
        for (size_t j = 0; j < c->count; j++) {
            struct answer_block *b = &c->blocks[j];
            if (b->kind != BLOCK_PART || b->text.len == 0)
                continue;
            json *call = json_get(b->value, "server_tool_call");
            json_set(call, "input", json_unwrap(json_string(buf_str(&b->text))));
        }
    }
}
