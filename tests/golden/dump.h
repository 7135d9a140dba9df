/* A call as text that a person can read and a test can compare. */
#ifndef TESTS_GOLDEN_DUMP_H
#define TESTS_GOLDEN_DUMP_H

#include "base/buf.h"

struct llm_call;

/* Appends the call as indented JSON; unknown fields are left out; times in ms since the request.
 * NULL: "no call". */
void dump_call(struct buf *out, const struct llm_call *call);

#endif
