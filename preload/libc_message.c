/* sendto, sendmsg, recvmsg and their many-message forms. */
#include "connect.h"
#include "libc.h"
#include "plain.h"

static ssize_t trace_sendto(int fd, const void *data, size_t len, int flags,
                            const struct sockaddr *address, socklen_t address_len)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    ssize_t sent = real_sendto()(fd, data, len, flags, address, address_len);
    if ((flags & MSG_FASTOPEN) != 0 && connect_by_sending(fd, address, address_len, sent))
        call.begin = call.outer ? track_begin(TRACK_FD(fd)) : 0;
    plain_send_end(&call, data, len, sent, flags);
    return sent;
}

LLMT_EXPORT ssize_t sendto(int fd, const void *data, size_t len, int flags,
                           const struct sockaddr *address, socklen_t address_len)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE || (flags & MSG_FASTOPEN) != 0
               ? trace_sendto(fd, data, len, flags, address, address_len)
               : real_sendto()(fd, data, len, flags, address, address_len);
}

static ssize_t trace_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    ssize_t sent = real_sendmsg()(fd, message, flags);
    if (sent > 0)
        plain_send_pieces_end(&call, message->msg_iov, message->msg_iovlen, sent, flags);
    else
        plain_send_pieces_end(&call, NULL, 0, sent, flags);
    return sent;
}

LLMT_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE ? trace_sendmsg(fd, message, flags)
                                                   : real_sendmsg()(fd, message, flags);
}

static int trace_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    struct plain_call call;
    plain_send_begin(&call, fd);
    int done = real_sendmmsg()(fd, messages, count, flags);
    for (int i = 0; i < done; i++)
        plain_sent_pieces(&call, messages[i].msg_hdr.msg_iov, messages[i].msg_hdr.msg_iovlen,
                          (ssize_t)messages[i].msg_len, flags);
    if (done < 0)
        plain_failed(&call);
    plain_leave(&call);
    return done;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

LLMT_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return descriptor_state(fd) != DESCRIPTOR_NONE ? trace_sendmmsg(fd, messages, count, flags)
                                                   : real_sendmmsg()(fd, messages, count, flags);
}

static ssize_t trace_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    ssize_t got = real_recvmsg()(fd, message, flags);
    if (got >= 0)
        plain_receive_pieces_end(&call, message->msg_iov, message->msg_iovlen, got,
                                 flags | (message->msg_flags & (MSG_OOB | MSG_ERRQUEUE)));
    else
        plain_receive_pieces_end(&call, NULL, 0, got, flags);
    return got;
}

LLMT_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return descriptor_receives(fd) ? trace_recvmsg(fd, message, flags)
                                   : real_recvmsg()(fd, message, flags);
}

static int trace_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                          struct timespec *timeout)
{
    struct plain_call call;
    plain_receive_begin(&call, fd);
    int done = real_recvmmsg()(fd, messages, count, flags, timeout);
    for (int i = 0; i < done; i++) {
        const struct msghdr *message = &messages[i].msg_hdr;
        plain_got_pieces(&call, message->msg_iov, message->msg_iovlen, (ssize_t)messages[i].msg_len,
                         flags | (message->msg_flags & (MSG_OOB | MSG_ERRQUEUE)));
    }
    if (done < 0)
        plain_failed(&call);
    plain_leave(&call);
    return done;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);

LLMT_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                         struct timespec *timeout)
{
    return descriptor_receives(fd) ? trace_recvmmsg(fd, messages, count, flags, timeout)
                                   : real_recvmmsg()(fd, messages, count, flags, timeout);
}
