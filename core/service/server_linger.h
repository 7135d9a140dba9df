/* Connections that end while their client still sends: what comes is read and thrown away for a
 * moment, since a socket that is closed with bytes unread is reset, and the reset destroys the
 * answer that says why (RFC 9112 §9.6). */
#ifndef TRACER_SERVICE_SERVER_LINGER_H
#define TRACER_SERVICE_SERVER_LINGER_H

#include "base/err.h"

#define LINGER_MAX   64                 /* at once; further ones are reset */
#define LINGER_MS    2000               /* of one connection */
#define LINGER_BYTES ((size_t)16 << 20) /* the same */

struct linger_room;

/* Starts its thread. ERR_NOMEM, ERR_IO. */
int linger_start(struct linger_room **out) WARN_UNUSED_RESULT;
/* The socket, to which nothing is sent any more, is about to be closed by the caller: a descriptor
 * of its own is kept, and its sending side ended. Thread-safe. NULL: does nothing. */
void linger_take(struct linger_room *l, int fd);
/* Closes those that are left. NULL: nothing. */
void linger_stop(struct linger_room *l);

#endif
