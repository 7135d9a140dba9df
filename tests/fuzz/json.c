/* What is parsed prints as JSON that is parsed as the same. */
#include "json/json.h"

#include <string.h>

#include "fuzz.h"

static char *reprint(const char *text, size_t len)
{
    json *value = json_parse(text, len);
    MUST(value != NULL);
    char *again = json_print_new(value);
    json_free(value);
    MUST(again != NULL);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json *value = json_parse((const char *)data, size);
    struct buf quoted;
    buf_init(&quoted, 1 << 26);
    MUST(json_quote(&quoted, (const char *)data, size) == ERR_OK);
    char *again = reprint(quoted.data, quoted.len);
    MUST(strcmp(again, quoted.data) == 0);
    free(again);
    buf_release(&quoted);
    if (value == NULL)
        return 0;

    char *first = json_print_new(value);
    MUST(first != NULL);
    char *second = reprint(first, strlen(first));
    MUST(strcmp(first, second) == 0);
    json *copy = json_copy(value);
    MUST(copy != NULL);
    char *third = json_print_new(copy);
    MUST(third != NULL && strcmp(first, third) == 0);
    int64_t whole;
    if (json_int(value, &whole)) {
        char text[24];
        snprintf(text, sizeof(text), "%lld", (long long)whole);
        json *number = json_from_int(whole);
        char *printed = json_print_new(number);
        MUST(printed != NULL && strcmp(text, printed) == 0);
        free(printed);
        json_free(number);
    }
    json_free(copy);
    json_free(value);
    free(first);
    free(second);
    free(third);
    return 0;
}
