/* OpenAI Responses (genai-reference 2.1). A stream's last event carries the whole answer; the
 * deltas before it matter only when it never comes. */
#include <string.h>

#include "llm/apis.h"
#include "llm/message.h"
#include "llm/openai.h"
#include "llm/responses.h"

static bool recognise(const json *body)
{
    return json_get(body, "input") && json_get(body, "model");
}

static bool request(struct llm_parser *p, json *body)
{
    if (!body)
        return true;
    openai_request_common(p, body);
    json *messages = json_array();
    json *instructions = json_take(body, "instructions");
    if (json_is_string(instructions))
        json_add(messages, text_message("system", instructions));
    else
        json_free(instructions);
    responses_input(messages, json_take(body, "input"));
    llm_set_input(p, "messages", messages);
    llm_set_input(p, "tools", openai_tools(json_take(body, "tools")));
    json_free(json_take(body, "conversation"));
    json_free(json_take(body, "previous_response_id"));
    llm_parameters(p, body);
    return true;
}

/* The words for how it ended: the reason of an incomplete answer, else its status. */
static void read_status(struct llm_parser *p, const json *body)
{
    const char *status = json_get_text(body, "status");
    const char *reason = json_text(json_path(body, "incomplete_details.reason"));
    struct answer_choice *c = answer_choice(&p->answer, 0);
    if (!status || !c)
        return;
    llm_replace(&c->finish, reason ? reason : status);
    if (strcmp(status, "in_progress") != 0 && strcmp(status, "queued") != 0)
        p->finished = true;
    const json *error = json_get(body, "error");
    if (json_is_object(error)) {
        llm_error(p, json_get_text(error, "code"), json_get_text(error, "message"));
        p->failed = true;
    } else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0) {
        llm_error(p, status, NULL);
        p->failed = true;
    }
}

static void response(struct llm_parser *p, json *body)
{
    openai_answer_common(p, body);
    json *output = json_get(body, "output");
    struct answer_choice *c = answer_choice(&p->answer, 0);
    for (json *e = json_first(output); json_is_array(output) && e; e = json_next(e))
        responses_item(p, c, e);
    if (answer_has_content(&p->answer))
        llm_content_seen(p);
    read_status(p, body);
    llm_usage_openai(p, json_get(body, "usage"));
    const json *conversation = json_get(body, "conversation");
    llm_set_once(&p->call->conversation_id, json_get_text(conversation, "id"));
}

/* One number for the block of an output item: items hold few parts. */
static int64_t block_key(const json *data)
{
    int64_t item = 0, part = 0;
    json_get_int(data, "output_index", &item);
    if (!json_get_int(data, "content_index", &part))
        json_get_int(data, "summary_index", &part);
    return (item & 0xffffff) << 16 | (part & 0xffff);
}

static void read_delta(struct llm_parser *p, enum block_kind kind, const json *data)
{
    const char *text = json_get_text(data, "delta");
    struct answer_choice *c = answer_choice(&p->answer, 0);
    if (!text || !*text)
        return;
    answer_append(&p->answer, answer_block(&p->answer, c, kind, block_key(data)), text);
    llm_content_seen(p);
}

/* A tool call's name and id come with the item, its arguments in deltas. */
static void item_added(struct llm_parser *p, const json *data)
{
    const json *item = json_get(data, "item");
    const char *type = json_get_text(item, "type");
    if (!type || (strcmp(type, "function_call") != 0 && strcmp(type, "custom_tool_call") != 0))
        return;
    struct answer_choice *c = answer_choice(&p->answer, 0);
    struct answer_block *b = answer_block(&p->answer, c, BLOCK_TOOL, block_key(data));
    if (!b)
        return;
    llm_set_once(&b->id, json_get_text(item, "call_id"));
    llm_set_once(&b->name, json_get_text(item, "name"));
    llm_content_seen(p);
}

static const struct delta_event {
    const char *type;
    enum block_kind kind;
} delta_events[] = {
    {"response.output_text.delta", BLOCK_TEXT},
    {"response.refusal.delta", BLOCK_REFUSAL},
    {"response.function_call_arguments.delta", BLOCK_TOOL},
    {"response.custom_tool_call_input.delta", BLOCK_TOOL},
    {"response.reasoning_text.delta", BLOCK_REASONING},
    {"response.reasoning_summary_text.delta", BLOCK_REASONING},
};

static bool is_terminal(const char *type)
{
    return strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0 ||
           strcmp(type, "response.failed") == 0 || strcmp(type, "response.cancelled") == 0;
}

static void chunk(struct llm_parser *p, const char *event, json *data)
{
    const char *type = json_get_text(data, "type");
    if (!type)
        type = event;
    json *inner = json_get(data, "response");
    if (is_terminal(type) && inner) {
        answer_clear(&p->answer);
        response(p, inner);
        return;
    }
    if (strcmp(type, "error") == 0) {
        const json *error = json_get(data, "error"); /* newer servers wrap it */
        const json *from = json_is_object(error) ? error : data;
        const char *code = json_get_text(from, "code");
        if (!code && from != data)
            code = json_get_text(from, "type");
        llm_error(p, code, json_get_text(from, "message"));
        p->failed = true;
        return;
    }
    if (inner) /* response.created, response.in_progress */
        openai_answer_common(p, inner);
    else if (llm_error_from(p, data))
        return;
    if (strcmp(type, "response.output_item.added") == 0)
        item_added(p, data);
    for (size_t i = 0; i < sizeof(delta_events) / sizeof(*delta_events); i++)
        if (strcmp(type, delta_events[i].type) == 0)
            read_delta(p, delta_events[i].kind, data);
}

const struct llm_api openai_responses = {
    .name = "openai.responses",
    .provider = "openai",
    .operation = LLM_OP_CHAT,
    .recognise = recognise,
    .request = request,
    .response = response,
    .chunk = chunk,
};
