/* The price table that is built in (config/prices.json, made by scripts/update-prices), and its
 * rules for finding a model. Private to core/llm. Not thread-safe, like the room. */
#ifndef TRACER_LLM_PRICE_TABLE_H
#define TRACER_LLM_PRICE_TABLE_H

#include <stdint.h>

#include "json/json.h"

/* The table's entry of a provider, by gen_ai.provider.name; NULL: it has none. */
const json *price_provider(const char *provider);
/* The entry of a model at that provider, by the table's rules; NULL: it has none. */
const json *price_model(const json *provider, const char *model);
/* The prices in force at that time: a borrowed object of key to number or tiers. */
const json *price_in_force(const json *model, int64_t wall_ns);
const char *price_table_source(void);

#endif
