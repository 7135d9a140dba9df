#include "service/host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits >= 1 && digits <= 5 && text[digits] == '\0';
}

bool host_is_loopback(const char *host)
{
    char name[64];
    size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    size_t whole = strlen(host);
    if (len > whole || len >= sizeof(name))
        return false;
    if (host[len] != '\0' && (host[len] != ':' || !is_port(host + len + 1)))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    struct in_addr in;
    if (inet_pton(AF_INET, name, &in) == 1)
        return (ntohl(in.s_addr) >> 24) == 127;
    return strcasecmp(name, "localhost") == 0 || strcasecmp(name, "localhost.") == 0 ||
           strcmp(name, "[::1]") == 0;
}

bool origin_is_host(const char *origin, const char *host)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        return strcasecmp(origin + 7, host) == 0;
    return strncasecmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0;
}

bool origin_is_listed(const char *origin, const char *list)
{
    size_t len = strlen(origin);
    if (len == 0 || strcmp(origin, "*") == 0)
        return false;
    while (*list != '\0') {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ", \t");
        if (n == len && memcmp(list, origin, n) == 0)
            return true;
        list += n;
    }
    return false;
}
