/* Which libssl an SSL object belongs to, and what the hooks ask it about a connection. */
#include "openssl.h"

#include "curl.h"
#include "early.h"
#include "session.h"

/* An SSL object names its method table among its first words, and the table lies in its library:
 * `int version; const SSL_METHOD *method` in 1.0.2 to 3.1 and LibreSSL, `int type; SSL_CTX *ctx;
 * const SSL_METHOD *defltmeth, *method` from 3.2 on (ssl/ssl_local.h), word 0 in BoringSSL
 * (ssl/internal.h). */
#define OPENSSL_SCAN_WORDS 8

#define TLSEXT_NAMETYPE_HOST_NAME 0
#define SSL_RECEIVED_SHUTDOWN     2
#define SSL_EARLY_DATA_REJECTED   1
#define TLS_ST_OK                 1

static const char *const openssl_names[OPENSSL_FUNCTIONS] = {
    [OPENSSL_WRITE] = "SSL_write",
    [OPENSSL_WRITE_EX] = "SSL_write_ex",
    [OPENSSL_WRITE_EX2] = "SSL_write_ex2",
    [OPENSSL_READ] = "SSL_read",
    [OPENSSL_READ_EX] = "SSL_read_ex",
    [OPENSSL_SENDFILE] = "SSL_sendfile",
    [OPENSSL_WRITE_EARLY_DATA] = "SSL_write_early_data",
    [OPENSSL_READ_EARLY_DATA] = "SSL_read_early_data",
    [OPENSSL_FREE] = "SSL_free",
    [OPENSSL_CLEAR] = "SSL_clear",
    [OPENSSL_SHUTDOWN] = "SSL_shutdown",
    [OPENSSL_GET_SERVERNAME] = "SSL_get_servername",
    [OPENSSL_IS_SERVER] = "SSL_is_server",
    [OPENSSL_GET_FD] = "SSL_get_fd",
    [OPENSSL_GET_SHUTDOWN] = "SSL_get_shutdown",
    [OPENSSL_IN_INIT] = "SSL_in_init",
    [OPENSSL_GET_STATE] = "SSL_get_state",
    [OPENSSL_GET_EARLY_DATA_STATUS] = "SSL_get_early_data_status",
};

_Static_assert(OPENSSL_FUNCTIONS <= LIBRARY_FUNCTIONS_MAX, "a slot has room for every function");

static struct library_memory openssl_state;
const struct library_family openssl_family = {.state = &openssl_state,
                                              .names = openssl_names,
                                              .count = OPENSSL_FUNCTIONS,
                                              .scan_words = OPENSSL_SCAN_WORDS};

void *openssl_real_cold(const SSL *ssl, enum openssl_function which, const void *caller,
                        bool *known)
{
    struct library *library = library_of(&openssl_family, ssl, caller);
    void *function = library != NULL ? library_function(&openssl_family, library, which) : NULL;

    *known = function != NULL && track_enabled();
    return function != NULL ? function : library_any(&openssl_family, which, caller);
}

void *openssl_function(const SSL *ssl, enum openssl_function which)
{
    struct library *library = library_of(&openssl_family, ssl, NULL);

    return library != NULL ? library_function(&openssl_family, library, which) : NULL;
}

static const char *openssl_host(track_key key)
{
    const SSL *ssl = (const SSL *)key;
    const char *(*servername)(const SSL *, int) = openssl_function(ssl, OPENSSL_GET_SERVERNAME);

    return servername != NULL ? servername(ssl, TLSEXT_NAMETYPE_HOST_NAME) : NULL;
}

static int openssl_fd(track_key key)
{
    const SSL *ssl = (const SSL *)key;
    int (*get_fd)(const SSL *) = openssl_function(ssl, OPENSSL_GET_FD);

    return get_fd != NULL ? get_fd(ssl) : -1;
}

/* 1.0.2 has no SSL_is_server: its connections are taken for the client's, which the first bytes
 * sent then confirm or not. */
static bool openssl_is_server(track_key key)
{
    const SSL *ssl = (const SSL *)key;
    int (*is_server)(const SSL *) = openssl_function(ssl, OPENSSL_IS_SERVER);

    return is_server != NULL && is_server(ssl) != 0;
}

