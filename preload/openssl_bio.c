/* The hooks of BIO_* on an SSL BIO, which do not pass through SSL_read and SSL_write. Every other
 * BIO is passed on after one look at its type. */
#include "openssl.h"

#include "text.h"

#define CALLER __builtin_return_address(0)

#define BIO_UNSUPPORTED (-2)

typedef int bio_write_fn(BIO *, const void *, int);
typedef int bio_write_ex_fn(BIO *, const void *, size_t, size_t *);
typedef int bio_read_fn(BIO *, void *, int);
typedef int bio_read_ex_fn(BIO *, void *, size_t, size_t *);
typedef int bio_puts_fn(BIO *, const char *);
typedef int bio_gets_fn(BIO *, char *, int);
typedef int bio_free_fn(BIO *);
typedef void bio_free_all_fn(BIO *);

static size_t bytes_of(int result, size_t len)
{
    if (result <= 0) {
        return 0;
    }
    return (size_t)result < len ? (size_t)result : len;
}

static size_t bytes_of_ex(int result, const size_t *counted, size_t len)
{
    if (result <= 0) {
        return 0;
    }
    return counted != NULL && *counted < len ? *counted : len;
}

static int trace_write(bio_write_fn *real, BIO *bio, SSL *ssl, const void *data, int len)
{
    struct openssl_call call;
    int sent;

    if (!openssl_send_begin(&call, ssl)) {
        return real(bio, data, len);
    }
    sent = real(bio, data, len);
    openssl_send_end(&call, ssl, data, bytes_of(sent, len > 0 ? (size_t)len : 0));
    return sent;
}

LLMT_EXPORT int BIO_write(BIO *bio, const void *data, int len)
{
    SSL *ssl;
    bio_write_fn *real = bio_real(bio, BIO_FN_WRITE, CALLER, &ssl);

    if (real == NULL) {
        return BIO_UNSUPPORTED;
    }
    return ssl != NULL ? trace_write(real, bio, ssl, data, len) : real(bio, data, len);
}

static int trace_write_ex(bio_write_ex_fn *real, BIO *bio, SSL *ssl, const void *data, size_t len,
                          size_t *written)
{
    struct openssl_call call;
    int result;

    if (!openssl_send_begin(&call, ssl)) {
        return real(bio, data, len, written);
    }
    result = real(bio, data, len, written);
    openssl_send_end(&call, ssl, data, bytes_of_ex(result, written, len));
    return result;
}

LLMT_EXPORT int BIO_write_ex(BIO *bio, const void *data, size_t len, size_t *written)
{
    SSL *ssl;
    bio_write_ex_fn *real = bio_real(bio, BIO_FN_WRITE_EX, CALLER, &ssl);

    if (real == NULL) {
        return 0;
    }
    return ssl != NULL ? trace_write_ex(real, bio, ssl, data, len, written)
                       : real(bio, data, len, written);
}

static int trace_read(bio_read_fn *real, BIO *bio, SSL *ssl, void *data, int len)
{
    struct openssl_call call;
    int got;

    openssl_receive_begin(&call, ssl);
    got = real(bio, data, len);
    openssl_receive_end(&call, ssl, data, bytes_of(got, len > 0 ? (size_t)len : 0));
    return got;
}

LLMT_EXPORT int BIO_read(BIO *bio, void *data, int len)
{
    SSL *ssl;
    bio_read_fn *real = bio_real(bio, BIO_FN_READ, CALLER, &ssl);

    if (real == NULL) {
        return BIO_UNSUPPORTED;
    }
    return ssl != NULL ? trace_read(real, bio, ssl, data, len) : real(bio, data, len);
}

static int trace_read_ex(bio_read_ex_fn *real, BIO *bio, SSL *ssl, void *data, size_t len,
                         size_t *got)
{
    struct openssl_call call;
    int result;

    openssl_receive_begin(&call, ssl);
    result = real(bio, data, len, got);
    openssl_receive_end(&call, ssl, data, got != NULL ? bytes_of_ex(result, got, len) : 0);
    return result;
}

LLMT_EXPORT int BIO_read_ex(BIO *bio, void *data, size_t len, size_t *got)
{
    SSL *ssl;
    bio_read_ex_fn *real = bio_real(bio, BIO_FN_READ_EX, CALLER, &ssl);

    if (real == NULL) {
        return 0;
    }
    return ssl != NULL ? trace_read_ex(real, bio, ssl, data, len, got) : real(bio, data, len, got);
}

static int trace_puts(bio_puts_fn *real, BIO *bio, SSL *ssl, const char *text)
{
    struct openssl_call call;
    int sent;

    if (!openssl_send_begin(&call, ssl)) {
        return real(bio, text);
    }
    sent = real(bio, text);
    openssl_send_end(&call, ssl, text, sent > 0 ? bytes_of(sent, text_length(text)) : 0);
    return sent;
}

LLMT_EXPORT int BIO_puts(BIO *bio, const char *text)
{
    SSL *ssl;
    bio_puts_fn *real = bio_real(bio, BIO_FN_PUTS, CALLER, &ssl);

    if (real == NULL) {
        return BIO_UNSUPPORTED;
    }
    return ssl != NULL ? trace_puts(real, bio, ssl, text) : real(bio, text);
}

static int trace_gets(bio_gets_fn *real, BIO *bio, SSL *ssl, char *data, int len)
{
    struct openssl_call call;
    int got;

    openssl_receive_begin(&call, ssl);
    got = real(bio, data, len);
    openssl_receive_end(&call, ssl, data, bytes_of(got, len > 0 ? (size_t)len : 0));
    return got;
}

LLMT_EXPORT int BIO_gets(BIO *bio, char *data, int len)
{
    SSL *ssl;
    bio_gets_fn *real = bio_real(bio, BIO_FN_GETS, CALLER, &ssl);

    if (real == NULL) {
        return BIO_UNSUPPORTED;
    }
    return ssl != NULL ? trace_gets(real, bio, ssl, data, len) : real(bio, data, len);
}

/* An SSL BIO frees its TLS object without calling our SSL_free. */
LLMT_EXPORT int BIO_free(BIO *bio)
{
    SSL *ssl;
    bio_free_fn *real = bio_real(bio, BIO_FN_FREE, CALLER, &ssl);

    if (real == NULL) {
        return 0;
    }
    if (ssl != NULL) {
        bio_end(bio, false);
    }
    return real(bio);
}

LLMT_EXPORT void BIO_free_all(BIO *bio)
{
    SSL *ssl;
    bio_free_all_fn *real = bio_real(bio, BIO_FN_FREE_ALL, CALLER, &ssl);

    if (real == NULL) {
        return;
    }
    bio_end(bio, true);
    real(bio);
}
