#include "plain.h"

#include "clock.h"
#include "libc.h"

/* Not part of the stream, or seen again by the next call. */
#define NOT_COUNTED (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)

static int own_descriptor(track_key key)
{
    return (int)(key >> 1);
}

static const struct track_source plain = {.layer = WIRE_LAYER_LIBC, .fd = own_descriptor};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void plain_failed(const struct plain_call *call)
{
    int failure = host_errno_value();
    if (call->outer && (failure == ECONNRESET || failure == ECONNABORTED || failure == ETIMEDOUT ||
                        failure == EPIPE || failure == EHOSTUNREACH || failure == ENETDOWN ||
                        failure == ENETUNREACH))
        track_failed(TRACK_FD(call->fd));
}

void plain_leave(struct plain_call *call)
{
    track_leave(&call->guard);
}

void plain_send_begin(struct plain_call *call, int fd)
{
    call->fd = fd;
    call->outer = track_enter(&call->guard, TRACK_FD(fd));
    call->begin = call->outer ? track_begin(TRACK_FD(fd)) : 0;
}

void plain_sent_pieces(struct plain_call *call, const struct iovec *pieces, size_t count,
                       ssize_t sent, int flags)
{
    if (sent < 0)
        plain_failed(call);
    if (!call->outer || sent <= 0 || (flags & MSG_OOB) != 0)
        return;
    size_t left = (size_t)sent;
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t part = smaller(pieces[i].iov_len, left);
        track_sent(&plain, TRACK_FD(call->fd), pieces[i].iov_base, part, call->begin);
        left -= part;
    }
}

void plain_send_pieces_end(struct plain_call *call, const struct iovec *pieces, size_t count,
                           ssize_t sent, int flags)
{
    plain_sent_pieces(call, pieces, count, sent, flags);
    plain_leave(call);
}

void plain_send_end(struct plain_call *call, const void *data, size_t asked, ssize_t sent,
                    int flags)
{
    const struct iovec piece = {(void *)(uintptr_t)data, asked};
    plain_send_pieces_end(call, &piece, 1, sent, flags);
}

void plain_receive_begin(struct plain_call *call, int fd)
{
    call->fd = fd;
    call->begin = 0;
    call->outer = track_enter(&call->guard, TRACK_FD(fd));
}

static void got_piece(const struct plain_call *call, const void *data, size_t len, bool copied)
{
    track_key key = TRACK_FD(call->fd);
    if (!copied || data == NULL)
        track_skipped(key, false, len);
    else if (descriptor_state(call->fd) >= DESCRIPTOR_ACCEPTED)
        track_received_from(&plain, key, data, len);
    else
        track_received(key, data, len);
}

void plain_got_pieces(struct plain_call *call, const struct iovec *pieces, size_t count,
                      ssize_t got, int flags)
{
    if (got < 0)
        plain_failed(call);
    if (!call->outer || got < 0 || (flags & NOT_COUNTED) != 0)
        return;
    size_t left = (size_t)got, asked = 0;
    for (size_t i = 0; i < count; i++) {
        size_t part = smaller(pieces[i].iov_len, left);
        asked |= pieces[i].iov_len;
        if (part > 0)
            got_piece(call, pieces[i].iov_base, part, (flags & MSG_TRUNC) == 0);
        left -= part;
        if (left == 0 && asked != 0)
            break;
    }
    if (got == 0 && asked != 0)
        track_received(TRACK_FD(call->fd), NULL, 0);
    else if (left > 0) /* MSG_TRUNC without a buffer: consumed, never seen */
        track_skipped(TRACK_FD(call->fd), false, left);
}

void plain_receive_pieces_end(struct plain_call *call, const struct iovec *pieces, size_t count,
                              ssize_t got, int flags)
{
    plain_got_pieces(call, pieces, count, got, flags);
    plain_leave(call);
}

void plain_receive_end(struct plain_call *call, const void *data, size_t asked, ssize_t got,
                       int flags)
{
    const struct iovec piece = {(void *)(uintptr_t)data, asked};
    plain_receive_pieces_end(call, &piece, 1, got, flags);
}
