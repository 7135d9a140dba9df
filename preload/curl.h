/* libcurl's own view of its transfers, by its debug callback (CURLOPT_DEBUGFUNCTION, chained with
 * the program's): for https where the TLS library behind that libcurl is out of the other hooks'
 * reach. Plain http is left to the libc hooks, so that no transfer is seen twice.
 *
 * What the callback shows (libcurl 7.88, and 7.9 to 8.x alike): over HTTP/1.x the bytes of the
 * connection as they are, chunk framing and content coding included; over HTTP/2 and 3 heads
 * written as HTTP/1 text (`POST /x HTTP/2`, `HTTP/2 200`) and bodies without any framing, which end
 * with the transfer. */
#ifndef TRACER_PRELOAD_CURL_H
#define TRACER_PRELOAD_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "library.h"
#include "track.h"

typedef void CURL;
typedef void CURLM;
typedef int curl_debug_fn(CURL *, int, char *, size_t, void *);

/* curl/multi.h */
struct curl_message {
    int msg;
    CURL *easy_handle;
    union {
        void *whatever;
        int result;
    } data;
};

/* What is called in libcurl; the order of curl_names. */
enum curl_function {
    CURL_EASY_SETOPT,
    CURL_EASY_GETINFO,
    CURL_EASY_PERFORM,
    CURL_EASY_CLEANUP,
    CURL_EASY_RESET,
    CURL_EASY_DUPHANDLE,
    CURL_MULTI_ADD_HANDLE,
    CURL_MULTI_REMOVE_HANDLE,
    CURL_MULTI_PERFORM,
    CURL_MULTI_SOCKET_ACTION,
    CURL_MULTI_INFO_READ,
    CURL_MULTI_CLEANUP,
    CURL_VERSION_INFO,
    CURL_FUNCTIONS
};

/* The function for this easy or multi handle, or for one that cannot be told the caller's own;
 * *captured says whether its library's transfers are captured here. NULL: no library has it. */
void *curl_real(const void *handle, enum curl_function which, const void *caller, bool *captured);
/* The function of the handle's library; NULL if that cannot be told or has none. */
void *curl_function(const void *handle, enum curl_function which);
/* The handle is gone. */
void curl_forget(const void *handle);

/* TRACER_HOOKS=curl: whether the running thread is inside a libcurl whose transfers are captured
 * here, so that the TLS layers leave what it sends alone. */
bool curl_running(void);
void curl_running_enter(struct track_guard *guard);

/* The program's own debug settings of a handle, kept here while ours are in force. */
struct curl_slot;

/* Notes a debug option that the program sets; *value is what to give libcurl instead. False: it is
 * none of ours, or cannot be noted. */
bool curl_slot_option(CURL *easy, int option, void **value);
/* Puts our callback in force; NULL: the handle is not captured. */
struct curl_slot *curl_slot_install(CURL *easy);
/* The transfer is over. */
void curl_slot_finish(CURL *easy, bool in_order);
/* Puts the program's settings back. */
void curl_slot_restore(CURL *easy);
/* easy was reset: all its options are the defaults now. */
void curl_slot_reset(CURL *easy);
/* copy was made of easy. */
void curl_slot_copy(CURL *easy, CURL *copy);
/* The handle was freed. */
void curl_slot_release(CURL *easy);

int curl_easy_setopt(CURL *easy, int option, ...);
int curl_easy_perform(CURL *easy);
void curl_easy_cleanup(CURL *easy);
void curl_easy_reset(CURL *easy);
CURL *curl_easy_duphandle(CURL *easy);
int curl_multi_add_handle(CURLM *multi, CURL *easy);
int curl_multi_remove_handle(CURLM *multi, CURL *easy);
int curl_multi_perform(CURLM *multi, int *running);
int curl_multi_socket_action(CURLM *multi, int fd, int events, int *running);
struct curl_message *curl_multi_info_read(CURLM *multi, int *left);
int curl_multi_cleanup(CURLM *multi);

#endif
