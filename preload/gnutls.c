/* The hooks of gnutls_*: gnutls_real finds the original, the begin and end functions of
 * gnutls_library.c look at what passes. gnutls_record_send and gnutls_record_send_file call other
 * public functions of the family through the PLT: the guard counts the outermost, and the file's
 * own hook is left out, since what it sends passes through the inner one. */
#include "gnutls.h"

#include "host_name.h"

#define CALLER __builtin_return_address(0)

#define GNUTLS_E_INTERNAL_ERROR (-59)
#define GNUTLS_SHUT_RDWR        0
#define GNUTLS_NAME_DNS         1

typedef ssize_t gnutls_send_fn(gnutls_session_t, const void *, size_t);
typedef ssize_t gnutls_send2_fn(gnutls_session_t, const void *, size_t, size_t, unsigned);
typedef ssize_t gnutls_send_range_fn(gnutls_session_t, const void *, size_t, const void *);
typedef ssize_t gnutls_recv_fn(gnutls_session_t, void *, size_t);
typedef ssize_t gnutls_recv_seq_fn(gnutls_session_t, void *, size_t, unsigned char *);
typedef ssize_t gnutls_recv_packet_fn(gnutls_session_t, gnutls_packet_t *);
typedef int gnutls_session_fn(gnutls_session_t);
typedef int gnutls_flags_fn(gnutls_session_t, unsigned);
typedef int gnutls_name_set_fn(gnutls_session_t, unsigned, const void *, size_t);
typedef void gnutls_deinit_fn(gnutls_session_t);

/* gnutls_datum_t */
struct gnutls_datum {
    unsigned char *data;
    unsigned size;
};
typedef void gnutls_packet_get_fn(gnutls_packet_t, struct gnutls_datum *, unsigned char *);

