/* Requests a minute and client address, in memory of a fixed size. Thread-safe. */
#ifndef TRACER_SERVICE_LIMIT_H
#define TRACER_SERVICE_LIMIT_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

/* Whom a request is counted for: an IPv4 address, or the /64 of an IPv6 one, which is what one
 * subscriber is given (RFC 6177); 0: nobody (a Unix socket). */
uint64_t limit_client(const struct sockaddr *address);

struct limit;
/* per_minute: 1 or more. slots: how many addresses are remembered, a power of two of at least 8;
 * beyond it those that ask least are forgotten. NULL: out of memory. */
struct limit *limit_new(int64_t per_minute, size_t slots);
void limit_free(struct limit *l);
/* Counts a request at the time now (ns, any clock that does not go back): 0 when it may go on, else
 * the whole seconds after which one may, 1..60. What is refused is not counted. */
int limit_take(struct limit *l, uint64_t client, int64_t now);

#endif
