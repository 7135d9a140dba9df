/* What the checker takes for JSON is what the parser can read, and stays JSON inside of other JSON;
 * no beginning of an object is one. */
#include "client/json_check.h"

#include <string.h>

#include "fuzz.h"
#include "json/json.h"

/* How deep it is nested, for text that is JSON. */
static size_t depth_of(const char *text, size_t len)
{
    size_t depth = 0, most = 0;
    int in_string = 0;
    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '{' || text[i] == '[') && ++depth > most)
            most = depth;
        else if (!in_string && (text[i] == '}' || text[i] == ']'))
            depth--;
    }
    return most;
}

static enum json_kind wrapped(const char *before, const char *text, size_t len, const char *after)
{
    const size_t front = strlen(before), back = strlen(after);
    char *whole = malloc(front + len + back);
    MUST(whole != NULL);
    memcpy(whole, before, front);
    memcpy(whole + front, text, len);
    memcpy(whole + front + len, after, back);
    const enum json_kind kind = json_check(whole, front + len + back);
    free(whole);
    return kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const enum json_kind kind = json_check(text, size);
    MUST(wrapped(" \n", text, size, "\t\r ") == kind);
    if (kind == JSON_NOT)
        return 0;
    const size_t depth = depth_of(text, size);
    MUST(depth <= JSON_CHECK_DEPTH);
    if (depth < JSON_CHECK_DEPTH) {
        MUST(wrapped("[1,", text, size, "]") == JSON_OTHER);
        MUST(wrapped("{\"a\":", text, size, "}") == JSON_OBJECT);
    }
    if (depth <= JSON_DEPTH_MAX) {
        json *value = json_parse(text, size);
        MUST(value != NULL);
        MUST(json_is_object(value) == (kind == JSON_OBJECT));
        json_free(value);
    }
    size_t end = size;
    while (kind == JSON_OBJECT && text[end - 1] != '}')
        end--;
    for (size_t cut = 0; kind == JSON_OBJECT && cut < end && end < 300; cut++)
        MUST(json_check(text, cut) == JSON_NOT);
    return 0;
}
