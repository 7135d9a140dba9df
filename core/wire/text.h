/* Memory and text helpers for code without libc. The compiler may still turn loops into calls of
 * memcpy and memset; who links without libc provides those two. */
#ifndef TRACER_WIRE_TEXT_H
#define TRACER_WIRE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Text that grows in a fixed array; `cut` says that something did not fit. */
struct text {
    char *data;
    size_t size; /* with the final NUL; at least 1 */
    size_t len;
    int cut;
};

static inline struct text text_in(char *data, size_t size)
{
    data[0] = '\0';
    return (struct text){data, size, 0, 0};
}

static inline void text_char(struct text *t, char c)
{
    if (t->len + 1 >= t->size) {
        t->cut = 1;
        return;
    }
    t->data[t->len++] = c;
    t->data[t->len] = '\0';
}

static inline void text_add(struct text *t, const char *s)
{
    for (; *s; s++)
        text_char(t, *s);
}

static inline void text_bytes(struct text *t, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text_char(t, data[i]);
}

static inline void text_number(struct text *t, uint64_t value)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        text_char(t, digits[--count]);
}

static inline void text_hex(struct text *t, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        text_char(t, digits[bytes[i] >> 4]);
        text_char(t, digits[bytes[i] & 15]);
    }
}

static inline size_t text_length(const char *s)
{
    size_t len = 0;
    while (s[len])
        len++;
    return len;
}

/* Digits at the start of s as a number; stops at anything else. */
static inline uint64_t text_to_number(const char *s)
{
    uint64_t number = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        number = number * 10 + (uint64_t)(*s - '0');
    return number;
}

/* Copies short and long pieces alike; the areas do not overlap. */
static inline void wire_copy(void *to, const void *from, size_t size)
{
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (size >= 512) { /* below that the start of a string instruction costs more than a loop */
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
        return;
    }
#endif
    if (size > 0) /* a piece without bytes may have no address either */
        __builtin_memcpy(to, from, size);
}

#endif
