#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/node.h"
#include "json/trim.h"

/* Characters to which long texts are cut, halved as long as the whole does not fit. */
#define LENGTH_FIRST 256000
#define LENGTH_LAST  200
#define FEW_MEMBERS  64 /* of which the largest go one by one */

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
            node_put(out, json_key(e), copy_short(e, max));
    }
    return out;
}

/* Takes the middle out of an array: the first and last `keep` stay. */
static void keep_ends(json *array, size_t keep)
{
    size_t count = json_length(array);
    json *e = array->child;
    for (size_t i = 0; i < count && e != NULL; i++) {
        json *next = e->next;
        if (i >= keep && i + keep < count)
            json_free(cJSON_DetachItemViaPointer(array, e));
        e = next;
    }
}

static size_t member_size(const json *member)
{
    return json_ascii_size(member) + strlen(json_key(member));
}

/* Takes away about half of it, or the whole where it is no array; how much that is at least. */
static size_t shrink_member(json *object, json *member)
{
    size_t size = member_size(member);
    size_t count = json_is_array(member) ? json_length(member) : 0;
    if (count >= 3) {
        keep_ends(member, count / 4 > 0 ? count / 4 : 1);
        size_t left = member_size(member);
        return size > left ? size - left : 0;
    }
    json_free(cJSON_DetachItemViaPointer(object, member));
    return size;
}

/* Shrinks members that are at least half as large as the largest, whatever they are, until `excess`
 * is covered: many at once, since each look at a large document takes its time. */
static void shrink_large(json *object, size_t excess)
{
    size_t largest = 0;
    for (const json *e = json_first(object); e != NULL; e = json_next(e)) {
        size_t n = member_size(e);
        largest = n > largest ? n : largest;
    }
    json *e = object->child;
    for (size_t gone = 0; e != NULL && gone < excess;) {
        json *next = e->next;
        if (member_size(e) >= (largest + 1) / 2)
            gone += shrink_member(object, e);
        e = next;
    }
}

/* Takes away about half of the largest member of the object, whatever it is. */
static void shrink_largest(json *object)
{
    json *largest = NULL;
    size_t size = 0;
    for (json *e = object->child; e != NULL; e = e->next) {
        size_t n = member_size(e);
        if (n > size) {
            size = n;
            largest = e;
        }
    }
    if (largest != NULL)
        shrink_member(object, largest);
}

static void replace_by_short(json **value, size_t max)
{
    json *copy = copy_short(*value, max);
    if (copy == NULL)
        return;
    json_free(*value);
    *value = copy;
}

/* Cuts long strings as little as makes the whole fit; all of them, where that is not enough. */
static void shorten_strings(json **value, size_t max, size_t room, size_t (*size)(const json *))
{
    json *least = copy_short(*value, LENGTH_LAST);
    bool enough = least != NULL && size(least) <= room;
    if (!enough && least != NULL) {
        json_free(*value);
        *value = least;
        return;
    }
    json_free(least);
    for (size_t length = LENGTH_FIRST; length >= LENGTH_LAST; length /= 2) {
        if (length > max)
            continue;
        replace_by_short(value, length);
        if (size(*value) <= room)
            break;
    }
}

void json_trim(json **value, size_t max)
{
    json_trim_sized(value, max, json_ascii_size);
}

void json_trim_sized(json **value, size_t max, size_t (*size)(const json *))
{
    size_t original = size(*value);
    size_t room = max > 80 ? max - 80 : 0; /* for the two marks */
    int64_t told = 0;
    if (original <= max)
        return;
    if (json_is_true(json_get(*value, "_truncated"))) /* cut before: of what came first */
        json_get_int(*value, "_original_size", &told);
    shorten_strings(value, max, room, size);
    /* Each round halves an array or drops a member, so this ends. */
    for (size_t now; json_length(*value) > 0 && (now = size(*value)) > room;) {
        if (json_length(*value) > FEW_MEMBERS || now / 2 > room)
            shrink_large(*value, now - room);
        else
            shrink_largest(*value);
    }
    json_set_bool(*value, "_truncated", true);
    json_set_int(*value, "_original_size", told > (int64_t)original ? told : (int64_t)original);
}
