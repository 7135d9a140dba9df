/* Names that carry secrets. Private to core/llm; llm.h has the rest. */
#ifndef TRACER_LLM_REDACT_H
#define TRACER_LLM_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a parameter of that name (of a URL's query or a JSON body) is a key, token or signature.
 * Any case. */
bool llm_name_is_secret(const char *name, size_t len);

struct http_head;
/* Overwrites with stars what the text repeats of the keys that the request carried: some servers
 * put the key that they refuse into their error message. NULL text: nothing. */
void llm_mask_secrets(char *text, const struct http_head *request);

#endif