static const struct track_source openssl_source = {.layer = WIRE_LAYER_OPENSSL,
                                                   .tls = true,
                                                   .host = openssl_host,
                                                   .fd = openssl_fd,
                                                   .is_server = openssl_is_server};

bool openssl_send_begin(struct openssl_call *call, const SSL *ssl)
{
    call->begin = track_begin((track_key)ssl);
    if (call->begin == 0 || (track_force_curl() && curl_running())) {
        return false;
    }
    call->outer = track_enter(&call->guard, (track_key)ssl);
    return true;
}

/* The server refused what was sent early: what follows starts anew. */
static void openssl_drop_refused(const SSL *ssl)
{
    int (*status)(const SSL *) = openssl_function(ssl, OPENSSL_GET_EARLY_DATA_STATUS);

    if (status != NULL && status(ssl) == SSL_EARLY_DATA_REJECTED) {
        track_end((track_key)ssl, false);
    }
}

void openssl_early_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t sent)
{
    track_leave(&call->guard);
    if (call->outer && sent > 0) {
        track_sent(&openssl_source, (track_key)ssl, data, sent, call->begin);
        early_remember((track_key)ssl);
    }
}

void openssl_send_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t sent)
{
    track_leave(&call->guard);
    if (call->outer && sent > 0) {
        if (early_take((track_key)ssl)) {
            openssl_drop_refused(ssl);
        }
        track_sent(&openssl_source, (track_key)ssl, data, sent, call->begin);
    }
}

void openssl_receive_begin(struct openssl_call *call, const SSL *ssl)
{
    call->outer = track_enter(&call->guard, (track_key)ssl);
}

/* After a fatal error the object waits for a handshake again, though its last one was finished. (A
 * renegotiation waits for one that is not; SSL_set_connect_state, which libcurl calls before
 * SSL_free, for one that has not begun.) */
static bool openssl_failed(const SSL *ssl)
{
    int (*in_init)(const SSL *) = openssl_function(ssl, OPENSSL_IN_INIT);
    int (*get_state)(const SSL *) = openssl_function(ssl, OPENSSL_GET_STATE);

    return in_init != NULL && get_state != NULL && in_init(ssl) != 0 && get_state(ssl) == TLS_ST_OK;
}

/* Whether the peer has sent its close_notify. */
static bool openssl_peer_ended(const SSL *ssl)
{
    int (*get_shutdown)(const SSL *) = openssl_function(ssl, OPENSSL_GET_SHUTDOWN);

    return get_shutdown != NULL && (get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

static void openssl_record_received(const SSL *ssl, const void *data, size_t got)
{
    if (got > 0) {
        track_received((track_key)ssl, data, got);
    } else if (openssl_failed(ssl)) { /* a fatal alert counts as received shutdown too */
        track_end((track_key)ssl, true);
    } else if (openssl_peer_ended(ssl)) {
        track_received((track_key)ssl, NULL, 0);
    }
}

static void openssl_accepted(const SSL *ssl, const void *data, size_t got)
{
    if (got > 0 && openssl_is_server((track_key)ssl)) {
        track_received_from(&openssl_source, (track_key)ssl, data, got);
    }
}

void openssl_received(const SSL *ssl, const void *data, size_t got)
{
    struct track_guard guard;
    bool outer;

    /* Without a ring nothing is captured: the first thing to know, and the cheapest. */
    if (LLMT_LIKELY(atomic_load_explicit(&session.owner.ring, memory_order_relaxed) == NULL ||
                    !track_active((track_key)ssl)) &&
        !environment_is_server()) {
        return;
    }
    outer = track_enter(&guard, (track_key)ssl);
    track_leave(&guard);
    if (!outer) {
        return;
    }
    if (track_active((track_key)ssl)) {
        openssl_record_received(ssl, data, got);
    } else {
        openssl_accepted(ssl, data, got);
    }
}

void openssl_receive_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t got)
{
    track_leave(&call->guard);
    if (call->outer) {
        openssl_received(ssl, data, got);
    }
}

void openssl_end(const SSL *ssl)
{
    early_take((track_key)ssl);
    track_end((track_key)ssl, track_active((track_key)ssl) && openssl_failed(ssl));
}
