/* Output as key/value pairs: JSON is made of them, in two rounds of which the first only counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/item.h"
#include "client/json_check.h"

#define NUMBER_SIZE 32
#define NEAR_SIZE   1024 /* what is shorter needs no memory */

/* Where text goes; data NULL: nowhere, it is counted. */
struct sink {
    char *data;
    size_t len;
};

static void put(struct sink *o, const char *data, size_t len)
{
    if (o->data)
        memcpy(o->data + o->len, data, len);
    o->len += len;
}

/* Bytes that are no UTF-8 stay as they are: whoever reads the JSON repairs them. */
static void put_string(struct sink *o, const char *text)
{
    put(o, "\"", 1);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put(o, "\\", 1);
            put(o, text, 1);
        } else if (c < 0x20) {
            char escape[8];
            (void)snprintf(escape, sizeof(escape), "\\u%04x", c);
            put(o, escape, 6);
        } else {
            put(o, text, 1);
        }
    }
    put(o, "\"", 1);
}

/* The shortest form that reads as the same number, with a point whatever the locale says. */
static void put_number(struct sink *o, double number)
{
    char text[NUMBER_SIZE];
    if (!isfinite(number)) {
        put(o, "null", 4);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    bool point = false; /* one of a locale may be more than a byte */
    for (const char *at = text; *at; at++) {
        const bool known = (*at >= '0' && *at <= '9') || strchr("+-eE", *at);
        if (known || !point)
            put(o, known ? at : ".", 1);
        point = point || !known;
    }
}

static void put_integer(struct sink *o, int64_t integer)
{
    char text[NUMBER_SIZE];
    const int len = snprintf(text, sizeof(text), "%lld", (long long)integer);
    put(o, text, (size_t)len);
}

/* Of a value that becomes a member. */
static bool is_json(const char *text)
{
    return json_check_inside(text, strlen(text), 1) != JSON_NOT;
}

static bool has_text(const llmt_pair *p)
{
    return p->kind == 't' || p->kind == 'j';
}

static void put_value(struct sink *o, const llmt_pair *p)
{
    switch (p->kind) {
    case 'i':
        put_integer(o, p->integer);
        break;
    case 'n':
        put_number(o, p->number);
        break;
    case 'b':
        put(o, p->integer ? "true" : "false", p->integer ? 4 : 5);
        break;
    case 'j':
        if (is_json(p->text))
            put(o, p->text, strlen(p->text));
        else
            put_string(o, p->text);
        break;
    default:
        put_string(o, p->text);
    }
}

static void put_pairs(struct sink *o, const llmt_pair *pairs, size_t count)
{
    const char *before = "{";
    for (size_t i = 0; i < count; i++) {
        const llmt_pair *p = &pairs[i];
        if (!p->key || (has_text(p) && !p->text))
            continue;
        put(o, before, 1);
        before = ",";
        put_string(o, p->key);
        put(o, ":", 1);
        put_value(o, p);
    }
    if (*before == '{')
        put(o, "{", 1);
    put(o, "}", 2); /* with its NUL */
}

static bool is_kind(int kind)
{
    return kind == 't' || kind == 'i' || kind == 'n' || kind == 'b' || kind == 'j';
}

/* LLMT_EINVAL: a kind that is none. LLMT_EJSON: JSON that is none. */
static int check_pairs(const llmt_pair *pairs, size_t count)
{
    int result = LLMT_OK;
    if (!pairs && count > 0)
        return LLMT_EINVAL;
    for (size_t i = 0; i < count; i++) {
        const llmt_pair *p = &pairs[i];
        if (!is_kind(p->kind))
            return LLMT_EINVAL;
        if (p->key && p->kind == 'j' && p->text && !is_json(p->text))
            result = LLMT_EJSON;
    }
    return result;
}

int llmt_span_set_output_pairs(llmt_span *span, const llmt_pair *pairs, size_t count)
{
    struct item item;
    const int found = item_find(span, HANDLE_SPAN, &item);
    if (found != LLMT_OK)
        return found;
    const int checked = check_pairs(pairs, count);
    if (checked == LLMT_EINVAL)
        return checked;
    struct sink counted = {NULL, 0};
    put_pairs(&counted, pairs, count);
    char near[NEAR_SIZE];
    char *text = counted.len <= sizeof(near) ? near : malloc(counted.len);
    if (!text)
        return LLMT_ENOMEM;
    struct sink written = {text, 0};
    put_pairs(&written, pairs, count);
    const int result = llmt_span_set_output(span, text);
    if (text != near)
        free(text);
    return result == LLMT_OK ? checked : result;
}
