#include "libc.h"

#include "symbol_bind.h"
#include "sys.h"

LLMT_HOT void *libc_originals[LIBC_COUNT];

/* All in one piece: nothing for the loader to relocate. */
LLMT_HOT_TABLE static const char names[] = {
#define LIBC_NAME(result, name, parameters) #name "\0"
    LIBC_FUNCTIONS(LIBC_NAME)
#undef LIBC_NAME
};

int *__errno_location(void) __attribute__((weak));

int *host_errno(void)
{
    return __errno_location == NULL ? NULL : __errno_location();
}

int host_errno_value(void)
{
    int *host = host_errno();
    return host == NULL ? 0 : *host;
}

/* What libc would return for a system call's result. */
static long result_of(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    int *host = host_errno();
    if (host != NULL)
        *host = (int)-result;
    return -1;
}

/* The fallbacks: a program that found our closefrom where its libc has none must not be left
 * without one. They are no cancellation points, as nothing in such a libc's name can be. */

static int raw_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)result_of(SYS3(__NR_connect, fd, address, len));
}

static int raw_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)result_of(SYS4(__NR_accept4, fd, address, len, 0));
}

static int raw_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return (int)result_of(SYS4(__NR_accept4, fd, address, len, flags));
}

static ssize_t raw_read(int fd, void *data, size_t len)
{
    return result_of(SYS3(__NR_read, fd, data, len));
}

static ssize_t raw_write(int fd, const void *data, size_t len)
{
    return result_of(SYS3(__NR_write, fd, data, len));
}

static ssize_t raw_readv(int fd, const struct iovec *pieces, int count)
{
    return result_of(SYS3(__NR_readv, fd, pieces, count));
}

static ssize_t raw_writev(int fd, const struct iovec *pieces, int count)
{
    return result_of(SYS3(__NR_writev, fd, pieces, count));
}

static ssize_t raw_recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *address,
                            socklen_t *address_len)
{
    return result_of(SYS6(__NR_recvfrom, fd, data, len, flags, address, address_len));
}

static ssize_t raw_sendto(int fd, const void *data, size_t len, int flags,
                          const struct sockaddr *address, socklen_t address_len)
{
    return result_of(SYS6(__NR_sendto, fd, data, len, flags, address, address_len));
}

static ssize_t raw_recv(int fd, void *data, size_t len, int flags)
{
    return raw_recvfrom(fd, data, len, flags, NULL, NULL);
}

static ssize_t raw_send(int fd, const void *data, size_t len, int flags)
{
    return raw_sendto(fd, data, len, flags, NULL, 0);
}

static ssize_t raw_recvmsg(int fd, struct msghdr *message, int flags)
{
    return result_of(SYS3(__NR_recvmsg, fd, message, flags));
}

static ssize_t raw_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return result_of(SYS3(__NR_sendmsg, fd, message, flags));
}

static int raw_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                        struct timespec *timeout)
{
    return (int)result_of(SYS5(__NR_recvmmsg, fd, messages, count, flags, timeout));
}

static int raw_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return (int)result_of(SYS4(__NR_sendmmsg, fd, messages, count, flags));
}

/* The checked forms end the program when a length is above the buffer's; a libc that has no such
 * functions never had a program call them, and the shorter length is the safe one. */
static ssize_t raw___read_chk(int fd, void *data, size_t len, size_t size)
{
    return raw_read(fd, data, len < size ? len : size);
}

static ssize_t raw___recv_chk(int fd, void *data, size_t len, size_t size, int flags)
{
    return raw_recv(fd, data, len < size ? len : size, flags);
}

static ssize_t raw___recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                                  struct sockaddr *address, socklen_t *address_len)
{
    return raw_recvfrom(fd, data, len < size ? len : size, flags, address, address_len);
}

static ssize_t raw_sendfile(int out, int in, off_t *offset, size_t count)
{
    return result_of(SYS4(__NR_sendfile, out, in, offset, count));
}

static ssize_t raw_sendfile64(int out, int in, off64_t *offset, size_t count)
{
    return result_of(SYS4(__NR_sendfile, out, in, offset, count));
}

static int raw_close(int fd)
{
    return (int)result_of(SYS1(__NR_close, fd));
}

static int raw_fclose(FILE *file)
{
    (void)file;
    return EOF;
}

static int raw_fileno(FILE *file)
{
    (void)file;
    return -1;
}

static int raw_dup(int fd)
{
    return (int)result_of(SYS1(__NR_dup, fd));
}

static int raw_dup3(int from, int to, int flags)
{
    return (int)result_of(SYS3(__NR_dup3, from, to, flags));
}

static int raw_dup2(int from, int to)
{
    if (from == to)
        return result_of(SYS2(__NR_fcntl, from, F_GETFD)) < 0 ? -1 : to;
    return raw_dup3(from, to, 0);
}

static int raw_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)result_of(SYS3(__NR_fcntl, fd, command, argument));
}

static int raw_shutdown(int fd, int how)
{
    return (int)result_of(SYS2(__NR_shutdown, fd, how));
}

static int raw_close_range(unsigned first, unsigned last, int flags)
{
    return (int)result_of(SYS3(__NR_close_range, first, last, flags));
}

#define DESCRIPTORS_MAX 1048576 /* looked at one by one where the kernel has no close_range */

static void raw_closefrom(int first)
{
    unsigned low = first < 0 ? 0 : (unsigned)first;
    if (SYS3(__NR_close_range, low, ~0u, 0) == 0)
        return;
    struct rlimit limit = {0, 0};
    (void)SYS4(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (unsigned fd = low; fd < limit.rlim_cur && fd < DESCRIPTORS_MAX; fd++)
        (void)SYS1(__NR_close, fd);
}

#define raw_fcntl64 raw_fcntl

static void *fallback(enum libc_function which)
{
    switch (which) {
#define LIBC_RAW(result, name, parameters)                                                         \
    case LIBC_##name:                                                                              \
        return (void *)raw_##name;
        LIBC_FUNCTIONS(LIBC_RAW)
#undef LIBC_RAW
    case LIBC_COUNT:
        break;
    }
    return NULL;
}

void libc_bind(void)
{
    symbol_bind(names, libc_originals, LIBC_COUNT);
    for (unsigned i = 0; i < LIBC_COUNT; i++)
        if (LLMT_UNLIKELY(__atomic_load_n(&libc_originals[i], __ATOMIC_RELAXED) == NULL))
            __atomic_store_n(&libc_originals[i], fallback((enum libc_function)i), __ATOMIC_RELAXED);
}
