/* JSON as DynamoDB's attribute values and back. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/dynamodb/dynamodb.h"

#define OUT_MAX     ((size_t)64 * 1024 * 1024)
#define DEPTH_MAX   30 /* an item may nest 32 levels (DynamoDB's limits), its attribute is one */
#define DIGITS_MAX  38
#define WHOLE       "_json" /* the member that holds a document which no map can */
#define NUMBER_HIGH 1e120   /* a number may be up to 9.99e125 and down to 1e-130 */
#define PLAIN_HIGH  1e30
#define PLAIN_LOW   1e-40
#define DIGITS      15
#define NUMBER_LOW  1e-120

void out_init(struct out *o)
{
    buf_init(&o->buf, OUT_MAX);
    o->err = ERR_OK;
}

void out_release(struct out *o)
{
    buf_release(&o->buf);
}

void out_clear(struct out *o)
{
    buf_clear(&o->buf);
    o->err = ERR_OK;
}

void out_bytes(struct out *o, const char *at, size_t len)
{
    if (o->err == ERR_OK && len > 0)
        o->err = buf_append(&o->buf, at, len);
}

void out_text(struct out *o, const char *text)
{
    out_bytes(o, text, strlen(text));
}

void out_quote(struct out *o, struct text text)
{
    if (o->err == ERR_OK)
        o->err = json_quote(&o->buf, text.at != NULL ? text.at : "", text.len);
}

void out_format(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (o->err == ERR_OK)
        o->err = buf_vprintf(&o->buf, format, args);
    va_end(args);
}

void out_number(struct out *o, double value)
{
    char text[96];
    if (!isfinite(value) || fabs(value) < NUMBER_LOW)
        value = 0;
    if (fabs(value) > NUMBER_HIGH)
        value = copysign(NUMBER_HIGH, value);
    snprintf(text, sizeof(text), "%.15g", value);
    if (strchr(text, 'e') != NULL && fabs(value) > PLAIN_LOW && fabs(value) < PLAIN_HIGH) {
        /* Not every server of DynamoDB's protocol can add up numbers with an exponent. */
        int decimals = fabs(value) < 1 ? DIGITS - 1 - (int)floor(log10(fabs(value))) : 0;
        size_t len = (size_t)snprintf(text, sizeof(text), "%.*f", decimals, value);
        while (decimals > 0 && text[len - 1] == '0')
            text[--len] = '\0';
    }
    out_text(o, text);
}

void out_s(struct out *o, struct text text)
{
    out_text(o, "{\"S\":");
    out_quote(o, text);
    out_text(o, "}");
}

void out_n(struct out *o, int64_t value)
{
    out_format(o, "{\"N\":\"%lld\"}", (long long)value);
}

void out_n_double(struct out *o, double value)
{
    out_text(o, "{\"N\":\"");
    out_number(o, value);
    out_text(o, "\"}");
}

/* Whether DynamoDB holds the number exactly; its text is appended in quotes then. */
static bool number_value_from(struct out *o, const json *value, size_t *size)
{
    struct buf text;
    double number = 0;
    buf_init(&text, 4096);
    bool fits = json_print(value, &text) == ERR_OK && json_number(value, &number);
    size_t digits = 0;
    const char *p = buf_str(&text);
    for (; *p != '\0' && *p != 'e' && *p != 'E'; p++)
        digits += isdigit((unsigned char)*p) && (digits > 0 || *p != '0');
    bool zero = digits == 0;
    fits = fits && digits <= DIGITS_MAX &&
           (zero || (fabs(number) >= NUMBER_LOW && fabs(number) <= NUMBER_HIGH));
    if (fits) {
        out_format(o, "{\"N\":\"%s\"}", zero ? "0" : buf_str(&text));
        *size += digits / 2 + 2;
    }
    buf_release(&text);
    return fits;
}

static bool container_from_json(struct out *o, const json *value, size_t *size, int depth)
{
    bool object = json_is_object(value);
    out_text(o, object ? "{\"M\":{" : "{\"L\":[");
    *size += 3;
    for (const json *e = json_first(value); e != NULL; e = json_next(e)) {
        if (e != json_first(value))
            out_text(o, ",");
        if (object) {
            const char *key = json_key(e);
            if (key == NULL || key[0] == '\0')
                return false;
            out_quote(o, text_of(key));
            out_text(o, ":");
            *size += strlen(key);
        }
        *size += 1;
        if (!value_from_json(o, e, size, depth + 1))
            return false;
    }
    out_text(o, object ? "}}" : "]}");
    return true;
}

