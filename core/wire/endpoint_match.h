/* What TRACER_ENDPOINTS means, told once for the preloaded object, which captures by it, and for
 * core/llm, which recognises by it. Pure functions over bytes that use no libc and little stack.
 *
 * Items are separated by commas, blanks around one are ignored: [http[s]://][host][:port][/path].
 *   host  glob in any case; IPv6 in brackets; without one every host
 *   port  glob; without one every port
 *   path  with `*` or `?` a glob for the whole path, else this path and what lies under it, as for
 * a base URL; a slash at its end is ignored; without one every path
 * `*` alone is everything, an item of none of the three nothing. */
#ifndef TRACER_WIRE_ENDPOINT_MATCH_H
#define TRACER_WIRE_ENDPOINT_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#define ENDPOINT_HOST_MAX 255 /* RFC 1035 §2.3.4 */

/* A host as it was sent, its port apart; points into the text that it was read from. */
struct endpoint_host {
    const char *name, *port; /* in any case, brackets of IPv6 included; digits */
    size_t name_len, port_len;
};

/* Shell glob with `*` (any bytes, also none) and `?` (one byte). Case-sensitive. Takes at most the
 * product of both lengths. */
bool endpoint_glob(const char *glob, size_t glob_len, const char *text, size_t len);

/* Reads a Host header's value or a server name of len bytes; without a port it is that of http or
 * https. False: no host, or too long for one. */
bool endpoint_host_read(struct endpoint_host *host, const char *text, size_t len, bool tls);

/* glob: host[:port] of at least one byte, without a scheme and blanks. */
bool endpoint_host_matches(const char *glob, size_t glob_len, const struct endpoint_host *host);

/* Whether an item of list (NUL-terminated) names the request. host: NULL when unknown. path: of
 * path_len bytes, 0 when unknown; what follows a '?' or '#' in it does not count. */
bool endpoint_list_matches(const char *list, const struct endpoint_host *host, const char *path,
                           size_t path_len);

#endif
