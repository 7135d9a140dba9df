/* Conversations as far as they can be told from messages: a bounded memory of "this history, and
 * this answer to it, belongs to that trace". Private to the room. Not thread-safe. */
#ifndef TRACER_SPAN_CONVERSATION_H
#define TRACER_SPAN_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "span/span.h"
#include "json/json.h"

#define CONVERSATIONS_MAX 10000 /* about 2 MB */
#define MESSAGES_MAX      4096  /* of one request that are looked at */

struct conversation_key {
    uint64_t half[2];
};

struct conversation_entry;

/* Keys to trace ids, the least recently used one leaves first. */
struct conversation_memory {
    struct map by_key;
    struct conversation_entry *newest, *oldest;
    size_t max;
};

void conversation_memory_init(struct conversation_memory *m, size_t max);
void conversation_memory_release(struct conversation_memory *m);
/* False: not known. Finding it makes it the newest. */
bool conversation_find(struct conversation_memory *m, const struct conversation_key *key,
                       uint8_t *trace_id);
/* Out of memory: forgotten. */
void conversation_remember(struct conversation_memory *m, const struct conversation_key *key,
                           const uint8_t *trace_id);

/* The key of a text, such as a response id; kind keeps different sorts apart. */
struct conversation_key conversation_key_text(const char *kind, const char *text);
/* The key of no message at all. */
struct conversation_key conversation_key_start(void);
/* The key of the history `before` with one more message. Instructions (system, developer) and
 * messages that say nothing leave it as it is, reasoning is passed over, white space at the ends of
 * a text and the form of a tool call's arguments do not count: what a program sends back of an
 * answer differs in these. False: the key is unchanged. */
bool conversation_key_add(struct conversation_key *key, const json *message);

#endif
