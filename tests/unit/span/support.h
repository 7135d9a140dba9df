#ifndef TESTS_UNIT_SPAN_SUPPORT_H
#define TESTS_UNIT_SPAN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/llm.h"
#include "span/span.h"

/* {"messages": [...]} from text in JSON. */
static inline json *messages(const char *list)
{
    json *parsed = json_parse(list, strlen(list));
    assert_non_null(parsed);
    json *data = json_object();
    json_set(data, "messages", parsed);
    return data;
}

/* A call that knows nothing yet. */
static inline struct llm_call *make_call(void)
{
    struct llm_call *c = calloc(1, sizeof(*c));
    c->operation = LLM_OP_CHAT;
    c->usage = (struct llm_usage){LLM_UNKNOWN, LLM_UNKNOWN, LLM_UNKNOWN, LLM_UNKNOWN,
                                  LLM_UNKNOWN, LLM_UNKNOWN, LLM_UNKNOWN, LLM_UNKNOWN,
                                  LLM_UNKNOWN, LLM_UNKNOWN, -1};
    c->cost_usd = -1;
    c->chunk_count = c->retry = LLM_UNKNOWN;
    return c;
}

#endif
