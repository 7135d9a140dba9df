#include "collector/message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { NONE, TEXT, LONG_TEXT, DATA, TAG, FIGURE, COST };

static const struct {
    const char *name;
    enum kind kind;
    size_t max; /* TEXT: characters */
} fields[API_FIELDS] = {
    [WIRE_FIELD_NAME] = {"name", TEXT, API_NAME_MAX},
    [WIRE_FIELD_MODEL] = {"model", TEXT, API_NAME_MAX},
    [WIRE_FIELD_INPUT] = {"input_data", DATA, 0},
    [WIRE_FIELD_OUTPUT] = {"output_data", DATA, 0},
    [WIRE_FIELD_METADATA] = {"metadata", DATA, 0},
    [WIRE_FIELD_TAG] = {"tags", TAG, API_TAG_MAX},
    [WIRE_FIELD_USER_ID] = {"user_id", TEXT, API_NAME_MAX},
    [WIRE_FIELD_SESSION_ID] = {"session_id", TEXT, API_NAME_MAX},
    [WIRE_FIELD_PROJECT_ID] = {"project_id", TEXT, API_PROJECT_MAX},
    [WIRE_FIELD_ERROR] = {"error", LONG_TEXT, 0},
    [WIRE_FIELD_TOKENS_INPUT] = {"tokens_input", FIGURE, 0},
    [WIRE_FIELD_TOKENS_OUTPUT] = {"tokens_output", FIGURE, 0},
    [WIRE_FIELD_TOKENS_CACHE_READ] = {"tokens_cache_read", FIGURE, 0},
    [WIRE_FIELD_TOKENS_CACHE_WRITE] = {"tokens_cache_write", FIGURE, 0},
    [WIRE_FIELD_TOKENS_REASONING] = {"tokens_reasoning", FIGURE, 0},
    [WIRE_FIELD_COST] = {"cost_usd", COST, 0},
    [WIRE_FIELD_URL] = {"url", TEXT, API_URL_MAX},
    [WIRE_FIELD_KEY] = {"key", TEXT, API_URL_MAX},
};

const char *api_field_name(int field)
{
    return field > 0 && field < API_FIELDS ? fields[field].name : "";
}

static enum kind kind_of(const struct api_message *m, int field)
{
    if (field == WIRE_FIELD_OUTPUT && m->of_trace)
        return LONG_TEXT;
    return fields[field].kind;
}

static bool holds_data(enum kind kind)
{
    return kind == DATA || kind == TAG;
}

static void drop(struct api_message *m, int field)
{
    enum kind kind = kind_of(m, field);
    if (!api_has(m, field))
        return;
    if (holds_data(kind))
        json_free(m->value[field].data);
    else if (kind == TEXT || kind == LONG_TEXT)
        free(m->value[field].text);
    m->set &= ~(1u << field);
    m->cut &= ~(1u << field);
}

void api_message_release(struct api_message *m)
{
    for (int field = 1; field < API_FIELDS; field++)
        drop(m, field);
}

/* A field that is being read. */
struct reading {
    int field;
    uint16_t flags;
    const char *data;
    size_t length;
    uint64_t original; /* length before any cut; 0: nothing is cut */
};

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
            return false;
    return true;
}

/* Valid UTF-8 without NUL; new memory, NULL when out of it. */
static char *clean(const char *text, size_t len)
{
    if (is_plain(text, len))
        return strndup(text, len);
    json *value = json_string_n(text, len);
    char *copy = json_text(value) != NULL ? strdup(json_text(value)) : NULL;
    json_free(value);
    return copy;
}

/* Cuts valid UTF-8 to a number of characters. Returns whether anything went. */
static bool cut_characters(char *text, size_t max)
{
    size_t at = 0;
    for (size_t count = 0; text[at] != '\0' && count < max; count++) {
        at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80)
            at++;
    }
    bool more = text[at] != '\0';
    text[at] = '\0';
    return more;
}

static bool cut_bytes(char *text, size_t max)
{
    size_t len = strlen(text);
    if (len <= max)
        return false;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    text[max] = '\0';
    return true;
}

bool api_is_project(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return len > 0 && len <= API_PROJECT_MAX && text[len] == '\0';
}

bool api_is_key(const char *text)
{
    return strncmp(text, "project-", 8) == 0 && api_is_project(text + 8);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\f\v")] == '\0';
}

static void mark_cut(struct api_message *m, const struct reading *at, bool now)
{
    if (!now && at->original == 0)
        return;
    m->cut |= 1u << at->field;
    m->length[at->field] = at->original != 0 ? at->original : at->length;
}

/* An empty text says nothing, but that a span failed. */
static int read_text(struct api_message *m, const struct reading *at, enum kind kind)
{
    char *text = clean(at->data, at->length);
    if (text == NULL)
        return ERR_NOMEM;
    if (text[0] == '\0' && at->field == WIRE_FIELD_ERROR) {
        free(text);
        text = strdup("error");
        if (text == NULL)
            return ERR_NOMEM;
    }
    bool over =
        kind == TEXT ? cut_characters(text, fields[at->field].max) : cut_bytes(text, API_TEXT_MAX);
    if (text[0] == '\0' || (at->field == WIRE_FIELD_PROJECT_ID && !api_is_project(text))) {
        free(text);
        return ERR_OK;
    }
    drop(m, at->field);
    m->value[at->field].text = text;
    m->set |= 1u << at->field;
    mark_cut(m, at, over);
    return ERR_OK;
}

