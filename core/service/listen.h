/* The sockets that the service listens on. For one thread. */
#ifndef TRACER_SERVICE_LISTEN_H
#define TRACER_SERVICE_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

#define LISTEN_MAX  8   /* sockets at once */
#define LISTEN_NAME 160 /* room for how one is named to a person */

struct listener {
    int fd;
    bool loopback;          /* only users of this machine reach it */
    bool local;             /* on TCP and loopback: Host is checked, without API_KEYS */
    char name[LISTEN_NAME]; /* "http://127.0.0.1:8001", "unix:/run/x.sock" */
    char
        path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* made by us: unlinked at the end; "" */
};

struct listeners {
    struct listener all[LISTEN_MAX];
    size_t count;
};

/* "127.0.0.1:8001", "[::1]:8001", "localhost:0", port 0..65535. ERR_RANGE: anything else. */
int listen_parse(const char *text, struct sockaddr_storage *address,
                 socklen_t *len) WARN_UNUSED_RESULT;

/* Each adds one; of their errors *why (new memory) tells the person. ERR_RANGE: malformed, or there
 * are LISTEN_MAX already; ERR_IO: the system refuses; ERR_BUSY: somebody else listens there. */
int listen_tcp(struct listeners *l, const char *text, char **why) WARN_UNUSED_RESULT;
/* The socket is the owner's alone (0600). One that nobody listens on any more is replaced. */
int listen_unix(struct listeners *l, const char *path, char **why) WARN_UNUSED_RESULT;
/* Those that the service manager handed over (sd_listen_fds(3)); removes them from the environment.
 * Adds none when LISTEN_PID is not us. ERR_RANGE: one is not a listening stream socket. */
int listen_inherited(struct listeners *l, char **why) WARN_UNUSED_RESULT;

/* Closes them, and unlinks what was made. */
void listen_release(struct listeners *l);

#endif
