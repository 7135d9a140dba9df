/* What an answer that is no success means, and the sentence for it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "export/service.h"

enum export_result service_fail(struct export_context *c, enum export_result result,
                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, c->error_size, format, args);
    va_end(args);
    return result;
}

/* The base URL for messages: without what may stand before an @. */
static const char *shown_url(const struct export_context *c, char *out, size_t size)
{
    const char *url = c->destination->url;
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', len);
    snprintf(out, size, "%.*s%.200s", (int)(host - url), url, at != NULL ? at + 1 : host);
    return out;
}

/* The server's own words: `detail`, a text or a list of validation errors. */
static void read_detail(const struct http_answer *answer, char *out, size_t size)
{
    json *body = json_parse(buf_str(answer->body), answer->body->len);
    const json *detail = json_get(body, "detail");
    out[0] = '\0';
    if (json_text(detail) != NULL) {
        snprintf(out, size, "%.200s", json_text(detail));
    } else if (json_is_array(detail)) {
        const json *first = json_at(detail, 0);
        const char *field = NULL;
        for (const json *e = json_first(json_get(first, "loc")); e != NULL; e = json_next(e))
            field = json_text(e) != NULL ? json_text(e) : field;
        const char *message = json_get_text(first, "msg");
        snprintf(out, size, "%.60s: %.120s", field != NULL ? field : "body",
                 message != NULL ? message : "refused");
    }
    json_free(body);
}

bool service_is_unexplained(const struct http_answer *answer)
{
    static const char bare[] = "Internal Server Error";
    const char *text = buf_str(answer->body);
    return answer->status == 500 && !answer->json && strncmp(text, bare, strlen(bare)) == 0 &&
           text[strlen(bare) + strspn(text + strlen(bare), " \r\n")] == '\0';
}

static enum export_result judge_refusal(struct export_context *c, const char *what, int status,
                                        const char *detail)
{
    bool key_like = c->key != NULL && strncmp(c->key, "project-", 8) == 0 && c->key[8] != '\0';
    switch (status) {
    case 400:
        if (key_like && strcasestr(detail, "key") == NULL)
            return service_fail(c, EXPORT_REJECTED, "%s was refused (400: %s)", what, detail);
        return service_fail(c, EXPORT_BLOCKED,
                            "the key is not of the form project-{id} (400: %s); set TRACER_API_KEY",
                            detail);
    case 401:
    case 407:
        return service_fail(c, EXPORT_BLOCKED,
                            "the service does not accept the key (%d: %s); set TRACER_API_KEY",
                            status, detail);
    case 403:
        if (strncmp(what, "a span", 6) == 0)
            return service_fail(c, EXPORT_REJECTED, "%s was refused (403: %s)", what, detail);
        return service_fail(c, EXPORT_BLOCKED,
                            "the service refuses project \"%.100s\" with this key (403: %s); with "
                            "its keys switched off it takes project-public only",
                            ((struct service *)*c->state)->project, detail);
    case 404:
        c->suspect = SUSPECT_ENTRY;
        return service_fail(c, EXPORT_RETRY, "%s is unknown to the service (404: %s)", what,
                            detail);
    default:
        return service_fail(c, EXPORT_REJECTED, "%s was refused (%d: %s)", what, status, detail);
    }
}

enum export_result service_judge(struct export_context *c, const char *what,
                                 const struct http_answer *answer)
{
    struct service *s = *c->state;
    char url[256];
    char detail[256];
    int status = answer->status;
    if (status == 0) {
        s->probed = false; /* what comes back may be another server */
        return service_fail(c, EXPORT_RETRY, "no answer from %s: %.200s",
                            shown_url(c, url, sizeof(url)),
                            answer->failure != NULL ? answer->failure : "unknown");
    }
    read_detail(answer, detail, sizeof(detail));
    c->retry_after_ms = answer->retry_after_ms;
    if (status == 429 || status == 408 || status == 425) {
        if (c->retry_after_ms == 0)
            c->retry_after_ms = c->timing->rate_limit;
        return service_fail(c, EXPORT_RETRY, "the service limits the rate (%d)", status);
    }
    if (service_is_unexplained(answer)) { /* older servers over their limit */
        c->retry_after_ms = c->timing->rate_limit;
        return service_fail(c, EXPORT_RETRY, "the service limits the rate (500 without a reason)");
    }
    if (status >= 500) {
        if (status == 500)
            c->suspect = SUSPECT_SERVER;
        return service_fail(c, EXPORT_RETRY, "the service fails (%d%s%s)", status,
                            detail[0] != '\0' ? ": " : "", detail);
    }
    if (status >= 300 && status < 400)
        return service_fail(c, EXPORT_BLOCKED, "%s redirects to %.200s; set TRACER_URL to it",
                            shown_url(c, url, sizeof(url)),
                            answer->location != NULL ? answer->location : "another address");
    if (status < 400)
        return service_fail(c, EXPORT_BLOCKED, "%s does not answer as a tracing service",
                            shown_url(c, url, sizeof(url)));
    if (status == 404 && !s->seen_ok && strcmp(what, "a new trace") == 0)
        return service_fail(c, EXPORT_BLOCKED, "%s is no tracing service (404); set TRACER_URL",
                            shown_url(c, url, sizeof(url)));
    return judge_refusal(c, what, status, detail);
}
