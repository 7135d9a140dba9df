#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/trim.h"

/* Characters to which long texts are cut, halved as long as the whole does not fit. */
#define LENGTH_FIRST 256000
#define LENGTH_LAST  200

static size_t string_size(const char *text)
{
    size_t size = 2;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p >= 0xf0)
            size += 12; /* a surrogate pair, \uXXXX twice */
        else if (*p >= 0xc0)
            size += 6;
        else if (*p >= 0x80)
            continue; /* counted with its first byte */
        else if (*p == '"' || *p == '\\' || *p == '\n' || *p == '\t' || *p == '\r')
            size += 2;
        else
            size += *p < 0x20 ? 6 : 1;
    }
    return size;
}

size_t json_ascii_size(const json *value)
{
    if (json_is_string(value))
        return string_size(json_text(value));
    if (!json_is_array(value) && !json_is_object(value))
        return json_is_number(value) ? 20 : 5;
    size_t size = 2;
    for (const json *e = json_first(value); e != NULL; e = json_next(e)) {
        size += json_ascii_size(e) + 2;
        if (json_is_object(value))
            size += string_size(json_key(e)) + 2;
    }
    return size;
}

size_t json_printed_size(const json *value)
{
    char *text = json_print_new(value);
    size_t size = text != NULL ? strlen(text) : SIZE_MAX;
    free(text);
    return size;
}

/* The byte behind the first max characters. */
static size_t char_end(const char *text, size_t max)
{
    size_t at = 0;
    for (size_t n = 0; text[at] != '\0'; at++)
        if (((unsigned char)text[at] & 0xc0) != 0x80 && n++ == max)
            break;
    return at;
}

char *text_limit(const char *text, size_t max)
{
    return strndup(text, char_end(text, max));
}

char *text_trim(const char *text, size_t max)
{
    size_t len = strlen(text);
    if (char_end(text, max) == len)
        return strdup(text);
    char mark[64];
    size_t room = max > sizeof(mark) ? max - sizeof(mark) : 0;
    size_t head = char_end(text, room * 2 / 3);
    /* The tail is counted in bytes, which are never fewer than its characters. */
    size_t tail = len - room / 3 > head ? len - room / 3 : head;
    while (tail < len && ((unsigned char)text[tail] & 0xc0) == 0x80)
        tail++;
    int n = snprintf(mark, sizeof(mark), " … [%zu bytes left out] … ", tail - head);
    char *out = malloc(head + (size_t)n + len - tail + 1);
    if (out == NULL)
        return NULL;
    memcpy(out, text, head);
    memcpy(out + head, mark, (size_t)n);
    memcpy(out + head + n, text + tail, len - tail + 1);
    return out;
}

/* A copy in which no string is longer than max characters. */
static json *copy_short(const json *value, size_t max)
{
    if (json_is_string(value)) {
        char *text = text_trim(json_text(value), max);
        json *out = text == NULL ? NULL : json_string(text);
        free(text);
        return out;
    }
    if (!json_is_array(value) && !json_is_object(value))
        return json_copy(value);
    json *out = json_is_array(value) ? json_array() : json_object();
    for (const json *e = json_first(value); e != NULL; e = json_next(e)) {
        if (json_is_array(value))
            json_add(out, copy_short(e, max));
        else
            json_set(out, json_key(e), copy_short(e, max));
    }
    return out;
}

/* A copy of an array without the middle of it: the first and last `keep` stay. */
static json *copy_ends(const json *array, size_t keep)
{
    size_t count = json_length(array);
    size_t i = 0;
    json *out = json_array();
    for (const json *e = json_first(array); e != NULL; e = json_next(e), i++)
        if (i < keep || i + keep >= count)
            json_add(out, json_copy(e));
    return out;
}

/* Takes away about half of the largest member of the object, whatever it is. */
static void shrink_largest(json *object, size_t (*measure)(const json *))
{
    const json *largest = NULL;
    size_t size = 0;
    for (const json *e = json_first(object); e != NULL; e = json_next(e)) {
        size_t n = measure(e);
        if (n > size) {
            size = n;
            largest = e;
        }
    }
    if (largest == NULL)
        return;
    char *key = strdup(json_key(largest));
    if (key == NULL)
        return;
    size_t count = json_length(largest);
    if (json_is_array(largest) && count >= 3)
        json_set(object, key, copy_ends(largest, count / 4 > 0 ? count / 4 : 1));
    else
        json_free(json_take(object, key));
    free(key);
}

void json_trim(json **value, size_t max)
{
    json_trim_sized(value, max, json_ascii_size);
}

void json_trim_sized(json **value, size_t max, size_t (*size)(const json *))
{
    size_t original = size(*value);
    size_t room = max > 80 ? max - 80 : 0; /* for the two marks */
    if (original <= max)
        return;
    for (size_t length = LENGTH_FIRST; length >= LENGTH_LAST; length /= 2) {
        if (length > max)
            continue;
        json *copy = copy_short(*value, length);
        if (copy == NULL)
            break;
        json_free(*value);
        *value = copy;
        if (size(copy) <= room)
            break;
    }
    /* Each round halves an array or drops a member, so this ends. */
    while (json_length(*value) > 0 && size(*value) > room)
        shrink_largest(*value, size);
    json_set_bool(*value, "_truncated", true);
    json_set_int(*value, "_original_size", (int64_t)original);
}
