/* Messages to the collector (core/wire/api.h), put together in the ring itself: nothing is
 * allocated but for texts that have to be repaired. */
#ifndef TRACER_CLIENT_MESSAGE_H
#define TRACER_CLIENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/process.h"
#include "client/thread.h"
#include "wire/api.h"

#define MESSAGE_FIELDS 64

struct message_field {
    struct wire_api_field wire;
    uint64_t number; /* its value, or the length before the text was cut */
    const char *data;
    uint32_t length;
    bool owned; /* data is a repaired copy */
};

struct message {
    struct wire_api_head head;
    uint32_t count, size; /* size: of the whole message, in bytes */
    struct message_field fields[MESSAGE_FIELDS];
};

/* Everything is copied into the ring by message_send; texts must live until then. m->head is the
 * caller's to fill in. Limits in code points and bytes as in llm_tracer.h. */
void message_init(struct message *m, uint32_t client);
/* A text; NULL and "" are left out. */
void message_text(struct message *m, enum wire_field_name name, const char *text, size_t max_points,
                  size_t max_bytes);
/* A text as it is. */
void message_raw(struct message *m, enum wire_field_name name, const char *text, size_t len);
/* JSON; NULL is left out. False when it is none (or, with must_be_object, no object): it is sent as
 * a text then. */
bool message_json(struct message *m, enum wire_field_name name, const char *json,
                  bool must_be_object);
void message_tags(struct message *m, const char *const *tags);
void message_integer(struct message *m, enum wire_field_name name, int64_t value);
void message_number(struct message *m, enum wire_field_name name, double value);
/* Writes it, and frees what it holds. LLMT_OK or LLMT_ENOBUFS. */
int message_send(struct message *m, enum wire_type type, const struct moment *moment,
                 struct thread *t);

#endif
