/* The thread that takes new connections and gives them to the daemons of libmicrohttpd, one each in
 * turn. It accepts by itself, since libmicrohttpd has no way to end an idle connection in favour of
 * a new one. */
#ifndef TRACER_SERVICE_SERVER_ACCEPT_H
#define TRACER_SERVICE_SERVER_ACCEPT_H

#include <microhttpd.h>

#include "service/internal.h"
#include "service/listen.h"

struct accepter;

/* Borrows all that it is given until accepter_stop. ERR_IO (errno), ERR_NOMEM. */
int accepter_start(struct accepter **out, struct service *s, const struct listeners *listeners,
                   struct MHD_Daemon *const *daemons, size_t daemon_count) WARN_UNUSED_RESULT;
/* Takes no more, and waits for the thread. */
void accepter_stop(struct accepter *a);

#endif
