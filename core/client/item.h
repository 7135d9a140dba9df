/* Traces and spans behind their handles. */
#ifndef TRACER_CLIENT_ITEM_H
#define TRACER_CLIENT_ITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "client/client.h"
#include "client/handle.h"
#include "client/message.h"
#include "client/thread.h"

#define ITEM_ANNOUNCED 1u /* this process's ring has its client */

/* What a trace or span is; a copy. */
struct item {
    uint64_t handle;
    struct ids ids;                   /* of a trace: without a span */
    uint8_t caller[WIRE_SPAN_ID_LEN]; /* of a trace: the span of a traceparent, else zero */
    uint64_t client;                  /* a handle */
    struct settings *settings;        /* of that client */
    uint32_t number;                  /* of that client */
    uint32_t epoch;                   /* of the process that began it */
    uint32_t flags;
};

/* Whether a span's id is that of none. */
static inline bool span_id_is_none(const uint8_t id[WIRE_SPAN_ID_LEN])
{
    static const uint8_t none[WIRE_SPAN_ID_LEN];
    return memcmp(id, none, sizeof(none)) == 0;
}

/* Keeps it and sets its handle. False: no room. */
bool item_new(struct item *item, enum handle_kind kind, uint32_t shard);
/* LLMT_OK, LLMT_EINVAL for NULL, LLMT_EENDED for what is ended or no such handle. */
int item_find(const void *pointer, enum handle_kind kind, struct item *out);
/* Writes its span's or its trace's id in hex, with NUL, to out and returns that; "" when it is not
 * to be found, or out is NULL. */
const char *item_write_id(const void *pointer, enum handle_kind kind, bool of_trace, char *out);
/* The same, and it is ended: one caller gets LLMT_OK. */
int item_end(const void *pointer, enum handle_kind kind, struct item *out);
/* Whether the handle names a trace or span that runs. */
bool item_runs(uint64_t handle);
/* The ids of one that runs, else false. */
bool item_ids(uint64_t handle, struct item *out);

/* What most functions need: the moment, the thread, and the trace or span. */
struct scene {
    struct moment moment;
    struct thread *thread;
};
struct scene scene_enter(void);
/* For setters: LLMT_OK when the item runs and was begun in this process. */
int scene_open(struct scene *s, const void *pointer, enum handle_kind kind, struct item *item);
/* Begins a message about the item; of a trace with a caller it says that it joined. */
void scene_message(struct message *m, const struct item *item);
/* Sends it; warns when there was no room. */
int scene_send(struct scene *s, struct message *m, enum wire_type type, uint64_t client);

#endif
