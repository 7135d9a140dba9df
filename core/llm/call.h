/* Making an empty call. Private to core/llm and its tests. */
#ifndef TRACER_LLM_CALL_H
#define TRACER_LLM_CALL_H

struct llm_call;
struct llm_usage;

/* All figures unknown; NULL: out of memory. */
struct llm_call *llm_call_new(void);
void llm_usage_init(struct llm_usage *u);

#endif
