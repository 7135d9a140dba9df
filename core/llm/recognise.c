#include "llm/recognise.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "llm/provider.h"

#define ENTRY_MAX 512 /* of TRACER_ENDPOINTS; a longer one is ignored */

struct endpoint {
    const char *pattern, *value;
};

static const struct endpoint host_table[] = {
#define ENDPOINT_HOST(host, provider) {host, provider},
#include "endpoints_table.h"
#undef ENDPOINT_HOST
};

static const struct endpoint path_table[] = {
#define ENDPOINT_PATH(path, api) {path, api},
#include "endpoints_table.h"
#undef ENDPOINT_PATH
};

/* Paths that mean an API only at a host that is known to be a provider, or was named by the
 * user: too common elsewhere. */
static const struct endpoint known_host_paths[] = {
    {"*/completions", "openai.completions"},
    {"*/embeddings", "openai.embeddings"},
    {"*/responses", "openai.responses"},
    {"*/presets/*/messages", "anthropic.messages"},
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

bool glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static const char *table_find(const struct endpoint *table, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (glob_match(table[i].pattern, text))
            return table[i].value;
    return NULL;
}

/* host[:port] or [IPv6][:port] */
static void split_host(struct route *r, const char *text, size_t len)
{
    const char *port = NULL;
    if (len && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        size_t inner = end ? (size_t)(end - text) - 1 : len - 1;
        if (end && (size_t)(end - text) + 1 < len && end[1] == ':')
            port = end + 2;
        text++;
        len = inner;
    } else {
        const char *colon = memchr(text, ':', len);
        if (colon) {
            port = colon + 1;
            len = (size_t)(colon - text);
        }
    }
    if (len >= sizeof(r->host))
        len = sizeof(r->host) - 1;
    for (size_t i = 0; i < len; i++)
        r->host[i] = (char)tolower((unsigned char)text[i]);
    r->host[len] = '\0';
    if (port) {
        long n = strtol(port, NULL, 10);
        r->port = n > 0 && n < 65536 ? (int)n : 0;
    }
}

/* The request target's forms of RFC 9112 §3.2: origin and absolute. */
static void split_target(struct route *r, const char *target, const char *host_header)
{
    const char *path = target;
    const char *authority = strstr(target, "://");
    if (target[0] != '/' && authority) {
        authority += 3;
        size_t len = strcspn(authority, "/?");
        path = authority + len;
        split_host(r, authority, len);
    } else if (host_header) {
        split_host(r, host_header, strlen(host_header));
    }
    size_t len = strcspn(path, "?#");
    if (len >= sizeof(r->path))
        len = sizeof(r->path) - 1;
    memcpy(r->path, path, len);
    r->path[len] = '\0';
    while (len > 1 && r->path[len - 1] == '/')
        r->path[--len] = '\0';
}

/* The host as the table writes it: with its port, brackets around IPv6. */
static const char *find_provider(const struct route *r)
{
    char with_port[sizeof(r->host) + 16];
    const char *provider = table_find(host_table, LENGTH(host_table), r->host);
    if (provider || r->port == 0)
        return provider;
    bool v6 = strchr(r->host, ':') != NULL;
    snprintf(with_port, sizeof(with_port), v6 ? "[%s]:%d" : "%s:%d", r->host, r->port);
    return table_find(host_table, LENGTH(host_table), with_port);
}

/* One entry of TRACER_ENDPOINTS: host[:port][/path], globs. */
static bool entry_matches(const char *entry, const struct route *r)
{
    char host[ENTRY_MAX];
    const char *scheme = strstr(entry, "://");
    if (scheme)
        entry = scheme + 3;
    size_t len = strcspn(entry, "/");
    memcpy(host, entry, len);
    host[len] = '\0';
    const char *path = entry + len;
    if (*path && !glob_match(path, r->path)) {
        /* A path without a glob names what lies under it, as a base URL does. */
        size_t n = strlen(path);
        bool under = !strpbrk(path, "*?") && strncmp(path, r->path, n) == 0 &&
                     (path[n - 1] == '/' || r->path[n] == '/');
        if (!under)
            return false;
    }
    struct route pattern = {.port = 0};
    split_host(&pattern, host, strlen(host));
    if (pattern.port && pattern.port != r->port)
        return false;
    return glob_match(pattern.host, r->host);
}

static bool in_endpoints(const char *endpoints, const struct route *r)
{
    char entry[ENTRY_MAX];
    while (endpoints && *endpoints) {
        endpoints += strspn(endpoints, ", \t");
        size_t len = strcspn(endpoints, ", \t");
        if (len > 0 && len < sizeof(entry)) {
            memcpy(entry, endpoints, len);
            entry[len] = '\0';
            if (entry_matches(entry, r))
                return true;
        }
        endpoints += len;
    }
    return false;
}

/* The table knows more APIs than this room speaks: those are NULL, and no inference for us. */
static bool find_api(struct route *r, bool named)
{
    const char *api = table_find(path_table, LENGTH(path_table), r->path);
    if (!api && (r->provider || named))
        api = table_find(known_host_paths, LENGTH(known_host_paths), r->path);
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
    split_target(route, request->target, header && *header ? header : host);
    if (route->port == 0)
        route->port = tls ? 443 : 80;
    route->provider = find_provider(route);
    return find_api(route, in_endpoints(endpoints, route));
}
