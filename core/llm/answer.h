/* An answer put together from deltas: choices, each a list of blocks (text, reasoning, tool calls).
 * Bounded in choices, blocks and bytes. Private to core/llm. Not thread-safe. */
#ifndef TRACER_LLM_ANSWER_H
#define TRACER_LLM_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "json/json.h"

enum block_kind { BLOCK_TEXT, BLOCK_REASONING, BLOCK_REFUSAL, BLOCK_TOOL, BLOCK_AUDIO, BLOCK_PART };

#define BLOCK_ANY INT64_C(-1) /* the last block if it is of that kind, else a new one */

struct answer_block {
    enum block_kind kind;
    int64_t key; /* the provider's own number of it */
    char *id, *name;
    struct buf text; /* text, or a tool call's arguments */
    json *value;     /* BLOCK_PART: the part; BLOCK_TOOL: arguments that came as JSON */
    int64_t size;    /* BLOCK_AUDIO: bytes of sound */
};

struct answer_choice {
    int64_t index;
    char *role;   /* NULL: "assistant" */
    char *finish; /* in the provider's words; NULL: not told */
    struct answer_block *blocks;
    size_t count, cap;
};

struct answer {
    struct answer_choice *choices;
    size_t count;
    size_t blocks; /* of all choices */
    size_t bytes, bytes_max;
    uint64_t cut; /* bytes over the ceiling */
};

void answer_init(struct answer *a, size_t bytes_max);
void answer_release(struct answer *a);
/* Forgets everything put together so far. */
void answer_clear(struct answer *a);

/* The choice of that index, made when it is new. NULL: ceiling, or out of memory. */
struct answer_choice *answer_choice(struct answer *a, int64_t index);
/* The block of that kind and key (BLOCK_ANY: see there), made when it is new; NULL as above, and
 * for a NULL choice. Valid until the next block is made. */
struct answer_block *answer_block(struct answer *a, struct answer_choice *c, enum block_kind kind,
                                  int64_t key);
/* Another block behind the last, whatever the kinds and keys before. */
struct answer_block *answer_block_new(struct answer *a, struct answer_choice *c,
                                      enum block_kind kind, int64_t key);
/* NULL block or text: nothing. */
void answer_append(struct answer *a, struct answer_block *b, const char *text);
/* Takes the part over. */
void answer_part(struct answer *a, struct answer_choice *c, json *part);
/* Several blocks say something. */
bool answer_has_content(const struct answer *a);

/* Output messages in OpenTelemetry's form. fallback: the finish_reason of a choice that told none;
 * NULL: leave it out. */
json *answer_messages(const struct answer *a, const char *fallback);
/* The choices' finish reasons in the provider's words; NULL when none told one. */
json *answer_finish_reasons(const struct answer *a);

#endif
