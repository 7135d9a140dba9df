/* Which API a request speaks, by host and path. Private to core/llm. */
#ifndef TRACER_LLM_RECOGNISE_H
#define TRACER_LLM_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

struct llm_api;

/* Where a request goes. */
struct route {
    char host[256];  /* lower case, without port or the brackets of an IPv6 address */
    char path[1024]; /* without the query; cut when longer */
    int port;        /* 0: unknown */
    const char *provider;
    const struct llm_api *api; /* NULL: to be told by the body */
};

/* Fills route. host: of the connection, used when the request has no Host header. False: no
 * endpoint of ours, or a request that is no inference by method or path. */
bool route_find(struct route *route, const struct http_head *request, const char *host,
                const char *endpoints, bool tls);

#endif
