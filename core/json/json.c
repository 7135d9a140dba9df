#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/node.h"
#include "json/utf8.h"

#define EXACT_MAX INT64_C(9007199254740992) /* 2^53: every whole number up to it is a double */
#define TWO_63    9223372036854775808.0

static bool is(const json *value, int type)
{
    return value != NULL && (value->type & 0xff) == type;
}

json *json_get(const json *object, const char *key)
{
    if (!is(object, cJSON_Object) || key == NULL)
        return NULL;
    const char first = *key; /* nearly all members differ there */
    for (json *e = object->child; e != NULL; e = e->next)
        if (e->string != NULL && *e->string == first && strcmp(e->string, key) == 0)
            return e;
    return NULL;
}

json *json_at(const json *array, size_t index)
{
    if (!is(array, cJSON_Array))
        return NULL;
    json *e = array->child;
    while (e != NULL && index-- > 0)
        e = e->next;
    return e;
}

/* The member that the first len bytes of name mean. */
static const json *step(const json *value, const char *name, size_t len)
{
    if (is(value, cJSON_Array)) {
        size_t index = 0;
        for (size_t i = 0; i < len; i++) {
            if (name[i] < '0' || name[i] > '9' || index > SIZE_MAX / 16)
                return NULL;
            index = index * 10 + (size_t)(name[i] - '0');
        }
        return len == 0 ? NULL : json_at(value, index);
    }
    for (const json *e = json_first(value); e != NULL; e = e->next)
        if (e->string != NULL && strncmp(e->string, name, len) == 0 && e->string[len] == '\0')
            return e;
    return NULL;
}

json *json_path(const json *value, const char *path)
{
    while (value != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        value = step(value, path, len);
        path += len;
        if (*path == '.')
            path++;
    }
    return (json *)value;
}

size_t json_length(const json *array_or_object)
{
    size_t n = 0;
    for (const json *e = json_first(array_or_object); e != NULL; e = e->next)
        n++;
    return n;
}

json *json_first(const json *array_or_object)
{
    return array_or_object == NULL ? NULL : array_or_object->child;
}

json *json_next(const json *value)
{
    return value == NULL ? NULL : value->next;
}

const char *json_key(const json *value)
{
    return value == NULL ? NULL : value->string;
}

bool json_is_object(const json *value)
{
    return is(value, cJSON_Object);
}

bool json_is_array(const json *value)
{
    return is(value, cJSON_Array);
}

bool json_is_string(const json *value)
{
    return is(value, cJSON_String);
}

bool json_is_number(const json *value)
{
    return is(value, cJSON_Number);
}

bool json_is_bool(const json *value)
{
    return is(value, cJSON_True) || is(value, cJSON_False);
}

bool json_is_null(const json *value)
{
    return is(value, cJSON_NULL);
}

bool json_is_true(const json *value)
{
    return is(value, cJSON_True);
}

const char *json_text(const json *value)
{
    return is(value, cJSON_String) ? value->valuestring : NULL;
}

bool json_number(const json *value, double *out)
{
    if (!is(value, cJSON_Number))
        return false;
    *out = value->valuedouble;
    return true;
}

bool json_int(const json *value, int64_t *out)
{
    if (!is(value, cJSON_Number))
        return false;
    if (value->valuestring != NULL) { /* digits that a double may not hold */
        char *end;
        errno = 0;
        long long number = strtoll(value->valuestring, &end, 10);
        if (*end == '\0' && errno == 0)
            *out = number;
        if (*end == '\0')
            return errno == 0;
    }
    double d = value->valuedouble;
    if (!(d >= -TWO_63 && d < TWO_63) || d != floor(d))
        return false;
    *out = (int64_t)d;
    return true;
}

const char *json_get_text(const json *object, const char *key)
{
    return json_text(json_get(object, key));
}

bool json_get_int(const json *object, const char *key, int64_t *out)
{
    return json_int(json_get(object, key), out);
}

bool json_get_number(const json *object, const char *key, double *out)
{
    return json_number(json_get(object, key), out);
}

json *json_object(void)
{
    return node_build(cJSON_Object, SIZE_MAX);
}

json *json_array(void)
{
    return node_build(cJSON_Array, SIZE_MAX);
}

json *json_string(const char *text)
{
    return text == NULL ? json_null() : json_string_n(text, strlen(text));
}

