/* Which libcrypto a BIO belongs to, and which TLS object it stands for. */
#include "openssl.h"

#include "library_object.h"
#include "text.h"

/* openssl/bio.h */
#define BIO_TYPE_SSL    0x0207
#define BIO_TYPE_BUFFER 0x0209
#define BIO_C_GET_SSL   110

#define OPENSSL_3    0x30000000UL /* LibreSSL says 0x20000000 */
#define METHOD_WORDS 10           /* of a BIO_METHOD that may name functions of its library */
#define CHAIN_MAX    8

static const char *const bio_names[BIO_FUNCTIONS] = {
    [BIO_FN_WRITE] = "BIO_write",
    [BIO_FN_WRITE_EX] = "BIO_write_ex",
    [BIO_FN_READ] = "BIO_read",
    [BIO_FN_READ_EX] = "BIO_read_ex",
    [BIO_FN_PUTS] = "BIO_puts",
    [BIO_FN_GETS] = "BIO_gets",
    [BIO_FN_FREE] = "BIO_free",
    [BIO_FN_FREE_ALL] = "BIO_free_all",
    [BIO_FN_CTRL] = "BIO_ctrl",
    [BIO_FN_METHOD_TYPE] = "BIO_method_type",
    [BIO_FN_NEXT] = "BIO_next",
    [BIO_FN_GET_CALLBACK] = "BIO_get_callback",
    [BIO_FN_GET_CALLBACK_EX] = "BIO_get_callback_ex",
    [BIO_FN_GET_SHUTDOWN] = "BIO_get_shutdown",
    [BIO_FN_VERSION_NUM] = "OpenSSL_version_num",
};

_Static_assert(BIO_FUNCTIONS <= LIBRARY_FUNCTIONS_MAX, "a slot has room for every function");

/* Remembered are method tables, not BIOs: there are few of them, and they live long. */
static struct library_memory bio_state;
static const struct library_family bio_family = {
    .state = &bio_state, .names = bio_names, .count = BIO_FUNCTIONS};

/* By slot of bio_family: the anchor of a library whose own calls do not reach our hooks, or that
 * plus 1 for one whose calls do. */
static _Atomic uintptr_t bio_linkage[LIBRARY_MAX];

static bool bio_ready(struct library *library)
{
    return atomic_load_explicit(&library->state, memory_order_acquire) == LIBRARY_READY;
}

/* Which word of a BIO names its method table: `OSSL_LIB_CTX *libctx; const BIO_METHOD *method` from
 * OpenSSL 3 on (crypto/bio/bio_local.h), the first word before that and in LibreSSL and BoringSSL.
 */
static unsigned method_word(struct library *library)
{
    unsigned long (*version_num)(void) = library_function(&bio_family, library, BIO_FN_VERSION_NUM);

    return version_num != NULL && version_num() >= OPENSSL_3 ? 1 : 0;
}

/* A table that the program made (BIO_meth_new) may name the library's own functions. */
static bool method_names(const struct library *library, const uintptr_t *method)
{
    for (unsigned i = 0; i < METHOD_WORDS; i++) {
        if (library_holds(library, method[i])) {
            return true;
        }
    }
    return false;
}

static struct library *remember_method(struct library *library, const uintptr_t *words)
{
    if (library != NULL) {
        unsigned word = method_word(library);

        atomic_store_explicit(&library->word, word, memory_order_relaxed);
        library_remember(&bio_family, words[word], library);
    }
    return library;
}

/* The library whose word of the BIO names a method table that is its own or made with it. */
static struct library *find_by_method(const uintptr_t *words)
{
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &bio_state.libraries[i];
        uintptr_t method = bio_ready(library) ? words[method_word(library)] : 0;

        if (method == 0) {
            continue;
        }
        if (library_holds(library, method) || method_names(library, (const uintptr_t *)method) ||
            library_bound(&bio_family, (const void *)method) == library) {
            return library;
        }
    }
    return NULL;
}

static __attribute__((noinline)) struct library *bio_find(const uintptr_t *words)
{
    library_refresh(&bio_family);
    if (atomic_load_explicit(&bio_state.live, memory_order_relaxed) == 1) {
        return remember_method(library_bound(&bio_family, NULL), words);
    }
    return remember_method(find_by_method(words), words);
}

static struct library *bio_library(const BIO *bio)
{
    const uintptr_t *words = (const uintptr_t *)bio;

