/* What the owner's files share. */
#ifndef TRACER_WIRE_OWNER_PRIVATE_H
#define TRACER_WIRE_OWNER_PRIVATE_H

#include "wire/owner.h"

/* Fills a candidate's info and texts: who the process is and what its settings say. */
void owner_describe(struct owner_candidate *c, const struct owner_host *host, uint32_t pid);

/* Starts `llm-tracer collect --spawned` as a process of its own that the program around us never
 * sees: no SIGCHLD, no child in wait(-1), no change of masks or pending signals. Does nothing in
 * process 1 and in subreapers, whose children it would become. Waits until the program is replaced
 * (about a millisecond); the caller limits how often. False: the program was not found. */
bool owner_spawn(const struct owner_host *host);

#endif
