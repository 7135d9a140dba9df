/* Anthropic's content blocks in OpenTelemetry's form. Private to core/llm. */
#ifndef TRACER_LLM_ANTHROPIC_H
#define TRACER_LLM_ANTHROPIC_H

#include "llm/provider.h"

/* A message; content, a string or an array of blocks, is taken over. */
json *anthropic_message(const char *role, json *content);
/* One block as a part; its texts are moved out of it. NULL: nothing in it to keep. */
json *anthropic_part(json *block);
/* [{name, description, input_schema}] to definitions. Takes over. */
json *anthropic_tools(json *tools);
/* Arguments of server tools that came in pieces go into their parts. */
void anthropic_server_tools_finish(struct llm_parser *p);

#endif
