/* Ollama's /api/embed, and /api/embeddings before it. */
#include "llm/apis.h"
#include "llm/ollama.h"
#include "llm/vectors.h"

static bool embed_request(struct llm_parser *p, json *body)
{
    if (!json_get_text(body, "model"))
        return false;
    vectors_request(p, body, json_get(body, "input") ? "input" : "prompt");
    return true;
}

static void embed_response(struct llm_parser *p, json *body)
{
    int64_t count = 0;
    ollama_answer(p, body);
    const json *list = json_get(body, "embeddings");
    for (json *e = json_first(list); json_is_array(list) && e; e = json_next(e))
        vectors_note(p, &count, e);
    const json *one = json_get(body, "embedding"); /* /api/embeddings */
    if (one)
        vectors_note(p, &count, one);
    vectors_output(p, count);
}

const struct llm_api ollama_embed = {
    .name = "ollama.embed",
    .provider = "ollama",
    .operation = LLM_OP_EMBEDDINGS,
    .vectors = true,
    .request = embed_request,
    .response = embed_response,
};

const struct llm_api ollama_embeddings = {
    .name = "ollama.embeddings",
    .provider = "ollama",
    .operation = LLM_OP_EMBEDDINGS,
    .vectors = true,
    .request = embed_request,
    .response = embed_response,
};
