/* Ollama's /api/chat: streams lines of JSON unless told not to. */
#include <string.h>

#include "llm/apis.h"
#include "llm/message.h"
#include "llm/ollama.h"
#include "llm/openai.h"

static bool recognise(const json *body)
{
    return json_is_array(json_get(body, "messages")) && ollama_recognise(body);
}

static json *input_message(json *message)
{
    json *parts;
    const char *role = json_get_text(message, "role");
    json *out = message_new(role, &parts);
    const char *thinking = json_get_text(message, "thinking");
    if (thinking && *thinking)
        json_add(parts, part_reasoning(json_string(thinking)));
    json *content = json_take(message, "content");
    if (role && strcmp(role, "tool") == 0) {
        json *part = part_tool_response(json_get_text(message, "tool_call_id"), content);
        json_set_text(part, "name", json_get_text(message, "tool_name"));
        json_add(parts, part);
    } else if (json_text(content) && *json_text(content)) {
        json_add(parts, part_text(content));
    } else {
        json_free(content);
    }
    ollama_images(parts, json_get(message, "images"));
    json *calls = json_get(message, "tool_calls");
    for (json *e = json_first(calls); json_is_array(calls) && e; e = json_next(e)) {
        json *function = json_get(e, "function");
        json_add(parts, part_tool_call(json_get_text(e, "id"), json_get_text(function, "name"),
                                       json_take(function, "arguments")));
    }
    return out;
}

/* No model: some web application's own /api/chat. No messages: loads the model and no more. */
static bool request(struct llm_parser *p, json *body)
{
    json *list = json_take(body, "messages");
    if (!json_get_text(body, "model") || !json_is_array(list) || json_length(list) == 0) {
        json_free(list);
        return false;
    }
    llm_set_once(&p->call->request_model, json_get_text(body, "model"));
    json *messages = json_array();
    for (json *e = json_first(list); e; e = json_next(e))
        if (json_is_object(e))
            json_add(messages, input_message(e));
    json_free(list);
    llm_set_input(p, "messages", messages);
    llm_set_input(p, "tools", openai_tools(json_take(body, "tools")));
    llm_parameters(p, body);
    return true;
}

static void response(struct llm_parser *p, json *body)
{
    llm_error_from(p, body);
    ollama_content(p, json_get(body, "message"), "content");
    ollama_answer(p, body);
}

const struct llm_api ollama_chat = {
    .name = "ollama.chat",
    .provider = "ollama",
    .operation = LLM_OP_CHAT,
    .stream_default = true,
    .recognise = recognise,
    .request = request,
    .response = response,
};
