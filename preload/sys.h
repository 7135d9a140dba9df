/* Raw system calls: no errno, no cancellation point, nothing of libc. Each returns what the kernel
 * does: a negative errno on failure. */
#ifndef TRACER_PRELOAD_SYS_H
#define TRACER_PRELOAD_SYS_H

#include "wire/sys_call.h"

/* number is __NR_something: a bare name could be a poisoned one. */
#define SYS0(number)             sys_call6(number, 0, 0, 0, 0, 0, 0)
#define SYS1(number, a)          sys_call6(number, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(number, a, b)       sys_call6(number, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(number, a, b, c)    sys_call6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(number, a, b, c, d) sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS5(number, a, b, c, d, e)                                                                \
    sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS6(number, a, b, c, d, e, f)                                                             \
    sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int sys_open(const char *path, int flags)
{
    return (int)SYS4(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

static inline void sys_close(int fd)
{
    (void)SYS1(__NR_close, fd);
}

/* Reads until size bytes, the end or an error; returns the bytes read, 0 on an error. */
static inline size_t sys_read_all(int fd, char *out, size_t size)
{
    size_t have = 0;
    while (have < size) {
        long n = SYS3(__NR_read, fd, out + have, size - have);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    return have;
}

/* The first size bytes of a file; 0 when it cannot be read. */
static inline size_t sys_read_file(const char *path, char *out, size_t size)
{
    int fd = sys_open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    size_t have = sys_read_all(fd, out, size);
    sys_close(fd);
    return have;
}

#endif
