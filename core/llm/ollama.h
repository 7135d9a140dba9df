/* What Ollama's APIs share (genai-reference 2.8). Private to core/llm. */
#ifndef TRACER_LLM_OLLAMA_H
#define TRACER_LLM_OLLAMA_H

#include "llm/provider.h"

/* Whether a body has what no other provider's has. */
bool ollama_recognise(const json *body);
/* Model, done, done_reason, counts and durations of an answer or of a line of one. */
void ollama_answer(struct llm_parser *p, json *line);
/* Reasoning, text and tool calls of one member of a line. */
void ollama_content(struct llm_parser *p, const json *from, const char *text_member);
/* Images of a message or prompt, base64 each. */
void ollama_images(json *parts, const json *images);

#endif
