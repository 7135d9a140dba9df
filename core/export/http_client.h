/* One keep-alive HTTP connection of an exporter, by libcurl. It carries a key, so: http and https
 * only, certificates verified, no redirect followed, answers capped. Not thread-safe. */
#ifndef TRACER_EXPORT_HTTP_CLIENT_H
#define TRACER_EXPORT_HTTP_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http_client;

struct http_answer {
    int status;             /* 0: no answer */
    bool sent;              /* without an answer: the request may have reached the server */
    bool cancelled;         /* broken off on our side */
    bool json;              /* Content-Type is application/json */
    int64_t retry_after_ms; /* Retry-After as seconds or HTTP date; 0: none */
    const char *location;   /* of a redirect, or NULL; borrowed until the next request */
    const char *failure;    /* why there is no answer: a phrase, borrowed likewise; else NULL */
    struct buf *body;       /* borrowed likewise */
};

#define HTTP_CLIENT_BODY_MAX ((size_t)16 * 1024 * 1024)

/* key (NULL: none) is sent as X-API-Key. cancel may be NULL. ERR_NOMEM. */
int http_client_new(struct http_client **out, const char *key,
                    const atomic_bool *cancel) WARN_UNUSED_RESULT;
void http_client_free(struct http_client *c);
/* Sends one request and waits for its answer, at most timeout_ms (and as much again as 64 KB/s
 * takes for the body). body NULL: none. What happened is in *answer, whatever it is. */
void http_client_send(struct http_client *c, const char *method, const char *url,
                      const char *content_type, const struct buf *body, int64_t timeout_ms,
                      struct http_answer *answer);

#endif
