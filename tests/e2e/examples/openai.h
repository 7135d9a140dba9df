/* openai.h - as much of a client of the OpenAI API as the examples need, over libcurl. Knows
 * nothing of tracing. OPENAI_BASE_URL, OPENAI_API_KEY and SSL_CERT_FILE are read from the
 * environment. */
#ifndef EXAMPLES_OPENAI_H
#define EXAMPLES_OPENAI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct answer {
    char text[4096]; /* what the model said; after a failure, what went wrong */
    int64_t prompt_tokens, completion_tokens;
    int64_t dimensions; /* of an embedding */
};

/* Asks a chat model; system may be NULL. Returns 0, or -1. Thread-safe. */
int openai_chat(const char *model, const char *system, const char *user, struct answer *answer);
/* Makes the embedding of a text. Returns 0, or -1. Thread-safe. */
int openai_embed(const char *model, const char *text, struct answer *answer);

#ifdef __cplusplus
}
#endif

#endif
