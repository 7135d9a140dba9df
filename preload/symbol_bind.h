/* Finding many functions in one walk over the loaded objects. */
#ifndef TRACER_PRELOAD_SYMBOL_BIND_H
#define TRACER_PRELOAD_SYMBOL_BIND_H

#include <stddef.h>

/* names holds `count` names, each with its NUL, one behind the other. Every entry of out that is
 * NULL becomes the first definition of its name behind our own object in load order; those that
 * nobody defines stay NULL. Idempotent: racing callers store the same values. */
void symbol_bind(const char *names, void **out, size_t count);

#endif
