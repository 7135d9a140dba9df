/* OpenAI chat completions, and the many who speak their form (genai-reference 2.1, 2.2, 2.9). */
#include <stdio.h>
#include <string.h>

#include "llm/apis.h"
#include "llm/message.h"
#include "llm/openai.h"

static bool recognise(const json *body)
{
    return json_is_array(json_get(body, "messages"));
}

static void tool_calls_of_message(json *parts, json *message)
{
    json *calls = json_get(message, "tool_calls");
    for (json *e = json_first(calls); e; e = json_next(e)) {
        json *function = json_get(e, "function");
        if (!function)
            function = json_get(e, "custom");
        json *arguments = json_take(function, "arguments");
        if (!arguments)
            arguments = json_take(function, "input");
        json_add(parts, part_tool_call(json_get_text(e, "id"), json_get_text(function, "name"),
                                       arguments));
    }
    json *legacy = json_get(message, "function_call");
    if (json_is_object(legacy))
        json_add(parts, part_tool_call(NULL, json_get_text(legacy, "name"),
                                       json_take(legacy, "arguments")));
}

/* One message of a request; its texts are moved out of it. */
static json *input_message(json *message)
{
    const char *role = json_get_text(message, "role");
    json *parts;
    json *out = message_new(role, &parts);
    json_set_text(out, "name", json_get_text(message, "name"));
    json *content = json_take(message, "content");
    const char *reasoning = json_get_text(message, "reasoning_content");
    if (reasoning && *reasoning)
        json_add(parts, part_reasoning(json_string(reasoning)));
    if (role && (strcmp(role, "tool") == 0 || strcmp(role, "function") == 0)) {
        const char *id = json_get_text(message, "tool_call_id");
        json_add(parts, part_tool_response(id, content));
    } else {
        openai_content(parts, content);
    }
    const char *refusal = json_get_text(message, "refusal");
    if (refusal)
        json_add(parts, part_refusal(json_string(refusal)));
    tool_calls_of_message(parts, message);
    return out;
}

static json *input_messages(json *messages)
{
    json *out = json_array();
    for (json *e = json_first(messages); json_is_array(messages) && e; e = json_next(e))
        if (json_is_object(e))
            json_add(out, input_message(e));
    json_free(messages);
    return out;
}

static bool request(struct llm_parser *p, json *body)
{
    if (!body)
        return true;
    openai_request_common(p, body);
    json *messages = json_take(body, "messages");
    if (messages)
        llm_set_input(p, "messages", input_messages(messages));
    json *tools = json_take(body, "tools");
    json *functions = json_take(body, "functions"); /* before tools */
    if (!tools)
        tools = functions;
    else
        json_free(functions);
    llm_set_input(p, "tools", openai_tools(tools));
    llm_parameters(p, body);
    return true;
}

static void append_text(struct llm_parser *p, struct answer_choice *c, enum block_kind kind,
                        const char *text)
{
    if (!text || !*text)
        return;
    answer_append(&p->answer, answer_block(&p->answer, c, kind, BLOCK_ANY), text);
    llm_content_seen(p);
}

/* Mistral's content is an array when the model thinks. */
static void append_content(struct llm_parser *p, struct answer_choice *c, const json *content)
{
    append_text(p, c, BLOCK_TEXT, json_text(content));
    for (json *e = json_first(content); json_is_array(content) && e; e = json_next(e)) {
        append_text(p, c, BLOCK_TEXT, json_get_text(e, "text"));
        const json *thinking = json_get(e, "thinking");
        append_text(p, c, BLOCK_REASONING, json_text(thinking));
        for (json *t = json_first(thinking); json_is_array(thinking) && t; t = json_next(t))
            append_text(p, c, BLOCK_REASONING, json_get_text(t, "text"));
        const char *url = json_text(json_path(e, "image_url.url"));
        if (url)
            answer_part(&p->answer, c, part_from_url("image", url));
    }
}

/* The call that a delta goes on with: by its index; where the vendor gives none or the same one
 * to all, a new id with a name begins another. */
static struct answer_block *tool_block(struct llm_parser *p, struct answer_choice *c,
                                       const json *delta, const char *name)
{
    const char *id = json_get_text(delta, "id");
    int64_t index;
    struct answer_block *last = NULL;
    for (size_t i = c->count; i > 0 && !last; i--)
        if (c->blocks[i - 1].kind == BLOCK_TOOL)
            last = &c->blocks[i - 1];
    bool indexed = json_get_int(delta, "index", &index) && index >= 0;
    if (!indexed)
        index = last ? last->key : 0;
    bool begins = id && *id && name && *name;
    struct answer_block *same = last;
    for (size_t i = c->count; indexed && i > 0; i--) {
        same = &c->blocks[i - 1];
        if (same->kind == BLOCK_TOOL && same->key == index)
            break;
        same = NULL;
    }
    if (same && begins && same->id && strcmp(same->id, id) != 0)
        same = NULL;
    return same ? same : answer_block_new(&p->answer, c, BLOCK_TOOL, index);
}

