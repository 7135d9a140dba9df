#include "service/server_route.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t percent_decode(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = -1;
        int low = -1;
        if (text[i] == '%' && len - i > 2) {
            high = hex_digit(text[i + 1]);
            low = hex_digit(text[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    return n;
}

/* Takes one segment as an id. */
static bool take_id(struct route_match *match, size_t number, const char *segment, size_t len)
{
    char decoded[3 * STORED_ID_MAX];
    if (number >= REQUEST_IDS_MAX || len == 0 || len > sizeof(decoded))
        return false;
    size_t n = percent_decode(segment, len, decoded);
    if (n > STORED_ID_MAX || memchr(decoded, '\0', n) != NULL)
        return false;
    memcpy(match->ids[number], decoded, n);
    match->ids[number][n] = '\0';
    match->id_lens[number] = n;
    return true;
}

static bool fits(const char *pattern, const char *path, struct route_match *match)
{
    size_t ids = 0;
    memset(match->id_lens, 0, sizeof(match->id_lens));
    while (*pattern != '\0') {
        if (pattern[0] == '{' && pattern[1] == '}') {
            size_t len = strcspn(path, "/");
            if (!take_id(match, ids++, path, len))
                return false;
            pattern += 2;
            path += len;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* Adds a method that is not there yet; GET brings HEAD. */
static void add_method(struct route_match *match, const char *method)
{
    size_t room = sizeof(match->methods) - 1;
    if (strstr(match->methods, method) != NULL)
        return;
    if (match->methods[0] != '\0')
        strncat(match->methods, ", ", room - strlen(match->methods));
    strncat(match->methods, method, room - strlen(match->methods));
    if (strcmp(method, "GET") == 0)
        strncat(match->methods, ", HEAD", room - strlen(match->methods));
}

void server_route_find(const struct route *table, const char *method, const char *path,
                       struct route_match *match)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    struct route_match tried = {0};
    memset(match, 0, sizeof(*match));
    for (const struct route *r = table; r->method != NULL; r++) {
        if (!fits(r->path, path, &tried))
            continue;
        add_method(match, r->method);
        if (match->route != NULL || strcmp(r->method, wanted) != 0)
            continue;
        match->route = r;
        memcpy(match->ids, tried.ids, sizeof(match->ids));
        memcpy(match->id_lens, tried.id_lens, sizeof(match->id_lens));
    }
}
