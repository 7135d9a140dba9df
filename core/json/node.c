#include "json/node.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SPARE    23 /* of a value that is built: the name comes later, most are short */
#define NAME_ROOM_MAX (1 << 20)

json *node_new(int type, size_t name_room, size_t text_room)
{
    size_t name = name_room == SIZE_MAX ? 0 : name_room + 1;
    size_t text = text_room == SIZE_MAX ? 0 : text_room + 1;
    if (name > SIZE_MAX / 4 || text > SIZE_MAX / 4)
        return NULL;
    json *value = malloc(sizeof(*value) + name + text);
    if (value == NULL)
        return NULL;
    char *room = (char *)(value + 1);
    memset(value, 0, sizeof(*value));
    value->type = type;
    if (name > 0) {
        value->string = room;
        value->type |= cJSON_StringIsConst;
        value->valueint = name - 1 < NAME_ROOM_MAX ? (int)name_room : NAME_ROOM_MAX;
        room[name - 1] = '\0';
    }
    if (text > 0) {
        value->valuestring = room + name;
        value->type |= cJSON_IsReference;
        value->valuestring[text - 1] = '\0';
    }
    return value;
}

json *node_build(int type, size_t text_room)
{
    json *value = node_new(type, NAME_SPARE, text_room);
    if (value != NULL) {
        value->string = NULL;
        value->type &= ~cJSON_StringIsConst;
    }
    return value;
}

bool node_name_fits(const json *value, size_t len)
{
    return len <= (size_t)value->valueint;
}

void node_name(json *value, const char *name, size_t len)
{
    node_forget_name(value);
    value->string = (char *)(value + 1);
    value->type |= cJSON_StringIsConst;
    memmove(value->string, name, len); /* it may be its own */
    value->string[len] = '\0';
}

/* cJSON's list: the first child's prev is the last child. */
void node_append(json *container, json *value)
{
    json *first = container->child;
    value->next = NULL;
    if (first == NULL) {
        container->child = value;
        value->prev = value;
        return;
    }
    value->prev = first->prev;
    first->prev->next = value;
    first->prev = value;
}

void node_forget_name(json *value)
{
    if ((value->type & cJSON_StringIsConst) == 0)
        free(value->string);
    value->string = NULL;
    value->type &= ~cJSON_StringIsConst;
}

static size_t digits(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* RFC 8259 §6. */
size_t number_span(const char *text, size_t len, bool *whole)
{
    size_t at = len > 0 && text[0] == '-';
    size_t n = digits(text + at, len - at);
    *whole = true;
    if (n == 0 || (n > 1 && text[at] == '0'))
        return 0;
    at += n;
    if (at < len && text[at] == '.') {
        *whole = false;
        n = digits(text + at + 1, len - at - 1);
        if (n == 0)
            return 0;
        at += 1 + n;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        *whole = false;
        at++;
        if (at < len && (text[at] == '+' || text[at] == '-'))
            at++;
        n = digits(text + at, len - at);
        if (n == 0)
            return 0;
        at += n;
    }
    return at;
}

/* By strtod, which wants a NUL and the decimal point of the program's locale. */
static double slow_value(const char *text, size_t len)
{
    char small[128];
    char *copy = len < sizeof(small) ? small : malloc(len + 1);
    if (copy == NULL)
        return (double)INFINITY;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *point = strchr(copy, '.');
    if (point != NULL)
        *point = localeconv()->decimal_point[0];
    double value = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return value;
}

/* A decimal whose digits and power of ten are both exact as doubles takes one operation, which
 * rounds rightly (Clinger 1990); nearly all numbers are such. */
double number_value(const char *text, size_t len)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t mantissa = 0;
    long exponent = 0;
    size_t at = text[0] == '-', seen = 0;
    bool fraction = false;
    for (; at < len && text[at] != 'e' && text[at] != 'E'; at++) {
        if (text[at] == '.') {
            fraction = true;
            continue;
        }
        if (mantissa > 0 || text[at] != '0')
            seen++;
        if (seen > 18)
            return slow_value(text, len);
        mantissa = mantissa * 10 + (uint64_t)(text[at] - '0');
        exponent -= fraction;
    }
    if (at < len) {
        if (len - at > 5)
            return slow_value(text, len);
        bool negative = text[at + 1] == '-';
        long power = 0;
        for (at += negative || text[at + 1] == '+' ? 2 : 1; at < len; at++)
            power = power * 10 + (text[at] - '0');
        exponent += negative ? -power : power;
    }
    if (mantissa > UINT64_C(9007199254740992) || exponent < -22 || exponent > 22)
        return slow_value(text, len);
    double value =
        exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
    return text[0] == '-' ? -value : value;
}
