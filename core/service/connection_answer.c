/* An answer with its headers. */
#include <stdlib.h>
#include <string.h>

#include "service/connection_inbound.h"

#define ANSWER_S 60 /* until the first byte of an answer is taken, and so on by its size */

#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"

static const char *const common_headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    /* Out of memory costs the header, not the answer. */
    (void)MHD_add_response_header(response, name, value);
}

static void add_common(struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof(common_headers) / sizeof(common_headers[0]); i++)
        add(response, common_headers[i][0], common_headers[i][1]);
}

static void add_close(const struct inbound *e, struct MHD_Response *response)
{
    if (e->closes || atomic_load_explicit(&e->service->stopping, memory_order_relaxed) ||
        connections_are_busy(e->service->connections))
        add(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static bool is_preflight(const struct inbound *e)
{
    return e->r.status == MHD_HTTP_NO_CONTENT && e->origin != NULL;
}

static void add_cors(const struct inbound *e, struct MHD_Response *response)
{
    if (e->service->settings.cors_origins[0] == '\0')
        return;
    add(response, MHD_HTTP_HEADER_VARY, "Origin");
    if (e->origin == NULL)
        return;
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, e->origin);
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After");
    if (!is_preflight(e))
        return;
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, e->allow);
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
        "X-API-Key, Content-Type, Content-Encoding");
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
}

void answer_add_guards(struct MHD_Response *response)
{
    add_common(response);
    add(response, MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY, DATA_POLICY);
    add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void answer_add_headers(const struct inbound *e, struct MHD_Response *response)
{
    answer_add_guards(response);
    add_close(e, response);
    add_cors(e, response);
    if (e->allow != NULL)
        add(response, MHD_HTTP_HEADER_ALLOW, e->allow);
    if (e->r.retry_after != NULL)
        add(response, MHD_HTTP_HEADER_RETRY_AFTER, e->r.retry_after);
}

static enum MHD_Result queue(struct inbound *e, unsigned status, struct MHD_Response *response,
                             size_t len)
{
    if (response == NULL)
        return MHD_NO; /* out of memory: the connection is closed */
    connection_enter(e->slot, CONNECTION_ANSWER, ANSWER_S, len);
    enum MHD_Result result = MHD_queue_response(e->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_asset(struct inbound *e)
{
    const struct asset *a = e->asset;
    bool packed = e->accepts_gzip && a->packed != NULL;
    const char *tag = packed ? a->packed_tag : a->tag;
    const char *known =
        MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool same = asset_is_known(known, tag);
    size_t len = same ? 0 : packed ? a->packed_len : a->len;
    void *bytes = (void *)(uintptr_t)(packed ? a->packed : a->data);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    add_common(response);
    add_close(e, response);
    add(response, MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY, PAGE_POLICY);
    /* Asked for again each time, and answered by 304 until the program is another. */
    add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    add(response, MHD_HTTP_HEADER_ETAG, tag);
    add(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (!same)
        add(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    if (!same && packed)
        add(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    return queue(e, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response, len);
}

enum MHD_Result inbound_send(struct inbound *e)
{
    if (e->asset != NULL && e->r.status == 0)
        return send_asset(e);
    size_t len = e->r.answer.len;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, buf_take(&e->r.answer), MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    answer_add_headers(e, response);
    if (len > 0)
        add(response, MHD_HTTP_HEADER_CONTENT_TYPE,
            e->r.answer_type != NULL ? e->r.answer_type : "application/json");
    if (e->packed)
        add(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (len >= GZIP_LEAST || e->packed)
        add(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    return queue(e, (unsigned)e->r.status, response, len);
}
