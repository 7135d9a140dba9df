#include "endpoint.h"

#include "text.h"

#define HOST_MAX 255 /* RFC 1035 §2.3.4 */

struct pattern {
    unsigned char len;
    char glob[63];
};

static const struct pattern hosts[] = {
#define ENDPOINT_HOST(glob, provider) {sizeof(glob) - 1, glob},
#include "endpoints_table.h"
#undef ENDPOINT_HOST
};

static const struct pattern paths[] = {
#define ENDPOINT_PATH(glob, api) {sizeof(glob) - 1, glob},
#include "endpoints_table.h"
#undef ENDPOINT_PATH
};

/* A host in lower case, its port apart. */
struct host {
    size_t name_len; /* without the port */
    size_t full_len; /* with it */
    char text[HOST_MAX + 5];
};

/* Where the port's colon is, or len: the last colon outside the brackets of an IPv6 address. */
static size_t port_at(const char *text, size_t len)
{
    for (size_t i = len; i > 0 && text[i - 1] != ']'; i--)
        if (text[i - 1] == ':')
            return i - 1;
    return len;
}

static bool host_read(struct host *host, const char *text, size_t len, bool tls)
{
    if (len == 0 || len > HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        host->text[i] = text_lower(text[i]);
    host->name_len = port_at(text, len);
    host->full_len = len;
    if (host->name_len == 0)
        return false;
    if (host->name_len == len) {
        memcpy(host->text + len, tls ? ":443" : ":80", 4);
        host->full_len += tls ? 4 : 3;
    }
    return true;
}

/* A pattern with a port is compared with the port, one without it with the name alone. */
static bool host_glob(const char *glob, size_t len, const struct host *host)
{
    char last = glob[len - 1];
    bool may_be_port = (last >= '0' && last <= '9') || last == '*' || last == '?';
    bool with_port = may_be_port && port_at(glob, len) < len;
    return text_glob(glob, len, host->text, with_port ? host->full_len : host->name_len);
}

/* Most patterns differ in their first or last byte already; none of the table ends in a wildcard
 * (endpoints.cmake). */
static bool could_match(const struct pattern *p, char first, char last)
{
    return p->glob[p->len - 1] == last && (p->glob[0] == '*' || p->glob[0] == first);
}

static bool table_has_host(const struct host *host)
{
    char first = host->text[0], last = host->text[host->name_len - 1],
         port_last = host->text[host->full_len - 1];
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        const struct pattern *p = &hosts[i];
        if ((could_match(p, first, last) || could_match(p, first, port_last)) &&
            host_glob(p->glob, p->len, host))
            return true;
    }
    return false;
}

static bool table_has_path(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (could_match(&paths[i], path[0], path[len - 1]) &&
            text_glob(paths[i].glob, paths[i].len, path, len))
            return true;
    return false;
}

/* One item of TRACER_ENDPOINTS: host[:port][/path], a scheme in front left aside. */
static bool item_matches(const char *item, size_t len, const struct host *host, const char *path,
                         size_t path_len)
{
    for (size_t i = 0; i + 3 <= len; i++) {
        if (item[i] == ':' && item[i + 1] == '/' && item[i + 2] == '/') {
            item += i + 3;
            len -= i + 3;
            break;
        }
    }
    if (len == 1 && item[0] == '*')
        return true;
    size_t split = 0;
    while (split < len && item[split] != '/')
        split++;
    if (split > 0 && !(split == 1 && item[0] == '*') &&
        (host == NULL || !host_glob(item, split, host)))
        return false;
    if (split == len || split + 1 == len)
        return split > 0;
    return path_len > 0 && text_glob(item + split, len - split, path, path_len);
}

static bool extra_matches(const char *extra, const struct host *host, const char *path,
                          size_t path_len)
{
    while (*extra != '\0') {
        size_t len = 0;
        while (extra[len] != '\0' && extra[len] != ',')
            len++;
        const char *item = extra;
        size_t item_len = len;
        while (item_len > 0 && (*item == ' ' || *item == '\t')) {
            item++;
            item_len--;
        }
        while (item_len > 0 && (item[item_len - 1] == ' ' || item[item_len - 1] == '\t'))
            item_len--;
        if (item_len > 0 && item_matches(item, item_len, host, path, path_len))
            return true;
        extra += len + (extra[len] == ',');
    }
    return false;
}

bool endpoint_matches(const char *host, size_t host_len, const char *path, size_t path_len,
                      const char *extra, bool tls)
{
    struct host known;
    bool has_host = host_read(&known, host, host_len, tls);
    return (path_len > 0 && table_has_path(path, path_len)) ||
           (has_host && table_has_host(&known)) ||
           (*extra != '\0' && extra_matches(extra, has_host ? &known : NULL, path, path_len));
}
