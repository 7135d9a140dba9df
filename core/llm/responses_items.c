#include <string.h>

#include "llm/message.h"
#include "llm/openai.h"
#include "llm/responses.h"

#define REASONING_MAX ((size_t)64 << 20)

static bool is(const char *type, const char *name)
{
    return strcmp(type, name) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Reasoning texts of an item, joined as the provider ordered them: summary, then content. */
static json *reasoning_part(const json *item)
{
    struct buf text;
    buf_init(&text, REASONING_MAX);
    static const char *const lists[] = {"summary", "content"};
    for (size_t i = 0; i < 2; i++) {
        const json *list = json_get(item, lists[i]);
        for (json *e = json_first(list); json_is_array(list) && e; e = json_next(e)) {
            const char *piece = json_get_text(e, "text");
            if (piece && text.len)
                buf_append_cut(&text, "\n", 1);
            if (piece)
                buf_append_cut(&text, piece, strlen(piece));
        }
    }
    json *part = text.len ? part_reasoning(json_string_n(buf_str(&text), text.len)) : NULL;
    buf_release(&text);
    return part;
}

static json *tool_call_part(json *item, const char *arguments)
{
    return part_tool_call(json_get_text(item, "call_id"), json_get_text(item, "name"),
                          json_take(item, arguments));
}

/* What the provider ran itself: web_search_call, file_search_call, code_interpreter_call,
 * mcp_call, ... */
static json *server_tool_part(const json *item, const char *type)
{
    json *part = json_object();
    json_set_text(part, "type", "server_tool_call");
    json_set_text(part, "id", json_get_text(item, "id"));
    const char *name = json_get_text(item, "name");
    json_set_text(part, "name", name ? name : type);
    json_set(part, "server_tool_call", json_copy(item));
    return part;
}

/* Base64 of a picture is not kept. */
static json *image_part(const json *item)
{
    json *part = part_blob("image", NULL, json_get_text(item, "result"));
    json_set_text(part, "id", json_get_text(item, "id"));
    return part;
}

/* An item that is no message, as a part; *role: whose it is. */
static json *item_part(json *item, const char *type, const char **role)
{
    *role = "assistant";
    if (is(type, "function_call"))
        return tool_call_part(item, "arguments");
    if (is(type, "custom_tool_call"))
        return tool_call_part(item, "input");
    if (is(type, "function_call_output") || ends_with(type, "_call_output")) {
        *role = "tool";
        return part_tool_response(json_get_text(item, "call_id"), json_take(item, "output"));
    }
    if (is(type, "reasoning"))
        return reasoning_part(item);
    if (is(type, "image_generation_call"))
        return image_part(item);
    if (ends_with(type, "_call"))
        return server_tool_part(item, type);
    return json_copy(item);
}

static void input_item(json *messages, json *item)
{
    const char *type = json_get_text(item, "type");
    const char *role = json_get_text(item, "role");
    json *parts;
    if (!json_is_object(item))
        return;
    if (!type || is(type, "message")) {
        json *message = message_new(role, &parts);
        openai_content(parts, json_take(item, "content"));
        json_add(messages, message);
        return;
    }
    json *part = item_part(item, type, &role);
    if (!part)
        return;
    json *message = message_new(role, &parts);
    json_add(parts, part);
    json_add(messages, message);
}

void responses_input(json *messages, json *input)
{
    if (json_is_string(input)) {
        json_add(messages, text_message("user", input));
        return;
    }
    for (json *e = json_first(input); json_is_array(input) && e; e = json_next(e))
        input_item(messages, e);
    json_free(input);
}

/* Searches are billed by the piece; opening a page found by one is not. */
static void count_search(struct llm_parser *p, const json *item)
{
    const char *action = json_text(json_path(item, "action.type"));
    if (action && strcmp(action, "search") != 0)
        return;
    int64_t *n = &p->call->usage.web_searches;
    *n = *n < 0 ? 1 : *n + 1;
}

static void tool_call(struct llm_parser *p, struct answer_choice *c, json *item,
                      const char *arguments)
{
    struct answer_block *b = answer_block_new(&p->answer, c, BLOCK_TOOL, 0);
    if (!b)
        return;
    llm_set_once(&b->id, json_get_text(item, "call_id"));
    llm_set_once(&b->name, json_get_text(item, "name"));
    b->value = json_take(item, arguments);
}

void responses_item(struct llm_parser *p, struct answer_choice *c, json *item)
{
    const char *type = json_get_text(item, "type");
    const char *role;
    if (!type)
        return;
    if (is(type, "web_search_call"))
        count_search(p, item);
    if (is(type, "function_call")) {
        tool_call(p, c, item, "arguments");
    } else if (is(type, "custom_tool_call")) {
        tool_call(p, c, item, "input");
    } else if (is(type, "message")) {
        json *parts = json_array();
        openai_content(parts, json_take(item, "content"));
        for (json *e = json_first(parts); e; e = json_next(e))
            answer_part(&p->answer, c, json_copy(e));
        json_free(parts);
    } else {
        json *part = item_part(item, type, &role);
        if (part)
            answer_part(&p->answer, c, part);
    }
}
