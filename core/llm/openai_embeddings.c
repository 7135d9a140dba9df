/* OpenAI embeddings, as arrays of numbers or in base64 (genai-reference 2.1). */
#include "llm/apis.h"
#include "llm/openai.h"
#include "llm/vectors.h"

/* A list of texts or of token numbers: the items of Responses are objects. */
static bool recognise(const json *body)
{
    const json *input = json_get(body, "input");
    const json *first = json_is_array(input) ? json_first(input) : NULL;
    return json_get(body, "model") && input &&
           (json_get(body, "encoding_format") || (first && !json_is_object(first)));
}

static bool request(struct llm_parser *p, json *body)
{
    if (body)
        vectors_request(p, body, "input");
    return true;
}

static void response(struct llm_parser *p, json *body)
{
    int64_t count = 0;
    openai_answer_common(p, body);
    const json *data = json_get(body, "data");
    for (json *e = json_first(data); json_is_array(data) && e; e = json_next(e))
        vectors_note(p, &count, json_get(e, "embedding"));
    vectors_output(p, count);
    llm_usage_openai(p, json_get(body, "usage"));
}

const struct llm_api openai_embeddings = {
    .name = "openai.embeddings",
    .provider = "openai",
    .operation = LLM_OP_EMBEDDINGS,
    .vectors = true,
    .recognise = recognise,
    .request = request,
    .response = response,
};
