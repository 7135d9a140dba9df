/* Errors, in every shape that providers have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/provider.h"

void llm_error(struct llm_parser *p, const char *type, const char *message)
{
    struct llm_call *call = p->call;
    char status[32];
    if (!type || !*type) {
        snprintf(status, sizeof(status), "%d", call->status_code);
        type = call->status_code >= 400 ? status : "_OTHER"; /* OpenTelemetry's fallback */
    }
    if (!call->error_type)
        p->changed = true;
    llm_set_once(&call->error_type, type);
    char text[64];
    if (!message || !*message) {
        snprintf(text, sizeof(text), "HTTP %d", call->status_code);
        message = call->status_code >= 400 ? text : type;
    }
    llm_set_once(&call->error, message);
}

/* {"message","type","code"}: OpenAI's inner object, also flat. A code is a word (OpenAI) or the
 * HTTP status once more (llama.cpp, OpenRouter); a word says more than the type. */
static void read_object(struct llm_parser *p, const json *error)
{
    char number[32];
    const char *type = json_get_text(error, "code");
    if (!type || !*type)
        type = json_get_text(error, "type");
    if (!type || !*type)
        type = json_get_text(error, "status"); /* Google: "INVALID_ARGUMENT" */
    int64_t code;
    if ((!type || !*type) && json_get_int(error, "code", &code)) {
        snprintf(number, sizeof(number), "%lld", (long long)code);
        type = number;
    }
    const char *message = json_get_text(error, "message");
    const json *detail = json_get(error, "detail");
    char *printed = NULL;
    if (!message && detail) {
        printed = json_is_string(detail) ? NULL : json_print_new(detail);
        message = printed ? printed : json_text(detail);
    }
    llm_error(p, type, message);
    free(printed);
    const char *param = json_get_text(error, "param");
    llm_meta_text(p, "error_param", param);
}

/* FastAPI's {"detail":...} and the flat forms only count under an error status: an answer may have
 * a member of such a name. */
static bool is_flat_error(const struct llm_parser *p, const json *body)
{
    const char *object = json_get_text(body, "object");
    if (object && strcmp(object, "error") == 0) /* older vLLM */
        return true;
    return p->call->status_code >= 400 && (json_get(body, "message") || json_get(body, "detail"));
}

bool llm_error_from(struct llm_parser *p, const json *body)
{
    if (json_is_array(body)) /* Google wraps it */
        body = json_first(body);
    if (!json_is_object(body))
        return false;
    const json *error = json_get(body, "error");
    if (json_is_string(error)) { /* Ollama, TGI */
        llm_error(p, json_get_text(body, "error_type"), json_text(error));
    } else if (json_is_object(error)) {
        read_object(p, error);
    } else if (is_flat_error(p, body)) {
        read_object(p, body);
    } else {
        return false;
    }
    llm_meta_text(p, "request_id", json_get_text(body, "request_id"));
    p->failed = true;
    return true;
}
