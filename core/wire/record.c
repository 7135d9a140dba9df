#include <string.h>

#include "wire/reader_private.h"

/* Whether a payload holds a struct and then at least `texts` NUL-terminated texts and nothing
 * behind the last NUL, so that whoever reads them cannot run past the end. */
static bool has_texts(const uint8_t *payload, uint32_t length, size_t front, uint32_t texts)
{
    if (length < front)
        return false;
    if (length == front)
        return texts == 0;
    if (payload[length - 1] != '\0')
        return false;
    for (uint32_t i = (uint32_t)front; i < length && texts > 0; i++)
        texts -= payload[i] == '\0';
    return texts == 0;
}

static bool payload_valid(const struct wire_record *head, const uint8_t *payload)
{
    uint32_t length = head->length;
    if (head->flags & WIRE_HAS_SPAN) {
        const uint32_t ids = WIRE_TRACE_ID_LEN + WIRE_SPAN_ID_LEN;
        if (length < ids)
            return false;
        payload += ids;
        length -= ids;
    }
    struct wire_process_info process;
    struct wire_connection_info connection;
    switch (head->type) {
    case WIRE_PROCESS:
        if (length < sizeof(process))
            return false;
        memcpy(&process, payload, sizeof(process));
        return has_texts(payload, length, sizeof(process), process.text_count);
    case WIRE_CONNECTION:
        if (!has_texts(payload, length, sizeof(connection), 2))
            return false;
        memcpy(&connection, payload, sizeof(connection));
        return connection.slot < RING_CONN_SLOTS;
    case WIRE_CLOSE:
        return length >= sizeof(struct wire_close_info);
    default:
        return true;
    }
}

bool record_valid(const struct wire_record *head, uint32_t room)
{
    if (room < sizeof(*head) || head->size < sizeof(*head) || head->size > room ||
        head->size % WIRE_ALIGN != 0)
        return false;
    if (head->length > head->size - sizeof(*head) ||
        head->size - sizeof(*head) - head->length >= WIRE_ALIGN)
        return false;
    if (head->type == WIRE_PAD || head->type >= WIRE_TYPE_LIMIT)
        return false;
    return payload_valid(head, (const uint8_t *)(head + 1));
}
