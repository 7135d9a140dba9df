#include <string.h>

#include "llm/apis.h"
#include "llm/provider.h"

/* In the order in which a body of unknown kind is tried. */
const struct llm_api *const llm_apis[] = {
    &anthropic_messages, &ollama_chat,        &ollama_generate,
    &openai_chat,        &openai_completions, &openai_embeddings,
    &openai_responses,   &ollama_embed,       &ollama_embeddings,
};
const size_t llm_api_count = sizeof(llm_apis) / sizeof(llm_apis[0]); /* NOLINT: of pointers */

const struct llm_api *llm_api_find(const char *name)
{
    for (size_t i = 0; i < llm_api_count; i++)
        if (strcmp(llm_apis[i]->name, name) == 0)
            return llm_apis[i];
    return NULL;
}
