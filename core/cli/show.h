/* The head of `llm-tracer show`, apart from the store. */
#ifndef TRACER_CLI_SHOW_H
#define TRACER_CLI_SHOW_H

#include "cli/tree.h"

/* command: the process's command line as it is, or NULL; processes: how many made the spans. */
void show_head(const struct trace *t, const struct tree *tree, const char *command, int64_t pid,
               size_t processes, const struct term *term, struct buf *out);

#endif
