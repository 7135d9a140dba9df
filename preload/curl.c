/* The hooks of libcurl: our debug callback is in force from the start of a transfer to its end. */
#include "curl.h"

#define CALLER __builtin_return_address(0)

/* curl/curl.h, curl/multi.h */
#define CURLE_FAILED_INIT        2
#define CURLE_RECURSIVE_API_CALL 93
#define CURLM_BAD_HANDLE         1
#define CURLM_OK                 0
#define CURLMSG_DONE             1

typedef int curl_setopt_fn(CURL *, int, ...);
typedef int curl_easy_fn(CURL *);
typedef void curl_void_fn(CURL *);
typedef CURL *curl_dup_fn(CURL *);
typedef int curl_pair_fn(CURLM *, CURL *);
typedef int curl_multi_perform_fn(CURLM *, int *);
typedef int curl_socket_action_fn(CURLM *, int, int, int *);
typedef struct curl_message *curl_info_read_fn(CURLM *, int *);

/* Every option's value is one machine word: long, a pointer, curl_off_t. */
LLMT_EXPORT int curl_easy_setopt(CURL *easy, int option, ...)
{
    bool captured;
    curl_setopt_fn *real = curl_real(easy, CURL_EASY_SETOPT, CALLER, &captured);
    va_list arguments;
    void *value;

    va_start(arguments, option);
    value = va_arg(arguments, void *);
    va_end(arguments);
    if (real == NULL) {
        return CURLE_FAILED_INIT;
    }
    if (captured) {
        curl_slot_option(easy, option, &value);
    }
    return real(easy, option, value);
}

/* One that is called by a callback of its own transfer is refused, and nothing of that transfer is
 * over then. */
static int trace_perform(curl_easy_fn *real, CURL *easy)
{
    bool installed = curl_slot_install(easy) != NULL;
    struct track_guard guard;
    int result;

    curl_running_enter(&guard);
    result = real(easy);
    track_leave(&guard);
    if (result != CURLE_RECURSIVE_API_CALL) {
        curl_slot_finish(easy, result == 0);
    }
    if (installed) {
        curl_slot_restore(easy);
    }
    return result;
}

LLMT_EXPORT int curl_easy_perform(CURL *easy)
{
    bool captured;
    curl_easy_fn *real = curl_real(easy, CURL_EASY_PERFORM, CALLER, &captured);

    if (real == NULL) {
        return CURLE_FAILED_INIT;
    }
    return captured ? trace_perform(real, easy) : real(easy);
}

LLMT_EXPORT void curl_easy_cleanup(CURL *easy)
{
    bool captured;
    curl_void_fn *real = curl_real(easy, CURL_EASY_CLEANUP, CALLER, &captured);

    if (real == NULL) {
        return;
    }
    if (captured) {
        curl_slot_finish(easy, false);
        curl_slot_restore(easy);
        curl_slot_release(easy);
    }
    curl_forget(easy);
    real(easy);
}

LLMT_EXPORT void curl_easy_reset(CURL *easy)
{
    bool captured;
    curl_void_fn *real = curl_real(easy, CURL_EASY_RESET, CALLER, &captured);

    if (real == NULL) {
        return;
    }
    real(easy);
    if (captured) {
        curl_slot_reset(easy);
    }
}

LLMT_EXPORT CURL *curl_easy_duphandle(CURL *easy)
{
    bool captured;
    curl_dup_fn *real = curl_real(easy, CURL_EASY_DUPHANDLE, CALLER, &captured);
    CURL *copy = real != NULL ? real(easy) : NULL;

    if (captured && copy != NULL) {
        curl_slot_copy(easy, copy);
    }
    return copy;
}

LLMT_EXPORT int curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    bool captured;
    curl_pair_fn *real = curl_real(easy, CURL_MULTI_ADD_HANDLE, CALLER, &captured);
    bool installed;
    int result;

    if (real == NULL) {
        return CURLM_BAD_HANDLE;
    }
    installed = captured && curl_slot_install(easy) != NULL;
    result = real(multi, easy);
    if (installed && result != CURLM_OK) {
        curl_slot_restore(easy);
    }
    return result;
}

/* A transfer that is taken out before its message was read may be whole or not: its bytes tell. */
LLMT_EXPORT int curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    bool captured;
    curl_pair_fn *real = curl_real(easy, CURL_MULTI_REMOVE_HANDLE, CALLER, &captured);
    int result;

    if (real == NULL) {
        return CURLM_BAD_HANDLE;
    }
    result = real(multi, easy);
    if (captured && result == CURLM_OK) {
        curl_slot_finish(easy, false);
        curl_slot_restore(easy);
    }
    return result;
}

LLMT_EXPORT int curl_multi_perform(CURLM *multi, int *running)
{
    bool captured;
    curl_multi_perform_fn *real = curl_real(multi, CURL_MULTI_PERFORM, CALLER, &captured);
    struct track_guard guard;
    int result;

    if (real == NULL) {
        return CURLM_BAD_HANDLE;
    }
    if (!captured) {
        return real(multi, running);
    }
    curl_running_enter(&guard);
    result = real(multi, running);
    track_leave(&guard);
    return result;
}

LLMT_EXPORT int curl_multi_socket_action(CURLM *multi, int fd, int events, int *running)
{
    bool captured;
    curl_socket_action_fn *real = curl_real(multi, CURL_MULTI_SOCKET_ACTION, CALLER, &captured);
    struct track_guard guard;
    int result;

    if (real == NULL) {
        return CURLM_BAD_HANDLE;
    }
    if (!captured) {
        return real(multi, fd, events, running);
    }
    curl_running_enter(&guard);
    result = real(multi, fd, events, running);
    track_leave(&guard);
    return result;
}

LLMT_EXPORT struct curl_message *curl_multi_info_read(CURLM *multi, int *left)
{
    bool captured;
    curl_info_read_fn *real = curl_real(multi, CURL_MULTI_INFO_READ, CALLER, &captured);
    struct curl_message *message = real != NULL ? real(multi, left) : NULL;

    if (captured && message != NULL && message->msg == CURLMSG_DONE) {
        curl_slot_finish(message->easy_handle, message->data.result == 0);
    }
    return message;
}

LLMT_EXPORT int curl_multi_cleanup(CURLM *multi)
{
    bool captured;
    curl_easy_fn *real = curl_real(multi, CURL_MULTI_CLEANUP, CALLER, &captured);

    if (real == NULL) {
        return CURLM_BAD_HANDLE;
    }
    curl_forget(multi);
    return real(multi);
}
