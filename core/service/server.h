/* The parts of a running service, for the files server*.c. */
#ifndef TRACER_SERVICE_SERVER_H
#define TRACER_SERVICE_SERVER_H

#include <microhttpd.h>
#include <pthread.h>

#include "service/assets.h"
#include "service/internal.h"
#include "service/listen.h"
#include "service/server_accept.h"

#define SERVER_DAEMONS_MAX 4
#define SERVER_STOP_S      10 /* for what runs to finish */

struct server {
    struct service service; /* what requests see */
    struct assets assets;
    struct listeners listeners;
    struct accepter *accepter;
    struct MHD_Daemon *daemons[SERVER_DAEMONS_MAX];
    size_t daemon_count;
    struct keeper *keeper;
    bool events_started;
};

/* server_daemons.c: libmicrohttpd, a thread each. ERR_IO. */
int daemons_start(struct server *server, size_t connections_max) WARN_UNUSED_RESULT;
void daemons_stop(struct server *server);

/* server_keep.c: a thread that deletes what is older than store.ttl_days, step by step. ERR_IO,
 * ERR_NOMEM, or what session_new says. NULL when the backend is read only. */
int keeper_start(struct keeper **out, struct service *s) WARN_UNUSED_RESULT;
void keeper_stop(struct keeper *k);

#endif
