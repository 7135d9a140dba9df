/* What is said before the body: whether the request may come in, and what it wants. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "service/auth.h"
#include "service/connection_inbound.h"
#include "service/host.h"
#include "service/limit.h"
#include "service/server_route.h"

static const char *header(const struct inbound *e, const char *name)
{
    return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

struct header_count {
    const char *name;
    unsigned count;
};

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct header_count *c = user;
    (void)kind;
    (void)value;
    c->count += strcasecmp(name, c->name) == 0;
    return MHD_YES;
}

/* A blank before the colon, or a line that goes on in the next one: libmicrohttpd takes it as part
 * of the name, others take the header for what it says (RFC 9112 §5.1). */
static enum MHD_Result find_blank(void *user, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    bool *found = user;
    (void)kind;
    (void)value;
    *found = *found || *name == '\0' || strpbrk(name, " \t\r\n\v\f") != NULL;
    return MHD_YES;
}

static unsigned count_of(const struct inbound *e, const char *name)
{
    struct header_count c = {name, 0};
    MHD_get_connection_values(e->connection, MHD_HEADER_KIND, count_header, &c);
    return c.count;
}

/* Two lengths, a length and chunks, a coding that libmicrohttpd does not undo: what stands between
 * us and the client may see the request's end elsewhere than we do (RFC 9112 §6.3). */
static bool check_framing(struct inbound *e)
{
    const char *coding = header(e, "Transfer-Encoding");
    bool blank = false;
    MHD_get_connection_values(e->connection, MHD_HEADER_KIND, find_blank, &blank);
    unsigned framings = count_of(e, "Content-Length") + count_of(e, "Transfer-Encoding");
    if (blank) {
        e->closes = true;
        request_fail(&e->r, MHD_HTTP_BAD_REQUEST, "A header's name ends at its colon");
        return false;
    }
    if (framings <= 1 && (coding == NULL || strcasecmp(coding, "chunked") == 0) &&
        count_of(e, "Host") <= 1)
        return true;
    e->closes = true;
    request_fail(
        &e->r, MHD_HTTP_BAD_REQUEST,
        "A request has one Host, and one of Content-Length and Transfer-Encoding: chunked");
    return false;
}

static bool check_host(struct inbound *e)
{
    const char *host = header(e, "Host");
    if (host == NULL && strcmp(e->version, MHD_HTTP_VERSION_1_1) == 0) {
        request_fail(&e->r, MHD_HTTP_BAD_REQUEST, "The Host header is missing");
        return false;
    }
    /* Without one it is HTTP/1.0, which no browser speaks. With a list of keys it may be a proxy of
     * this machine that says which name it was asked by. */
    if (host == NULL || !e->slot->local || host_is_loopback(host) ||
        auth_is_closed(e->service->auth))
        return true;
    request_fail(&e->r, MHD_HTTP_MISDIRECTED_REQUEST,
                 "Without API_KEYS this server answers to localhost, 127.0.0.1 and [::1] only");
    return false;
}

/* A page of another site must neither read nor write: its browser says so by Origin, which comes
 * with every request that could write, or by Sec-Fetch-Site. Programs send neither. */
static bool check_origin(struct inbound *e)
{
    const char *origin = header(e, "Origin");
    const char *host = header(e, "Host");
    const char *site = header(e, "Sec-Fetch-Site");
    if (origin != NULL && origin_is_listed(origin, e->service->settings.cors_origins)) {
        e->origin = strdup(origin);
        return true;
    }
    bool foreign = site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    if (origin != NULL && !(host != NULL && origin_is_host(origin, host)))
        foreign = true;
    if (!foreign)
        return true;
    request_fail(&e->r, MHD_HTTP_FORBIDDEN,
                 "Pages of other origins may not call this server; CORS_ORIGINS lists those that "
                 "may");
    return false;
}

