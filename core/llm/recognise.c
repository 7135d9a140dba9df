#include "llm/recognise.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "llm/provider.h"
#include "wire/endpoint_match.h"

struct endpoint {
    const char *pattern;
    size_t len;
    const char *value;
};

#define ENDPOINT(pattern, value)                                                                   \
    {                                                                                              \
        pattern, sizeof(pattern) - 1, value                                                        \
    }

static const struct endpoint host_table[] = {
#define ENDPOINT_HOST(host, provider) ENDPOINT(host, provider),
#include "endpoints_table.h"
#undef ENDPOINT_HOST
};

static const struct endpoint path_table[] = {
#define ENDPOINT_PATH(path, api) ENDPOINT(path, api),
#include "endpoints_table.h"
#undef ENDPOINT_PATH
};

/* Paths that mean an API only at a host that is known to be a provider, or was named by the
 * user: too common elsewhere. */
static const struct endpoint known_host_paths[] = {
    ENDPOINT("*/completions", "openai.completions"),
    ENDPOINT("*/embeddings", "openai.embeddings"),
    ENDPOINT("*/responses", "openai.responses"),
    ENDPOINT("*/presets/*/messages", "anthropic.messages"),
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const char *find_path(const struct endpoint *table, size_t count, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < count; i++)
        if (endpoint_glob(table[i].pattern, table[i].len, path, len))
            return table[i].value;
    return NULL;
}

static const char *find_provider(const struct endpoint_host *host)
{
    for (size_t i = 0; i < LENGTH(host_table); i++)
        if (endpoint_host_matches(host_table[i].pattern, host_table[i].len, host))
            return host_table[i].value;
    return NULL;
}

/* The route's host and port, of the host as it was sent. */
static void set_host(struct route *r, const struct endpoint_host *host)
{
    const char *name = host->name;
    size_t len = host->name_len;
    if (name[0] == '[') {
        name++;
        len--;
        if (len > 0 && name[len - 1] == ']')
            len--;
    }
    for (size_t i = 0; i < len; i++)
        r->host[i] = (char)tolower((unsigned char)name[i]);
    r->host[len] = '\0';
    long port = strtol(host->port, NULL, 10);
    r->port = port > 0 && port < 65536 ? (int)port : 0;
}

/* The path of a request target, by the forms of RFC 9112 §3.2: origin and absolute. The latter
 * names the host itself. */
static const char *split_target(const char *target, const char **host, size_t *host_len)
{
    const char *authority = strstr(target, "://");
    if (target[0] == '/' || !authority)
        return target;
    *host = authority + 3;
    *host_len = strcspn(*host, "/?");
    return *host + *host_len;
}

static void set_path(struct route *r, const char *path)
{
    size_t len = strcspn(path, "?#");
    if (len >= sizeof(r->path))
        len = sizeof(r->path) - 1;
    memcpy(r->path, path, len);
    r->path[len] = '\0';
    while (len > 1 && r->path[len - 1] == '/')
        r->path[--len] = '\0';
}

/* The host that TLS was told counts as well, as it does where connections are captured. */
static bool in_endpoints(const char *endpoints, const struct endpoint_host *host, const char *path,
                         const char *tls_host)
{
    struct endpoint_host known;
    if (!endpoints || !*endpoints)
        return false;
    return endpoint_list_matches(endpoints, host, path, strlen(path)) ||
           (tls_host && endpoint_host_read(&known, tls_host, strlen(tls_host), true) &&
            endpoint_list_matches(endpoints, &known, NULL, 0));
}

/* The table knows more APIs than this room speaks: those are NULL, and no inference for us. */
static bool find_api(struct route *r, bool named)
{
    const char *api = find_path(path_table, LENGTH(path_table), r->path);
    if (!api && (r->provider || named))
        api = find_path(known_host_paths, LENGTH(known_host_paths), r->path);
    if (api) {
        r->api = llm_api_find(api);
        return r->api != NULL;
    }
    return named; /* the body will tell */
}

bool route_find(struct route *route, const struct http_head *request, const char *host,
                const char *endpoints, bool tls)
{
    *route = (struct route){.port = 0};
    if (!request->method || strcmp(request->method, "POST") != 0 || !request->target)
        return false;
    const char *header = http_header_get(request, "host");
    if (!header)
        header = http_header_get(request, ":authority");
    const char *sent = header && *header ? header : host;
    size_t len = sent ? strlen(sent) : 0;
    const char *path = split_target(request->target, &sent, &len);
    struct endpoint_host known;
    bool has_host = endpoint_host_read(&known, sent, len, tls);
    set_path(route, path);
    if (has_host) {
        set_host(route, &known);
        route->provider = find_provider(&known);
    }
    if (route->port == 0)
        route->port = tls ? 443 : 80;
    return find_api(route,
                    in_endpoints(endpoints, has_host ? &known : NULL, path, tls ? host : NULL));
}
