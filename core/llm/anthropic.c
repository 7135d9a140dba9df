/* Anthropic messages (genai-reference 2.3), also where others speak their form. */
#include <string.h>

#include "llm/anthropic.h"
#include "llm/apis.h"
#include "llm/message.h"

static bool recognise(const json *body)
{
    if (!json_is_array(json_get(body, "messages")))
        return false;
    if (json_get(body, "anthropic_version"))
        return true;
    /* A system text beside the messages is Anthropic's; max_tokens is obligatory there. */
    return json_get(body, "system") && json_get(body, "max_tokens");
}

static bool request(struct llm_parser *p, json *body)
{
    struct llm_call *call = p->call;
    if (!body)
        return true;
    llm_set_once(&call->request_model, json_get_text(body, "model"));
    llm_set_once(&call->user_id, json_text(json_path(body, "metadata.user_id")));
    json *messages = json_array();
    json *system = json_take(body, "system");
    if (system)
        json_add(messages, anthropic_message("system", system));
    json *list = json_take(body, "messages");
    for (json *e = json_first(list); json_is_array(list) && e; e = json_next(e))
        if (json_is_object(e)) {
            json *content = json_take(e, "content");
            json_add(messages, anthropic_message(json_get_text(e, "role"), content));
        }
    json_free(list);
    llm_set_input(p, "messages", messages);
    llm_set_input(p, "tools", anthropic_tools(json_take(body, "tools")));
    llm_parameters(p, body);
    return true;
}

/* Input and cache counts are told apart from each other; a delta's null leaves what was there. */
static void read_counts(struct llm_parser *p, const json *usage)
{
    struct llm_usage *u = &p->call->usage;
    llm_count(&p->raw_input, usage, "input_tokens");
    llm_count(&u->output, usage, "output_tokens");
    llm_count(&u->cache_read, usage, "cache_read_input_tokens");
    llm_count(&u->cache_write, usage, "cache_creation_input_tokens");
    llm_count_path(&u->cache_write_1h, usage, "cache_creation.ephemeral_1h_input_tokens");
    llm_count_path(&u->reasoning, usage, "output_tokens_details.thinking_tokens");
    llm_count_path(&u->web_searches, usage, "server_tool_use.web_search_requests");
}

static bool iteration_is(const json *iteration, const char *type)
{
    const char *text = json_get_text(iteration, "type");
    return text && strcmp(text, type) == 0;
}

static void add_count(int64_t *sum, const json *object, const char *key)
{
    int64_t n = 0;
    if (llm_count(&n, object, key) && n <= INT64_MAX / 4 && *sum <= INT64_MAX / 4)
        *sum = (*sum < 0 ? 0 : *sum) + n;
}

/* With compaction the totals leave its iterations out: what is billed is the sum of those of the
 * kinds message and compaction, unless a fallback model answered. */
static void read_iterations(struct llm_parser *p, const json *iterations)
{
    bool compaction = false;
    struct llm_usage sum;
    int64_t input = LLM_UNKNOWN;
    llm_usage_init(&sum);
    for (json *e = json_first(iterations); json_is_array(iterations) && e; e = json_next(e)) {
        if (iteration_is(e, "fallback_message"))
            return;
        compaction = compaction || iteration_is(e, "compaction");
        if (!iteration_is(e, "message") && !iteration_is(e, "compaction"))
            continue;
        add_count(&input, e, "input_tokens");
        add_count(&sum.output, e, "output_tokens");
        add_count(&sum.cache_read, e, "cache_read_input_tokens");
        add_count(&sum.cache_write, e, "cache_creation_input_tokens");
    }
    if (!compaction)
        return;
    struct llm_usage *u = &p->call->usage;
    p->raw_input = input;
    u->output = sum.output;
    u->cache_read = sum.cache_read;
    u->cache_write = sum.cache_write;
}

static void read_usage(struct llm_parser *p, json *usage)
{
    struct llm_usage *u = &p->call->usage;
    if (!json_is_object(usage))
        return;
    read_counts(p, usage);
    read_iterations(p, json_get(usage, "iterations"));
    if (p->raw_input >= 0) {
        u->input = p->raw_input;
        u->input += u->cache_read > 0 ? u->cache_read : 0;
        u->input += u->cache_write > 0 ? u->cache_write : 0;
    }
    if (p->raw_input >= 0 || u->output >= 0)
        llm_usage_reported(p);
    llm_replace(&p->call->service_tier, json_get_text(usage, "service_tier"));
    llm_meta_text(p, "inference_geo", json_get_text(usage, "inference_geo"));
    const char *speed = json_get_text(usage, "speed"); /* priced apart, as a tier */
    if (speed && strcmp(speed, "standard") != 0)
        llm_replace(&p->call->service_tier, speed);
    double cost; /* OpenRouter's and gateways' answers in this form */
    if (json_get_number(usage, "cost", &cost) && cost >= 0)
        u->cost_usd = cost;
}