static ssize_t trace_send(gnutls_send_fn *real, gnutls_session_t session, const void *data,
                          size_t len)
{
    struct gnutls_call call;
    ssize_t result;

    if (!gnutls_send_begin(&call, session)) {
        return real(session, data, len);
    }
    result = real(session, data, len);
    gnutls_send_end(&call, session, data, len, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len)
{
    bool known;
    gnutls_send_fn *real = gnutls_real(session, GNUTLS_SEND, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_send(real, session, data, len) : real(session, data, len);
}

static ssize_t trace_send2(gnutls_send2_fn *real, gnutls_session_t session, const void *data,
                           size_t len, size_t pad, unsigned flags)
{
    struct gnutls_call call;
    ssize_t result;

    if (!gnutls_send_begin(&call, session)) {
        return real(session, data, len, pad, flags);
    }
    result = real(session, data, len, pad, flags);
    gnutls_send_end(&call, session, data, len, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_send2(gnutls_session_t session, const void *data, size_t len,
                                        size_t pad, unsigned flags)
{
    bool known;
    gnutls_send2_fn *real = gnutls_real(session, GNUTLS_SEND2, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_send2(real, session, data, len, pad, flags)
                 : real(session, data, len, pad, flags);
}

static ssize_t trace_send_range(gnutls_send_range_fn *real, gnutls_session_t session,
                                const void *data, size_t len, const void *range)
{
    struct gnutls_call call;
    ssize_t result;

    if (!gnutls_send_begin(&call, session)) {
        return real(session, data, len, range);
    }
    result = real(session, data, len, range);
    gnutls_send_end(&call, session, data, len, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_send_range(gnutls_session_t session, const void *data, size_t len,
                                             const void *range)
{
    bool known;
    gnutls_send_range_fn *real = gnutls_real(session, GNUTLS_SEND_RANGE, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_send_range(real, session, data, len, range)
                 : real(session, data, len, range);
}

LLMT_EXPORT ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data,
                                                  size_t len)
{
    bool known;
    gnutls_send_fn *real = gnutls_real(session, GNUTLS_SEND_EARLY_DATA, CALLER, &known);
    struct gnutls_call call;
    ssize_t result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    if (!known || !gnutls_send_begin(&call, session)) {
        return real(session, data, len);
    }
    result = real(session, data, len);
    gnutls_early_end(&call, session, data, len, result);
    return result;
}

/* Early data was counted when it was handed over; the handshake sends it. */
LLMT_EXPORT int gnutls_handshake(gnutls_session_t session)
{
    bool known;
    gnutls_session_fn *real = gnutls_real(session, GNUTLS_HANDSHAKE, CALLER, &known);
    struct track_guard guard;
    int result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    if (!known) {
        return real(session);
    }
    track_enter(&guard, (track_key)session);
    result = real(session);
    track_leave(&guard);
    return result;
}

/* Corked bytes were counted when they were queued; sending them is not to count them again. */
LLMT_EXPORT int gnutls_record_uncork(gnutls_session_t session, unsigned flags)
{
    bool known;
    gnutls_flags_fn *real = gnutls_real(session, GNUTLS_UNCORK, CALLER, &known);
    struct track_guard guard;
    int result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    if (!known) {
        return real(session, flags);
    }
    track_enter(&guard, (track_key)session);
    result = real(session, flags);
    track_leave(&guard);
    return result;
}

static ssize_t trace_recv(gnutls_recv_fn *real, gnutls_session_t session, void *data, size_t len)
{
    struct gnutls_call call;
    ssize_t result;

    gnutls_receive_begin(&call, session);
    result = real(session, data, len);
    gnutls_receive_end(&call, session, data, len, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t len)
{
    bool known;
    gnutls_recv_fn *real = gnutls_real(session, GNUTLS_RECV, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_recv(real, session, data, len) : real(session, data, len);
}

static ssize_t trace_recv_seq(gnutls_recv_seq_fn *real, gnutls_session_t session, void *data,
                              size_t len, unsigned char *sequence)
{
    struct gnutls_call call;
    ssize_t result;

    gnutls_receive_begin(&call, session);
    result = real(session, data, len, sequence);
    gnutls_receive_end(&call, session, data, len, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_recv_seq(gnutls_session_t session, void *data, size_t len,
                                           unsigned char *sequence)
{
    bool known;
    gnutls_recv_seq_fn *real = gnutls_real(session, GNUTLS_RECV_SEQ, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_recv_seq(real, session, data, len, sequence)
                 : real(session, data, len, sequence);
}

/* The packet is the library's memory; it is read before the program can free it. */
static ssize_t trace_recv_packet(gnutls_recv_packet_fn *real, gnutls_session_t session,
                                 gnutls_packet_t *packet)
{
    gnutls_packet_get_fn *packet_get = gnutls_function(session, GNUTLS_PACKET_GET);
    struct gnutls_datum datum = {.data = NULL, .size = 1};
    struct gnutls_call call;
    ssize_t result;

    gnutls_receive_begin(&call, session);
    result = real(session, packet);
    if (result > 0 && packet_get != NULL && *packet != NULL) {
        packet_get(*packet, &datum, NULL);
    }
    gnutls_receive_end(&call, session, datum.data, datum.size, result);
    return result;
}

LLMT_EXPORT ssize_t gnutls_record_recv_packet(gnutls_session_t session, gnutls_packet_t *packet)
{
    bool known;
    gnutls_recv_packet_fn *real = gnutls_real(session, GNUTLS_RECV_PACKET, CALLER, &known);

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    return known ? trace_recv_packet(real, session, packet) : real(session, packet);
}

/* Early data is the start of the stream; that there is none is not its end. */
LLMT_EXPORT ssize_t gnutls_record_recv_early_data(gnutls_session_t session, void *data, size_t len)
{
    bool known;
    gnutls_recv_fn *real = gnutls_real(session, GNUTLS_RECV_EARLY_DATA, CALLER, &known);
    ssize_t result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    result = real(session, data, len);
    if (known && result > 0 && track_active((track_key)session)) {
        track_received((track_key)session, data, (size_t)result < len ? (size_t)result : len);
    }
    return result;
}

LLMT_EXPORT int gnutls_server_name_set(gnutls_session_t session, unsigned type, const void *name,
                                       size_t len)
{
    bool known;
    gnutls_name_set_fn *real = gnutls_real(session, GNUTLS_SERVER_NAME_SET, CALLER, &known);
    int result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    result = real(session, type, name, len);
    if (known && result >= 0 && type == GNUTLS_NAME_DNS) { /* it cannot be read back */
        host_name_keep((track_key)session, name, len);
    }
    return result;
}

LLMT_EXPORT int gnutls_bye(gnutls_session_t session, unsigned how)
{
    bool known;
    gnutls_flags_fn *real = gnutls_real(session, GNUTLS_BYE, CALLER, &known);
    int result;

    if (real == NULL) {
        return GNUTLS_E_INTERNAL_ERROR;
    }
    result = real(session, how);
    if (known && result == 0 && how == GNUTLS_SHUT_RDWR && track_active((track_key)session)) {
        track_end((track_key)session, false);
    }
    return result;
}

/* The end is told first: the session's address may be another thread's a moment later. */
LLMT_EXPORT void gnutls_deinit(gnutls_session_t session)
{
    bool known;
    gnutls_deinit_fn *real = gnutls_real(session, GNUTLS_DEINIT, CALLER, &known);

    if (real == NULL) {
        return;
    }
    if (session != NULL) {
        gnutls_end(session);
    }
    real(session);
}
