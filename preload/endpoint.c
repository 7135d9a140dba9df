#include "endpoint.h"

#include "text.h"
#include "wire/endpoint_match.h"

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

/* Most patterns differ in their first or last byte already; none of the table ends in a wildcard
 * (endpoints.cmake). */
static bool could_match(const struct pattern *p, char first, char last)
{
    return p->glob[p->len - 1] == last && (p->glob[0] == '*' || p->glob[0] == first);
}

static bool table_has_host(const struct endpoint_host *host)
{
    char first = text_lower(host->name[0]), last = text_lower(host->name[host->name_len - 1]),
         port_last = host->port[host->port_len - 1];
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        const struct pattern *p = &hosts[i];
        if ((could_match(p, first, last) || could_match(p, first, port_last)) &&
            endpoint_host_matches(p->glob, p->len, host))
            return true;
    }
    return false;
}

static bool table_has_path(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (could_match(&paths[i], path[0], path[len - 1]) &&
            endpoint_glob(paths[i].glob, paths[i].len, path, len))
            return true;
    return false;
}

bool endpoint_matches(const char *host, size_t host_len, const char *path, size_t path_len,
                      const char *extra, bool tls)
{
    struct endpoint_host known;
    bool has_host = endpoint_host_read(&known, host, host_len, tls);
    return (path_len > 0 && table_has_path(path, path_len)) ||
           (has_host && table_has_host(&known)) ||
           (*extra != '\0' &&
            endpoint_list_matches(extra, has_host ? &known : NULL, path, path_len));
}
