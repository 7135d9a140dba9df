/* Which sockets become connections that are looked at. */
#ifndef TRACER_PRELOAD_CONNECT_H
#define TRACER_PRELOAD_CONNECT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* sendto with MSG_FASTOPEN connects too; whether the descriptor is looked at from now on. */
bool connect_by_sending(int fd, const struct sockaddr *address, socklen_t len, ssize_t sent);

#endif
