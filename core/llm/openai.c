#include "llm/openai.h"

#include <stdio.h>
#include <string.h>

#include "llm/message.h"

static const char *text_or(const json *object, const char *key, const char *fallback)
{
    const char *text = json_get_text(object, key);
    return text ? text : fallback;
}

/* chat: {"type":"image_url","image_url":{"url"}}; Responses: {"type":"input_image","image_url"} or
 * file_id. */
static json *image_part(const json *item)
{
    const char *url = json_get_text(item, "image_url");
    if (!url)
        url = json_text(json_path(item, "image_url.url"));
    const char *file_id = json_get_text(item, "file_id");
    return url || !file_id ? part_from_url("image", url) : part_file("image", file_id);
}

static json *audio_part(const json *item)
{
    const json *audio = json_get(item, "input_audio");
    const char *data = text_or(audio, "data", "");
    char type[64];
    snprintf(type, sizeof(type), "audio/%.40s", text_or(audio, "format", "wav"));
    return part_blob("audio", type, data);
}

static json *file_part(const json *item)
{
    const json *file = json_is_object(json_get(item, "file")) ? json_get(item, "file") : item;
    const char *id = json_get_text(file, "file_id");
    const char *data = json_get_text(file, "file_data");
    json *part = data ? part_from_url("document", data)
                 : id ? part_file("document", id)
                      : part_from_url("document", json_get_text(file, "file_url"));
    json_set_text(part, "filename", json_get_text(file, "filename"));
    return part;
}

/* One item of a content array, whose texts are moved out; unknown ones are copied as they are. */
static json *content_part(json *item)
{
    const char *type = json_get_text(item, "type");
    if (json_is_string(item))
        return part_text(json_copy(item));
    if (!json_is_object(item))
        return NULL;
    if (!type)
        return json_copy(item);
    if (strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
        strcmp(type, "output_text") == 0)
        return part_text(json_take(item, "text"));
    if (strcmp(type, "image_url") == 0 || strcmp(type, "input_image") == 0)
        return image_part(item);
    if (strcmp(type, "input_audio") == 0)
        return audio_part(item);
    if (strcmp(type, "file") == 0 || strcmp(type, "input_file") == 0)
        return file_part(item);
    if (strcmp(type, "refusal") == 0)
        return part_refusal(json_take(item, "refusal"));
    return json_copy(item);
}

void openai_content(json *parts, json *content)
{
    if (json_is_string(content)) {
        json_add(parts, part_text(content));
        return;
    }
    for (json *e = json_first(content); json_is_array(content) && e; e = json_next(e))
        json_add(parts, content_part(e));
    json_free(content);
}

static json *tool_definition(const json *tool)
{
    const json *function = json_get(tool, "function");
    const json *from = json_is_object(function) ? function : tool;
    const char *name = json_get_text(from, "name");
    if (!name)
        return json_copy(tool); /* web_search and other tools of the provider */
    json *definition = json_object();
    json_set_text(definition, "type", text_or(tool, "type", "function"));
    json_set_text(definition, "name", name);
    json_set_text(definition, "description", json_get_text(from, "description"));
    const json *parameters = json_get(from, "parameters");
    if (parameters)
        json_set(definition, "parameters", json_copy(parameters));
    if (json_is_true(json_get(from, "strict")))
        json_set_bool(definition, "strict", true);
    return definition;
}

json *openai_tools(json *tools)
{
    if (!json_is_array(tools)) {
        json_free(tools);
        return NULL;
    }
    json *out = json_array();
    for (json *e = json_first(tools); e; e = json_next(e))
        json_add(out, tool_definition(e));
    json_free(tools);
    return out;
}

void openai_request_common(struct llm_parser *p, json *body)
{
    struct llm_call *call = p->call;
    llm_set_once(&call->request_model, json_get_text(body, "model"));
    llm_set_once(&call->user_id, json_get_text(body, "user"));
    llm_set_once(&call->user_id, json_get_text(body, "safety_identifier"));
    llm_set_once(&call->session_id, json_get_text(body, "session_id")); /* OpenRouter */
    llm_set_once(&call->previous_response_id, json_get_text(body, "previous_response_id"));
    const json *conversation = json_get(body, "conversation");
    const char *id = json_text(conversation);
    llm_set_once(&call->conversation_id, id ? id : json_get_text(conversation, "id"));
}

void openai_answer_common(struct llm_parser *p, json *body)
{
    struct llm_call *call = p->call;
    llm_set_once(&call->response_id, json_get_text(body, "id"));
    llm_set_once(&call->response_model, json_get_text(body, "model"));
    llm_replace(&call->service_tier, json_get_text(body, "service_tier"));
    llm_meta_text(p, "system_fingerprint", json_get_text(body, "system_fingerprint"));
    const char *upstream = json_get_text(body, "provider"); /* OpenRouter */
    llm_meta_text(p, "upstream_provider", upstream);
}
