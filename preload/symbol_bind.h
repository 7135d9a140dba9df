/* Finding many functions in one walk over the loaded objects. */
#ifndef TRACER_PRELOAD_SYMBOL_BIND_H
#define TRACER_PRELOAD_SYMBOL_BIND_H

#include <stddef.h>

/* Fills out[i] with the first definition of names[i] behind our own object in load order; entries
 * that nobody defines stay as they are. Idempotent: racing callers store the same values. */
void symbol_bind(const char *const *names, void **out, size_t count);

#endif