/* What is no object becomes one. */
static json *make_object(struct reading *at)
{
    json *value = NULL, *object;
    if (at->length > API_DATA_MAX) {
        if (at->original == 0)
            at->original = at->length;
        at->length = API_DATA_MAX;
    }
    if ((at->flags & WIRE_FIELD_TEXT) == 0)
        value = json_parse(at->data, at->length);
    if (json_is_object(value))
        return value;
    object = json_object();
    if (value != NULL)
        json_set(object, "value", value);
    else
        json_set(object, "text", json_string_n(at->data, at->length));
    return object;
}

static int read_data(struct api_message *m, struct reading *at)
{
    json *object = make_object(at);
    if (object == NULL)
        return ERR_NOMEM;
    if (at->original != 0) {
        json_set_bool(object, "_truncated", true);
        json_set_int(object, "_original_size",
                     at->original < INT64_MAX ? (int64_t)at->original : INT64_MAX);
    }
    drop(m, at->field);
    m->value[at->field].data = object;
    m->set |= 1u << at->field;
    return ERR_OK;
}

static int read_tag(struct api_message *m, const struct reading *at)
{
    if (!api_has(m, at->field)) {
        m->value[at->field].data = json_array();
        if (m->value[at->field].data == NULL)
            return ERR_NOMEM;
        m->set |= 1u << at->field;
    }
    json *tags = m->value[at->field].data;
    char *text = clean(at->data, at->length);
    if (text == NULL)
        return ERR_NOMEM;
    bool over = cut_characters(text, API_TAG_MAX);
    if (!is_blank(text)) {
        if (json_length(tags) < API_TAGS_MAX)
            json_add(tags, json_string(text));
        else
            over = true;
    }
    mark_cut(m, at, over); /* a cut one without text: there were more than that many */
    free(text);
    return ERR_OK;
}

static void read_figure(struct api_message *m, const struct reading *at)
{
    int64_t figure;
    if (at->length != sizeof(figure))
        return;
    memcpy(&figure, at->data, sizeof(figure));
    if (figure < 0 || figure > API_TOKENS_MAX)
        return;
    m->value[at->field].figure = figure;
    m->set |= 1u << at->field;
}

static void read_cost(struct api_message *m, const struct reading *at)
{
    double cost;
    if (at->length != sizeof(cost))
        return;
    memcpy(&cost, at->data, sizeof(cost));
    if (!(cost >= 0) || !isfinite(cost) || cost > API_COST_MAX)
        return;
    m->value[at->field].cost = cost;
    m->set |= 1u << at->field;
}

static int read_field(struct api_message *m, struct reading *at)
{
    const enum kind kind = kind_of(m, at->field);
    if ((at->flags & WIRE_FIELD_CUT) != 0 && (holds_data(kind) || kind <= LONG_TEXT)) {
        if (at->length < sizeof(at->original)) {
            m->malformed = true;
            return ERR_OK;
        }
        memcpy(&at->original, at->data, sizeof(at->original));
        at->data += sizeof(at->original);
        at->length -= sizeof(at->original);
        if (at->original < at->length)
            at->original = at->length;
    }
    switch (kind) {
    case TEXT:
    case LONG_TEXT:
        return read_text(m, at, kind);
    case DATA:
        return read_data(m, at);
    case TAG:
        return read_tag(m, at);
    case FIGURE:
        read_figure(m, at);
        break;
    case COST:
        read_cost(m, at);
        break;
    case NONE:
        break;
    }
    return ERR_OK;
}

static int read_fields(struct api_message *m, const uint8_t *at, const uint8_t *end)
{
    struct wire_api_field field;
    int err = ERR_OK;
    while (err == ERR_OK && at < end) {
        if ((size_t)(end - at) < sizeof(field)) {
            m->malformed = true;
            break;
        }
        memcpy(&field, at, sizeof(field));
        at += sizeof(field);
        if (field.length > (size_t)(end - at)) {
            m->malformed = true;
            break;
        }
        struct reading reading = {.field = field.name,
                                  .flags = field.flags,
                                  .data = (const char *)at,
                                  .length = field.length};
        if (field.name > 0 && field.name < API_FIELDS)
            err = read_field(m, &reading);
        at += field.length;
    }
    return err;
}

/* Whether the head names what its type speaks of. */
static bool is_meant(struct api_message *m)
{
    bool trace = !id_is_zero(m->head.trace_id, WIRE_TRACE_ID_LEN);
    bool span = !id_is_zero(m->head.span_id, WIRE_SPAN_ID_LEN);
    switch (m->type) {
    case WIRE_TRACE_BEGIN:
    case WIRE_TRACE_END:
        m->of_trace = true;
        return trace;
    case WIRE_SPAN_BEGIN:
        return trace && span;
    case WIRE_SPAN_OUTPUT:
    case WIRE_SPAN_ERROR:
        m->of_trace = !span;
        return trace || span;
    case WIRE_SPAN_END:
        return span;
    case WIRE_CLIENT:
    case WIRE_CLIENT_END:
        return m->head.client != 0;
    default:
        return false;
    }
}

int api_message_read(struct api_message *m, uint16_t type, const uint8_t *data, size_t length)
{
    memset(m, 0, sizeof(*m));
    m->type = type;
    if (length < sizeof(m->head) || length > WIRE_MESSAGE_MAX)
        return ERR_BAD;
    memcpy(&m->head, data, sizeof(m->head));
    if (!is_meant(m))
        return ERR_BAD;
    if (m->head.span_type >= WIRE_SPAN_TYPE_LIMIT)
        m->head.span_type = WIRE_SPAN_OTHER;
    return read_fields(m, data + sizeof(m->head), data + length);
}
