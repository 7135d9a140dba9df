/* Which libgnutls a session belongs to, what the hooks ask it about a connection, and the sends
 * that it finishes later. */
#include "gnutls.h"

#include "curl.h"
#include "early.h"
#include "environment.h"
#include "host_name.h"

/* gnutls/gnutls.h */
#define GNUTLS_E_AGAIN           (-28)
#define GNUTLS_E_INVALID_REQUEST (-50)
#define GNUTLS_E_INTERRUPTED     (-52)

#define GNUTLS_SFLAGS_EARLY_DATA (1 << 10)

#define FD_MAX         0x100000 /* beyond that a transport pointer is a pointer */
#define HOST_MAX       256
#define PENDING        8
#define PENDING_RECORD 16384 /* RFC 8446 §5.1: a record's plaintext is at most 2^14 bytes */

static const char *const gnutls_names[GNUTLS_FUNCTIONS] = {
    [GNUTLS_SEND] = "gnutls_record_send",
    [GNUTLS_SEND2] = "gnutls_record_send2",
    [GNUTLS_SEND_RANGE] = "gnutls_record_send_range",
    [GNUTLS_SEND_EARLY_DATA] = "gnutls_record_send_early_data",
    [GNUTLS_HANDSHAKE] = "gnutls_handshake",
    [GNUTLS_UNCORK] = "gnutls_record_uncork",
    [GNUTLS_RECV] = "gnutls_record_recv",
    [GNUTLS_RECV_SEQ] = "gnutls_record_recv_seq",
    [GNUTLS_RECV_PACKET] = "gnutls_record_recv_packet",
    [GNUTLS_RECV_EARLY_DATA] = "gnutls_record_recv_early_data",
    [GNUTLS_BYE] = "gnutls_bye",
    [GNUTLS_DEINIT] = "gnutls_deinit",
    [GNUTLS_SERVER_NAME_SET] = "gnutls_server_name_set",
    [GNUTLS_SERVER_NAME_GET] = "gnutls_server_name_get",
    [GNUTLS_PACKET_GET] = "gnutls_packet_get",
    [GNUTLS_TRANSPORT_GET_PTR] = "gnutls_transport_get_ptr",
    [GNUTLS_ERROR_IS_FATAL] = "gnutls_error_is_fatal",
    [GNUTLS_SESSION_GET_FLAGS] = "gnutls_session_get_flags",
};

_Static_assert(GNUTLS_FUNCTIONS <= LIBRARY_FUNCTIONS_MAX, "a slot has room for every function");

static struct library_memory gnutls_state;
static const struct library_family gnutls_family = {
    .state = &gnutls_state, .names = gnutls_names, .count = GNUTLS_FUNCTIONS};

/* A send that returned GNUTLS_E_AGAIN has its record encrypted and queued; the program may finish
 * it with gnutls_record_send(session, NULL, 0), its own buffer gone. */
static struct {
    _Atomic uintptr_t session;
    size_t len;
    uint64_t begin;
    char data[PENDING_RECORD];
} gnutls_pending[PENDING];

void *gnutls_real(gnutls_session_t session, enum gnutls_function which, const void *caller,
                  bool *known)
{
    struct library *library = library_of(&gnutls_family, session, caller);
    void *function = library != NULL ? library_function(&gnutls_family, library, which) : NULL;

    *known = function != NULL && track_enabled();
    return function != NULL ? function : library_any(&gnutls_family, which, caller);
}

void *gnutls_function(gnutls_session_t session, enum gnutls_function which)
{
    struct library *library = library_of(&gnutls_family, session, NULL);

    return library != NULL ? library_function(&gnutls_family, library, which) : NULL;
}

static int gnutls_fd(track_key key)
{
    gnutls_session_t session = (gnutls_session_t)key;
    void *(*get_ptr)(gnutls_session_t) = gnutls_function(session, GNUTLS_TRANSPORT_GET_PTR);
    uintptr_t pointer = get_ptr != NULL ? (uintptr_t)get_ptr(session) : UINTPTR_MAX;

    return pointer < FD_MAX ? (int)pointer : -1;
}

typedef int server_name_get(gnutls_session_t, void *, size_t *, unsigned *, unsigned);

/* There is no question for a session's side, but this one is refused to clients. Apart, so that the
 * name is not on the stack while the function is looked for. */
static __attribute__((noinline)) bool gnutls_ask(server_name_get *ask, gnutls_session_t session)
{
    char name[HOST_MAX];
    size_t len = sizeof(name);
    unsigned type;

    return ask(session, name, &len, &type, 0) != GNUTLS_E_INVALID_REQUEST;
}

static bool gnutls_is_server(track_key key)
{
    gnutls_session_t session = (gnutls_session_t)key;
    server_name_get *ask = gnutls_function(session, GNUTLS_SERVER_NAME_GET);

    return ask != NULL && gnutls_ask(ask, session);
}