bool value_from_json(struct out *o, const json *value, size_t *size, int depth)
{
    if (depth > DEPTH_MAX)
        return false;
    if (json_is_object(value) || json_is_array(value))
        return container_from_json(o, value, size, depth);
    if (json_is_number(value))
        return number_value_from(o, value, size);
    if (json_is_string(value)) {
        out_s(o, text_of(json_text(value)));
        *size += strlen(json_text(value));
    } else if (json_is_bool(value)) {
        out_text(o, json_is_true(value) ? "{\"BOOL\":true}" : "{\"BOOL\":false}");
        *size += 1;
    } else {
        out_text(o, "{\"NULL\":true}");
        *size += 1;
    }
    return true;
}

/* The text of a number of DynamoDB as JSON; it is from the network. */
static void number_to_json(struct out *o, const char *text)
{
    json *number = json_parse(text, strlen(text));
    if (o->err == ERR_OK)
        o->err =
            json_is_number(number) ? json_print(number, &o->buf) : buf_append_str(&o->buf, "null");
    json_free(number);
}

static void list_to_json(struct out *o, const json *list, bool numbers)
{
    out_text(o, "[");
    for (const json *e = json_first(list); e != NULL; e = json_next(e)) {
        if (e != json_first(list))
            out_text(o, ",");
        if (json_is_object(e))
            value_to_json(o, e);
        else if (numbers && json_is_string(e))
            number_to_json(o, json_text(e));
        else
            out_quote(o, text_of(json_text(e)));
    }
    out_text(o, "]");
}

static void map_to_json(struct out *o, const json *map)
{
    out_text(o, "{");
    for (const json *e = json_first(map); e != NULL; e = json_next(e)) {
        if (e != json_first(map))
            out_text(o, ",");
        out_quote(o, text_of(json_key(e)));
        out_text(o, ":");
        value_to_json(o, e);
    }
    out_text(o, "}");
}

void value_to_json(struct out *o, const json *value)
{
    const json *inner = json_first(value);
    const char *type = json_is_object(value) && inner != NULL ? json_key(inner) : "";
    if (strcmp(type, "S") == 0 && json_is_string(inner))
        out_quote(o, text_of(json_text(inner)));
    else if (strcmp(type, "N") == 0 && json_is_string(inner))
        number_to_json(o, json_text(inner));
    else if (strcmp(type, "BOOL") == 0 && json_is_bool(inner))
        out_text(o, json_is_true(inner) ? "true" : "false");
    else if (strcmp(type, "M") == 0 && json_is_object(inner))
        map_to_json(o, inner);
    else if ((strcmp(type, "L") == 0 || strcmp(type, "SS") == 0 || strcmp(type, "BS") == 0) &&
             json_is_array(inner))
        list_to_json(o, inner, false);
    else if (strcmp(type, "NS") == 0 && json_is_array(inner))
        list_to_json(o, inner, true);
    else if (strcmp(type, "B") == 0 && json_is_string(inner))
        out_quote(o, text_of(json_text(inner)));
    else
        out_text(o, "null");
}

static void cut_back(struct out *o, size_t len)
{
    if (o->err != ERR_OK || o->buf.data == NULL)
        return;
    o->buf.len = len;
    o->buf.data[len] = '\0';
}

/* Quotes the JSON text of a value. */
static void quote_json(struct out *o, const json *value, size_t *size)
{
    char *text = json_print_new(value);
    if (text == NULL && o->err == ERR_OK)
        o->err = ERR_NOMEM;
    out_quote(o, text_of(text));
    *size += text != NULL ? strlen(text) : 0;
    free(text);
}