static void read_stop(struct llm_parser *p, const json *from)
{
    struct answer_choice *c = answer_choice(&p->answer, 0);
    if (!c)
        return;
    llm_replace(&c->finish, json_get_text(from, "stop_reason"));
    llm_meta_text(p, "stop_sequence", json_get_text(from, "stop_sequence"));
}

/* Begins a block of the answer, with what it holds already. */
static void read_block(struct llm_parser *p, int64_t index, json *block)
{
    struct answer_choice *c = answer_choice(&p->answer, 0);
    const char *type = json_get_text(block, "type");
    if (!type)
        return;
    enum block_kind kind = BLOCK_PART;
    const char *text = NULL;
    if (strcmp(type, "text") == 0) {
        kind = BLOCK_TEXT;
        text = json_get_text(block, "text");
    } else if (strcmp(type, "thinking") == 0) {
        kind = BLOCK_REASONING;
        text = json_get_text(block, "thinking");
    } else if (strcmp(type, "tool_use") == 0) {
        kind = BLOCK_TOOL;
    }
    struct answer_block *b = answer_block_new(&p->answer, c, kind, index);
    if (!b)
        return;
    answer_append(&p->answer, b, text);
    if (kind == BLOCK_TOOL) {
        llm_set_once(&b->id, json_get_text(block, "id"));
        llm_set_once(&b->name, json_get_text(block, "name"));
        if (json_length(json_get(block, "input")) > 0)
            b->value = json_take(block, "input");
    } else if (kind == BLOCK_PART) {
        b->value = anthropic_part(block);
    }
    if ((text && *text) || kind == BLOCK_TOOL || kind == BLOCK_PART)
        llm_content_seen(p);
}

static void read_message(struct llm_parser *p, json *message)
{
    struct llm_call *call = p->call;
    llm_set_once(&call->response_id, json_get_text(message, "id"));
    llm_set_once(&call->response_model, json_get_text(message, "model"));
    const json *content = json_get(message, "content");
    int64_t index = 0;
    for (json *e = json_first(content); json_is_array(content) && e; e = json_next(e))
        read_block(p, index++, e);
    read_stop(p, message);
    read_usage(p, json_get(message, "usage"));
}

/* The block of that index, whatever its kind. */
static struct answer_block *block_at(struct llm_parser *p, int64_t index)
{
    struct answer_choice *c = answer_choice(&p->answer, 0);
    for (size_t i = c ? c->count : 0; i > 0; i--)
        if (c->blocks[i - 1].key == index)
            return &c->blocks[i - 1];
    return NULL;
}

static void read_delta(struct llm_parser *p, const json *data)
{
    int64_t index = 0;
    json_get_int(data, "index", &index);
    const json *delta = json_get(data, "delta");
    const char *type = json_get_text(delta, "type");
    struct answer_block *b = block_at(p, index);
    if (!type)
        return;
    const char *text = NULL;
    enum block_kind kind = BLOCK_TEXT;
    if (strcmp(type, "text_delta") == 0) {
        text = json_get_text(delta, "text");
    } else if (strcmp(type, "thinking_delta") == 0) {
        kind = BLOCK_REASONING;
        text = json_get_text(delta, "thinking");
    } else if (strcmp(type, "input_json_delta") == 0) {
        kind = BLOCK_TOOL;
        text = json_get_text(delta, "partial_json");
    }
    if (!text || !*text)
        return;
    if (!b) /* its beginning was lost */
        b = answer_block_new(&p->answer, answer_choice(&p->answer, 0), kind, index);
    answer_append(&p->answer, b, text);
    llm_content_seen(p);
}

static void chunk(struct llm_parser *p, const char *event, json *data)
{
    const char *type = json_get_text(data, "type");
    if (!type)
        type = event;
    if (strcmp(type, "error") == 0) {
        llm_error_from(p, data);
    } else if (strcmp(type, "message_start") == 0) {
        read_message(p, json_get(data, "message"));
        p->call->usage.output = LLM_UNKNOWN; /* what it says here is only a beginning */
    } else if (strcmp(type, "content_block_start") == 0) {
        int64_t index = 0;
        json_get_int(data, "index", &index);
        read_block(p, index, json_get(data, "content_block"));
    } else if (strcmp(type, "content_block_delta") == 0) {
        read_delta(p, data);
    } else if (strcmp(type, "message_delta") == 0) {
        read_stop(p, json_get(data, "delta"));
        read_usage(p, json_get(data, "usage"));
    } else if (strcmp(type, "message_stop") == 0) {
        p->finished = true;
    }
}

static void finish(struct llm_parser *p)
{
    anthropic_server_tools_finish(p);
    p->finished = p->finished || (p->answer.count > 0 && p->answer.choices[0].finish);
}

const struct llm_api anthropic_messages = {
    .name = "anthropic.messages",
    .provider = "anthropic",
    .operation = LLM_OP_CHAT,
    .recognise = recognise,
    .request = request,
    .response = read_message,
    .chunk = chunk,
    .finish = finish,
};
