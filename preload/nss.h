/* NSS: its TLS sockets are NSPR descriptors whose topmost layer is called "SSL". */
#ifndef TRACER_PRELOAD_NSS_H
#define TRACER_PRELOAD_NSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "library.h"
#include "track.h"

/* prio.h */
typedef struct nss_descriptor {
    const void *methods;
    void *secret;
    struct nss_descriptor *lower, *higher;
    void (*dtor)(struct nss_descriptor *);
    int32_t identity;
} PRFileDesc;

struct nss_vector {
    char *base;
    int len;
};

/* What is called in libnspr4; the order of nss_names. */
enum nss_function {
    NSS_PR_WRITE,
    NSS_PR_READ,
    NSS_PR_SEND,
    NSS_PR_RECV,
    NSS_PR_WRITEV,
    NSS_PR_CLOSE,
    NSS_PR_NAME_FOR_IDENTITY,
    NSS_PR_NATIVE_HANDLE,
    NSS_FUNCTIONS
};

/* The function for this descriptor; *tls says whether it is a TLS one that may be looked at. NULL:
 * no library has it. */
void *nss_real(PRFileDesc *fd, enum nss_function which, const void *caller, bool *tls);
/* SSL_SetURL of the library that the caller is bound to; NULL: none has it. */
void *nss_set_url(PRFileDesc *fd, const void *caller);
/* Before a call that sends; 0: of no interest, just call the original. */
uint64_t nss_send_begin(const PRFileDesc *fd);
/* After it. */
void nss_sent(const PRFileDesc *fd, const void *data, size_t len, uint64_t begin);
void nss_received(const PRFileDesc *fd, const void *data, int32_t result, int32_t len);
/* Before the descriptor is closed. */
void nss_end(const PRFileDesc *fd);

int32_t PR_Write(PRFileDesc *fd, const void *data, int32_t len);
int32_t PR_Read(PRFileDesc *fd, void *data, int32_t len);
int32_t PR_Send(PRFileDesc *fd, const void *data, int32_t len, int flags, uint32_t timeout);
int32_t PR_Recv(PRFileDesc *fd, void *data, int32_t len, int flags, uint32_t timeout);
int32_t PR_Writev(PRFileDesc *fd, const struct nss_vector *vector, int32_t count, uint32_t timeout);
int PR_Close(PRFileDesc *fd);
int SSL_SetURL(PRFileDesc *fd, const char *url);

#endif
