/* libc's own functions behind our hooks. Bound by the constructor or by the first hook, whichever
 * comes first; what this libc does not have is a raw system call. */
#ifndef TRACER_PRELOAD_LIBC_H
#define TRACER_PRELOAD_LIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* LIBC(result, name, parameters): the functions, in the order of the table in libc.c. fcntl is
 * variadic; all its commands take one word. */
#define LIBC_FUNCTIONS(LIBC)                                                                       \
    LIBC(int, connect, (int, const struct sockaddr *, socklen_t))                                  \
    LIBC(int, accept, (int, struct sockaddr *, socklen_t *))                                       \
    LIBC(int, accept4, (int, struct sockaddr *, socklen_t *, int))                                 \
    LIBC(ssize_t, read, (int, void *, size_t))                                                     \
    LIBC(ssize_t, write, (int, const void *, size_t))                                              \
    LIBC(ssize_t, readv, (int, const struct iovec *, int))                                         \
    LIBC(ssize_t, writev, (int, const struct iovec *, int))                                        \
    LIBC(ssize_t, recv, (int, void *, size_t, int))                                                \
    LIBC(ssize_t, send, (int, const void *, size_t, int))                                          \
    LIBC(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *, socklen_t *))            \
    LIBC(ssize_t, sendto, (int, const void *, size_t, int, const struct sockaddr *, socklen_t))    \
    LIBC(ssize_t, recvmsg, (int, struct msghdr *, int))                                            \
    LIBC(ssize_t, sendmsg, (int, const struct msghdr *, int))                                      \
    LIBC(int, recvmmsg, (int, struct mmsghdr *, unsigned, int, struct timespec *))                 \
    LIBC(int, sendmmsg, (int, struct mmsghdr *, unsigned, int))                                    \
    LIBC(ssize_t, __read_chk, (int, void *, size_t, size_t))                                       \
    LIBC(ssize_t, __recv_chk, (int, void *, size_t, size_t, int))                                  \
    LIBC(ssize_t, __recvfrom_chk,                                                                  \
         (int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *))                       \
    LIBC(ssize_t, sendfile, (int, int, off_t *, size_t))                                           \
    LIBC(ssize_t, sendfile64, (int, int, off64_t *, size_t))                                       \
    LIBC(int, close, (int))                                                                        \
    LIBC(int, fclose, (FILE *))                                                                    \
    LIBC(int, fileno, (FILE *))                                                                    \
    LIBC(int, dup, (int))                                                                          \
    LIBC(int, dup2, (int, int))                                                                    \
    LIBC(int, dup3, (int, int, int))                                                               \
    LIBC(int, fcntl, (int, int, ...))                                                              \
    LIBC(int, fcntl64, (int, int, ...))                                                            \
    LIBC(int, shutdown, (int, int))                                                                \
    LIBC(int, close_range, (unsigned, unsigned, int))                                              \
    LIBC(void, closefrom, (int))

enum libc_function {
#define LIBC_ENUM(result, name, parameters) LIBC_##name,
    LIBC_FUNCTIONS(LIBC_ENUM)
#undef LIBC_ENUM
        LIBC_COUNT
};

/* Private to the accessors below. */
extern void *libc_originals[LIBC_COUNT];
/* Finds all of them; idempotent, callable from any thread and signal handler. */
void libc_bind(void);

/* real_NAME(): the original of NAME, never NULL. */
#define LIBC_REAL(result, name, parameters)                                                        \
    typedef result libc_##name parameters;                                                         \
    static inline libc_##name *real_##name(void)                                                   \
    {                                                                                              \
        void *found = __atomic_load_n(&libc_originals[LIBC_##name], __ATOMIC_RELAXED);             \
        if (__builtin_expect(found == NULL, 0)) {                                                  \
            libc_bind();                                                                           \
            found = __atomic_load_n(&libc_originals[LIBC_##name], __ATOMIC_RELAXED);               \
        }                                                                                          \
        return (libc_##name *)found;                                                               \
    }
LIBC_FUNCTIONS(LIBC_REAL)
#undef LIBC_REAL

/* The calling thread's errno, which belongs to the host; NULL without a libc. */
int *host_errno(void);
/* Its value now; 0 without a libc. */
int host_errno_value(void);

#endif
