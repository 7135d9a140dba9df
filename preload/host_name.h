/* Server names that a program gave to a TLS library which does not give them back: by the address
 * of the TLS object. Lossy: of two objects with the same place the later one stays, and the other
 * connection's host is told by its requests alone. */
#ifndef TRACER_PRELOAD_HOST_NAME_H
#define TRACER_PRELOAD_HOST_NAME_H

#include <stddef.h>

#include "track.h"

/* name has len bytes; empty ones and those beyond 255 bytes are not kept. */
void host_name_keep(track_key key, const char *name, size_t len);
/* NULL: none is known. Borrowed until the name of another object takes its place. */
const char *host_name_of(track_key key);
void host_name_drop(track_key key);

#endif
