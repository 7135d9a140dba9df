#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "storm.h"

static void add(struct storm_request *q, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct storm_request *q, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(q->bytes + q->len, STORM_REQUEST_MAX - q->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < STORM_REQUEST_MAX - q->len)
        q->len += (size_t)n;
}

/* Mostly what a route is for; the method is the caller's else. */
static const char *add_target(struct storm_random *r, struct storm_request *q)
{
    static const struct {
        const char *method, *path;
    } routes[] = {
        {"POST", "/api/traces"},
        {"POST", "/api/traces/%s/spans"},
        {"POST", "/api/traces/%s/spans"},
        {"PATCH", "/api/traces/%s/complete"},
        {"PATCH", "/api/spans/%s/complete"},
        {"POST", "/api/ingest"},
        {"GET", "/api/traces"},
        {"GET", "/api/traces"},
        {"GET", "/api/traces/%s"},
        {"GET", "/api/spans/%s"},
        {"GET", "/api/stats"},
        {"GET", "/health"},
        {"GET", "/dashboard/%s"},
        {"GET", "/"},
        {"HEAD", "/api/%s"},
        {"GET", "/%s"},
        {"GET", "/dashboard/../%s"},
        {"POST", "//api//traces"},
        {"DELETE", "/api/traces/"},
    };
    static const char *const methods[] = {"GET", "POST", "PATCH", "HEAD", "OPTIONS", "PUT", "BREW"};
    static const char *const odd[] = {"..",           "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                                      "%00",          "%",
                                      "%zz",          "%F0%9F%98%80",
                                      "%FF",          "a%2Fb",
                                      "app.js",       "index.html",
                                      "'%20OR%201=1", "x*y"};
    char id[600];
    size_t kind = storm_below(r, 20);
    if (kind == 0) {
        snprintf(id, sizeof(id), "%s", odd[storm_below(r, sizeof(odd) / sizeof(odd[0]))]);
    } else if (kind == 1) {
        size_t len = storm_below(r, sizeof(id) - 1);
        memset(id, 'a', len);
        id[len] = '\0';
    } else {
        snprintf(id, sizeof(id), "storm-%zu", storm_below(r, STORM_IDS));
    }
    size_t route = storm_below(r, sizeof(routes) / sizeof(routes[0]));
    const char *path = routes[route].path;
    const char *method = routes[route].method;
    if (storm_below(r, 10) == 0)
        method = methods[storm_below(r, sizeof(methods) / sizeof(methods[0]))];
    add(q, "%s ", method);
    const char *mark = strstr(path, "%s");
    if (mark == NULL)
        add(q, "%s", path);
    else
        add(q, "%.*s%s%s", (int)(mark - path), path, id, mark + 2);
    return method;
}

static void add_query(struct storm_random *r, struct storm_request *q)
{
    static const char *const names[] = {"limit",
                                        "cursor",
                                        "user_id",
                                        "session_id",
                                        "tags",
                                        "name",
                                        "model",
                                        "status",
                                        "from",
                                        "to",
                                        "min_duration_ms",
                                        "q",
                                        "sort",
                                        "order",
                                        "group_by",
                                        "content",
                                        "x",
                                        "",
                                        "%00"};
    static const char *const values[] = {"",
                                         "1",
                                         "5",
                                         "1000",
                                         "1001",
                                         "-1",
                                         "x",
                                         "fox",
                                         "fox%20words",
                                         "%22",
                                         "*",
                                         "a%20OR",
                                         "NEAR(",
                                         "running",
                                         "ok",
                                         "error",
                                         "2026-01-02T03:04:05Z",
                                         "2026-01-02T03:04:05%2B00:00",
                                         "duration",
                                         "start_time",
                                         "cost",
                                         "asc",
                                         "desc",
                                         "model",
                                         "day",
                                         "day,model",
                                         "user",
                                         "session",
                                         "false",
                                         "a,b,c",
                                         ",",
                                         "%F0%9F%98%80",
                                         "%FF",
                                         "%",
                                         "99999999999999999999",
                                         "b%20c",
                                         "1%001"};
    size_t count = storm_below(r, 5);
    for (size_t i = 0; i < count; i++)
        add(q, "%c%s=%s", i == 0 ? '?' : '&',
            names[storm_below(r, sizeof(names) / sizeof(names[0]))],
            values[storm_below(r, sizeof(values) / sizeof(values[0]))]);
}

