#include "llm/vectors.h"

#include <string.h>

#include "llm/message.h"

/* Dimensions of float32 values behind that many characters of base64. */
static int64_t base64_dimensions(int64_t characters)
{
    return characters / 4 * 3 / 4;
}

void vectors_note(struct llm_parser *p, int64_t *count, const json *vector)
{
    int64_t n = 0;
    const char *text = json_text(vector);
    if (text)
        n = base64_dimensions((int64_t)strlen(text));
    else if (json_int(vector, &n))
        n = n < 0 ? base64_dimensions(-n) : n;
    else if (json_is_array(vector))
        n = (int64_t)json_length(vector);
    else
        return;
    ++*count;
    if (p->call->output || n <= 0)
        return;
    p->call->output = json_object();
    json_set(p->call->output, "embeddings", json_object());
    json_set_int(json_get(p->call->output, "embeddings"), "dimensions", n);
}

void vectors_output(struct llm_parser *p, int64_t count)
{
    if (count == 0)
        return;
    if (!p->call->output) {
        p->call->output = json_object();
        json_set(p->call->output, "embeddings", json_object());
    }
    json_set_int(json_get(p->call->output, "embeddings"), "count", count);
}

void vectors_request(struct llm_parser *p, json *body, const char *member)
{
    llm_set_once(&p->call->request_model, json_get_text(body, "model"));
    llm_set_once(&p->call->user_id, json_get_text(body, "user"));
    llm_set_input(p, "input", json_take(body, member));
    llm_parameters(p, body);
}
