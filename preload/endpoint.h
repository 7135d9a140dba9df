/* Whether a request goes to an LLM endpoint: the compiled table (config/endpoints.json) and
 * TRACER_ENDPOINTS (wire/endpoint_match.h). Pure. */
#ifndef TRACER_PRELOAD_ENDPOINT_H
#define TRACER_PRELOAD_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* host: the Host header's value or the SNI, with or without a port, not NUL-terminated; length 0:
 * unknown. path: the request's target up to a '?', length 0: unknown. extra: TRACER_ENDPOINTS, ""
 * for none. tls tells the port of a host that names none. */
bool endpoint_matches(const char *host, size_t host_len, const char *path, size_t path_len,
                      const char *extra, bool tls);

#endif
