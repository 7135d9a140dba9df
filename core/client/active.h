/* What is active on the calling thread. */
#ifndef TRACER_CLIENT_ACTIVE_H
#define TRACER_CLIENT_ACTIVE_H

#include <stdbool.h>

#include "client/item.h"

/* Puts a running item on top; false when the stack is full of running ones. */
bool active_push(struct thread *t, const struct item *item);
/* Takes an ended item out, wherever and however often it is in the stack. */
void active_remove(struct thread *t, uint64_t handle);

#endif
