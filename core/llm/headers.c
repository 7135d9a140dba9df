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

/* One pass over the fields, since there are many of them and few that are looked for. */
static void take_fields(struct llm_parser *p, const struct http_head *head,
                        const struct field *fields, size_t count)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const char *name = head->headers[i].name;
        const char *value = head->headers[i].value;
        for (size_t j = 0; j < count; j++) {
            const char *wanted = fields[j].header;
            if (wanted[0] == name[0] && strcmp(wanted, name) == 0 &&
                strlen(value) <= SHORT_VALUE_MAX)
                llm_meta_text(p, fields[j].key, value);
        }
    }
}

#define TAKE(p, head, fields) take_fields(p, head, fields, sizeof(fields) / sizeof(*(fields)))

/* Fields that are the call's own. */
static void take_context(struct llm_call *call, const struct http_head *request)
{
    static const char *const sessions[] = {"x-session-id", "session-id", "session_id",
                                           "helicone-session-id"};
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        const char *value = request->headers[i].value;
        if (strcmp(name, "traceparent") == 0)
            llm_set_once(&call->traceparent, value);
        if (strcmp(name, "x-stainless-retry-count") == 0 && *value >= '0' && *value <= '9') {
            errno = 0;
            long long n = strtoll(value, NULL, 10);
            call->retry = errno == 0 ? n : LLM_UNKNOWN;
        }
        for (size_t j = 0; j < sizeof(sessions) / sizeof(*sessions); j++)
            if (name[0] == sessions[j][0] && strcmp(name, sessions[j]) == 0)
                llm_set_once(&call->session_id, value);
    }
}

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
    take_context(call, request);
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
