#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2;
}

void buf_release(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->dropped = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

int buf_reserve(struct buf *b, size_t len)
{
    if (len > b->max)
        return ERR_FULL;
    if (len < b->cap)
        return ERR_OK;
    size_t cap = b->cap == 0 ? 64 : b->cap;
    while (cap <= len)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return ERR_NOMEM;
    if (b->data == NULL)
        data[0] = '\0';
    b->data = data;
    b->cap = cap;
    return ERR_OK;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    if (len > b->max - b->len)
        return ERR_FULL;
    int err = buf_reserve(b, b->len + len);
    if (err != ERR_OK)
        return err;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return ERR_OK;
}

int buf_append_str(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

void buf_append_cut(struct buf *b, const void *data, size_t len)
{
    size_t room = b->max - b->len;
    size_t fits = len < room ? len : room;
    if (buf_append(b, data, fits) != ERR_OK)
        fits = 0;
    b->dropped += len - fits;
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int needed = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (needed < 0)
        return ERR_BAD;
    if ((size_t)needed > b->max - b->len)
        return ERR_FULL;
    int err = buf_reserve(b, b->len + (size_t)needed);
    if (err != ERR_OK)
        return err;
    vsnprintf(b->data + b->len, (size_t)needed + 1, format, args);
    b->len += (size_t)needed;
    return ERR_OK;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = buf_vprintf(b, format, args);
    va_end(args);
    return err;
}

void buf_consume(struct buf *b, size_t len)
{
    if (b->data == NULL)
        return;
    if (len > b->len)
        len = b->len;
    b->len -= len;
    memmove(b->data, b->data + len, b->len);
    b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}

char *buf_take(struct buf *b)
{
    char *data = b->data;
    buf_init(b, b->max);
    return data;
}
