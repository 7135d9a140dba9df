/* The hooks of SSL_*. Each has three layers: openssl_real finds the original, trace_x looks at what
 * passes, x is what the program calls. SSL_peek is left alone: what it shows is read again. */
#include "openssl.h"

#define CALLER __builtin_return_address(0)

typedef int ssl_write_fn(SSL *, const void *, int);
typedef int ssl_write_ex_fn(SSL *, const void *, size_t, size_t *);
typedef int ssl_write_ex2_fn(SSL *, const void *, size_t, uint64_t, size_t *);
typedef int ssl_read_fn(SSL *, void *, int);
typedef int ssl_read_ex_fn(SSL *, void *, size_t, size_t *);
typedef ssize_t ssl_sendfile_fn(SSL *, int, off_t, size_t, int);
typedef void ssl_free_fn(SSL *);
typedef int ssl_int_fn(SSL *);

/* Never more than was handed over, whatever the library says. */
static size_t bytes_of(int result, size_t counted, size_t len)
{
    if (result <= 0) {
        return 0;
    }
    return counted < len ? counted : len;
}

static int trace_write(ssl_write_fn *real, SSL *ssl, const void *data, int len)
{
    struct openssl_call call;
    int sent;

    if (!openssl_send_begin(&call, ssl)) {
        return real(ssl, data, len);
    }
    sent = real(ssl, data, len);
    openssl_send_end(&call, ssl, data, bytes_of(sent, (size_t)sent, len > 0 ? (size_t)len : 0));
    return sent;
}

LLMT_EXPORT int SSL_write(SSL *ssl, const void *data, int len)
{
    bool known;
    ssl_write_fn *real = openssl_real(ssl, OPENSSL_WRITE, CALLER, &known);

    if (real == NULL) {
        return -1;
    }
    return known ? trace_write(real, ssl, data, len) : real(ssl, data, len);
}

static int trace_write_ex(ssl_write_ex_fn *real, SSL *ssl, const void *data, size_t len,
                          size_t *written)
{
    struct openssl_call call;
    int result;

    if (!openssl_send_begin(&call, ssl)) {
        return real(ssl, data, len, written);
    }
    result = real(ssl, data, len, written);
    openssl_send_end(&call, ssl, data, bytes_of(result, result > 0 ? *written : 0, len));
    return result;
}

