/* OpenSSL and its kin (LibreSSL, BoringSSL as a shared library): both call families, early data,
 * SSL BIOs. Their headers are not needed: the public functions' prototypes have been the same since
 * 1.0.2, and objects are only passed on. */
#ifndef TRACER_PRELOAD_OPENSSL_H
#define TRACER_PRELOAD_OPENSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "environment.h"
#include "library.h"
#include "track.h"

typedef struct ssl_st SSL;
typedef struct bio_st BIO;

/* What is called in libssl; the order of openssl_names. */
enum openssl_function {
    OPENSSL_WRITE,
    OPENSSL_WRITE_EX,
    OPENSSL_WRITE_EX2,
    OPENSSL_READ,
    OPENSSL_READ_EX,
    OPENSSL_SENDFILE,
    OPENSSL_WRITE_EARLY_DATA,
    OPENSSL_READ_EARLY_DATA,
    OPENSSL_FREE,
    OPENSSL_CLEAR,
    OPENSSL_SHUTDOWN,
    OPENSSL_GET_SERVERNAME,
    OPENSSL_IS_SERVER,
    OPENSSL_GET_FD,
    OPENSSL_GET_SHUTDOWN,
    OPENSSL_IN_INIT,
    OPENSSL_GET_STATE,
    OPENSSL_GET_EARLY_DATA_STATUS,
    OPENSSL_FUNCTIONS
};

extern const struct library_family openssl_family;

void *openssl_real_cold(const SSL *ssl, enum openssl_function which, const void *caller,
                        bool *known);

/* The function for this object, or for one that cannot be told the caller's own; *known says
 * whether the object may be looked at. NULL: no library has it. */
static inline void *openssl_real(const SSL *ssl, enum openssl_function which, const void *caller,
                                 bool *known)
{
    struct library *library = library_warm(&openssl_family, ssl);
    uintptr_t function = library != NULL ? library_warm_function(library, which) : 0;

    if (LLMT_UNLIKELY(function == 0)) {
        return openssl_real_cold(ssl, which, caller, known);
    }
    *known = environment_enabled();
    return (void *)function;
}

/* The function of the object's library; NULL if that cannot be told or has none. */
void *openssl_function(const SSL *ssl, enum openssl_function which);

/* What is called in libcrypto; the order of bio_names. */
enum bio_function {
    BIO_FN_WRITE,
    BIO_FN_WRITE_EX,
    BIO_FN_READ,
    BIO_FN_READ_EX,
    BIO_FN_PUTS,
    BIO_FN_GETS,
    BIO_FN_FREE,
    BIO_FN_FREE_ALL,
    BIO_FN_CTRL,
    BIO_FN_METHOD_TYPE,
    BIO_FN_NEXT,
    BIO_FN_GET_CALLBACK,
    BIO_FN_GET_CALLBACK_EX,
    BIO_FN_GET_SHUTDOWN,
    BIO_FN_VERSION_NUM,
    BIO_FUNCTIONS
};

/* The function for this BIO, or for one that cannot be told the caller's own; *ssl is the TLS
 * object whose plaintext passes through the BIO, NULL if none does or it may not be looked at. The
 * result is NULL when no library has the function. */
void *bio_real(BIO *bio, enum bio_function which, const void *caller, SSL **ssl);
/* Ends the TLS objects that go when the BIO goes, or its whole chain. */
void bio_end(BIO *bio, bool chain);

/* What the hooks of SSL_* and of SSL BIOs share. */
struct openssl_call {
    struct track_guard guard;
    uint64_t begin;
    bool outer;
};

/* Before a call that sends; false: of no interest, just call the original. */
bool openssl_send_begin(struct openssl_call *call, const SSL *ssl);
/* After it, with the bytes that were sent (0: none). */
void openssl_send_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t sent);
/* The same after a call that sends early data. */
void openssl_early_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t sent);
/* After a call that receives and calls no other public function for the same object; got 0: nothing
 * came. */
void openssl_received(const SSL *ssl, const void *data, size_t got);
/* Around a call that receives and may call such a function. */
void openssl_receive_begin(struct openssl_call *call, const SSL *ssl);
void openssl_receive_end(struct openssl_call *call, const SSL *ssl, const void *data, size_t got);
/* Before the object is freed or used anew. */
void openssl_end(const SSL *ssl);

int SSL_write(SSL *ssl, const void *data, int len);
int SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *written);
int SSL_write_ex2(SSL *ssl, const void *data, size_t len, uint64_t flags, size_t *written);
int SSL_read(SSL *ssl, void *data, int len);
int SSL_read_ex(SSL *ssl, void *data, size_t len, size_t *got);
ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t len, int flags);
int SSL_write_early_data(SSL *ssl, const void *data, size_t len, size_t *written);
int SSL_read_early_data(SSL *ssl, void *data, size_t len, size_t *got);
void SSL_free(SSL *ssl);
int SSL_clear(SSL *ssl);
int SSL_shutdown(SSL *ssl);

int BIO_write(BIO *bio, const void *data, int len);
int BIO_write_ex(BIO *bio, const void *data, size_t len, size_t *written);
int BIO_read(BIO *bio, void *data, int len);
int BIO_read_ex(BIO *bio, void *data, size_t len, size_t *got);
int BIO_puts(BIO *bio, const char *text);
int BIO_gets(BIO *bio, char *data, int len);
int BIO_free(BIO *bio);
void BIO_free_all(BIO *bio);

#endif