static void append_tool(struct llm_parser *p, struct answer_choice *c, const json *delta,
                        bool legacy)
{
    const json *function = legacy ? delta : json_get(delta, "function");
    if (!function)
        function = json_get(delta, "custom");
    const char *name = json_get_text(function, "name");
    struct answer_block *b = tool_block(p, c, delta, name);
    if (!b)
        return;
    if (!legacy)
        llm_set_once(&b->id, json_get_text(delta, "id"));
    llm_set_once(&b->name, name);
    const json *arguments = json_get(function, "arguments");
    if (!arguments)
        arguments = json_get(function, "input");
    if (json_is_object(arguments) && !b->value) /* Mistral, at times */
        b->value = json_copy(arguments);
    answer_append(&p->answer, b, json_text(arguments));
    llm_content_seen(p);
}

static void append_audio(struct llm_parser *p, struct answer_choice *c, const json *audio)
{
    if (!json_is_object(audio))
        return;
    struct answer_block *b = answer_block(&p->answer, c, BLOCK_AUDIO, 0);
    if (!b)
        return;
    llm_set_once(&b->id, json_get_text(audio, "id"));
    const char *data = json_get_text(audio, "data");
    if (data)
        b->size += (int64_t)base64_size(data, strlen(data));
    answer_append(&p->answer, b, json_get_text(audio, "transcript"));
    if (data || json_get_text(audio, "transcript"))
        llm_content_seen(p);
}

static void reasoning_of(struct llm_parser *p, struct answer_choice *c, const json *delta)
{
    const char *text = json_get_text(delta, "reasoning_content");
    if (!text || !*text)
        text = json_get_text(delta, "reasoning");
    if (text && *text) {
        append_text(p, c, BLOCK_REASONING, text);
        return;
    }
    const json *details = json_get(delta, "reasoning_details"); /* OpenRouter */
    for (json *e = json_first(details); json_is_array(details) && e; e = json_next(e)) {
        text = json_get_text(e, "text");
        append_text(p, c, BLOCK_REASONING, text ? text : json_get_text(e, "summary"));
    }
}

/* A choice of an answer ("message") or of a chunk ("delta"): they have the same members. */
static void read_choice(struct llm_parser *p, const json *choice, int64_t position)
{
    int64_t index = position;
    if (!json_is_object(choice))
        return;
    json_get_int(choice, "index", &index);
    struct answer_choice *c = answer_choice(&p->answer, index);
    if (!c)
        return;
    const json *delta = json_get(choice, "delta");
    if (!json_is_object(delta))
        delta = json_get(choice, "message");
    llm_set_once(&c->role, json_get_text(delta, "role"));
    reasoning_of(p, c, delta);
    append_content(p, c, json_get(delta, "content"));
    append_text(p, c, BLOCK_REFUSAL, json_get_text(delta, "refusal"));
    append_audio(p, c, json_get(delta, "audio"));
    const json *calls = json_get(delta, "tool_calls");
    for (json *e = json_first(calls); json_is_array(calls) && e; e = json_next(e))
        append_tool(p, c, e, false);
    if (json_is_object(json_get(delta, "function_call")))
        append_tool(p, c, json_get(delta, "function_call"), true);
    llm_replace(&c->finish, json_get_text(choice, "finish_reason"));
    llm_usage_openai(p, json_get(choice, "usage")); /* Moonshot */
}

/* llama.cpp counts the cached prompt beside the rest (genai-reference 2.9). */
static void read_timings(struct llm_parser *p, json *body)
{
    struct llm_usage *u = &p->call->usage;
    const json *timings = json_get(body, "timings");
    int64_t prompt = LLM_UNKNOWN, cached = 0;
    if (!json_is_object(timings))
        return;
    if (p->call->usage_source == LLM_USAGE_MISSING && llm_count(&prompt, timings, "prompt_n")) {
        llm_count(&cached, timings, "cache_n");
        u->input = prompt + cached;
        llm_count(&u->cache_read, timings, "cache_n");
        llm_count(&u->output, timings, "predicted_n");
        llm_usage_reported(p);
    }
    llm_meta_take(p, "timings", body, "timings");
}

static void response(struct llm_parser *p, json *body)
{
    openai_answer_common(p, body);
    const json *choices = json_get(body, "choices");
    int64_t position = 0;
    for (json *e = json_first(choices); json_is_array(choices) && e; e = json_next(e))
        read_choice(p, e, position++);
    llm_usage_openai(p, json_get(body, "usage"));
    const json *groq = json_get(body, "x_groq");
    if (groq) {
        llm_usage_openai(p, json_get(groq, "usage"));
        const char *error = json_get_text(groq, "error");
        if (error)
            llm_error(p, NULL, error);
        llm_meta_text(p, "groq_id", json_get_text(groq, "id"));
    }
    read_timings(p, body);
    if (json_is_array(
            json_get(body, "citations"))) { /* Perplexity; in a stream all of them again */
        json_free(p->citations);
        p->citations = json_object();
        json_set(p->citations, "citations", json_take(body, "citations"));
    }
}

static void chunk(struct llm_parser *p, const char *event, json *data)
{
    (void)event;
    llm_error_from(p, data);
    response(p, data);
}

/* A stream is whole when each of its choices says why it ended, even if [DONE] was not read. */
static void finish(struct llm_parser *p)
{
    bool all = p->answer.count > 0;
    for (size_t i = 0; i < p->answer.count; i++)
        all = all && p->answer.choices[i].finish;
    p->finished = p->finished || all;
}

const struct llm_api openai_chat = {
    .name = "openai.chat",
    .provider = "openai",
    .operation = LLM_OP_CHAT,
    .recognise = recognise,
    .request = request,
    .response = response,
    .chunk = chunk,
    .finish = finish,
};
