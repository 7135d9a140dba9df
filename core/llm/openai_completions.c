/* OpenAI's older completions: a prompt, no messages (genai-reference 2.1). */
#include "llm/apis.h"
#include "llm/message.h"
#include "llm/openai.h"

static bool recognise(const json *body)
{
    return json_get(body, "prompt") && json_get(body, "model");
}

static bool request(struct llm_parser *p, json *body)
{
    if (!body)
        return true;
    openai_request_common(p, body);
    json *prompt = json_take(body, "prompt");
    json *messages = json_array();
    bool texts = json_is_array(prompt) && json_is_string(json_first(prompt));
    for (json *e = texts ? json_first(prompt) : NULL; e; e = json_next(e))
        json_add(messages, text_message("user", json_copy(e)));
    if (texts)
        json_free(prompt);
    else if (prompt) /* a text, or an array of token numbers */
        json_add(messages, text_message("user", prompt));
    llm_set_input(p, "messages", messages);
    llm_parameters(p, body);
    return true;
}

static void response(struct llm_parser *p, json *body)
{
    openai_answer_common(p, body);
    const json *choices = json_get(body, "choices");
    int64_t position = 0;
    for (json *e = json_first(choices); json_is_array(choices) && e; e = json_next(e)) {
        int64_t index = position++;
        json_get_int(e, "index", &index);
        struct answer_choice *c = answer_choice(&p->answer, index);
        const char *text = json_get_text(e, "text");
        if (!c)
            continue;
        if (text && *text) {
            answer_append(&p->answer, answer_block(&p->answer, c, BLOCK_TEXT, BLOCK_ANY), text);
            llm_content_seen(p);
        }
        llm_replace(&c->finish, json_get_text(e, "finish_reason"));
    }
    llm_usage_openai(p, json_get(body, "usage"));
}

static void chunk(struct llm_parser *p, const char *event, json *data)
{
    (void)event;
    llm_error_from(p, data);
    response(p, data);
}

static void finish(struct llm_parser *p)
{
    bool all = p->answer.count > 0;
    for (size_t i = 0; i < p->answer.count; i++)
        all = all && p->answer.choices[i].finish;
    p->finished = p->finished || all;
}

const struct llm_api openai_completions = {
    .name = "openai.completions",
    .provider = "openai",
    .operation = LLM_OP_TEXT_COMPLETION,
    .recognise = recognise,
    .request = request,
    .response = response,
    .chunk = chunk,
    .finish = finish,
};
