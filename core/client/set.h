/* What traces and spans have in common once they run. */
#ifndef TRACER_CLIENT_SET_H
#define TRACER_CLIENT_SET_H

#include "client/item.h"

/* Writes one JSON field; metadata must be an object. LLMT_OK, LLMT_EINVAL (NULL), LLMT_EJSON,
 * LLMT_ENOBUFS. */
int set_json(struct scene *s, const struct item *item, enum wire_field_name name, const char *json);
/* Adds the figures that are known; LLMT_ERANGE: one is out of its range, and none was added. */
int add_figures(struct message *m, const enum wire_field_name *names, const int64_t *tokens,
                size_t count, double cost);
/* Ends a trace or span: its handle, its place in the thread's stack, its record; waits with
 * LLMT_SYNC. */
int end_item(void *pointer, enum handle_kind kind, enum wire_type type);

#endif