LLMT_EXPORT int SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *written)
{
    bool known;
    ssl_write_ex_fn *real = openssl_real(ssl, OPENSSL_WRITE_EX, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    return known ? trace_write_ex(real, ssl, data, len, written) : real(ssl, data, len, written);
}

static int trace_write_ex2(ssl_write_ex2_fn *real, SSL *ssl, const void *data, size_t len,
                           uint64_t flags, size_t *written)
{
    struct openssl_call call;
    int result;

    if (!openssl_send_begin(&call, ssl)) {
        return real(ssl, data, len, flags, written);
    }
    result = real(ssl, data, len, flags, written);
    openssl_send_end(&call, ssl, data, bytes_of(result, result > 0 ? *written : 0, len));
    return result;
}

LLMT_EXPORT int SSL_write_ex2(SSL *ssl, const void *data, size_t len, uint64_t flags,
                              size_t *written)
{
    bool known;
    ssl_write_ex2_fn *real = openssl_real(ssl, OPENSSL_WRITE_EX2, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    return known ? trace_write_ex2(real, ssl, data, len, flags, written)
                 : real(ssl, data, len, flags, written);
}

static int trace_read(ssl_read_fn *real, SSL *ssl, void *data, int len)
{
    int got = real(ssl, data, len);

    openssl_received(ssl, data, bytes_of(got, (size_t)got, len > 0 ? (size_t)len : 0));
    return got;
}

LLMT_EXPORT int SSL_read(SSL *ssl, void *data, int len)
{
    bool known;
    ssl_read_fn *real = openssl_real(ssl, OPENSSL_READ, CALLER, &known);

    if (real == NULL) {
        return -1;
    }
    return known ? trace_read(real, ssl, data, len) : real(ssl, data, len);
}

static int trace_read_ex(ssl_read_ex_fn *real, SSL *ssl, void *data, size_t len, size_t *got)
{
    int result = real(ssl, data, len, got);

    openssl_received(ssl, data, bytes_of(result, result > 0 ? *got : 0, len));
    return result;
}

LLMT_EXPORT int SSL_read_ex(SSL *ssl, void *data, size_t len, size_t *got)
{
    bool known;
    ssl_read_ex_fn *real = openssl_real(ssl, OPENSSL_READ_EX, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    return known ? trace_read_ex(real, ssl, data, len, got) : real(ssl, data, len, got);
}

/* The kernel encrypts straight from the file: the bytes are nowhere to be read. */
LLMT_EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t len, int flags)
{
    bool known;
    ssl_sendfile_fn *real = openssl_real(ssl, OPENSSL_SENDFILE, CALLER, &known);
    ssize_t sent;

    if (real == NULL) {
        return -1;
    }
    sent = real(ssl, fd, offset, len, flags);
    if (known && sent > 0) {
        track_skipped((track_key)ssl, true, (uint64_t)sent);
    }
    return sent;
}

static int trace_write_early(ssl_write_ex_fn *real, SSL *ssl, const void *data, size_t len,
                             size_t *written)
{
    struct openssl_call call;
    int result;

    if (!openssl_send_begin(&call, ssl)) {
        return real(ssl, data, len, written);
    }
    result = real(ssl, data, len, written);
    openssl_early_end(&call, ssl, data, bytes_of(result, result > 0 ? *written : 0, len));
    return result;
}

LLMT_EXPORT int SSL_write_early_data(SSL *ssl, const void *data, size_t len, size_t *written)
{
    bool known;
    ssl_write_ex_fn *real = openssl_real(ssl, OPENSSL_WRITE_EARLY_DATA, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    return known ? trace_write_early(real, ssl, data, len, written) : real(ssl, data, len, written);
}

/* Calls SSL_read_ex when no early data came. */
static int trace_read_early(ssl_read_ex_fn *real, SSL *ssl, void *data, size_t len, size_t *got)
{
    struct openssl_call call;
    int result;

    openssl_receive_begin(&call, ssl);
    result = real(ssl, data, len, got);
    openssl_receive_end(&call, ssl, data, bytes_of(result, result > 0 ? *got : 0, len));
    return result;
}

LLMT_EXPORT int SSL_read_early_data(SSL *ssl, void *data, size_t len, size_t *got)
{
    bool known;
    ssl_read_ex_fn *real = openssl_real(ssl, OPENSSL_READ_EARLY_DATA, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    return known ? trace_read_early(real, ssl, data, len, got) : real(ssl, data, len, got);
}

/* The end is told before the object is freed: its address may be another thread's new connection
 * a moment later. An object that others hold too (SSL_up_ref) ends here as well. */
LLMT_EXPORT void SSL_free(SSL *ssl)
{
    bool known;
    ssl_free_fn *real = openssl_real(ssl, OPENSSL_FREE, CALLER, &known);

    if (real == NULL) {
        return;
    }
    if (known) {
        openssl_end(ssl);
    }
    real(ssl);
}

LLMT_EXPORT int SSL_clear(SSL *ssl)
{
    bool known;
    ssl_int_fn *real = openssl_real(ssl, OPENSSL_CLEAR, CALLER, &known);

    if (real == NULL) {
        return 0;
    }
    if (known) {
        openssl_end(ssl);
    }
    return real(ssl);
}

/* Both sides have said good-bye once it returns 1; before that the peer may still send. */
LLMT_EXPORT int SSL_shutdown(SSL *ssl)
{
    bool known;
    ssl_int_fn *real = openssl_real(ssl, OPENSSL_SHUTDOWN, CALLER, &known);
    int result;

    if (real == NULL) {
        return -1;
    }
    result = real(ssl);
    if (known && result == 1 && track_active((track_key)ssl)) {
        track_end((track_key)ssl, false);
    }
    return result;
}
