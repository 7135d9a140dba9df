/* Bytes of a connection, both ways, to requests and responses. Passive: it watches, never answers.
 * Pure and incremental: no I/O, input may be split anywhere. Not thread-safe; one a connection. */
#ifndef TRACER_HTTP_HTTP_H
#define TRACER_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HTTP_HEADERS_MAX     256     /* fields a message may have */
#define HTTP_HEAD_BYTES_MAX  262144  /* 256 KB: start line and fields together */
#define HTTP_PIPELINE_MAX    64      /* requests waiting for their response */
#define HTTP_EARLY_BYTES_MAX 1048576 /* 1 MB: response bytes held until their request was seen */

struct http_header {
    const char *name;  /* lower case */
    const char *value; /* trimmed; bytes as sent otherwise */
};

/* Start line and fields of a message. Texts belong to the exchange. */
struct http_head {
    int minor;          /* HTTP/1.minor; 0 also for HTTP/2 and HTTP/3 of the curl layer */
    const char *method; /* request */
    const char *target; /* request: as sent, with its query */
    int status;         /* response: 100..999; 0: none seen */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

enum http_end {
    HTTP_COMPLETE, /* the response ended where its framing said */
    HTTP_ABORTED,  /* the connection ended first */
    HTTP_GAP,      /* bytes were lost inside, and its framing could not be followed further */
    HTTP_MALFORMED /* the bytes are not HTTP */
};

/* One request with its response. Owned by the connection; borrowed by the handler from `request`
 * until `end` returns. Times are those given to http_conn_data. */
struct http_exchange {
    uint64_t request_offset; /* of the request's first byte in the out stream: names the exchange */
    struct http_head request;
    struct http_head response; /* the final one; 1xx are skipped */
    int64_t t_request;         /* first byte of the request */
    int64_t t_request_end;     /* last byte of the request; 0: not seen */
    int64_t t_response;        /* first byte of the final status line; 0: none */
    int64_t t_response_end;    /* last byte seen of the response */
    int64_t t_aborted;         /* when the connection ended under it; 0: it did not */
    uint64_t request_lost;     /* bytes of gaps inside the bodies, and bytes over body_max or behind
                                  broken coded data (as sent, where they were not decoded) */
    uint64_t response_lost;
    bool request_decoded; /* false: a content coding that is not known (the body is handed out as
                             sent), or that broke or lost bytes (the rest counts as lost) */
    bool response_decoded;
    enum http_end how;
    void *user; /* the handler's own; NULL at first */
};

/* Every function may be NULL, and none may call into the connection. Bodies are handed out without
 * transfer and content codings, as they come; a time is that of the bytes which completed them.
 * A response may come before its request is over (an early error), never before `request`. */
struct http_handler {
    void (*request)(void *user, struct http_exchange *x);
    void (*request_body)(void *user, struct http_exchange *x, const char *data, size_t len,
                         int64_t time);
    /* Exactly once an exchange, before `end`: no more of the request will come. It was cut (by a
     * loss, or the end of the connection) when t_request_end is 0. */
    void (*request_end)(void *user, struct http_exchange *x);
    void (*response)(void *user, struct http_exchange *x);
    void (*response_body)(void *user, struct http_exchange *x, const char *data, size_t len,
                          int64_t time);
    /* Exactly once an exchange for which `request` was called. */
    void (*end)(void *user, struct http_exchange *x);
};

struct http_conn;

enum http_dir { HTTP_OUT, HTTP_IN };

/* body_max bounds the decoded bytes handed out of one body (what is over is counted in *_lost); 0:
 * none are.
 * resync: the bytes start in the middle of a connection (a replaced collector): out bytes are
 * skipped until a piece starts with a request line, in bytes until there is a request for them.
 * server: out carries responses and in requests. */
struct http_options {
    uint64_t body_max;
    bool resync;
    bool server;
    bool curl_layer; /* bytes of libcurl's debug callback: status line may say HTTP/2 or HTTP/3,
                        header fields may be lower case, and the body comes without chunk framing */
};

/* handler and user must outlive the connection. ERR_NOMEM. */
int http_conn_new(struct http_conn **out, const struct http_options *options,
                  const struct http_handler *handler, void *user) WARN_UNUSED_RESULT;
/* Ends what is open as by http_conn_close(c, time of the last bytes), then frees. */
void http_conn_free(struct http_conn *c);
/* Bytes of one direction, in the order of the stream; offset is that of data[0]. Never fails: what
 * cannot be parsed ends its exchange as HTTP_MALFORMED and the connection is ignored from there. */
void http_conn_data(struct http_conn *c, enum http_dir dir, uint64_t offset, const char *data,
                    size_t len, int64_t time);
/* len bytes of the stream were lost here. */
void http_conn_gap(struct http_conn *c, enum http_dir dir, uint64_t len, int64_t time);
/* The peer or the program ended that direction in order (a body until close is complete then). */
void http_conn_eof(struct http_conn *c, enum http_dir dir, int64_t time);
/* The connection is over; open exchanges end, aborted unless they were complete. */
void http_conn_close(struct http_conn *c, int64_t time);
/* Exchanges begun and not ended. */
size_t http_conn_open(const struct http_conn *c);
/* True once nothing more can come of it (malformed, upgraded to another protocol). */
bool http_conn_dead(const struct http_conn *c);

/* The first field of that name (lower case), or NULL. */
const char *http_header_get(const struct http_head *head, const char *name);

#endif
