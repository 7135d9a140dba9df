/* What the APIs note in the call while they read. */
#include <stdlib.h>
#include <string.h>

#include "llm/provider.h"
#include "llm/redact.h"

#define PARAMETERS_MAX 256

void llm_content_seen(struct llm_parser *p)
{
    if (!p->call->stream || p->call->t_first_content != 0)
        return;
    p->call->t_first_content = p->now;
    p->changed = true;
}

void llm_set_once(char **field, const char *text)
{
    if (*field == NULL && text && *text)
        *field = strdup(text);
}

void llm_replace(char **field, const char *text)
{
    if (!text || !*text || (*field && strcmp(*field, text) == 0))
        return;
    free(*field);
    *field = strdup(text);
}

void llm_meta_text(struct llm_parser *p, const char *key, const char *text)
{
    if (text && *text)
        json_set_text(p->call->metadata, key, text);
}

void llm_meta_take(struct llm_parser *p, const char *key, json *from, const char *from_key)
{
    const json *value = json_get(from, from_key);
    if (value && !json_is_null(value))
        json_set(p->call->metadata, key, json_take(from, from_key));
}

void llm_set_input(struct llm_parser *p, const char *key, json *value)
{
    if (!value)
        return;
    if (!p->call->input)
        p->call->input = json_object();
    json_set(p->call->input, key, value);
}

/* Providers' names of what OpenTelemetry calls gen_ai.request.*. */
static const struct rename {
    const char *from, *to;
} renames[] = {
    {"max_completion_tokens", "max_tokens"},
    {"max_output_tokens", "max_tokens"},
    {"max_tokens_to_sample", "max_tokens"},
    {"num_predict", "max_tokens"},
    {"stop", "stop_sequences"},
    {"n", "choice_count"},
    {"random_seed", "seed"},
};

static const char *parameter_name(const char *name)
{
    for (size_t i = 0; i < sizeof(renames) / sizeof(*renames); i++)
        if (strcmp(renames[i].from, name) == 0)
            return renames[i].to;
    return name;
}

/* A request with more members than any API has is no request that a person wrote: the rest of them
 * is left out, since setting one takes time by how many there are. */
static void move_parameters(json *from, json *to)
{
    size_t room = PARAMETERS_MAX;
    for (json *member = json_first(from); member && room > 0; member = json_next(member), room--) {
        const char *key = json_key(member);
        if (!key || json_is_null(member) || llm_name_is_secret(key, strlen(key)))
            continue;
        const char *name = parameter_name(key);
        json *value = json_copy(member);
        if (strcmp(name, "stop_sequences") == 0 && json_is_string(value)) {
            json *list = json_array();
            json_add(list, value);
            value = list;
        }
        json_set(to, name, value);
    }
}

void llm_parameters(struct llm_parser *p, json *body)
{
    static const char *const not_ours[] = {
        "model", "stream", "stream_options", "user", "safety_identifier", "session_id", "context"};
    for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
        json_free(json_take(body, not_ours[i]));
    json *metadata = json_take(body, "metadata");
    if (json_is_object(metadata) && json_length(metadata) > 0)
        json_set(p->call->metadata, "request_metadata", metadata);
    else
        json_free(metadata);
    json *parameters = json_object();
    json *options = json_take(body, "options"); /* Ollama's */
    if (json_is_object(options))
        move_parameters(options, parameters);
    json_free(options);
    move_parameters(body, parameters);
    if (json_length(parameters) > 0)
        llm_set_input(p, "parameters", parameters);
    else
        json_free(parameters);
}
