/* From a method and a path to a route. Pure. */
#ifndef TRACER_SERVICE_SERVER_ROUTE_H
#define TRACER_SERVICE_SERVER_ROUTE_H

#include <stddef.h>

#include "service/service.h"

/* Undoes %HH from text (len bytes) to out (len bytes; may be text itself); a % that two hex digits
 * do not follow stays. Returns the length of out. */
size_t percent_decode(const char *text, size_t len, char *out);

struct route_match {
    const struct route *route; /* NULL: none of that method */
    char ids[REQUEST_IDS_MAX][STORED_ID_MAX + 1];
    size_t id_lens[REQUEST_IDS_MAX];
    char methods[64]; /* those of the routes that the path fits: "GET, HEAD, PATCH"; "": none */
};

/* Finds the route in the table (ended by a method of NULL) for a path as it was sent. HEAD is
 * served as GET. A segment for {} is 1..STORED_ID_MAX bytes when decoded, none of them NUL. */
void server_route_find(const struct route *table, const char *method, const char *path,
                       struct route_match *match);

#endif
