/* What OpenAI's APIs share with each other. Private to core/llm. */
#ifndef TRACER_LLM_OPENAI_H
#define TRACER_LLM_OPENAI_H

#include "llm/provider.h"

/* Content of a message, a string or an array of parts, to parts of OpenTelemetry's form, appended
 * to parts. Takes content over. */
void openai_content(json *parts, json *content);
/* Tool definitions of chat ({"type","function":{}}) and Responses (flat) to one form. Takes over.
 */
json *openai_tools(json *tools);
/* Model, user, session and what else the requests of all these APIs say. */
void openai_request_common(struct llm_parser *p, json *body);
/* id, model, service tier and fingerprint of an answer or chunk. */
void openai_answer_common(struct llm_parser *p, json *body);

#endif
