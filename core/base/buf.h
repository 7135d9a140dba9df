/* A growing byte buffer with a ceiling. It is always NUL-terminated once it holds memory, so that
 * text can be read as a C string. Not thread-safe. */
#ifndef TRACER_BASE_BUF_H
#define TRACER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"

struct buf {
    char *data;     /* NULL until the first byte */
    size_t len;     /* bytes held, without the final NUL */
    size_t cap;     /* bytes allocated */
    size_t max;     /* ceiling of len */
    size_t dropped; /* bytes that buf_append_cut did not take */
};

/* Empty buffer that will never hold more than max bytes (1 .. SIZE_MAX / 2). */
void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer is as after buf_init. */
void buf_release(struct buf *b);
/* Empties it and keeps the memory; dropped becomes 0. */
void buf_clear(struct buf *b);
/* Makes room for len bytes in all. ERR_FULL above the ceiling, ERR_NOMEM. */
int buf_reserve(struct buf *b, size_t len) WARN_UNUSED_RESULT;
/* Appends all or nothing. ERR_FULL above the ceiling, ERR_NOMEM; the buffer is then unchanged. */
int buf_append(struct buf *b, const void *data, size_t len) WARN_UNUSED_RESULT;
int buf_append_str(struct buf *b, const char *text) WARN_UNUSED_RESULT;
int buf_append_char(struct buf *b, char c) WARN_UNUSED_RESULT;
/* Appends what fits below the ceiling and counts the rest in dropped. ERR_NOMEM counts all. */
void buf_append_cut(struct buf *b, const void *data, size_t len);
/* Appends formatted text, all or nothing. ERR_FULL, ERR_NOMEM. */
int buf_printf(struct buf *b, const char *format, ...) WARN_UNUSED_RESULT
    __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args) WARN_UNUSED_RESULT
    __attribute__((format(printf, 2, 0)));
/* Removes the first len bytes (at most all of them). */
void buf_consume(struct buf *b, size_t len);
/* Borrows the text: never NULL, "" when empty; valid until the next change. */
const char *buf_str(const struct buf *b);
/* Hands the memory to the caller, who frees it with free(); NULL when empty and never written. The
 * buffer is as after buf_init. */
char *buf_take(struct buf *b);

#endif