static bool check_limit(struct inbound *e)
{
    static const char *const seconds[] = {
        "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10", "11", "12", "13", "14", "15",
        "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30",
        "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "41", "42", "43", "44", "45",
        "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "60"};
    struct limit *limit = e->service->limit;
    int wait = limit == NULL ? 0 : limit_take(limit, e->slot->client, clock_boot_ns());
    if (wait == 0)
        return true;
    request_fail(&e->r, MHD_HTTP_TOO_MANY_REQUESTS, "Rate limit exceeded");
    e->r.retry_after = seconds[wait - 1];
    return false;
}

static bool check_key(struct inbound *e)
{
    const char *key = header(e, "X-API-Key");
    if (key != NULL && (e->key = strndup(key, AUTH_KEY_MAX + 1)) == NULL) {
        request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "Out of memory");
        return false;
    }
    switch (auth_project(e->service->auth, e->key, &e->r.project_id)) {
    case ERR_OK:
        return true;
    case ERR_BAD:
        request_fail(&e->r, MHD_HTTP_BAD_REQUEST,
                     "Invalid API key format; it is project-{project_id}");
        return false;
    case ERR_NOENT:
        request_fail(&e->r, MHD_HTTP_UNAUTHORIZED, "API key missing; send it as X-API-Key");
        return false;
    default:
        request_fail(&e->r, MHD_HTTP_UNAUTHORIZED, "API key not accepted");
        return false;
    }
}

static bool check_body(struct inbound *e)
{
    const char *type = header(e, "Content-Type");
    const char *coding = header(e, "Content-Encoding");
    const char *length = header(e, "Content-Length");
    if (type != NULL)
        e->r.content_type = type;
    if (coding != NULL && (strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0)) {
        e->body_gzip = true;
    } else if (coding != NULL && strcasecmp(coding, "identity") != 0 && *coding != '\0') {
        request_fail(&e->r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding may be gzip");
        return false;
    }
    if (length != NULL && strtoull(length, NULL, 10) > e->service->settings.body_max) {
        request_fail(&e->r, MHD_HTTP_CONTENT_TOO_LARGE, "The body may have %zu bytes at most",
                     e->service->settings.body_max);
        return false;
    }
    return true;
}

/* OPTIONS: what the path can, and for a page of a listed origin what it may send. */
static void answer_options(struct inbound *e)
{
    e->r.status = MHD_HTTP_NO_CONTENT;
}

static bool find_route(struct inbound *e, const char *method)
{
    struct route_match match;
    server_route_find(service_routes, method, e->path, &match);
    memcpy(e->allow_text, match.methods, sizeof(e->allow_text));
    memcpy(e->ids, match.ids, sizeof(e->ids));
    for (size_t i = 0; i < REQUEST_IDS_MAX; i++)
        if (match.id_lens[i] > 0)
            e->r.ids[i] = (struct text){e->ids[i], match.id_lens[i]};
    e->r.route = match.route;
    if (match.methods[0] == '\0') {
        request_fail(&e->r, MHD_HTTP_NOT_FOUND, "Not found");
        return false;
    }
    if (match.route != NULL)
        return true;
    e->allow = e->allow_text;
    if (strcmp(method, "OPTIONS") == 0)
        answer_options(e);
    else
        request_fail(&e->r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method not allowed");
    return false;
}

static bool find_asset(struct inbound *e, const char *method)
{
    e->asset = assets_find(e->service->assets, e->path);
    if (e->asset == NULL)
        return false;
    if (strcmp(method, "GET") == 0 || e->head_only)
        return true;
    e->asset = NULL;
    e->allow = "GET, HEAD";
    if (strcmp(method, "OPTIONS") == 0)
        answer_options(e);
    else
        request_fail(&e->r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method not allowed");
    return true;
}

void inbound_check(struct inbound *e, const char *method)
{
    e->head_only = strcmp(method, "HEAD") == 0;
    e->accepts_gzip = gzip_is_accepted(header(e, "Accept-Encoding"));
    if (atomic_load_explicit(&e->service->stopping, memory_order_relaxed)) {
        request_fail(&e->r, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is stopping");
        e->r.retry_after = "1";
        return;
    }
    if (!check_framing(e) || !check_host(e) || find_asset(e, method) || !check_origin(e) ||
        !find_route(e, method))
        return;
    if (!e->r.route->open && (!check_limit(e) || !check_key(e)))
        return;
    if (!check_body(e))
        return;
    if (e->bad_query)
        request_fail(&e->r, MHD_HTTP_BAD_REQUEST, "The query has a NUL or too many parameters");
}
