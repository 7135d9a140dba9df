#include "llm/ollama.h"

#include "llm/message.h"

bool ollama_recognise(const json *body)
{
    return json_get(body, "keep_alive") || json_is_object(json_get(body, "options"));
}

void ollama_answer(struct llm_parser *p, json *line)
{
    struct llm_call *call = p->call;
    llm_set_once(&call->response_model, json_get_text(line, "model"));
    bool counted = llm_count(&call->usage.input, line, "prompt_eval_count");
    counted |= llm_count(&call->usage.output, line, "eval_count");
    if (counted)
        llm_usage_reported(p);
    struct answer_choice *c = answer_choice(&p->answer, 0);
    if (c)
        llm_replace(&c->finish, json_get_text(line, "done_reason"));
    if (json_is_true(json_get(line, "done")))
        p->finished = true;
    static const char *const durations[] = {"total_duration", "load_duration",
                                            "prompt_eval_duration", "eval_duration"};
    for (size_t i = 0; i < sizeof(durations) / sizeof(*durations); i++)
        llm_meta_take(p, durations[i], line, durations[i]); /* nanoseconds */
    llm_meta_take(p, "remote_model", line, "remote_model");
    llm_meta_take(p, "remote_host", line, "remote_host");
}

static void append(struct llm_parser *p, struct answer_choice *c, enum block_kind kind,
                   const char *text)
{
    if (!text || !*text)
        return;
    answer_append(&p->answer, answer_block(&p->answer, c, kind, BLOCK_ANY), text);
    llm_content_seen(p);
}

void ollama_content(struct llm_parser *p, const json *from, const char *text_member)
{
    struct answer_choice *c = answer_choice(&p->answer, 0);
    if (!c)
        return;
    llm_set_once(&c->role, json_get_text(from, "role"));
    append(p, c, BLOCK_REASONING, json_get_text(from, "thinking"));
    append(p, c, BLOCK_TEXT, json_get_text(from, text_member));
    const json *calls = json_get(from, "tool_calls");
    for (json *e = json_first(calls); json_is_array(calls) && e; e = json_next(e)) {
        json *function = json_get(e, "function");
        struct answer_block *b =
            answer_block_new(&p->answer, c, BLOCK_TOOL, (int64_t)c->count); /* never in pieces */
        if (!b)
            return;
        llm_set_once(&b->id, json_get_text(e, "id"));
        llm_set_once(&b->name, json_get_text(function, "name"));
        b->value = json_take(function, "arguments");
        llm_content_seen(p);
    }
}

void ollama_images(json *parts, const json *images)
{
    for (json *e = json_first(images); json_is_array(images) && e; e = json_next(e))
        if (json_is_string(e))
            json_add(parts, part_blob("image", NULL, json_text(e)));
}
