/* read, write and their kin. Three layers a hook: real_x (libc.h), trace_x, x. */
#include "libc.h"
#include "plain.h"

static ssize_t trace_read(int fd, void *data, size_t len)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real_read()(fd, data, len);
    plain_receive_end(&call, data, len, got, 0);
    return got;
}

LLMT_EXPORT ssize_t read(int fd, void *data, size_t len)
{
    return descriptor_receives(fd) ? trace_read(fd, data, len) : real_read()(fd, data, len);
}

ssize_t __read_chk(int fd, void *data, size_t len, size_t size);

static ssize_t trace_read_chk(int fd, void *data, size_t len, size_t size)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real___read_chk()(fd, data, len, size);
    plain_receive_end(&call, data, len, got, 0);
    return got;
}

LLMT_EXPORT ssize_t __read_chk(int fd, void *data, size_t len, size_t size)
{
    return descriptor_receives(fd) ? trace_read_chk(fd, data, len, size)
                                   : real___read_chk()(fd, data, len, size);
}

static ssize_t trace_readv(int fd, const struct iovec *pieces, int count)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real_readv()(fd, pieces, count);
    plain_receive_pieces_end(&call, pieces, count < 0 ? 0 : (size_t)count, got, 0);
    return got;
}

LLMT_EXPORT ssize_t readv(int fd, const struct iovec *pieces, int count)
{
    return descriptor_receives(fd) ? trace_readv(fd, pieces, count)
                                   : real_readv()(fd, pieces, count);
}

static ssize_t trace_recv(int fd, void *data, size_t len, int flags)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real_recv()(fd, data, len, flags);
    plain_receive_end(&call, data, len, got, flags);
    return got;
}

LLMT_EXPORT ssize_t recv(int fd, void *data, size_t len, int flags)
{
    return descriptor_receives(fd) ? trace_recv(fd, data, len, flags)
                                   : real_recv()(fd, data, len, flags);
}

ssize_t __recv_chk(int fd, void *data, size_t len, size_t size, int flags);

static ssize_t trace_recv_chk(int fd, void *data, size_t len, size_t size, int flags)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real___recv_chk()(fd, data, len, size, flags);
    plain_receive_end(&call, data, len, got, flags);
    return got;
}

LLMT_EXPORT ssize_t __recv_chk(int fd, void *data, size_t len, size_t size, int flags)
{
    return descriptor_receives(fd) ? trace_recv_chk(fd, data, len, size, flags)
                                   : real___recv_chk()(fd, data, len, size, flags);
}

static ssize_t trace_recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *address,
                              socklen_t *address_len)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real_recvfrom()(fd, data, len, flags, address, address_len);
    plain_receive_end(&call, data, len, got, flags);
    return got;
}

LLMT_EXPORT ssize_t recvfrom(int fd, void *restrict data, size_t len, int flags,
                             struct sockaddr *restrict address, socklen_t *restrict address_len)
{
    return descriptor_receives(fd) ? trace_recvfrom(fd, data, len, flags, address, address_len)
                                   : real_recvfrom()(fd, data, len, flags, address, address_len);
}

ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                       struct sockaddr *address, socklen_t *address_len);

static ssize_t trace_recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                                  struct sockaddr *address, socklen_t *address_len)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real___recvfrom_chk()(fd, data, len, size, flags, address, address_len);
    plain_receive_end(&call, data, len, got, flags);
    return got;
}

LLMT_EXPORT ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                                   struct sockaddr *address, socklen_t *address_len)
{
    return descriptor_receives(fd)
               ? trace_recvfrom_chk(fd, data, len, size, flags, address, address_len)
               : real___recvfrom_chk()(fd, data, len, size, flags, address, address_len);
}

static ssize_t trace_write(int fd, const void *data, size_t len)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    ssize_t sent = real_write()(fd, data, len);
    plain_send_end(&call, data, len, sent, 0);
    return sent;
}

LLMT_EXPORT ssize_t write(int fd, const void *data, size_t len)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE ? trace_write(fd, data, len)
                                                   : real_write()(fd, data, len);
}

static ssize_t trace_writev(int fd, const struct iovec *pieces, int count)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    ssize_t sent = real_writev()(fd, pieces, count);
    plain_send_pieces_end(&call, pieces, count < 0 ? 0 : (size_t)count, sent, 0);
    return sent;
}

LLMT_EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE ? trace_writev(fd, pieces, count)
                                                   : real_writev()(fd, pieces, count);
}

static ssize_t trace_send(int fd, const void *data, size_t len, int flags)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    ssize_t sent = real_send()(fd, data, len, flags);
    plain_send_end(&call, data, len, sent, flags);
    return sent;
}

LLMT_EXPORT ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE ? trace_send(fd, data, len, flags)
                                                   : real_send()(fd, data, len, flags);
}

/* Bytes that went through without passing the program's memory. */
static void trace_file(int out, ssize_t sent)
{
    if (sent > 0)
        track_skipped(TRACK_FD(out), true, (uint64_t)sent);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count);

LLMT_EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    ssize_t sent = real_sendfile()(out, in, offset, count);
    if (LLMT_UNLIKELY(descriptor_state(out) == DESCRIPTOR_CAPTURED))
        trace_file(out, sent);
    return sent;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count);

LLMT_EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    ssize_t sent = real_sendfile64()(out, in, offset, count);
    if (LLMT_UNLIKELY(descriptor_state(out) == DESCRIPTOR_CAPTURED))
        trace_file(out, sent);
    return sent;
}
