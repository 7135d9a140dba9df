/* What the header fields of an exchange say of a call. Private to core/llm. */
#ifndef TRACER_LLM_HEADERS_H
#define TRACER_LLM_HEADERS_H

#include "http/http.h"
#include "llm/provider.h"

struct route;

void headers_of_request(struct llm_parser *p, const struct route *route,
                        const struct http_head *request);
void headers_of_response(struct llm_parser *p, const struct http_head *response);
/* By the content type; LLM_FRAMING_UNKNOWN when that leaves it open. */
enum llm_framing headers_framing(const struct http_head *response);

#endif
