/* Who is at the other end of a connection on this machine. A loopback port is open to every user of
 * the machine, so a server of one user's own data asks the kernel whose socket it is. */
#ifndef TRACER_SERVICE_PEER_H
#define TRACER_SERVICE_PEER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/err.h"

/* The user of the other end of an accepted connection: of a Unix socket by SO_PEERCRED, of TCP on
 * this machine by sock_diag(7), else by /proc/net/tcp. An end that its process has closed is told
 * as root's. ERR_NOENT: it is on no socket of this machine (another host or network namespace);
 * ERR_IO: the kernel tells neither way. Any thread. */
int peer_user(int fd, uid_t *user) WARN_UNUSED_RESULT;
/* The same by /proc/net/tcp alone, which is slow where there are many sockets. */
int peer_user_by_table(int fd, uid_t *user) WARN_UNUSED_RESULT;
/* Whether that is this process's own user, or root, who could read everything anyway. What cannot
 * be told is not. */
bool peer_is_own(int fd);

#endif
