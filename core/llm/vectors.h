/* Answers that are vectors: their number and dimensions are kept, never the vectors. Private to
 * core/llm. */
#ifndef TRACER_LLM_VECTORS_H
#define TRACER_LLM_VECTORS_H

#include "llm/provider.h"

/* Notes a vector of an answer that went through a counting body: an array of numbers came as its
 * length, base64 as its length in characters, negative (or as text, when it is short). */
void vectors_note(struct llm_parser *p, int64_t *count, const json *vector);
/* Sets the call's output. */
void vectors_output(struct llm_parser *p, int64_t count);
/* {"input": ...} of an embeddings request and its parameters. */
void vectors_request(struct llm_parser *p, json *body, const char *member);

#endif
