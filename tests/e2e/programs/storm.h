/* Random requests for the tracing service: of what the contract knows, of what it does not, and of
 * bytes that are no HTTP. The same seed gives the same ones. */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORM_REQUEST_MAX ((size_t)1 << 18)
#define STORM_IDS         60 /* few enough that what is asked for is often there */

struct storm_random {
    uint64_t state;
};
uint64_t storm_next(struct storm_random *r);
/* 0 .. below - 1 */
size_t storm_below(struct storm_random *r, size_t below);

struct storm_request {
    char *bytes; /* STORM_REQUEST_MAX of them, the caller's */
    size_t len;
    bool head;   /* the answer has no body */
    bool framed; /* it is whole HTTP: an answer has to come */
};
void storm_make(struct storm_random *r, struct storm_request *out);

/* One line of JSON or an object for a body, valid or nearly; returns its length. */
size_t storm_body(struct storm_random *r, char *out, size_t size);

#endif
