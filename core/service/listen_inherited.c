/* Socket activation, as sd_listen_fds(3) documents it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/listen_private.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static bool is_listening_stream(int fd)
{
    int type = 0;
    int listening = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
        return false;
    len = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
}

static long number_in(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (text == NULL || *text == '\0')
        return -1;
    long value = strtol(text, &end, 10);
    return *end == '\0' ? value : -1;
}

int listen_inherited(struct listeners *l, char **why)
{
    long pid = number_in("LISTEN_PID");
    long count = number_in("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (pid != (long)getpid() || count <= 0)
        return ERR_OK;
    if (count > LISTEN_MAX)
        return listen_fail(why, ERR_RANGE, "the service manager hands over %ld sockets; %d is most",
                           count, LISTEN_MAX);
    for (int fd = FIRST_FD; fd < FIRST_FD + (int)count; fd++) {
        if (!is_listening_stream(fd))
            return listen_fail(why, ERR_RANGE,
                               "descriptor %d of the service manager is not a listening stream "
                               "socket (ListenStream=, Accept=no)",
                               fd);
        int flags = fcntl(fd, F_GETFL);
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || flags < 0 ||
            fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            return listen_fail(why, ERR_IO, "descriptor %d: %s", fd, strerror(errno));
        int err = listen_add(l, fd, "", why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}