static void add_headers(struct storm_random *r, struct storm_request *q)
{
    static const char *const keys[] = {"project-p0", "project-p0", "project-p0",
                                       "project-p0", "project-p0", "project-p1",
                                       "project-",   "nonsense",   ""};
    static const char *const more[] = {"Origin: http://evil.example",
                                       "Accept-Encoding: gzip",
                                       "Accept-Encoding: gzip;q=0, br",
                                       "Accept: */*",
                                       "Content-Type: application/x-ndjson",
                                       "Content-Type: text/html",
                                       "Content-Encoding: gzip",
                                       "Content-Encoding: x",
                                       "If-None-Match: \"x\"",
                                       "Range: bytes=0-1",
                                       "Expect: 100-continue",
                                       "Access-Control-Request-Method: PATCH",
                                       "Cookie: a=b",
                                       "X-Forwarded-For: 10.0.0.1",
                                       "Connection: close",
                                       "Upgrade: h2c"};
    if (storm_below(r, 60))
        add(q, "Host: 127.0.0.1\r\n");
    else
        add(q, "Host: evil.example\r\n");
    if (storm_below(r, 20))
        add(q, "X-API-Key: %s\r\n", keys[storm_below(r, sizeof(keys) / sizeof(keys[0]))]);
    for (size_t n = storm_below(r, 3); n > 0; n--)
        add(q, "%s\r\n", more[storm_below(r, sizeof(more) / sizeof(more[0]))]);
    if (storm_below(r, 200) == 0) {
        q->framed = false; /* the refusal may come and go before all of it was sent */
        add(q, "X-Long: ");
        size_t len = storm_below(r, 20000);
        memset(q->bytes + q->len, 'h', len);
        q->len += len;
        add(q, "\r\n");
    }
}

static void add_body(struct storm_random *r, struct storm_request *q)
{
    static char body[STORM_REQUEST_MAX / 2];
    size_t len = storm_body(r, body, sizeof(body));
    bool chunked = storm_below(r, 8) == 0;
    if (!chunked) {
        add(q, "Content-Length: %zu\r\n\r\n", len);
        memcpy(q->bytes + q->len, body, len);
        q->len += len;
        return;
    }
    add(q, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < len;) {
        size_t part = 1 + storm_below(r, len - at);
        add(q, "%zx\r\n", part);
        memcpy(q->bytes + q->len, body + at, part);
        q->len += part;
        add(q, "\r\n");
        at += part;
    }
    add(q, "0\r\n\r\n");
}

/* A few bytes changed, taken out or put in: what comes out is mostly no HTTP. */
static void mutate(struct storm_random *r, struct storm_request *q)
{
    static const char *const odd[] = {"\r\n",
                                      "\r\n\r\n",
                                      "\n",
                                      " ",
                                      ":",
                                      "\t",
                                      "0",
                                      "-1",
                                      "Content-Length: 5\r\n",
                                      "Transfer-Encoding: chunked\r\n",
                                      "ffffffffffffffff",
                                      "HTTP/9.9",
                                      "\x80"};
    for (size_t n = 1 + storm_below(r, 6); n > 0 && q->len > 4; n--) {
        size_t at = storm_below(r, q->len < 300 ? q->len : 300);
        size_t kind = storm_below(r, 4);
        if (kind == 0) {
            q->bytes[at] = (char)storm_next(r);
        } else if (kind == 1) {
            memmove(q->bytes + at, q->bytes + at + 1, q->len - at - 1);
            q->len--;
        } else if (kind == 2) {
            q->len = at + 1;
        } else {
            const char *text = odd[storm_below(r, sizeof(odd) / sizeof(odd[0]))];
            size_t len = strlen(text);
            if (q->len + len < STORM_REQUEST_MAX) {
                memmove(q->bytes + at + len, q->bytes + at, q->len - at);
                memcpy(q->bytes + at, text, len);
                q->len += len;
            }
        }
    }
    q->framed = false;
}

void storm_make(struct storm_random *r, struct storm_request *out)
{
    out->len = 0;
    out->framed = true;
    const char *method = add_target(r, out);
    out->head = strcmp(method, "HEAD") == 0;
    add_query(r, out);
    add(out, " HTTP/1.1\r\n");
    add_headers(r, out);
    if (method[0] == 'P' || storm_below(r, 20) == 0)
        add_body(r, out);
    else
        add(out, "\r\n");
    if (storm_below(r, 20) == 0)
        mutate(r, out);
}
