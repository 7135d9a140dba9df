/* The APIs that this room speaks, one a file (ollama_embed.c: two); listed in providers.c. */
#ifndef TRACER_LLM_APIS_H
#define TRACER_LLM_APIS_H

struct llm_api;

extern const struct llm_api openai_chat;
extern const struct llm_api openai_responses;
extern const struct llm_api openai_completions;
extern const struct llm_api openai_embeddings;
extern const struct llm_api anthropic_messages;
extern const struct llm_api ollama_chat;
extern const struct llm_api ollama_generate;
extern const struct llm_api ollama_embed;
extern const struct llm_api ollama_embeddings;

#endif
