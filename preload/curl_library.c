/* Which libcurl a handle belongs to, and whether its transfers are captured by its debug data. */
#include "curl.h"

#include "library_object.h"
#include "text.h"

static const char *const curl_names[CURL_FUNCTIONS] = {
    [CURL_EASY_SETOPT] = "curl_easy_setopt",
    [CURL_EASY_GETINFO] = "curl_easy_getinfo",
    [CURL_EASY_PERFORM] = "curl_easy_perform",
    [CURL_EASY_CLEANUP] = "curl_easy_cleanup",
    [CURL_EASY_RESET] = "curl_easy_reset",
    [CURL_EASY_DUPHANDLE] = "curl_easy_duphandle",
    [CURL_MULTI_ADD_HANDLE] = "curl_multi_add_handle",
    [CURL_MULTI_REMOVE_HANDLE] = "curl_multi_remove_handle",
    [CURL_MULTI_PERFORM] = "curl_multi_perform",
    [CURL_MULTI_SOCKET_ACTION] = "curl_multi_socket_action",
    [CURL_MULTI_INFO_READ] = "curl_multi_info_read",
    [CURL_MULTI_CLEANUP] = "curl_multi_cleanup",
    [CURL_VERSION_INFO] = "curl_version_info",
};

_Static_assert(CURL_FUNCTIONS <= LIBRARY_FUNCTIONS_MAX, "a slot has room for every function");

static struct library_memory curl_state;
static const struct library_family curl_family = {
    .state = &curl_state, .names = curl_names, .count = CURL_FUNCTIONS};

/* The start of curl_version_info_data (curl/curl.h), the same since 7.10. */
struct curl_version {
    int age;
    const char *version;
    unsigned version_num;
    const char *host;
    int features;
    const char *ssl_version; /* "OpenSSL/3.0.15"; with several "(OpenSSL/3.0.15) mbedTLS/2.28.3",
                                those not in use in parentheses; NULL: none */
};

/* The TLS libraries that other layers hook, where libcurl calls them through its PLT. */
static const struct {
    const char *name;
    const char *function;
} curl_hooked[] = {
    {"OpenSSL", "SSL_write"}, {"LibreSSL", "SSL_write"}, {"BoringSSL", "SSL_write"},
    {"quictls", "SSL_write"}, {"AWS-LC", "SSL_write"},   {"GnuTLS", "gnutls_record_send"},
    {"NSS", "PR_Send"},
};

enum curl_decision { CURL_UNDECIDED, CURL_LEFT_ALONE, CURL_CAPTURED };

/* By slot of curl_family; the anchor tells a slot's next library from the one decided about. */
static struct {
    _Atomic uintptr_t anchor;
    _Atomic uint32_t decision;
} curl_decisions[LIBRARY_MAX];

/* The name of the TLS library in use. */
static const char *ssl_in_use(const char *text)
{
    while (*text == '(' || *text == ' ') {
        while (*text == '(') {
            while (*text != '\0' && *text != ')') {
                text++;
            }
            text += *text == ')' ? 1 : 0;
        }
        text += *text == ' ' ? 1 : 0;
    }
    return text;
}

static enum curl_decision decide(struct library *library)
{
    struct curl_version *(*version_info)(int) =
        library_function(&curl_family, library, CURL_VERSION_INFO);
    const struct curl_version *version = version_info != NULL ? version_info(0) : NULL;
    struct library_object object;
    const char *ssl;

    if (version == NULL || version->ssl_version == NULL) {
        return CURL_LEFT_ALONE;
    }
    if (track_force_curl()) {
        return CURL_CAPTURED;
    }
    ssl = ssl_in_use(version->ssl_version);
    for (size_t i = 0; i < sizeof(curl_hooked) / sizeof(curl_hooked[0]); i++) {
        if (text_starts(ssl, curl_hooked[i].name) && library_object_at(library->anchor, &object) &&
            library_object_imports(&object, curl_hooked[i].function)) {
            return CURL_LEFT_ALONE;
        }
    }
    return CURL_CAPTURED;
}

static bool curl_captures(struct library *library)
{
    size_t slot = (size_t)(library - curl_state.libraries);
    uintptr_t anchor = (uintptr_t)library->anchor;
    uint32_t decision;

    if (!track_enabled()) {
        return false;
    }
    if (atomic_load_explicit(&curl_decisions[slot].anchor, memory_order_acquire) == anchor) {
        return atomic_load_explicit(&curl_decisions[slot].decision, memory_order_relaxed) ==
               CURL_CAPTURED;
    }
    decision = decide(library);
    atomic_store_explicit(&curl_decisions[slot].decision, decision, memory_order_relaxed);
    atomic_store_explicit(&curl_decisions[slot].anchor, anchor, memory_order_release);
    return decision == CURL_CAPTURED;
}

void *curl_real(const void *handle, enum curl_function which, const void *caller, bool *captured)
{
    struct library *library = library_of(&curl_family, handle, caller);
    void *function = library != NULL ? library_function(&curl_family, library, which) : NULL;

    *captured = function != NULL && curl_captures(library);
    return function != NULL ? function : library_any(&curl_family, which, caller);
}

void *curl_function(const void *handle, enum curl_function which)
{
    struct library *library = library_of(&curl_family, handle, NULL);

    return library != NULL ? library_function(&curl_family, library, which) : NULL;
}

void curl_forget(const void *handle)
{
    library_forget(&curl_family, handle);
}

/* No connection has this key. */
#define CURL_RUNNING ((track_key)&curl_family)

bool curl_running(void)
{
    struct track_guard guard;
    bool outer = track_enter(&guard, CURL_RUNNING);

    track_leave(&guard);
    return !outer;
}

void curl_running_enter(struct track_guard *guard)
{
    track_enter(guard, CURL_RUNNING);
}
