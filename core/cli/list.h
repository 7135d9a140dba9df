/* The table of `llm-tracer list`, apart from the store. */
#ifndef TRACER_CLI_LIST_H
#define TRACER_CLI_LIST_H

#include "cli/term.h"
#include "store/store.h"

struct list;
struct list *list_new(void); /* NULL: out of memory */
void list_free(struct list *l);
void list_add(struct list *l, const struct trace_row *row, const struct term *term);
void list_print(const struct list *l, const struct term *term, struct buf *out);
/* "running", "error" or "ok". */
const char *trace_row_status(const struct trace_row *row);
/* The row as one JSON object, without newline. */
void trace_row_json(const struct trace_row *row, struct buf *out);

#endif
