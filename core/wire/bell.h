/* The doorbell as a writer sees it. No libc (writer.h). */
#ifndef TRACER_WIRE_BELL_H
#define TRACER_WIRE_BELL_H

#include "wire/writer.h"

/* Opens the doorbell of a runtime directory, made if missing; returns a descriptor (O_CLOEXEC) of
 * a checked file whose page is reserved, or a negative errno. */
int bell_open(const char *dir, struct wire_scratch *scratch);
/* Maps it for a writer; NULL when there is none. */
struct doorbell *bell_map(const char *dir, struct wire_scratch *scratch);
void bell_unmap(struct doorbell *bell);
/* Wakes the collector if it sleeps. The caller's stores come before, by a full barrier. */
void bell_ring(struct doorbell *bell);

#endif
