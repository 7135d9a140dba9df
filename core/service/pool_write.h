/* Group commit: the writes of many requests as one. */
#ifndef TRACER_SERVICE_POOL_WRITE_H
#define TRACER_SERVICE_POOL_WRITE_H

#include "service/service.h"

struct inbound;

/* Writes those of all requests (linked by next) and calls each one's answer. When the batch fails
 * as a whole each request is tried alone, so that one that the store cannot take does not fail the
 * others. */
void write_batch(const struct backend_ops *ops, struct backend_session *session,
                 struct inbound *all);

#endif
