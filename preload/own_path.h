/* Where our own object lies in the file system. */
#ifndef TRACER_PRELOAD_OWN_PATH_H
#define TRACER_PRELOAD_OWN_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* The absolute path of the loaded file; false when it cannot be told. The loader's own note is
 * relative when LD_PRELOAD was, and the program may have changed its directory since. */
bool own_path(char *out, size_t size);

#endif
