#include "client/message.h"

#include <stdlib.h>
#include <string.h>

#include "client/json_check.h"
#include "client/public.h"
#include "client/utf8.h"
#include "wire/text.h"

#define PIECE_SIZE 32768u /* payload of one record of a long message */

void message_init(struct message *m, uint32_t client)
{
    memset(&m->head, 0, sizeof(m->head));
    m->head.client = client;
    m->count = 0;
    m->size = sizeof(m->head);
}

static uint32_t front_length(const struct message_field *f)
{
    const bool cut = (f->wire.flags & WIRE_FIELD_CUT) != 0;
    return (uint32_t)sizeof(f->wire) + (cut ? (uint32_t)sizeof(f->number) : 0);
}

/* before: bytes before it was cut; what was cut is told by being more than length. */
static struct message_field *add(struct message *m, enum wire_field_name name, const char *data,
                                 size_t length, bool cut, size_t before)
{
    struct message_field *f = &m->fields[m->count++];
    f->wire.name = (uint16_t)name;
    f->wire.flags = cut ? WIRE_FIELD_CUT : 0;
    f->wire.length = (uint32_t)length + (cut ? (uint32_t)sizeof(f->number) : 0);
    f->number = before;
    f->data = data;
    f->length = (uint32_t)length;
    f->owned = false;
    m->size += (uint32_t)(sizeof(f->wire) + f->wire.length);
    return f;
}

void message_raw(struct message *m, enum wire_field_name name, const char *text, size_t len)
{
    if (len > 0)
        add(m, name, text, len, false, 0);
}

void message_text(struct message *m, enum wire_field_name name, const char *text, size_t max_points,
                  size_t max_bytes)
{
    if (!text || !*text)
        return;
    const size_t len = strlen(text);
    const struct utf8_measure u = utf8_measure(text, len, max_points, max_bytes);
    char *copy = u.clean ? NULL : malloc(u.length);
    if (!copy) { /* without memory it goes as it is: who reads it checks anyway */
        add(m, name, text, u.taken, u.taken < len, len);
        return;
    }
    utf8_repair(copy, text, u.taken);
    add(m, name, copy, u.length, u.taken < len, len)->owned = true;
}

bool message_json(struct message *m, enum wire_field_name name, const char *json,
                  bool must_be_object)
{
    if (!json)
        return true;
    const size_t len = strlen(json);
    if (len > LLMT_DATA_MAX) {
        const size_t kept = utf8_cut(json, len, LLMT_DATA_MAX);
        add(m, name, json, kept, true, len)->wire.flags |= WIRE_FIELD_TEXT;
        return true;
    }
    const enum json_kind kind = json_check(json, len);
    const bool good = kind == JSON_OBJECT || (kind == JSON_OTHER && !must_be_object);
    struct message_field *f = add(m, name, json, len, false, 0);
    if (!good)
        f->wire.flags |= WIRE_FIELD_TEXT;
    return good;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

void message_tags(struct message *m, const char *const *tags)
{
    uint64_t count = 0;
    for (; tags && *tags; tags++) {
        if (is_blank(*tags))
            continue;
        if (count++ < LLMT_TAGS_MAX)
            message_text(m, WIRE_FIELD_TAG, *tags, LLMT_TAG_MAX, SIZE_MAX);
    }
    if (count > LLMT_TAGS_MAX)
        add(m, WIRE_FIELD_TAG, "", 0, true, count);
}

void message_integer(struct message *m, enum wire_field_name name, int64_t value)
{
    struct message_field *f = add(m, name, NULL, sizeof(value), false, 0);
    memcpy(&f->number, &value, sizeof(value));
    f->data = (const char *)&f->number;
}

void message_number(struct message *m, enum wire_field_name name, double value)
{
    struct message_field *f = add(m, name, NULL, sizeof(value), false, 0);
    memcpy(&f->number, &value, sizeof(value));
    f->data = (const char *)&f->number;
}

static int send_short(const struct message *m, struct wire_record *record, struct ring_writer *ring)
{
    struct ring_place place;
    uint8_t *at = ring_writer_hold(ring, m->size, record->tid, &place);
    if (!at)
        return LLMT_ENOBUFS;
    memcpy(at, &m->head, sizeof(m->head));
    at += sizeof(m->head);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct message_field *f = &m->fields[i];
        const uint32_t front = front_length(f);
        wire_copy(at, &f->wire, front);
        wire_copy(at + front, f->data, f->length);
        at += front + f->length;
    }
    record->length = m->size;
    ring_writer_commit(ring, &place, record);
    return LLMT_OK;
}

/* Part 0 is the head; then each field has two: what describes it, and its data. */
static struct wire_piece part(const struct message *m, uint32_t number)
{
    if (number == 0)
        return (struct wire_piece){&m->head, sizeof(m->head)};
    const struct message_field *f = &m->fields[(number - 1) / 2];
    if (number % 2 == 1)
        return (struct wire_piece){&f->wire, front_length(f)};
    return (struct wire_piece){f->data, f->length};
}

/* A place in a message that is written in pieces. */
struct cursor {
    uint32_t part;
    size_t at; /* bytes of that part which are behind us */
};

/* The next bytes of the message, PIECE_SIZE at most; returns how many. */
static uint32_t next_piece(const struct message *m, struct cursor *c, struct wire_piece *pieces,
                           uint32_t *count)
{
    uint32_t room = PIECE_SIZE;
    *count = 0;
    while (c->part <= 2 * m->count && room > 0) {
        const struct wire_piece whole = part(m, c->part);
        const size_t left = whole.length - c->at, taken = left < room ? left : room;
        pieces[(*count)++] = (struct wire_piece){(const uint8_t *)whole.data + c->at, taken};
        room -= (uint32_t)taken;
        c->at += taken;
        if (taken == left) {
            c->part++;
            c->at = 0;
        }
    }
    return PIECE_SIZE - room;
}

static int send_long(const struct message *m, struct wire_record *record, struct ring_writer *ring,
                     struct thread *t)
{
    struct wire_piece pieces[2 * MESSAGE_FIELDS + 1];
    struct cursor c = {0, 0};
    uint32_t count;
    do
        record->conn = thread_random(t); /* of any other library's in this ring, too, another */
    while (record->conn == 0);
    record->lost = m->size;
    while (record->offset < m->size) {
        const uint32_t length = next_piece(m, &c, pieces, &count);
        if (ring_writer_put(ring, record, pieces, count) != 0)
            return LLMT_ENOBUFS;
        record->offset += length;
    }
    return LLMT_OK;
}

int message_send(struct message *m, enum wire_type type, const struct moment *moment,
                 struct thread *t)
{
    struct wire_record record = {.type = (uint16_t)type, .time = moment->now, .tid = t->tid};
    int result = LLMT_ENOBUFS;
    if (moment->ring)
        result = m->size <= RING_PAYLOAD_MAX ? send_short(m, &record, moment->ring)
                                             : send_long(m, &record, moment->ring, t);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->fields[i].owned)
            free((void *)(uintptr_t)m->fields[i].data);
    return result;
}