static const struct track_source gnutls_source = {.layer = WIRE_LAYER_GNUTLS,
                                                  .tls = true,
                                                  .host = host_name_of,
                                                  .fd = gnutls_fd,
                                                  .is_server = gnutls_is_server};

/* The slot that holds the session's unfinished send, or -1. */
static int pending_find(gnutls_session_t session)
{
    for (int i = 0; i < PENDING; i++) {
        if (atomic_load_explicit(&gnutls_pending[i].session, memory_order_acquire) ==
            (uintptr_t)session) {
            return i;
        }
    }
    return -1;
}

static void pending_drop(gnutls_session_t session)
{
    int slot = pending_find(session);

    if (slot >= 0) {
        atomic_store_explicit(&gnutls_pending[slot].session, 0, memory_order_release);
    }
}

/* Keeps what a queued record may hold. Called again for the same send, it changes nothing. */
static void pending_keep(gnutls_session_t session, const void *data, size_t len, uint64_t begin)
{
    if (data == NULL || len == 0 || pending_find(session) >= 0) {
        return;
    }
    for (int i = 0; i < PENDING; i++) {
        uintptr_t expected = 0;

        if (atomic_compare_exchange_strong(&gnutls_pending[i].session, &expected, 1)) {
            gnutls_pending[i].len = len < PENDING_RECORD ? len : PENDING_RECORD;
            gnutls_pending[i].begin = begin;
            memcpy(gnutls_pending[i].data, data, gnutls_pending[i].len);
            atomic_store_explicit(&gnutls_pending[i].session, (uintptr_t)session,
                                  memory_order_release);
            return;
        }
    }
}

bool gnutls_send_begin(struct gnutls_call *call, gnutls_session_t session)
{
    call->begin = track_begin((track_key)session);
    if (call->begin == 0 || (track_force_curl() && curl_running())) {
        return false;
    }
    call->outer = track_enter(&call->guard, (track_key)session);
    return true;
}

/* sent bytes went out, but the program did not say again which. */
static void send_finished(gnutls_session_t session, size_t sent)
{
    int slot = pending_find(session);
    size_t kept = slot >= 0 ? gnutls_pending[slot].len : 0;

    kept = kept < sent ? kept : sent;
    if (kept > 0) {
        track_sent(&gnutls_source, (track_key)session, gnutls_pending[slot].data, kept,
                   gnutls_pending[slot].begin);
    }
    if (sent > kept) {
        track_skipped((track_key)session, true, sent - kept);
    }
}

/* The server refused what was sent early: what follows starts anew. */
static void gnutls_drop_refused(gnutls_session_t session)
{
    unsigned (*get_flags)(gnutls_session_t) = gnutls_function(session, GNUTLS_SESSION_GET_FLAGS);

    if (get_flags != NULL && (get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA) == 0) {
        track_end((track_key)session, false);
    }
}

void gnutls_early_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                      size_t len, ssize_t result)
{
    track_leave(&call->guard);
    if (call->outer && result == 0 && len > 0) {
        track_sent(&gnutls_source, (track_key)session, data, len, call->begin);
        early_remember((track_key)session);
    }
}

void gnutls_send_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                     size_t len, ssize_t result)
{
    track_leave(&call->guard);
    if (!call->outer) {
        return;
    }
    if (result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED) {
        pending_keep(session, data, len, call->begin);
        return;
    }
    if (result > 0 && early_take((track_key)session)) {
        gnutls_drop_refused(session);
    }
    if (result > 0 && data != NULL) {
        size_t sent = (size_t)result < len ? (size_t)result : len;

        track_sent(&gnutls_source, (track_key)session, data, sent, call->begin);
    } else if (result > 0) {
        send_finished(session, (size_t)result);
    }
    pending_drop(session);
}

void gnutls_receive_begin(struct gnutls_call *call, gnutls_session_t session)
{
    call->outer = track_enter(&call->guard, (track_key)session);
}

void gnutls_receive_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                        size_t len, ssize_t result)
{
    int (*is_fatal)(int);

    track_leave(&call->guard);
    if (!call->outer) {
        return;
    }
    if (!track_active((track_key)session)) {
        if (result > 0 && data != NULL && environment_is_server() &&
            gnutls_is_server((track_key)session)) {
            track_received_from(&gnutls_source, (track_key)session, data,
                                (size_t)result < len ? (size_t)result : len);
        }
        return;
    }
    if (result > 0 && data != NULL) {
        track_received((track_key)session, data, (size_t)result < len ? (size_t)result : len);
    } else if (result == 0 && len > 0) {
        track_received((track_key)session, NULL, 0);
    } else if (result < 0) {
        is_fatal = gnutls_function(session, GNUTLS_ERROR_IS_FATAL);
        if (is_fatal != NULL && is_fatal((int)result) != 0) {
            track_end((track_key)session, true);
        }
    }
}

void gnutls_end(gnutls_session_t session)
{
    track_end((track_key)session, false);
    early_take((track_key)session);
    pending_drop(session);
    host_name_drop((track_key)session);
    library_forget(&gnutls_family, session);
}
