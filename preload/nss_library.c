/* Which NSPR descriptors are TLS, and what the hooks tell of them. Which libnspr4 is called does
 * not matter to a descriptor: each only calls the descriptor's own methods. */
#include "nss.h"

#include "curl.h"
#include "host_name.h"
#include "text.h"

#define IDENTITIES 64 /* above them a layer is not looked at; NSS makes its own among the first */

static const char *const nss_names[NSS_FUNCTIONS] = {
    [NSS_PR_WRITE] = "PR_Write",
    [NSS_PR_READ] = "PR_Read",
    [NSS_PR_SEND] = "PR_Send",
    [NSS_PR_RECV] = "PR_Recv",
    [NSS_PR_WRITEV] = "PR_Writev",
    [NSS_PR_CLOSE] = "PR_Close",
    [NSS_PR_NAME_FOR_IDENTITY] = "PR_GetNameForIdentity",
    [NSS_PR_NATIVE_HANDLE] = "PR_FileDesc2NativeHandle",
};
static const char *const nss_ssl_names[] = {"SSL_SetURL"};

static struct library_memory nss_state;
static const struct library_family nss_family = {
    .state = &nss_state, .names = nss_names, .count = NSS_FUNCTIONS};
static struct library_memory nss_ssl_state;
static const struct library_family nss_ssl_family = {
    .state = &nss_ssl_state, .names = nss_ssl_names, .count = 1};

/* What each layer's identity was found to be; a name stays for the process's life. */
enum layer_kind { LAYER_UNKNOWN, LAYER_OTHER, LAYER_TLS };
static _Atomic uint8_t nss_layers[IDENTITIES];

static enum layer_kind layer_ask(struct library *library, int32_t identity)
{
    const char *(*name_for)(int32_t) =
        library_function(&nss_family, library, NSS_PR_NAME_FOR_IDENTITY);
    const char *name = name_for != NULL ? name_for(identity) : NULL;

    return name != NULL && text_equal(name, "SSL") ? LAYER_TLS : LAYER_OTHER;
}

/* Identity 0 is NSPR's own: files, plain sockets. */
static bool is_tls(struct library *library, const PRFileDesc *fd)
{
    int32_t identity = fd->identity;
    uint8_t kind;

    if (identity <= 0 || identity >= IDENTITIES) {
        return false;
    }
    kind = atomic_load_explicit(&nss_layers[identity], memory_order_relaxed);
    if (kind == LAYER_UNKNOWN) {
        kind = (uint8_t)layer_ask(library, identity);
        atomic_store_explicit(&nss_layers[identity], kind, memory_order_relaxed);
    }
    return kind == LAYER_TLS;
}

void *nss_real(PRFileDesc *fd, enum nss_function which, const void *caller, bool *tls)
{
    struct library *library = library_of(&nss_family, fd, caller);
    void *function = library != NULL ? library_function(&nss_family, library, which) : NULL;

    *tls = function != NULL && track_enabled() && is_tls(library, fd);
    return function != NULL ? function : library_any(&nss_family, which, caller);
}

void *nss_set_url(PRFileDesc *fd, const void *caller)
{
    struct library *library = library_of(&nss_ssl_family, fd, caller);
    void *function = library != NULL ? library_function(&nss_ssl_family, library, 0) : NULL;

    return function != NULL ? function : library_any(&nss_ssl_family, 0, caller);
}

static int nss_fd(track_key key)
{
    PRFileDesc *fd = (PRFileDesc *)key;
    struct library *library = library_of(&nss_family, fd, NULL);
    int (*handle)(PRFileDesc *) =
        library != NULL ? library_function(&nss_family, library, NSS_PR_NATIVE_HANDLE) : NULL;

    return handle != NULL ? handle(fd) : -1;
}

static const struct track_source nss_source = {
    .layer = WIRE_LAYER_NSS, .tls = true, .host = host_name_of, .fd = nss_fd};

uint64_t nss_send_begin(const PRFileDesc *fd)
{
    uint64_t begin = track_begin((track_key)fd);

    return begin != 0 && track_force_curl() && curl_running() ? 0 : begin;
}

void nss_sent(const PRFileDesc *fd, const void *data, size_t len, uint64_t begin)
{
    track_sent(&nss_source, (track_key)fd, data, len, begin);
}

void nss_received(const PRFileDesc *fd, const void *data, int32_t result, int32_t len)
{
    if (result < 0 || len <= 0 || !track_active((track_key)fd)) {
        return;
    }
    track_received((track_key)fd, result > 0 ? data : NULL, (size_t)(result < len ? result : len));
}

void nss_end(const PRFileDesc *fd)
{
    track_end((track_key)fd, false);
    host_name_drop((track_key)fd);
    library_forget(&nss_ssl_family, fd);
}
