/* config/prices.json, linked in as it is. Private to core/llm. */
#ifndef TRACER_LLM_PRICE_DATA_H
#define TRACER_LLM_PRICE_DATA_H

#include <stddef.h>

extern const char price_data[];
size_t price_data_len(void);

#endif
