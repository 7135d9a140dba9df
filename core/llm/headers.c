#include "llm/headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "llm/recognise.h"

#define SHORT_VALUE_MAX 1024 /* a longer field value is not kept */

/* Request fields that go to the metadata as they are. */
static const struct field {
    const char *header, *key;
} request_fields[] = {
    {"user-agent", "user_agent"},
    {"openai-organization", "openai_organization"},
    {"openai-project", "openai_project"},
    {"anthropic-version", "anthropic_version"},
    {"anthropic-beta", "anthropic_beta"},
    {"x-stainless-lang", "sdk_language"},
    {"x-stainless-package-version", "sdk_version"},
    {"http-referer", "http_referer"},
    {"x-title", "app_title"},
    {"x-client-request-id", "client_request_id"},
};

static const struct field response_fields[] = {
    {"x-request-id", "request_id"},
    {"request-id", "request_id"},
    {"apim-request-id", "request_id"},
    {"x-amzn-requestid", "request_id"},
    {"x-generation-id", "generation_id"},
    {"openai-processing-ms", "processing_ms"},
    {"openai-organization", "openai_organization"},
    {"anthropic-organization-id", "anthropic_organization"},
    {"x-ms-region", "region"},
    {"x-ms-deployment-name", "deployment"},
    {"cf-ray", "cf_ray"},
    {"retry-after", "retry_after"},
    {"retry-after-ms", "retry_after_ms"},
    {"x-should-retry", "should_retry"},
    {"x-envoy-upstream-service-time", "upstream_service_ms"},
};

static void take_fields(struct llm_parser *p, const struct http_head *head,
                        const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = http_header_get(head, fields[i].header);
        if (value && strlen(value) <= SHORT_VALUE_MAX && llm_header_is_public(fields[i].header))
            llm_meta_text(p, fields[i].key, value);
    }
}

#define TAKE(p, head, fields) take_fields(p, head, fields, sizeof(fields) / sizeof(*(fields)))

/* Azure's deployment is the name by which the caller knows the model (genai-reference 2.2). */
static void read_deployment(struct llm_parser *p, const char *path)
{
    static const char mark[] = "/deployments/";
    const char *name = strstr(path, mark);
    if (!name)
        return;
    name += sizeof(mark) - 1;
    char *text = strndup(name, strcspn(name, "/"));
    llm_meta_text(p, "deployment", text);
    llm_set_once(&p->call->request_model, text);
    free(text);
}

void headers_of_request(struct llm_parser *p, const struct route *route,
                        const struct http_head *request)
{
    struct llm_call *call = p->call;
    if (*route->host)
        llm_meta_text(p, "server_address", route->host);
    json_set_int(call->metadata, "server_port", route->port);
    char *target = llm_redact_target(request->target);
    llm_meta_text(p, "url_path", target);
    free(target);
    TAKE(p, request, request_fields);
    llm_set_once(&call->traceparent, http_header_get(request, "traceparent"));
    static const char *const sessions[] = {"x-session-id", "session-id", "session_id",
                                           "helicone-session-id"};
    for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++)
        llm_set_once(&call->session_id, http_header_get(request, sessions[i]));
    const char *retry = http_header_get(request, "x-stainless-retry-count");
    if (retry && *retry >= '0' && *retry <= '9') {
        errno = 0;
        long long n = strtoll(retry, NULL, 10);
        if (errno == 0)
            call->retry = n;
    }
    read_deployment(p, route->path);
}

/* x-ratelimit-* (OpenAI and kin), anthropic-ratelimit-*, without their common beginning. */
static void rate_limits(struct llm_parser *p, const struct http_head *response)
{
    json *limits = NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        const char *name = response->headers[i].name;
        const char *value = response->headers[i].value;
        const char *mark = strstr(name, "ratelimit-");
        if (!mark || strlen(value) > SHORT_VALUE_MAX)
            continue;
        if (!limits)
            limits = json_object();
        json_set_text(limits, mark + strlen("ratelimit-"), value);
    }
    json_set(p->call->metadata, "rate_limits", limits);
}

void headers_of_response(struct llm_parser *p, const struct http_head *response)
{
    TAKE(p, response, response_fields);
    rate_limits(p, response);
}

enum llm_framing headers_framing(const struct http_head *response)
{
    const char *type = http_header_get(response, "content-type");
    if (!type)
        return LLM_FRAMING_UNKNOWN;
    if (strncasecmp(type, "text/event-stream", 17) == 0)
        return LLM_FRAMING_SSE;
    static const char *const lines[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines",
                                        "application/stream+json"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (strncasecmp(type, lines[i], strlen(lines[i])) == 0)
            return LLM_FRAMING_NDJSON;
    return LLM_FRAMING_UNKNOWN;
}
