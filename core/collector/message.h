/* What a message of the explicit API says (wire/api.h): checked, cut to its limits, made valid.
 * Pure: nothing here knows of rings or stores. Not thread-safe. */
#ifndef TRACER_COLLECTOR_MESSAGE_H
#define TRACER_COLLECTOR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "span/span.h"
#include "wire/api.h"
#include "json/json.h"

/* The limits of llm_tracer.h, once more: its side cannot be trusted. */
#define API_NAME_MAX    255 /* characters */
#define API_PROJECT_MAX 100
#define API_TAGS_MAX    50
#define API_TAG_MAX     100
#define API_TEXT_MAX    65536u     /* bytes */
#define API_DATA_MAX    (4u << 20) /* bytes */
#define API_URL_MAX     1023
#define API_TOKENS_MAX  INT64_C(1000000000000)
#define API_COST_MAX    1e9

#define API_FIELDS (WIRE_FIELD_KEY + 1)

/* By the field: text, JSON (input, output, metadata, the tags' array), figure, cost. */
union api_value {
    char *text;
    json *data;
    int64_t figure;
    double cost;
};

struct api_message {
    struct wire_api_head head;
    uint16_t type;  /* enum wire_type */
    bool of_trace;  /* not of a span */
    bool malformed; /* what was behind the last good field is left out */
    uint32_t set;   /* bits by enum wire_field_name: which values are there */
    uint32_t cut;   /* which of those were over their limits */
    union api_value value[API_FIELDS];
    uint64_t length[API_FIELDS]; /* before the cut; bytes, as far as it is known */
};

/* Reads a whole message. Ids that are zero where they must not be, a type that is none of the API's
 * or a head that is not whole: ERR_BAD. Fields that break their rules are left out. ERR_NOMEM. In
 * each case *m may be released. */
int api_message_read(struct api_message *m, uint16_t type, const uint8_t *data,
                     size_t length) WARN_UNUSED_RESULT;
void api_message_release(struct api_message *m);
static inline bool api_has(const struct api_message *m, int field)
{
    return (m->set >> field & 1) != 0;
}
/* The name of a field as marks of what was cut give it. */
const char *api_field_name(int field);
/* 1..100 of [A-Za-z0-9_-] */
bool api_is_project(const char *text);
/* "project-" and a project's id */
bool api_is_key(const char *text);

#endif
