/* What the providers of this room share: the parser of an exchange, and the interface that one
 * provider API implements. Private to core/llm. Not thread-safe. */
#ifndef TRACER_LLM_PROVIDER_H
#define TRACER_LLM_PROVIDER_H

#include "http/frames.h"
#include "http/http.h"
#include "llm/answer.h"
#include "llm/body.h"
#include "llm/llm.h"

/* One API of a provider: its file fills one of these, providers.c lists them. The functions get
 * JSON of the network: any member may be missing or of any type. They may move parts of it out
 * (json_take); what is left is freed by the caller. */
struct llm_api {
    const char *name;     /* "openai.chat"; endpoints.json names it */
    const char *provider; /* gen_ai.provider.name when the host says nothing else */
    enum llm_operation operation;
    bool stream_default; /* streams unless the request says "stream": false */
    bool vectors;        /* the answer is vectors, of which only the sizes are kept */
    /* Whether a body sent to an endpoint that is not in the table looks like this API; may be
     * NULL. */
    bool (*recognise)(const json *body);
    /* Fills p->call from the request. False: this is no inference. body is NULL when it was not
     * JSON. */
    bool (*request)(struct llm_parser *p, json *body);
    /* An answer in one piece; not called for one that is an error. */
    void (*response)(struct llm_parser *p, json *body);
    /* One frame of a stream. NULL: as response. */
    void (*chunk)(struct llm_parser *p, const char *event, json *data);
    /* Before the answer is put together, in whatever way it ended; may be NULL. */
    void (*finish)(struct llm_parser *p);
};

extern const struct llm_api *const llm_apis[];
extern const size_t llm_api_count;
/* NULL: none of that name. */
const struct llm_api *llm_api_find(const char *name);

enum llm_framing { LLM_FRAMING_UNKNOWN, LLM_FRAMING_JSON, LLM_FRAMING_SSE, LLM_FRAMING_NDJSON };

struct llm_parser {
    const struct llm_api *api; /* NULL until the body has told (TRACER_ENDPOINTS) */
    const char *host_provider; /* by the host table; NULL: not in it. Static */
    struct llm_call *call;     /* NULL once handed out */
    struct body request, response;
    struct answer answer;
    json *citations; /* {"citations": ...} of the answer; NULL: none */
    enum llm_framing framing;
    struct sse sse;
    struct ndjson ndjson;
    bool request_done; /* llm_parser_request_end was there */
    bool inference;    /* the request is one */
    bool wants_stream;
    bool finished;     /* the answer said that it is complete */
    bool failed;       /* it said that it is not and never will be */
    bool ending;       /* llm_parser_end is at work */
    bool changed;      /* since llm_parser_response_body began */
    int64_t now;       /* time of the bytes in hand */
    int64_t raw_input; /* Anthropic: input_tokens as told, without cached ones */
};

/* Notes for the providers. */

/* The first content of the answer came (text, reasoning, tool call). */
void llm_content_seen(struct llm_parser *p);
/* Sets *field to a copy of text unless text is NULL or "", or the field is set. */
void llm_set_once(char **field, const char *text);
void llm_replace(char **field, const char *text);
/* Members of p->call->metadata. */
void llm_meta_text(struct llm_parser *p, const char *key, const char *text);
void llm_meta_take(struct llm_parser *p, const char *key, json *from, const char *from_key);

/* An error of the provider; the first one stays. type and message may be NULL. */
void llm_error(struct llm_parser *p, const char *type, const char *message);
/* Reads an error in any of the shapes that providers use. False: there is none in it. */
bool llm_error_from(struct llm_parser *p, const json *body);

/* Usage. A count that is there, a whole number and not negative overwrites *field. */
bool llm_count(int64_t *field, const json *object, const char *key);
bool llm_count_path(int64_t *field, const json *object, const char *path);
void llm_usage_reported(struct llm_parser *p);
void llm_usage_init(struct llm_usage *u);
/* `usage` of OpenAI's chat and completions and of the many who speak it. */
void llm_usage_openai(struct llm_parser *p, const json *usage);

/* What is left of a request body, once the provider has taken the rest, becomes "parameters". */
void llm_parameters(struct llm_parser *p, json *body);
void llm_set_input(struct llm_parser *p, const char *key, json *value);

#endif
