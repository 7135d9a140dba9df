#include "service/connection_inbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "service/server_log.h"
#include "service/server_route.h"
#include "json/json.h"

/* Decodes one parameter's name or value in place; false: it holds a NUL. */
static bool decode(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if (*p == '+')
            *p = ' ';
    size_t len = percent_decode(text, strlen(text), text);
    text[len] = '\0';
    return strlen(text) == len;
}

/* Cuts the query (NULL: none) into parameters; those beyond the room are a mistake. */
static bool read_query(struct inbound *e, char *query)
{
    bool good = true;
    char *rest = query;
    for (char *pair = strsep(&rest, "&"); pair != NULL; pair = strsep(&rest, "&")) {
        if (*pair == '\0')
            continue;
        if (e->parameter_count == INBOUND_PARAMETERS)
            return false;
        char *value = strchr(pair, '=');
        if (value != NULL)
            *value++ = '\0';
        else
            value = pair + strlen(pair);
        struct inbound_parameter *p = &e->parameters[e->parameter_count++];
        *p = (struct inbound_parameter){pair, value};
        good = decode(pair) && decode(value) && good;
    }
    return good;
}

/* The path of an absolute URI, which a request to a proxy has (RFC 9112 §3.2.2). */
static const char *path_of(const char *uri)
{
    if (strncasecmp(uri, "http://", 7) != 0 && strncasecmp(uri, "https://", 8) != 0)
        return uri;
    const char *path = strchr(strchr(uri, ':') + 3, '/');
    return path != NULL ? path : "/";
}

struct inbound *inbound_new(struct service *s, struct MHD_Connection *connection,
                            struct connection *slot, const char *uri)
{
    struct inbound *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->path = strdup(path_of(uri));
    if (e->path == NULL) {
        free(e);
        return NULL;
    }
    e->service = s;
    e->connection = connection;
    e->slot = slot;
    e->r.service = s;
    e->r.backend = s->settings.backend;
    e->r.content_type = "";
    buf_init(&e->r.body, s->settings.body_max);
    buf_init(&e->r.answer, INBOUND_ANSWER_MAX);
    char *query = strchr(e->path, '?');
    if (query != NULL)
        *query++ = '\0';
    e->bad_query = !read_query(e, query);
    return e;
}

void inbound_free(struct inbound *e)
{
    if (e->r.release != NULL)
        e->r.release(&e->r);
    buf_release(&e->r.body);
    buf_release(&e->r.answer);
    atomic_fetch_sub(&e->service->body_bytes, e->held);
    atomic_fetch_sub(&e->service->answer_bytes, e->held_answer);
    free(e->path);
    free(e->key);
    free(e->origin);
    free(e);
}

bool inbound_hold(struct inbound *e)
{
    size_t limit = e->service->settings.body_max * 4;
    if (limit < INBOUND_BODIES_MIN)
        limit = INBOUND_BODIES_MIN;
    size_t all = atomic_fetch_add(&e->service->body_bytes, e->r.body.cap - e->held);
    all += e->r.body.cap - e->held; /* unsigned: what was given back wraps around and fits again */
    e->held = e->r.body.cap;
    return all <= limit;
}

const char *request_query(const struct request *r, const char *name)
{
    const struct inbound *e = (const struct inbound *)r;
    for (size_t i = 0; i < e->parameter_count; i++)
        if (strcmp(e->parameters[i].name, name) == 0)
            return e->parameters[i].value;
    return NULL;
}

void request_fail(struct request *r, int status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_clear(&r->answer);
    r->status = status;
    r->answer_type = NULL;
    if (buf_append_str(&r->answer, "{\"detail\": ") != ERR_OK ||
        json_quote(&r->answer, text, strlen(text)) != ERR_OK ||
        buf_append_char(&r->answer, '}') != ERR_OK)
        buf_clear(&r->answer); /* the status says enough */
}

void request_fail_store(struct request *r, int err, struct backend_session *session)
{
    const char *said = session != NULL ? backend_error(r->backend, session) : "";
    switch (err) {
    case ERR_NOENT:
        request_fail(r, MHD_HTTP_NOT_FOUND, "Not found");
        return;
    case ERR_DENIED:
        request_fail(r, MHD_HTTP_FORBIDDEN, "It belongs to another project");
        return;
    case ERR_UNSUPPORTED:
        request_fail(r, MHD_HTTP_FORBIDDEN, "This server only shows what is stored");
        return;
    case ERR_FULL:
        service_complain("the store is full: %s", said);
        request_fail(r, MHD_HTTP_INSUFFICIENT_STORAGE, "The store is full; nothing was changed");
        return;
    default:
        service_complain("the store failed: %s: %s", err_str(err), said);
        request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE, "The store cannot be used now; try again");
        r->retry_after = err == ERR_BUSY ? "1" : "5";
        return;
    }
}
