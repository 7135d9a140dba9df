#include "service/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/listen_private.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

int listen_fail(char **why, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vasprintf(why, format, args) < 0)
        *why = NULL;
    va_end(args);
    return err;
}

static bool parse_port(const char *text, in_port_t *port)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return *end == '\0' && value <= 65535 && end - text <= 5;
}

int listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *len)
{
    char host[INET6_ADDRSTRLEN];
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    memset(address, 0, sizeof(*address));
    if (colon == NULL || (six && (colon - text < 3 || colon[-1] != ']')))
        return ERR_RANGE;
    const char *name = six ? text + 1 : text;
    size_t n = (size_t)(colon - name) - six;
    if (n >= sizeof(host))
        return ERR_RANGE;
    memcpy(host, name, n);
    host[n] = '\0';
    if (!six && strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
    if (six && inet_pton(AF_INET6, host, &in6.sin6_addr) == 1 &&
        parse_port(colon + 1, &in6.sin6_port)) {
        memcpy(address, &in6, sizeof(in6));
        *len = sizeof(in6);
        return ERR_OK;
    }
    if (!six && inet_pton(AF_INET, host, &in.sin_addr) == 1 &&
        parse_port(colon + 1, &in.sin_port)) {
        memcpy(address, &in, sizeof(in));
        *len = sizeof(in);
        return ERR_OK;
    }
    return ERR_RANGE;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_UNIX)
        return true;
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    if (address->ss_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static void name_it(struct listener *l, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)address;
        snprintf(l->name, sizeof(l->name), "unix:%.107s", un->sun_path);
    } else if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(l->name, sizeof(l->name), "http://%s:%u", host, ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(l->name, sizeof(l->name), "http://[%s]:%u", host, ntohs(in6->sin6_port));
    }
}

int listen_add(struct listeners *l, int fd, const char *path, char **why)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    memset(&address, 0, sizeof(address));
    if (l->count == LISTEN_MAX)
        return listen_fail(why, ERR_RANGE, "more than %d sockets to listen on", LISTEN_MAX);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return listen_fail(why, ERR_IO, "descriptor %d is no socket: %s", fd, strerror(errno));
    struct listener *added = &l->all[l->count];
    *added = (struct listener){.fd = fd};
    added->loopback = is_loopback(&address);
    added->local = added->loopback && address.ss_family != AF_UNIX;
    snprintf(added->path, sizeof(added->path), "%s", path);
    name_it(added, &address);
    l->count++;
    return ERR_OK;
}

int listen_tcp(struct listeners *l, const char *text, char **why)
{
    struct sockaddr_storage address;
    socklen_t len;
    int on = 1;
    if (listen_parse(text, &address, &len) != ERR_OK)
        return listen_fail(why, ERR_RANGE,
                           "--listen takes ADDRESS:PORT, as in 127.0.0.1:8001 or [::1]:8001, not "
                           "\"%.80s\"",
                           text);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_fail(why, ERR_IO, "cannot listen on %.80s: %s", text, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Else [::] would take IPv4 as well, under addresses that the rules for keys do not know. */
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    int err = ERR_OK;
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        bool taken = errno == EADDRINUSE;
        err = listen_fail(why, taken ? ERR_BUSY : ERR_IO, "cannot listen on %.80s: %s%s", text,
                          strerror(errno),
                          taken ? "; does a server run there already? --listen takes another port, "
                                  "0 for a free one"
                                : "");
    } else {
        err = listen_add(l, fd, "", why);
    }
    if (err != ERR_OK)
        close(fd);
    return err;
}

/* Whether the socket's file is left over from a server that has ended. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Binds so that the file has its mode from the start. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int result = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    int saved = errno;
    umask(before);
    errno = saved;
    return result;
}

int listen_unix(struct listeners *l, const char *path, char **why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path) || path[0] == '\0')
        return listen_fail(why, ERR_RANGE, "--socket takes a path of 1 to %zu bytes",
                           sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_fail(why, ERR_IO, "cannot listen on %s: %s", path, strerror(errno));
    if (is_stale(&address))
        (void)unlink(path);
    int err = ERR_OK;
    if (bind_private(fd, &address) != 0 || listen(fd, BACKLOG) != 0) {
        bool taken = errno == EADDRINUSE;
        err = listen_fail(why, taken ? ERR_BUSY : ERR_IO, "cannot listen on %s: %s", path,
                          taken ? "a server listens there already, or it is no socket"
                                : strerror(errno));
    } else {
        err = listen_add(l, fd, path, why);
        if (err != ERR_OK)
            (void)unlink(path);
    }
    if (err != ERR_OK)
        close(fd);
    return err;
}

void listen_release(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++) {
        close(l->all[i].fd);
        if (l->all[i].path[0] != '\0')
            (void)unlink(l->all[i].path);
    }
    l->count = 0;
}
