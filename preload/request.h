/* The first bytes of a connection, or of a request on it: is this HTTP towards an endpoint? Pure.
 */
#ifndef TRACER_PRELOAD_REQUEST_H
#define TRACER_PRELOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum request_verdict {
    REQUEST_UNKNOWN, /* neither HTTP/1 nor HTTP/2 */
    REQUEST_OTHER,   /* HTTP/1, to somebody else */
    REQUEST_MATCH,   /* HTTP/1, to an endpoint */
    REQUEST_HTTP2,   /* the HTTP/2 preface, towards a known host */
    REQUEST_MORE     /* may still become one of these: show it again with more bytes */
};

struct request_view {
    const char *host; /* Host header's value, or the host of an absolute target; NULL: not seen */
    size_t host_len;
};

/* sni: host name that the TLS layer knows, NULL if none; extra: TRACER_ENDPOINTS. */
enum request_verdict request_look(const char *data, size_t len, const char *sni, const char *extra,
                                  bool tls, struct request_view *view);

#endif