void value_from_document(struct out *o, const json *document, size_t *size)
{
    size_t mark = o->buf.len;
    size_t begun = *size;
    bool ours = json_length(document) == 1 && json_get(document, WHOLE) != NULL;
    if (!ours && value_from_json(o, document, size, 1))
        return;
    cut_back(o, mark);
    *size = begun + 4 + strlen(WHOLE);
    out_text(o, "{\"M\":{\"" WHOLE "\":{\"S\":");
    quote_json(o, document, size);
    out_text(o, "}}}");
}

void value_to_document(struct out *o, const json *value)
{
    const json *map = json_get(value, "M");
    const char *whole = json_length(map) == 1 ? json_text(json_path(map, WHOLE ".S")) : NULL;
    json *document = whole != NULL ? json_parse(whole, strlen(whole)) : NULL;
    if (document != NULL) {
        if (o->err == ERR_OK)
            o->err = json_print(document, &o->buf);
        json_free(document);
    } else {
        value_to_json(o, value);
    }
}

void value_from_metadata(struct out *o, const json *metadata, struct out *names, size_t *size)
{
    struct map seen;
    map_init(&seen);
    out_text(o, "{\"M\":{");
    *size += 3;
    for (const json *e = json_first(metadata); e != NULL; e = json_next(e)) {
        const char *key = json_key(e);
        if (key == NULL || key[0] == '\0' || map_get(&seen, key, strlen(key)) != NULL)
            continue; /* no attribute can be called so; of two of one name the first counts */
        if (seen.count > 0)
            out_text(o, ",");
        if (map_set(&seen, key, strlen(key), &seen) != ERR_OK && o->err == ERR_OK)
            o->err = ERR_NOMEM;
        out_quote(o, text_of(key));
        *size += strlen(key) + 1;
        if (json_is_string(e)) {
            out_text(o, ":");
            out_s(o, text_of(json_text(e)));
            *size += strlen(json_text(e));
            continue;
        }
        out_text(o, ":{\"S\":");
        quote_json(o, e, size);
        out_text(o, "}");
        if (names->buf.len > 0)
            out_text(names, ",");
        out_s(names, text_of(key));
        *size += strlen(key) + 1;
    }
    out_text(o, "}}");
    map_release(&seen);
}

static void collect_names(struct map *out, const json *names)
{
    map_init(out);
    for (const json *e = json_first(json_get(names, "L")); e != NULL; e = json_next(e)) {
        const char *name = json_get_text(e, "S");
        if (name != NULL && map_set(out, name, strlen(name), out) != ERR_OK)
            return; /* what is left out is read as text */
    }
}

void value_to_metadata(struct out *o, const json *map, const json *names)
{
    struct map is_json;
    collect_names(&is_json, names);
    out_text(o, "{");
    for (const json *e = json_first(json_get(map, "M")); e != NULL; e = json_next(e)) {
        const char *text = json_get_text(e, "S");
        if (e != json_first(json_get(map, "M")))
            out_text(o, ",");
        out_quote(o, text_of(json_key(e)));
        out_text(o, ":");
        json *value = NULL;
        if (text != NULL && map_get(&is_json, json_key(e), strlen(json_key(e))) != NULL)
            value = json_parse(text, strlen(text));
        if (value == NULL)
            value_to_json(o, e);
        else if (o->err == ERR_OK)
            o->err = json_print(value, &o->buf);
        json_free(value);
    }
    out_text(o, "}");
    map_release(&is_json);
}

const json *item_attribute(const json *item, const char *name, const char *type)
{
    return json_get(json_get(item, name), type);
}

const char *item_text(const json *item, const char *name)
{
    return json_text(item_attribute(item, name, "S"));
}

bool item_int(const json *item, const char *name, int64_t *out)
{
    double number;
    if (!item_double(item, name, &number))
        return false;
    const char *text = json_text(item_attribute(item, name, "N"));
    char *end;
    long long whole = strtoll(text, &end, 10);
    if (*end == '\0')
        *out = whole;
    else
        *out = number >= 9.2e18 ? INT64_MAX : number <= -9.2e18 ? INT64_MIN : (int64_t)number;
    return true;
}

bool item_double(const json *item, const char *name, double *out)
{
    const char *text = json_text(item_attribute(item, name, "N"));
    if (text == NULL)
        return false;
    json *number = json_parse(text, strlen(text));
    bool is = json_number(number, out);
    json_free(number);
    return is;
}
