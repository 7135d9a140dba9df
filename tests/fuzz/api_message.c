/* Messages of the explicit API: whatever is in one, what is read of it keeps its limits and is
 * valid JSON. The first byte is the record's type. */
#include "collector/message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* A copy of its own size, so that a byte read behind it is seen. */
static int read_exactly(struct api_message *m, uint16_t type, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    MUST(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    int err = api_message_read(m, type, copy, size);
    free(copy);
    return err;
}

static void check_text(const char *text, size_t max)
{
    MUST(text != NULL && strlen(text) > 0 && strlen(text) <= max);
    json *again = json_string(text);
    MUST(strcmp(json_text(again), text) == 0); /* it is valid UTF-8 already */
    json_free(again);
}

static void check_data(const json *value)
{
    MUST(json_is_object(value));
    char *text = json_print_new(value);
    MUST(text != NULL);
    json *again = json_parse(text, strlen(text));
    MUST(json_is_object(again));
    json_free(again);
    free(text);
}

static void check_tags(const json *tags)
{
    MUST(json_is_array(tags) && json_length(tags) <= API_TAGS_MAX);
    for (const json *tag = json_first(tags); tag != NULL; tag = json_next(tag))
        check_text(json_text(tag), (size_t)4 * API_TAG_MAX);
}

static void check(const struct api_message *m)
{
    static const int texts[] = {WIRE_FIELD_NAME, WIRE_FIELD_MODEL, WIRE_FIELD_USER_ID,
                                WIRE_FIELD_SESSION_ID};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (api_has(m, texts[i]))
            check_text(m->value[texts[i]].text, (size_t)4 * API_NAME_MAX);
    if (api_has(m, WIRE_FIELD_ERROR))
        check_text(m->value[WIRE_FIELD_ERROR].text, API_TEXT_MAX);
    if (api_has(m, WIRE_FIELD_PROJECT_ID))
        MUST(api_is_project(m->value[WIRE_FIELD_PROJECT_ID].text));
    if (api_has(m, WIRE_FIELD_INPUT))
        check_data(m->value[WIRE_FIELD_INPUT].data);
    if (api_has(m, WIRE_FIELD_METADATA))
        check_data(m->value[WIRE_FIELD_METADATA].data);
    if (api_has(m, WIRE_FIELD_OUTPUT) && m->of_trace)
        check_text(m->value[WIRE_FIELD_OUTPUT].text, API_TEXT_MAX);
    if (api_has(m, WIRE_FIELD_OUTPUT) && !m->of_trace)
        check_data(m->value[WIRE_FIELD_OUTPUT].data);
    if (api_has(m, WIRE_FIELD_TAG))
        check_tags(m->value[WIRE_FIELD_TAG].data);
    for (int field = WIRE_FIELD_TOKENS_INPUT; field <= WIRE_FIELD_TOKENS_REASONING; field++)
        if (api_has(m, field))
            MUST(m->value[field].figure >= 0 && m->value[field].figure <= API_TOKENS_MAX);
    if (api_has(m, WIRE_FIELD_COST))
        MUST(m->value[WIRE_FIELD_COST].cost >= 0 && m->value[WIRE_FIELD_COST].cost <= API_COST_MAX);
    MUST(m->head.span_type < WIRE_SPAN_TYPE_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct api_message m;
    if (size == 0)
        return 0;
    int err = read_exactly(&m, data[0], data + 1, size - 1);
    MUST(err == ERR_OK || err == ERR_BAD);
    if (err == ERR_OK)
        check(&m);
    api_message_release(&m);
    return 0;
}
