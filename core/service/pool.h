/* The threads that wait for the store: readers, with a session each, and writers, who take all
 * writes that wait and give them to the backend as one batch. Thread-safe. */
#ifndef TRACER_SERVICE_POOL_H
#define TRACER_SERVICE_POOL_H

#include "service/internal.h"

#define POOL_WAITING_MAX 8192 /* requests in one queue */

struct inbound;
struct pool;

/* Opens the sessions and starts the threads. What session_new says, ERR_NOMEM, ERR_IO (no
 * thread). */
int pool_new(struct pool **out, struct service *s) WARN_UNUSED_RESULT;
/* Decompresses and prepares, then what the route wants. ERR_FULL: too many wait, and in the other
 * two; ERR_OK: the pool resumes the inbound, perhaps before this returns. */
int pool_prepare(struct pool *p, struct inbound *e) WARN_UNUSED_RESULT;
/* The route's answer, on a reader. */
int pool_read(struct pool *p, struct inbound *e) WARN_UNUSED_RESULT;
/* The request's writes, then the route's answer. */
int pool_write(struct pool *p, struct inbound *e) WARN_UNUSED_RESULT;
/* Ends the threads behind what waits, and closes the sessions. Nothing may be given any more. */
void pool_free(struct pool *p);

#endif
