#include "wire/endpoint_match.h"

static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline bool glob_byte(char glob, char text, bool any_case)
{
    return glob == text || glob == '?' || (any_case && lower(glob) == lower(text));
}

__attribute__((always_inline)) static inline bool
glob_bytes(const char *glob, size_t glob_len, const char *text, size_t len, bool any_case)
{
    /* From the end first: nearly every pattern of the table ends in what tells it apart. */
    while (glob_len > 0 && glob[glob_len - 1] != '*') {
        if (len == 0 || !glob_byte(glob[glob_len - 1], text[len - 1], any_case))
            return false;
        glob_len--;
        len--;
    }
    if (glob_len == 0)
        return len == 0;
    /* Only the last star is ever tried again: an earlier one cannot do better. */
    size_t g = 0, t = 0, star = glob_len, resume = 0;
    while (t < len) {
        if (g < glob_len && glob[g] == '*') {
            star = g++;
            resume = t;
        } else if (g < glob_len && glob_byte(glob[g], text[t], any_case)) {
            g++;
            t++;
        } else if (star < glob_len) {
            g = star + 1;
            t = ++resume;
        } else {
            return false;
        }
        if (g == glob_len && star == glob_len - 1)
            return true;
    }
    while (g < glob_len && glob[g] == '*')
        g++;
    return g == glob_len;
}

bool endpoint_glob(const char *glob, size_t glob_len, const char *text, size_t len)
{
    return glob_bytes(glob, glob_len, text, len, false);
}

/* Where the port's colon is, or len: the last colon outside the brackets of an IPv6 address. */
static size_t port_at(const char *text, size_t len)
{
    for (size_t i = len; i > 0 && text[i - 1] != ']'; i--)
        if (text[i - 1] == ':')
            return i - 1;
    return len;
}

bool endpoint_host_read(struct endpoint_host *host, const char *text, size_t len, bool tls)
{
    if (len == 0 || len > ENDPOINT_HOST_MAX)
        return false;
    host->name = text;
    host->name_len = port_at(text, len);
    host->port = tls ? "443" : "80";
    host->port_len = tls ? 3 : 2;
    if (host->name_len + 1 < len) {
        host->port = text + host->name_len + 1;
        host->port_len = len - host->name_len - 1;
    }
    return host->name_len > 0;
}

bool endpoint_host_matches(const char *glob, size_t glob_len, const struct endpoint_host *host)
{
    char last = glob[glob_len - 1];
    bool may_be_port = (last >= '0' && last <= '9') || last == '*' || last == '?';
    size_t name_len = may_be_port ? port_at(glob, glob_len) : glob_len;
    return (name_len == 0 || glob_bytes(glob, name_len, host->name, host->name_len, true)) &&
           (name_len == glob_len || endpoint_glob(glob + name_len + 1, glob_len - name_len - 1,
                                                  host->port, host->port_len));
}

static bool path_matches(const char *pattern, size_t pattern_len, const char *path, size_t len)
{
    for (size_t i = 0; i < pattern_len; i++)
        if (pattern[i] == '*' || pattern[i] == '?')
            return len > 0 && endpoint_glob(pattern, pattern_len, path, len);
    while (pattern_len > 0 && pattern[pattern_len - 1] == '/')
        pattern_len--;
    if (pattern_len == 0)
        return true;
    if (len < pattern_len)
        return false;
    for (size_t i = 0; i < pattern_len; i++)
        if (path[i] != pattern[i])
            return false;
    return len == pattern_len || path[pattern_len] == '/';
}

/* The length of http:// or https:// at the start of an item, else 0. */
static size_t scheme_length(const char *item, size_t len)
{
    static const char scheme[] = "http";
    size_t at = 0;
    while (at < 4 && at < len && lower(item[at]) == scheme[at])
        at++;
    if (at < 4)
        return 0;
    if (at < len && lower(item[at]) == 's')
        at++;
    bool ends = at + 3 <= len && item[at] == ':' && item[at + 1] == '/' && item[at + 2] == '/';
    return ends ? at + 3 : 0;
}

static bool item_matches(const char *item, size_t len, const struct endpoint_host *host,
                         const char *path, size_t path_len)
{
    size_t scheme = scheme_length(item, len);
    item += scheme;
    len -= scheme;
    size_t split = 0;
    while (split < len && item[split] != '/')
        split++;
    size_t host_len = split > 0 && item[split - 1] == ':' ? split - 1 : split;
    if (host_len == 0 && (split == len || path_len == 0))
        return false;
    bool any_host = host_len == 0 || (host_len == 1 && item[0] == '*');
    if (!any_host && (host == NULL || !endpoint_host_matches(item, host_len, host)))
        return false;
    return path_matches(item + split, len - split, path, path_len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool endpoint_list_matches(const char *list, const struct endpoint_host *host, const char *path,
                           size_t path_len)
{
    size_t known = 0; /* bytes of the path that count */
    while (known < path_len && path[known] != '?' && path[known] != '#')
        known++;
    while (*list != '\0') {
        size_t from = 0, end = 0;
        while (list[end] != '\0' && list[end] != ',')
            end++;
        const char *next = list + end + (list[end] == ',');
        while (from < end && is_blank(list[from]))
            from++;
        while (end > from && is_blank(list[end - 1]))
            end--;
        if (item_matches(list + from, end - from, host, path, known))
            return true;
        list = next;
    }
    return false;
}
