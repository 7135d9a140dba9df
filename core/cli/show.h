/* The head of `llm-tracer show`, apart from the store. */
#ifndef TRACER_CLI_SHOW_H
#define TRACER_CLI_SHOW_H

#include "cli/tree.h"

/* processes: how many made the spans; command: the command line of the only one, else their names;
 * may be NULL. */
void show_head(const struct trace *t, const struct tree *tree, const char *command, int64_t pid,
               size_t processes, const struct term *term, struct buf *out);

#endif
