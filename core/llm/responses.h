/* Items of OpenAI Responses, of the request and of the answer. Private to core/llm. */
#ifndef TRACER_LLM_RESPONSES_H
#define TRACER_LLM_RESPONSES_H

#include "llm/provider.h"

/* The request's input, a text or an array of items, to messages. Takes input over. */
void responses_input(json *messages, json *input);
/* One item of the answer's output to blocks of the choice; its texts may be moved out. */
void responses_item(struct llm_parser *p, struct answer_choice *c, json *item);

#endif
