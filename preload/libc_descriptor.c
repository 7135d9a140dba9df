/* close, dup and whatever else changes what a descriptor stands for. */
#include "descriptor.h"
#include "libc.h"

/* Before the original: another thread may get the number as soon as it is free. */
LLMT_EXPORT int close(int fd)
{
    if (LLMT_UNLIKELY(descriptor_state(fd) != DESCRIPTOR_NONE))
        descriptor_closed(fd);
    return real_close()(fd);
}

static void trace_fclose(FILE *file)
{
    int *host = host_errno();
    int saved = host == NULL ? 0 : *host;
    int fd = real_fileno()(file);
    if (host != NULL)
        *host = saved;
    descriptor_closed(fd);
}

LLMT_EXPORT int fclose(FILE *file)
{
    if (LLMT_UNLIKELY(descriptor_highest() >= 0) && file != NULL)
        trace_fclose(file);
    return real_fclose()(file);
}

LLMT_EXPORT int dup(int fd)
{
    int copy = real_dup()(fd);
    descriptor_shared(fd, copy);
    return copy;
}

LLMT_EXPORT int dup2(int from, int to)
{
    int copy = real_dup2()(from, to);
    descriptor_shared(from, copy);
    return copy;
}

int dup3(int from, int to, int flags);

LLMT_EXPORT int dup3(int from, int to, int flags)
{
    int copy = real_dup3()(from, to, flags);
    descriptor_shared(from, copy);
    return copy;
}

/* All commands of fcntl take at most one word, which is passed on as it came. */
static int trace_fcntl(int (*original)(int, int, ...), int fd, int command, void *argument)
{
    int result = original(fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        descriptor_shared(fd, result);
    return result;
}

LLMT_EXPORT int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return trace_fcntl(real_fcntl(), fd, command, argument);
}

int fcntl64(int fd, int command, ...);

LLMT_EXPORT int fcntl64(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return trace_fcntl(real_fcntl64(), fd, command, argument);
}

LLMT_EXPORT int shutdown(int fd, int how)
{
    int result = real_shutdown()(fd, how);
    if (how == SHUT_RDWR && result == 0)
        descriptor_closed(fd);
    return result;
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

int close_range(unsigned first, unsigned last, int flags);

LLMT_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    int result = real_close_range()(first, last, flags);
    if (result == 0 && ((unsigned)flags & CLOSE_RANGE_CLOEXEC) == 0)
        descriptor_range_closed(first, last);
    return result;
}

void closefrom(int first);

LLMT_EXPORT void closefrom(int first)
{
    real_closefrom()(first);
    descriptor_range_closed(first < 0 ? 0 : (unsigned)first, ~0u);
}
