/* The few string functions the room needs; memcpy and its kin are our own too, since the object
 * links nothing (the compiler calls them by itself). */
#ifndef TRACER_PRELOAD_TEXT_H
#define TRACER_PRELOAD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
/* Whether text starts with prefix. */
bool text_starts(const char *text, const char *prefix);
char text_lower(char c);
/* Where the byte c is next in data[from..len), or len. */
size_t text_find(const char *data, size_t from, size_t len, char c);

/* Puts text at *at of a buffer of `size` bytes, always leaving room for a NUL; false when cut. */
bool text_put(char *buffer, size_t size, size_t *at, const char *text, size_t len);
/* The same for a number in decimal. */
bool text_put_number(char *buffer, size_t size, size_t *at, uint64_t number);

#endif
