/* Payloads of the explicit API's records: written by core/client, read by the collector. Every one
 * is hostile there until it is checked.
 *
 * A message is one struct wire_api_head and any number of fields. One that fits into a record is
 * one record, with `conn` 0. A longer one is cut into pieces, each a record of the same type with
 * the message's number (any but 0, never used twice in a ring) in `conn`, the piece's place in
 * `offset` and the whole length in `lost`; only the first piece has the head. Pieces, like all
 * records, may come in any order; a piece that was lost makes its message incomplete, and it is
 * dropped when the ring ends.
 *
 * Order: records of one thread, and of threads that waited for each other, are committed in the
 * order of their calls, but may be read in another; what was committed before a record was, is read
 * at the latest by the end of the next complete poll of its ring. `time` says which of two settings
 * of one field came last.
 *
 * WIRE_CLIENT   a client: fields URL, KEY, PROJECT (all optional); ids in the head are zero.
 * Written before the client's first other record in this ring, so anew in a forked child.
 * WIRE_CLIENT_END  the client was closed; its open spans live on.
 * WIRE_TRACE_BEGIN, WIRE_SPAN_BEGIN, WIRE_TRACE_END, WIRE_SPAN_END   with any fields.
 * WIRE_SPAN_OUTPUT, WIRE_SPAN_ERROR   fields of a trace or span that runs.
 * WIRE_FLUSH    struct wire_api_flush behind the head. */
#ifndef TRACER_WIRE_API_H
#define TRACER_WIRE_API_H

#include <stdint.h>

#include "wire/record.h"

#define WIRE_MESSAGE_MAX (24u << 20) /* bytes; longer ones are refused on both sides */

/* Flags of a head. */
#define WIRE_API_JOINED 0x01 /* TRACE_BEGIN: from a traceparent; parent_id is the caller's span */

struct wire_api_head {
    uint8_t trace_id[WIRE_TRACE_ID_LEN]; /* zero: SPAN_END by a span's id alone */
    uint8_t span_id[WIRE_SPAN_ID_LEN];   /* zero: the trace itself */
    uint8_t parent_id[WIRE_SPAN_ID_LEN]; /* SPAN_BEGIN: zero: a root of its trace */
    uint32_t client;                     /* number of the client in its process, from 1 */
    uint8_t span_type;                   /* SPAN_BEGIN: enum wire_span_type */
    uint8_t flags;
    uint16_t zero;
};

/* In the order of enum span_type (core/span/span.h). */
enum wire_span_type {
    WIRE_SPAN_LLM,
    WIRE_SPAN_TOOL,
    WIRE_SPAN_AGENT,
    WIRE_SPAN_FUNCTION,
    WIRE_SPAN_RETRIEVAL,
    WIRE_SPAN_EMBEDDING,
    WIRE_SPAN_CHAIN,
    WIRE_SPAN_OTHER,
    WIRE_SPAN_TYPE_LIMIT
};

enum wire_field_name {
    WIRE_FIELD_NAME = 1,
    WIRE_FIELD_MODEL = 2,
    WIRE_FIELD_INPUT = 3,    /* JSON */
    WIRE_FIELD_OUTPUT = 4,   /* JSON for a span, plain text for a trace */
    WIRE_FIELD_METADATA = 5, /* JSON object; its members are added */
    WIRE_FIELD_TAG = 6,      /* one a tag, in order; an empty one that is CUT says how many there
                                were when some were left out */
    WIRE_FIELD_USER_ID = 7,
    WIRE_FIELD_SESSION_ID = 8,
    WIRE_FIELD_PROJECT_ID = 9,
    WIRE_FIELD_ERROR = 10,
    WIRE_FIELD_TOKENS_INPUT = 11, /* int64_t, from here on */
    WIRE_FIELD_TOKENS_OUTPUT = 12,
    WIRE_FIELD_TOKENS_CACHE_READ = 13,
    WIRE_FIELD_TOKENS_CACHE_WRITE = 14,
    WIRE_FIELD_TOKENS_REASONING = 15,
    WIRE_FIELD_COST = 16, /* double, USD */
    WIRE_FIELD_URL = 17,
    WIRE_FIELD_KEY = 18,
    WIRE_FIELD_LIMIT = 32
};

/* Flags of a field. */
#define WIRE_FIELD_CUT                                                                             \
    0x01 /* was over its limit: the data begins with the length in bytes before, a uint64_t */
#define WIRE_FIELD_TEXT 0x02 /* a JSON field whose text is not JSON: {"text": "..."} is meant */

/* Followed by `length` bytes, not padded: fields lie at any alignment. */
struct wire_api_field {
    uint16_t name;
    uint16_t flags;
    uint32_t length;
};

/* WIRE_FLUSH: when all records committed before this one are stored, and those of the client
 * delivered to its service, the collector writes `ticket` to the ring header's flushed[slot]. When
 * they are stored and the service takes nothing at present, it writes WIRE_FLUSH_IN_VAIN(ticket),
 * unless that is waited out. */
struct wire_api_flush {
    uint64_t ticket; /* odd, never used twice in a ring */
    uint32_t slot;   /* below RING_FLUSH_SLOTS */
    uint32_t flags;
};
#define WIRE_FLUSH_PATIENT         0x01 /* a service that takes nothing may take it later */
#define WIRE_FLUSH_IN_VAIN(ticket) ((ticket) ^ 1)

_Static_assert(sizeof(struct wire_api_head) == 40, "no padding");
_Static_assert(sizeof(struct wire_api_field) == 8, "no padding");

#endif
