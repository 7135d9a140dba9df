/* What the writer's files share. */
#ifndef TRACER_WIRE_WRITER_PRIVATE_H
#define TRACER_WIRE_WRITER_PRIVATE_H

#include "wire/writer.h"

#define RING_GROW_MAX 32u /* blocks reserved at once: 2 MB */

/* How many bytes of the file system behind fd one ring may take: an eighth of what is free now, so
 * that many rings and the program itself find room (a default container has 64 MB of /dev/shm). */
uint64_t writer_free_share(int fd);
/* Reserves more blocks and makes them IDLE. Returns how many; 0 when the file or the file system
 * has no room. Any number of threads may do it at once, and each counts what all of them made. */
uint32_t writer_grow(struct ring_writer *w);
/* Faults pages in at once rather than one by one while records are written. */
void writer_populate(struct ring_writer *w, uint32_t first, uint32_t count);

#endif