json *json_string_n(const char *text, size_t len)
{
    bool plain = utf8_plain_span(text, len) == len;
    json *value = node_build(cJSON_String, plain ? len : utf8_clean_len(text, len));
    if (value == NULL)
        return NULL;
    if (plain)
        memcpy(value->valuestring, text, len);
    else
        utf8_clean(value->valuestring, text, len);
    return value;
}

/* A number beyond 2^53 also carries its digits, since a double cannot hold them. */
json *json_from_int(int64_t number)
{
    char text[24];
    bool exact = number >= -EXACT_MAX && number <= EXACT_MAX;
    int len = exact ? 0 : snprintf(text, sizeof(text), "%lld", (long long)number);
    json *value = node_build(cJSON_Number, exact ? SIZE_MAX : (size_t)len);
    if (value == NULL)
        return NULL;
    value->valuedouble = (double)number;
    if (!exact)
        memcpy(value->valuestring, text, (size_t)len);
    return value;
}

json *json_from_number(double number)
{
    json *value = node_build(isfinite(number) ? cJSON_Number : cJSON_NULL, SIZE_MAX);
    if (value != NULL)
        value->valuedouble = isfinite(number) ? number : 0;
    return value;
}

json *json_from_bool(bool value)
{
    return node_build(value ? cJSON_True : cJSON_False, SIZE_MAX);
}

json *json_null(void)
{
    return node_build(cJSON_NULL, SIZE_MAX);
}

static json *copy_node(const json *value, const char *name)
{
    const char *text = value->valuestring;
    size_t name_len = name == NULL ? SIZE_MAX : strlen(name);
    size_t text_len = text == NULL ? SIZE_MAX : strlen(text);
    json *copy = node_new(value->type & 0xff, name_len, text_len);
    if (copy == NULL)
        return NULL;
    copy->valuedouble = value->valuedouble;
    if (name != NULL)
        memcpy(copy->string, name, name_len);
    if (text != NULL)
        memcpy(copy->valuestring, text, text_len);
    return copy;
}

static json *copy_tree(const json *value, const char *name)
{
    json *copy = copy_node(value, name);
    for (const json *e = value->child; e != NULL && copy != NULL; e = e->next) {
        json *member = copy_tree(e, e->string);
        if (member == NULL) {
            cJSON_Delete(copy);
            return NULL;
        }
        node_append(copy, member);
    }
    return copy;
}

json *json_copy(const json *value)
{
    return value == NULL ? NULL : copy_tree(value, NULL);
}

/* The name as clean UTF-8 in memory of its own; NULL when out of memory. */
static char *clean_name(const char *key)
{
    size_t len = strlen(key), room = utf8_clean_len(key, len);
    char *name = malloc(room + 1);
    if (name != NULL)
        name[utf8_clean(name, key, len)] = '\0';
    return name;
}

/* Names the value, in its own memory if that has room. */
static bool set_name(json *value, const char *key)
{
    size_t len = strlen(key);
    if (node_name_fits(value, len) && utf8_plain_span(key, len) == len) {
        node_name(value, key, len);
        return true;
    }
    char *name = clean_name(key);
    if (name == NULL)
        return false;
    node_forget_name(value);
    value->string = name;
    return true;
}

void node_put(json *object, const char *key, json *value)
{
    if (value != NULL && is(object, cJSON_Object) && set_name(value, key))
        node_append(object, value);
    else
        cJSON_Delete(value);
}

void json_set(json *object, const char *key, json *value)
{
    if (value == NULL)
        return;
    if (!is(object, cJSON_Object) || !set_name(value, key)) {
        cJSON_Delete(value);
        return;
    }
    json *old = json_get(object, value->string);
    if (old != NULL)
        cJSON_ReplaceItemViaPointer(object, old, value);
    else
        node_append(object, value);
}

void json_set_text(json *object, const char *key, const char *text)
{
    if (text != NULL)
        json_set(object, key, json_string(text));
}

void json_set_int(json *object, const char *key, int64_t value)
{
    json_set(object, key, json_from_int(value));
}

void json_set_number(json *object, const char *key, double value)
{
    json_set(object, key, json_from_number(value));
}

void json_set_bool(json *object, const char *key, bool value)
{
    json_set(object, key, json_from_bool(value));
}

void json_add(json *array, json *value)
{
    if (value == NULL)
        return;
    if (!is(array, cJSON_Array)) {
        cJSON_Delete(value);
        return;
    }
    node_forget_name(value);
    node_append(array, value);
}

json *json_take(json *object, const char *key)
{
    json *value = json_get(object, key);
    return value == NULL ? NULL : cJSON_DetachItemViaPointer(object, value);
}
