/* Which trace a captured call belongs to, by the order of the design. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/llm.h"
#include "span/conversation.h"
#include "span/span.h"

struct grouper {
    struct conversation_memory memory;
};

struct grouper *grouper_new(void)
{
    struct grouper *g = calloc(1, sizeof(*g));
    if (g != NULL)
        conversation_memory_init(&g->memory, CONVERSATIONS_MAX);
    return g;
}

void grouper_free(struct grouper *g)
{
    if (g == NULL)
        return;
    conversation_memory_release(&g->memory);
    free(g);
}

static const char *or_else(const char *text, const char *other)
{
    return text != NULL && text[0] != '\0' ? text : other;
}

static char *call_name(const struct llm_call *call)
{
    const char *model = or_else(call->request_model, call->response_model);
    char *name = NULL;
    if (asprintf(&name, model == NULL ? "%s" : "%s %s", llm_operation_name(call->operation),
                 model) < 0)
        return NULL;
    return name;
}

/* One conversation of the provider's, told by its id: the same trace in every process. */
static void place_by_id(const struct llm_call *call, struct group_result *out)
{
    id_derive(call->conversation_id, 0, 0, or_else(call->provider, "conversation"), out->trace_id,
              TRACE_ID_LEN);
}

static struct conversation_key response_key(const struct llm_call *call, const char *id)
{
    struct conversation_key key = conversation_key_text("response", or_else(call->provider, ""));
    struct conversation_key of_id = conversation_key_text("id", id);
    key.half[0] ^= of_id.half[0];
    key.half[1] ^= of_id.half[1];
    return key;
}

/* Tries the longest history first. False: no earlier answer is in it. */
static bool place_by_history(struct grouper *g, const json *messages, uint8_t *trace_id)
{
    size_t count = json_length(messages);
    if (count < 2) /* a question alone extends nothing */
        return false;
    if (count > MESSAGES_MAX)
        count = MESSAGES_MAX;
    struct conversation_key *keys = malloc(count * sizeof(*keys));
    if (keys == NULL)
        return false;
    struct conversation_key key = conversation_key_start();
    size_t used = 0;
    for (const json *m = json_first(messages); m != NULL && used < count; m = json_next(m))
        if (conversation_key_add(&key, m))
            keys[used++] = key;
    bool found = false;
    while (used > 0 && !found)
        found = conversation_find(&g->memory, &keys[--used], trace_id);
    free(keys);
    return found;
}

/* A conversation that begins here. */
static void start_conversation(const struct group_process *process, const struct llm_call *call,
                               uint8_t *trace_id)
{
    if (process->span_id != NULL) {
        char hex[SPAN_ID_HEX];
        id_derive(process->ring_id, 0, 0, id_to_hex(process->span_id, SPAN_ID_LEN, hex), trace_id,
                  TRACE_ID_LEN);
        return;
    }
    struct conversation_key key = conversation_key_start();
    const json *messages = json_get(call->input, "messages");
    for (const json *m = json_first(messages); m != NULL; m = json_next(m))
        (void)conversation_key_add(&key, m);
    id_derive(process->ring_id, key.half[0], key.half[1] ^ (uint64_t)call->t_request,
              "conversation", trace_id, TRACE_ID_LEN);
}

static void place_in_conversation(struct grouper *g, const struct group_process *process,
                                  const struct llm_call *call, struct group_result *out)
{
    if (call->conversation_id != NULL && call->conversation_id[0] != '\0') {
        place_by_id(call, out);
        return;
    }
    out->inferred = true;
    if (call->previous_response_id != NULL) {
        struct conversation_key key = response_key(call, call->previous_response_id);
        if (conversation_find(&g->memory, &key, out->trace_id)) {
            out->inferred = false; /* the request names it */
            return;
        }
    }
    if (place_by_history(g, json_get(call->input, "messages"), out->trace_id))
        return;
    start_conversation(process, call, out->trace_id);
}

static const char *run_name(const struct group_process *process)
{
    return or_else(process->run_name, or_else(process->command, "run"));
}

int grouper_place(struct grouper *g, const struct group_process *process,
                  const struct llm_call *call, struct group_result *out)
{
    memset(out, 0, sizeof(*out));
    if (traceparent_parse(call->traceparent, out->trace_id, out->parent_span_id) == ERR_OK) {
        out->name = call_name(call);
    } else if (id_from_hex(process->run_trace, TRACE_ID_LEN, out->trace_id) == ERR_OK &&
               !id_is_zero(out->trace_id, TRACE_ID_LEN)) {
        out->name = strdup(run_name(process));
    } else if (traceparent_parse(process->traceparent, out->trace_id, out->parent_span_id) ==
               ERR_OK) {
        out->name = strdup(run_name(process));
    } else if (process->listens) {
        place_in_conversation(g, process, call, out);
        out->name = call_name(call);
    } else {
        id_derive(process->ring_id, 0, 0, "process", out->trace_id, TRACE_ID_LEN);
        out->name = strdup(run_name(process));
    }
    return out->name == NULL ? ERR_NOMEM : ERR_OK;
}

void grouper_finish(struct grouper *g, const struct llm_call *call, const uint8_t *trace_id)
{
    if (call->response_id != NULL) {
        struct conversation_key key = response_key(call, call->response_id);
        conversation_remember(&g->memory, &key, trace_id);
    }
    struct conversation_key question = conversation_key_start();
    const json *messages = json_get(call->input, "messages");
    size_t count = 0;
    for (const json *m = json_first(messages); m != NULL && count < MESSAGES_MAX;
         m = json_next(m), count++)
        (void)conversation_key_add(&question, m);
    /* Each choice may be the one that the program goes on with. */
    for (const json *m = json_first(json_get(call->output, "messages")); m != NULL;
         m = json_next(m)) {
        struct conversation_key key = question;
        if (conversation_key_add(&key, m))
            conversation_remember(&g->memory, &key, trace_id);
    }
}
