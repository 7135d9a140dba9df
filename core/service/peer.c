#include "service/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX 4096

/* A connection as the other end's socket has it: its own address first. */
struct pair {
    int family; /* of the socket that is looked for */
    uint8_t own[16], other[16];
    uint16_t own_port, other_port; /* network order */
};

static void put_address(uint8_t out[static 16], const struct sockaddr_storage *a, bool mapped)
{
    memset(out, 0, 16);
    if (a->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
    } else if (mapped) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
    } else {
        memcpy(out, &((const struct sockaddr_in *)a)->sin_addr, 4);
    }
}

/* mapped: the other end may be an IPv6 socket that talks to an IPv4 address. */
static int get_pair(int fd, bool mapped, struct pair *out)
{
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    socklen_t here_len = sizeof(here);
    socklen_t there_len = sizeof(there);
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) != 0 ||
        getpeername(fd, (struct sockaddr *)&there, &there_len) != 0)
        return ERR_IO;
    if (there.ss_family != AF_INET && there.ss_family != AF_INET6)
        return ERR_UNSUPPORTED;
    out->family = mapped ? AF_INET6 : there.ss_family;
    put_address(out->own, &there, mapped);
    put_address(out->other, &here, mapped);
    /* The port lies at the same place in both. */
    out->own_port = ((const struct sockaddr_in *)&there)->sin_port;
    out->other_port = ((const struct sockaddr_in *)&here)->sin_port;
    return ERR_OK;
}

static int ask(int netlink, const struct pair *p)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } question = {
        .head = {.nlmsg_len = sizeof(question),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = (uint8_t)p->family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 .id = {.idiag_sport = p->own_port,
                        .idiag_dport = p->other_port,
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    memcpy(question.body.id.idiag_src, p->own, 16);
    memcpy(question.body.id.idiag_dst, p->other, 16);
    ssize_t n = sendto(netlink, &question, sizeof(question), 0, (const struct sockaddr *)&kernel,
                       sizeof(kernel));
    return n == (ssize_t)sizeof(question) ? ERR_OK : ERR_IO;
}

static int read_answer(int netlink, uid_t *user)
{
    union {
        struct nlmsghdr head;
        char bytes[ANSWER_MAX];
    } answer;
    ssize_t n;
    do
        n = recv(netlink, &answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    if (n < (ssize_t)sizeof(answer.head))
        return ERR_IO;
    if (answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
        n >= (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
        *user = ((const struct inet_diag_msg *)NLMSG_DATA(&answer.head))->idiag_uid;
        return ERR_OK;
    }
    if (answer.head.nlmsg_type != NLMSG_ERROR || n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return ERR_IO;
    return ((const struct nlmsgerr *)NLMSG_DATA(&answer.head))->error == -ENOENT ? ERR_NOENT
                                                                                 : ERR_IO;
}

static int by_netlink(const struct pair *p, uid_t *user)
{
    const struct timeval patience = {.tv_sec = 1};
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return ERR_IO;
    (void)setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    int err = ask(netlink, p);
    if (err == ERR_OK)
        err = read_answer(netlink, user);
    close(netlink);
    return err;
}

/* "0100007F:1F41": words of the address in the machine's order, the port as a number. */
static void print_end(char *out, size_t size, const uint8_t *address, size_t len, uint16_t port)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t word;
        memcpy(&word, address + i, 4);
        at += (size_t)snprintf(out + at, size - at, "%08" PRIX32, word);
    }
    snprintf(out + at, size - at, ":%04X", ntohs(port));
}

static int by_table(const struct pair *p, uid_t *user)
{
    const bool six = p->family == AF_INET6;
    char own[48], other[48], line[512];
    FILE *table = fopen(six ? "/proc/net/tcp6" : "/proc/net/tcp", "re");
    if (table == NULL)
        return ERR_IO;
    print_end(own, sizeof(own), p->own, six ? 16 : 4, p->own_port);
    print_end(other, sizeof(other), p->other, six ? 16 : 4, p->other_port);
    int err = ERR_NOENT;
    while (err == ERR_NOENT && fgets(line, sizeof(line), table) != NULL) {
        char a[48], b[48], found[16];
        if (sscanf(line, " %*[0-9]: %47s %47s %*s %*s %*s %*s %15s", a, b, found) == 3 &&
            strcmp(a, own) == 0 && strcmp(b, other) == 0) {
            *user = (uid_t)strtoul(found, NULL, 10);
            err = ERR_OK;
        }
    }
    fclose(table);
    return err;
}

/* How the kernel is asked. */
typedef int find_fn(const struct pair *p, uid_t *user);

static int by_either(const struct pair *p, uid_t *user)
{
    int err = by_netlink(p, user);
    return err == ERR_IO ? by_table(p, user) : err;
}

static int find(int fd, find_fn *ask_for, uid_t *user)
{
    struct pair p;
    int err = get_pair(fd, false, &p);
    if (err != ERR_OK)
        return err;
    err = ask_for(&p, user);
    if (err != ERR_NOENT || p.family != AF_INET)
        return err;
    err = get_pair(fd, true, &p);
    return err == ERR_OK ? ask_for(&p, user) : err;
}

int peer_user_by_table(int fd, uid_t *user)
{
    return find(fd, by_table, user);
}

int peer_user(int fd, uid_t *user)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);
    struct sockaddr_storage here = {0};
    socklen_t here_len = sizeof(here);
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) != 0)
        return ERR_IO;
    if (here.ss_family == AF_UNIX) {
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0)
            return ERR_IO;
        *user = credentials.uid;
        return ERR_OK;
    }
    return find(fd, by_either, user);
}

bool peer_is_own(int fd)
{
    uid_t user;
    return peer_user(fd, &user) == ERR_OK && (user == geteuid() || user == 0);
}
