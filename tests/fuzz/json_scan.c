/* What is looked at as it lies is taken and refused as json_parse does, save bytes that are no
 * UTF-8; what is called clean lies on one line and prints as it means. */
#include "json/scan.h"

#include <string.h>

#include "fuzz.h"
#include "json/json.h"

static enum scan_kind kind_of(const json *value)
{
    if (json_is_object(value))
        return SCAN_OBJECT;
    if (json_is_array(value))
        return SCAN_ARRAY;
    if (json_is_string(value))
        return SCAN_STRING;
    if (json_is_number(value))
        return SCAN_NUMBER;
    return json_is_bool(value) ? SCAN_BOOL : SCAN_NULL;
}

static void check_clean(const struct scan_value *value, const json *parsed)
{
    for (size_t i = 0; i < value->len; i++)
        MUST((unsigned char)value->text[i] >= 0x20 || value->text[i] == '\t');
    char *printed = json_print_new(parsed);
    struct scan_value again;
    MUST(printed != NULL && scan_one(printed, strlen(printed), &again) == ERR_OK);
    MUST(again.clean && again.kind == value->kind);
    free(printed);
}

/* Its members or elements, one by one, are those of the tree. */
static void check_inside(const char *text, size_t len, const json *parsed)
{
    struct scan s;
    struct scan_value name, value;
    int more;
    MUST(scan_open(&s, text, len) == ERR_OK);
    for (const json *e = json_first(parsed);; e = json_next(e)) {
        more = json_is_object(parsed) ? scan_member(&s, &name, &value) : scan_element(&s, &value);
        MUST(more == (e != NULL));
        if (e == NULL)
            return;
        const bool infinite = value.kind == SCAN_NUMBER && !value.clean;
        MUST(value.kind == kind_of(e) || (infinite && json_is_null(e)));
        if (json_is_object(parsed))
            MUST(scan_is(&name, json_key(e), strlen(json_key(e))));
        int64_t a, b;
        if (scan_int(&value, &a) && json_int(e, &b))
            MUST(a == b);
        size_t held;
        char *copy = value.kind == SCAN_STRING ? scan_text(&value, &held) : NULL;
        MUST(value.kind != SCAN_STRING || (copy != NULL && strcmp(copy, json_text(e)) == 0));
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct scan_value value;
    json *parsed = json_parse(text, size);
    const int err = scan_one(text, size, &value);
    MUST(err != ERR_OK || parsed != NULL);
    MUST(err == ERR_OK || parsed == NULL || !scan_utf8(text, size));
    if (err == ERR_OK && value.clean)
        check_clean(&value, parsed);
    if (err == ERR_OK && (value.kind == SCAN_OBJECT || value.kind == SCAN_ARRAY))
        check_inside(text, size, parsed);
    json_free(parsed);
    return 0;
}
