/* Ollama's /api/generate: a prompt, no messages. */
#include <string.h>

#include "llm/apis.h"
#include "llm/message.h"
#include "llm/ollama.h"

static bool recognise(const json *body)
{
    return json_is_string(json_get(body, "prompt")) && ollama_recognise(body);
}

/* An empty prompt loads or unloads the model and no more. */
static bool request(struct llm_parser *p, json *body)
{
    const char *prompt = json_get_text(body, "prompt");
    if (!json_get_text(body, "model") || !prompt || !*prompt)
        return false;
    llm_set_once(&p->call->request_model, json_get_text(body, "model"));
    json *messages = json_array();
    json *parts;
    json *system = json_take(body, "system");
    if (json_text(system) && *json_text(system))
        json_add(messages, text_message("system", system));
    else
        json_free(system);
    json *message = message_new("user", &parts);
    json_add(parts, part_text(json_take(body, "prompt")));
    json *images = json_take(body, "images");
    ollama_images(parts, images);
    json_free(images);
    json_add(messages, message);
    llm_set_input(p, "messages", messages);
    llm_parameters(p, body);
    return true;
}

static void response(struct llm_parser *p, json *body)
{
    llm_error_from(p, body);
    ollama_content(p, body, "response");
    ollama_answer(p, body);
}

const struct llm_api ollama_generate = {
    .name = "ollama.generate",
    .provider = "ollama",
    .operation = LLM_OP_TEXT_COMPLETION,
    .stream_default = true,
    .recognise = recognise,
    .request = request,
    .response = response,
};
