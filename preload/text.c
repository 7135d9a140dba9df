#include "text.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#if defined(__x86_64__)
typedef uint64_t word __attribute__((may_alias, aligned(1)));
typedef long long wide __attribute__((vector_size(16), may_alias, aligned(1)));

/* Above this many bytes the string instructions of every CPU since 2013 are the fastest way. */
#define STRING_INSTRUCTION_MIN 512

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    char *out = to;
    const char *in = from;
    if (n >= STRING_INSTRUCTION_MIN) {
        void *rest = to;
        __asm__ volatile("rep movsb" : "+D"(rest), "+S"(from), "+c"(n) : : "memory");
        return to;
    }
    if (n >= 16) {
        wide last = *(const wide *)(in + n - 16);
        char *end = out + n - 16;
        for (size_t i = 0; i + 16 < n; i += 16)
            *(wide *)(out + i) = *(const wide *)(in + i);
        *(wide *)end = last;
        return to;
    }
    if (n >= 8) {
        word last = *(const word *)(in + n - 8);
        *(word *)out = *(const word *)in;
        *(word *)(out + n - 8) = last;
        return to;
    }
    for (size_t i = 0; i < n; i++)
        ((volatile char *)out)[i] = in[i];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *rest = to;
    __asm__ volatile("rep stosb" : "+D"(rest), "+c"(n) : "a"(byte) : "memory");
    return to;
}
#else
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    volatile unsigned char *out = to;
    const unsigned char *in = from;
    for (size_t i = 0; i < n; i++)
        out[i] = in[i];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    volatile unsigned char *out = to;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)byte;
    return to;
}
#endif

void *memmove(void *to, const void *from, size_t n)
{
    volatile unsigned char *out = to;
    const volatile unsigned char *in = from;
    if ((uintptr_t)to <= (uintptr_t)from)
        for (size_t i = 0; i < n; i++)
            out[i] = in[i];
    else
        for (size_t i = n; i > 0; i--)
            out[i - 1] = in[i - 1];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

size_t text_length(const char *text)
{
    const volatile char *p = text;
    size_t n = 0;
    while (p[n] != '\0')
        n++;
    return n;
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool text_starts(const char *text, const char *prefix)
{
    while (*prefix != '\0') {
        if (*text != *prefix)
            return false;
        text++;
        prefix++;
    }
    return true;
}

size_t text_find(const char *data, size_t from, size_t len, char c)
{
#if defined(__x86_64__)
    typedef char bytes __attribute__((vector_size(16), may_alias, aligned(1)));
    const bytes wanted = {c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
    typedef char result __attribute__((vector_size(16)));
    for (; from + 16 <= len; from += 16) {
        result same = (result)(*(const bytes *)(data + from) == wanted);
        int mask = __builtin_ia32_pmovmskb128(same);
        if (mask != 0)
            return from + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (from < len && data[from] != c)
        from++;
    return from;
}

char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool text_put(char *buffer, size_t size, size_t *at, const char *text, size_t len)
{
    bool fits = *at < size && len < size - *at;
    if (!fits)
        len = *at < size ? size - *at - 1 : 0;
    memcpy(buffer + *at, text, len);
    *at += len;
    if (*at < size)
        buffer[*at] = '\0';
    return fits;
}

bool text_put_number(char *buffer, size_t size, size_t *at, uint64_t number)
{
    char digits[20];
    size_t i = sizeof(digits);
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return text_put(buffer, size, at, digits + i, sizeof(digits) - i);
}
