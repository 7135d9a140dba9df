/* What `llm-tracer ui` keeps beside the store, ui-index.db in the data directory: for each trace a
 * row that can be sorted and filtered quickly, for each span the figures that its document holds,
 * totals by hour, and the words of what was said. All of it is made of the store by a thread while
 * the program runs, in steps; it may be deleted at any time. Where the folder cannot be written, it
 * lies in memory. Nothing in it outlives the span that it came from by more than a few minutes. */
#ifndef TRACER_STORE_LOCAL_INDEX_H
#define TRACER_STORE_LOCAL_INDEX_H

#include <stdbool.h>

#include "store/local/document.h"
#include "store/store.h"

struct local_index;

/* Opens or makes it and starts its thread. ERR_NOMEM, ERR_IO, ERR_DENIED (a file of another program
 * lies there). *notice as of backend_ops.open. */
int index_new(struct local_index **out, const char *dir, char **notice);
void index_free(struct local_index *x); /* waits for the thread */
/* How a connection attaches it. */
const char *index_uri(const struct local_index *x);
/* Waits a little until it has what was in the store when this was called. False: it is still far
 * behind (the first time, or after much was written unlooked at). Any thread. */
bool index_catch_up(struct local_index *x);
/* Waits until then as long as is worth it for one answer. */
bool index_wait(struct local_index *x);

#endif
