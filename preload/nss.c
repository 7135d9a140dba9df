/* The hooks of PR_* on TLS descriptors; every other descriptor is passed on after one look at its
 * layer. */
#include "nss.h"

#include "host_name.h"
#include "text.h"

#define CALLER __builtin_return_address(0)

#define PR_MSG_PEEK 2 /* prio.h */
#define PR_FAILURE  (-1)

typedef int32_t nss_write_fn(PRFileDesc *, const void *, int32_t);
typedef int32_t nss_read_fn(PRFileDesc *, void *, int32_t);
typedef int32_t nss_send_fn(PRFileDesc *, const void *, int32_t, int, uint32_t);
typedef int32_t nss_recv_fn(PRFileDesc *, void *, int32_t, int, uint32_t);
typedef int32_t nss_writev_fn(PRFileDesc *, const struct nss_vector *, int32_t, uint32_t);
typedef int nss_close_fn(PRFileDesc *);
typedef int nss_set_url_fn(PRFileDesc *, const char *);

static size_t sent_of(int32_t result, int32_t len)
{
    return result > 0 ? (size_t)(result < len ? result : len) : 0;
}

LLMT_EXPORT int32_t PR_Write(PRFileDesc *fd, const void *data, int32_t len)
{
    bool tls;
    nss_write_fn *real = nss_real(fd, NSS_PR_WRITE, CALLER, &tls);
    uint64_t begin;
    int32_t result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    begin = tls ? nss_send_begin(fd) : 0;
    result = real(fd, data, len);
    if (begin != 0 && result > 0) {
        nss_sent(fd, data, sent_of(result, len), begin);
    }
    return result;
}

LLMT_EXPORT int32_t PR_Send(PRFileDesc *fd, const void *data, int32_t len, int flags,
                            uint32_t timeout)
{
    bool tls;
    nss_send_fn *real = nss_real(fd, NSS_PR_SEND, CALLER, &tls);
    uint64_t begin;
    int32_t result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    begin = tls ? nss_send_begin(fd) : 0;
    result = real(fd, data, len, flags, timeout);
    if (begin != 0 && result > 0) {
        nss_sent(fd, data, sent_of(result, len), begin);
    }
    return result;
}

static void vector_sent(PRFileDesc *fd, const struct nss_vector *vector, int32_t count,
                        int32_t result, uint64_t begin)
{
    for (int32_t i = 0; i < count && result > 0; i++) {
        int32_t part = vector[i].len < result ? vector[i].len : result;

        if (part > 0) {
            nss_sent(fd, vector[i].base, (size_t)part, begin);
            result -= part;
        }
    }
}

LLMT_EXPORT int32_t PR_Writev(PRFileDesc *fd, const struct nss_vector *vector, int32_t count,
                              uint32_t timeout)
{
    bool tls;
    nss_writev_fn *real = nss_real(fd, NSS_PR_WRITEV, CALLER, &tls);
    uint64_t begin;
    int32_t result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    begin = tls ? nss_send_begin(fd) : 0;
    result = real(fd, vector, count, timeout);
    if (begin != 0) {
        vector_sent(fd, vector, count, result, begin);
    }
    return result;
}

LLMT_EXPORT int32_t PR_Read(PRFileDesc *fd, void *data, int32_t len)
{
    bool tls;
    nss_read_fn *real = nss_real(fd, NSS_PR_READ, CALLER, &tls);
    int32_t result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    result = real(fd, data, len);
    if (tls) {
        nss_received(fd, data, result, len);
    }
    return result;
}

LLMT_EXPORT int32_t PR_Recv(PRFileDesc *fd, void *data, int32_t len, int flags, uint32_t timeout)
{
    bool tls;
    nss_recv_fn *real = nss_real(fd, NSS_PR_RECV, CALLER, &tls);
    int32_t result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    result = real(fd, data, len, flags, timeout);
    if (tls && (flags & PR_MSG_PEEK) == 0) {
        nss_received(fd, data, result, len);
    }
    return result;
}

LLMT_EXPORT int PR_Close(PRFileDesc *fd)
{
    bool tls;
    nss_close_fn *real = nss_real(fd, NSS_PR_CLOSE, CALLER, &tls);

    if (real == NULL) {
        return PR_FAILURE;
    }
    if (tls) {
        nss_end(fd);
    }
    return real(fd);
}

/* The server's name is read back only as a copy from the host's allocator: it is kept here. */
LLMT_EXPORT int SSL_SetURL(PRFileDesc *fd, const char *url)
{
    nss_set_url_fn *real = nss_set_url(fd, CALLER);
    int result;

    if (real == NULL) {
        return PR_FAILURE;
    }
    result = real(fd, url);
    if (result == 0 && url != NULL && track_enabled()) {
        host_name_keep((track_key)fd, url, text_length(url));
    }
    return result;
}
