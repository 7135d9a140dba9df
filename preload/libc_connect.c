/* connect and accept: TCP sockets that the program connected, and under TRACER_ROLE=server those
 * that it accepted. */
#include "connect.h"
#include "descriptor.h"
#include "environment.h"
#include "libc.h"
#include "sys.h"

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    if (SYS5(__NR_getsockopt, fd, SOL_SOCKET, option, &value, &len) != 0)
        return -1;
    return value;
}

static bool is_internet(const struct sockaddr *address, socklen_t len)
{
    return address != NULL && len >= sizeof(sa_family_t) &&
           (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

static void trace_connect(int fd, const struct sockaddr *address, socklen_t len, int result)
{
    if (result != 0) {
        int failure = host_errno_value();
        if (failure != EINPROGRESS && failure != EINTR)
            return;
    }
    if (is_internet(address, len) && socket_option(fd, SO_TYPE) == SOCK_STREAM)
        descriptor_connected(fd, DESCRIPTOR_FIRST);
    else
        descriptor_closed(fd); /* the number of an old connection, or dissolved by AF_UNSPEC */
}

LLMT_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int result = real_connect()(fd, address, len);
    if (LLMT_LIKELY(environment_enabled()))
        trace_connect(fd, address, len, result);
    return result;
}

bool connect_by_sending(int fd, const struct sockaddr *address, socklen_t len, ssize_t sent)
{
    if (!environment_enabled() || sent <= 0 || !is_internet(address, len) ||
        descriptor_state(fd) != DESCRIPTOR_NONE || socket_option(fd, SO_TYPE) != SOCK_STREAM)
        return false;
    descriptor_connected(fd, DESCRIPTOR_FIRST);
    return true;
}

static void trace_accept(int fd)
{
    if (fd < 0)
        return;
    int domain = environment_is_server() ? socket_option(fd, SO_DOMAIN) : -1;
    if (environment_enabled() && (domain == AF_INET || domain == AF_INET6) &&
        socket_option(fd, SO_TYPE) == SOCK_STREAM)
        descriptor_connected(fd, DESCRIPTOR_ACCEPTED);
    else
        descriptor_closed(fd);
}

LLMT_EXPORT int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
    int accepted = real_accept()(fd, address, len);
    trace_accept(accepted);
    return accepted;
}

LLMT_EXPORT int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len,
                        int flags)
{
    int accepted = real_accept4()(fd, address, len, flags);
    trace_accept(accepted);
    return accepted;
}
