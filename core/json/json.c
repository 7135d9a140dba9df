#include "json/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/utf8.h"

#define EXACT_MAX INT64_C(9007199254740992) /* 2^53: every whole number up to it is a double */

static bool is(const json *value, int type)
{
    return value != NULL && (value->type & 0xff) == type;
}

json *json_get(const json *object, const char *key)
{
    if (!is(object, cJSON_Object) || key == NULL)
        return NULL;
    for (json *e = object->child; e != NULL; e = e->next)
        if (e->string != NULL && strcmp(e->string, key) == 0)
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
    double d = value->valuedouble;
    if (value->valuestring != NULL)
        *out = strtoll(value->valuestring, NULL, 10);
    else if (d >= -0x1p63 && d < 0x1p63 && d == floor(d))
        *out = (int64_t)d;
    else
        return false;
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
    return cJSON_CreateObject();
}

json *json_array(void)
{
    return cJSON_CreateArray();
}

json *json_string(const char *text)
{
    return text == NULL ? json_null() : json_string_n(text, strlen(text));
}

/* New memory with the text as valid UTF-8 without NUL bytes in it; NULL when out of memory. */
static char *clean_text(const char *text, size_t len)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    if (buf_reserve(&out, len) != ERR_OK)
        return NULL;
    for (size_t at = 0;;) {
        size_t n = utf8_span(text + at, len - at);
        const char *nul = memchr(text + at, '\0', n);
        if (nul != NULL)
            n = (size_t)(nul - (text + at));
        if (buf_append(&out, text + at, n) != ERR_OK)
            break;
        at += n;
        if (at == len)
            return buf_take(&out);
        size_t bad = 1;
        if (text[at] != '\0')
            utf8_char(text + at, len - at, &bad);
        at += bad;
        if (buf_append_str(&out, UTF8_REPLACEMENT) != ERR_OK)
            break;
    }
    buf_release(&out);
    return NULL;
}

json *json_string_n(const char *text, size_t len)
{
    char *copy = clean_text(text, len);
    if (copy == NULL)
        return NULL;
    json *value = cJSON_CreateNull();
    if (value == NULL) {
        free(copy);
        return NULL;
    }
    value->type = cJSON_String;
    value->valuestring = copy;
    return value;
}

/* A number beyond 2^53 also carries its digits, since a double cannot hold them. */
json *json_from_int(int64_t number)
{
    json *value = cJSON_CreateNumber((double)number);
    if (value == NULL || (number >= -EXACT_MAX && number <= EXACT_MAX))
        return value;
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    value->valuestring = strdup(text);
    if (value->valuestring == NULL) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

json *json_from_number(double value)
{
    return isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull();
}

json *json_from_bool(bool value)
{
    return cJSON_CreateBool(value);
}

json *json_null(void)
{
    return cJSON_CreateNull();
}

json *json_copy(const json *value)
{
    return cJSON_Duplicate(value, true);
}

void json_set(json *object, const char *key, json *value)
{
    if (value == NULL)
        return;
    char *name = is(object, cJSON_Object) ? clean_text(key, strlen(key)) : NULL;
    if (name == NULL) {
        cJSON_Delete(value);
        return;
    }
    json *old = json_get(object, name);
    free(value->string);
    value->string = name;
    if (old != NULL)
        cJSON_ReplaceItemViaPointer(object, old, value);
    else
        cJSON_AddItemToArray(object, value);
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
    if (is(array, cJSON_Array) && value != NULL)
        cJSON_AddItemToArray(array, value);
    else
        cJSON_Delete(value);
}

json *json_take(json *object, const char *key)
{
    json *value = json_get(object, key);
    return value == NULL ? NULL : cJSON_DetachItemViaPointer(object, value);
}
