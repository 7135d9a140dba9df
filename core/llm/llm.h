/* One HTTP exchange with an LLM endpoint to one call: model, messages, usage, errors, times. The
 * providers are in one array (providers.c), one file each. Not thread-safe; one llm_call a call. */
#ifndef TRACER_LLM_LLM_H
#define TRACER_LLM_LLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

struct http_exchange;

#define LLM_UNKNOWN     (-1) /* an int64_t figure that nobody told */
#define LLM_CHOICES_MAX 128
#define LLM_BLOCKS_MAX  4096 /* content blocks or tool calls put together from one stream */

enum llm_operation {
    LLM_OP_NONE,             /* not inference: makes no span */
    LLM_OP_CHAT,             /* "chat" */
    LLM_OP_TEXT_COMPLETION,  /* "text_completion" */
    LLM_OP_GENERATE_CONTENT, /* "generate_content" */
    LLM_OP_EMBEDDINGS,       /* "embeddings" */
    LLM_OP_OTHER
};

enum llm_usage_source {
    LLM_USAGE_MISSING,
    LLM_USAGE_REPORTED,
    LLM_USAGE_HEADER,
    LLM_USAGE_ESTIMATED
};
enum llm_cost_source { LLM_COST_UNKNOWN, LLM_COST_REPORTED, LLM_COST_TABLE };

/* Token counts, LLM_UNKNOWN where not told. input includes cache_read and cache_write; output
 * includes reasoning, whatever the provider's own convention (genai-reference 2.0). */
struct llm_usage {
    int64_t input, output, cache_read, cache_write, cache_write_1h, reasoning;
    int64_t audio_input, audio_output; /* subsets of input and output */
    int64_t total;                     /* as the provider said it */
    int64_t web_searches;
    double cost_usd; /* told by the provider; negative: not told */
};

/* A call. Texts are owned by it, NULL where unknown. Times are those of the exchange (boot ns), 0
 * where they did not happen. */
struct llm_call {
    char *provider; /* gen_ai.provider.name: "openai", "anthropic", "ollama", ... */
    enum llm_operation operation;
    const char *api; /* static: "openai.chat", "openai.responses", "anthropic.messages", ... */
    char *request_model, *response_model, *response_id;
    bool stream;         /* the answer came as a stream */
    int64_t chunk_count; /* LLM_UNKNOWN unless streamed */
    int64_t t_request, t_first_chunk, t_first_content, t_end;
    struct llm_usage usage;
    enum llm_usage_source usage_source;
    char *service_tier;
    double cost_usd; /* negative: unknown */
    enum llm_cost_source cost_source;
    json *price;              /* the unit prices used, with the table's version; NULL */
    json *finish_reasons;     /* array of text, one a choice; NULL */
    int status_code;          /* HTTP; 0: no response */
    int64_t retry;            /* x-stainless-retry-count; LLM_UNKNOWN */
    char *error, *error_type; /* message and code; NULL: no error */
    bool partial;             /* the answer did not come to its end */
    json *input;              /* {"messages": [...], "parameters": {...}, "tools": [...]} or
                                 {"input": ...} for embeddings; NULL */
    json *output;      /* {"messages": [...]} or {"embeddings": {"count", "dimensions"}}; NULL */
    json *metadata;    /* what has no field of its own: request ids, rate limits, urls, ... */
    char *traceparent; /* the request's header, as sent */
    char *conversation_id, *previous_response_id, *user_id, *session_id;
    uint64_t lost; /* bytes of gaps and cuts in request and response */
};

struct llm_parser; /* an exchange in progress */

/* Called when the request's head is complete. host: of the connection (SNI), used when there is no
 * Host header; endpoints: TRACER_ENDPOINTS as the process had it, "" for none. Returns ERR_OK with
 * a parser; ERR_UNSUPPORTED: no endpoint of ours (ignore the exchange); ERR_NOMEM. content_max
 * bounds the bytes kept of each body. */
int llm_parser_new(struct llm_parser **out, const struct http_exchange *x, const char *host,
                   const char *endpoints, bool tls, size_t content_max) WARN_UNUSED_RESULT;
void llm_parser_free(struct llm_parser *p);
void llm_parser_request_body(struct llm_parser *p, const char *data, size_t len);
/* The request is complete: what is known of the call so far. Returns the call (borrowed), or NULL
 * if the body shows that it is no inference (then free the parser). */
struct llm_call *llm_parser_request_end(struct llm_parser *p, const struct http_exchange *x);
void llm_parser_response(struct llm_parser *p, const struct http_exchange *x);
/* Returns true when the call's visible state changed in a way worth showing of an open span. */
bool llm_parser_response_body(struct llm_parser *p, const char *data, size_t len, int64_t time);
/* The answer as far as it has come, in the form of llm_call's output: new memory, NULL when nothing
 * was said yet. Between llm_parser_request_end and llm_parser_end. */
json *llm_parser_output(const struct llm_parser *p);
/* The exchange ended, in whatever way x->how says: everything is filled in, cost included. The
 * caller owns the call (llm_call_free); NULL: no inference. Frees nothing else. */
struct llm_call *llm_parser_end(struct llm_parser *p, const struct http_exchange *x);

void llm_call_free(struct llm_call *call);
/* "chat", "embeddings", ...; static. */
const char *llm_operation_name(enum llm_operation operation);
const char *llm_usage_source_name(enum llm_usage_source source);

/* Price table (core/llm/price.c), embedded from config/prices.json at build. Fills call->cost_usd,
 * cost_source and price from usage, models, provider and service tier; unknown stays unknown.
 * wall_ns: when the call was made (prices change with date and hour). */
void llm_price(struct llm_call *call, int64_t wall_ns);
const char *llm_price_version(void);

/* Redaction (core/llm/redact.c): a URL's target without the values of key, api_key, access_token,
 * sig and the like. New memory, NULL when out of memory. */
char *llm_redact_target(const char *target);
/* Whether a header may be stored: false for authorization, x-api-key, api-key, cookie, set-cookie,
 * x-goog-api-key, proxy-authorization, x-amz-security-token and their kin. */
bool llm_header_is_public(const char *name);

#endif
