/* Headers by which a browser tells on whose behalf it asks. Pure. */
#ifndef TRACER_SERVICE_HOST_H
#define TRACER_SERVICE_HOST_H

#include <stdbool.h>

/* Whether a Host header names this machine itself: localhost, 127.0.0.0/8, [::1], with or without a
 * port. A page of another site whose name was made to point here (DNS rebinding) sends that name.
 * Any port goes: one may have been forwarded. */
bool host_is_loopback(const char *host);

/* Whether an Origin header ("http://host:port") names the Host that was asked (RFC 6454 §7). The
 * scheme may be either: behind a proxy that ends TLS it differs from ours. */
bool origin_is_host(const char *origin, const char *host);

/* Whether the comma-separated list has the origin, exactly. "*" in the list is no origin. */
bool origin_is_listed(const char *origin, const char *list);

#endif