    if (bio == NULL) {
        return NULL;
    }
    for (unsigned i = 0; i < LIBRARY_MAX; i++) {
        struct library *library = &bio_state.libraries[i];
        uintptr_t method;

        if (!bio_ready(library)) {
            continue;
        }
        method = words[atomic_load_explicit(&library->word, memory_order_relaxed)];
        if (library_holds(library, method) || library_remembered(&bio_family, method) == library) {
            return library;
        }
    }
    return bio_find(words);
}

/* A debugging callback of the program's would see our questions: such a BIO is left alone. */
static bool bio_is_watched(struct library *library, const BIO *bio)
{
    void *(*callback)(const BIO *) = library_function(&bio_family, library, BIO_FN_GET_CALLBACK);
    void *(*callback_ex)(const BIO *) =
        library_function(&bio_family, library, BIO_FN_GET_CALLBACK_EX);

    return (callback != NULL && callback(bio) != NULL) ||
           (callback_ex != NULL && callback_ex(bio) != NULL);
}

static int bio_type(struct library *library, const BIO *bio)
{
    int (*method_type)(const BIO *) = library_function(&bio_family, library, BIO_FN_METHOD_TYPE);

    return method_type != NULL ? method_type(bio) : 0;
}

static BIO *bio_next(struct library *library, BIO *bio)
{
    BIO *(*next)(BIO *) = library_function(&bio_family, library, BIO_FN_NEXT);

    return next != NULL ? next(bio) : NULL;
}

static SSL *bio_ssl(struct library *library, BIO *bio)
{
    long (*ctrl)(BIO *, int, long, void *) = library_function(&bio_family, library, BIO_FN_CTRL);
    SSL *ssl = NULL;

    if (ctrl == NULL || bio_is_watched(library, bio) || ctrl(bio, BIO_C_GET_SSL, 0, &ssl) <= 0) {
        return NULL;
    }
    return ssl;
}

/* Whether the library's own calls of BIO_write come to our hook (Debian's libcrypto), so that a
 * buffer in front of an SSL BIO is seen when it is emptied; with -Bsymbolic (OpenSSL's own build)
 * they do not, and the buffer is what the hooks can see. */
static bool bio_calls_reach_us(struct library *library)
{
    _Atomic uintptr_t *known = &bio_linkage[library - bio_state.libraries];
    uintptr_t anchor = (uintptr_t)library->anchor, value;
    struct library_object object;

    value = atomic_load_explicit(known, memory_order_relaxed);
    if (value != anchor && value != anchor + 1) {
        bool reach = library_object_at(library->anchor, &object) &&
                     library_object_relocates(&object, bio_names[BIO_FN_WRITE]);

        value = anchor + (reach ? 1 : 0);
        atomic_store_explicit(known, value, memory_order_relaxed);
    }
    return value == anchor + 1;
}

static SSL *bio_plaintext(struct library *library, BIO *bio)
{
    int type = bio_type(library, bio);

    if (type == BIO_TYPE_BUFFER) {
        for (int i = 0; i < CHAIN_MAX && bio != NULL && type == BIO_TYPE_BUFFER; i++) {
            bio = bio_next(library, bio);
            type = bio != NULL ? bio_type(library, bio) : 0;
        }
        if (type == BIO_TYPE_SSL && bio_calls_reach_us(library)) {
            return NULL;
        }
    }
    return type == BIO_TYPE_SSL ? bio_ssl(library, bio) : NULL;
}

void *bio_real(BIO *bio, enum bio_function which, const void *caller, SSL **ssl)
{
    struct library *library = bio_library(bio);
    void *function = library != NULL ? library_function(&bio_family, library, which) : NULL;

    *ssl = NULL;
    if (function == NULL) {
        return library_any(&bio_family, which, caller);
    }
    if (track_enabled()) {
        *ssl = bio_plaintext(library, bio);
    }
    return function;
}

void bio_end(BIO *bio, bool chain)
{
    struct library *library = bio_library(bio);
    int (*get_shutdown)(BIO *);

    if (library == NULL || !track_enabled()) {
        return;
    }
    get_shutdown = library_function(&bio_family, library, BIO_FN_GET_SHUTDOWN);
    for (int i = 0; i < CHAIN_MAX && bio != NULL; i++) {
        SSL *ssl = bio_type(library, bio) == BIO_TYPE_SSL ? bio_ssl(library, bio) : NULL;

        if (ssl != NULL && get_shutdown != NULL && get_shutdown(bio) != 0) {
            openssl_end(ssl);
        }
        bio = chain ? bio_next(library, bio) : NULL;
    }
}
