/* One field's value, judged where it lies; only what has to be changed is copied. */
#include "service/validate_field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

#define TAG_CHARS  100
#define COST_LEAST 1e-100 /* what is less is nothing; DynamoDB's numbers end at 1e-130 */

void field_wrong(struct reading *r, enum problem_kind kind, int64_t number)
{
    problems_add(
        r->problems,
        (struct problem){.kind = kind, .field = r->field, .index = r->index, .number = number});
}

/* The text of a string: borrowed, or put into the arena. */
static bool take_text(struct reading *r, const struct scan_value *value, struct text *out)
{
    if (value->kind != SCAN_STRING) {
        field_wrong(r, PROBLEM_TEXT, 0);
        return false;
    }
    *out = (struct text){.at = value->text + 1, .len = value->len - 2};
    if (!value->escaped)
        return true;
    size_t len;
    char *plain = scan_text(value, &len);
    char *copy = plain == NULL ? NULL : arena_get(r->arena, len);
    if (copy == NULL)
        r->err = ERR_NOMEM;
    else
        memcpy(copy, plain, len);
    free(plain);
    *out = (struct text){.at = copy, .len = len};
    return copy != NULL;
}

static void read_text(struct reading *r, const struct field_rule *rule,
                      const struct scan_value *value, struct text *out)
{
    struct text text;
    if (!take_text(r, value, &text))
        return;
    if (rule->max > 0 && text.len > rule->max && text_chars(text) > rule->max)
        field_wrong(r, PROBLEM_LONG, (int64_t)rule->max);
    else if (text.len == 0 && rule->needed)
        field_wrong(r, PROBLEM_SHORT, 1);
    else if (text.len > 0)
        *out = text;
}

static bool all_of(struct text text, const char *beyond_letters)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            strchr(beyond_letters, c) == NULL)
            return false;
    }
    return true;
}

static void read_id(struct reading *r, const struct field_rule *rule,
                    const struct scan_value *value, struct text *out)
{
    struct text text;
    if (!take_text(r, value, &text))
        return;
    if (text.len == 0 || text.len > rule->max || !all_of(text, "-"))
        field_wrong(r, PROBLEM_ID, 0);
    else
        *out = text;
}

static void read_project(struct reading *r, const struct field_rule *rule,
                         const struct scan_value *value, struct text *out)
{
    struct text text;
    if (!take_text(r, value, &text))
        return;
    if (text.len == 0)
        field_wrong(r, PROBLEM_SHORT, 1);
    else if (text.len > rule->max && text_chars(text) > rule->max)
        field_wrong(r, PROBLEM_LONG, (int64_t)rule->max);
    else if (!all_of(text, "_-"))
        field_wrong(r, PROBLEM_PROJECT, 0);
    else
        *out = text;
}

static void read_span_type(struct reading *r, const struct scan_value *value, enum span_type *out)
{
    for (int type = 0; type < SPAN_TYPE_COUNT; type++) {
        const char *name = span_type_name((enum span_type)type);
        if (scan_is(value, name, strlen(name))) {
            *out = (enum span_type)type;
            return;
        }
    }
    problems_add(r->problems,
                 (struct problem){.kind = PROBLEM_CHOICE,
                                  .field = r->field,
                                  .index = -1,
                                  .text = "'llm', 'tool', 'agent', 'function', 'retrieval', "
                                          "'embedding', 'chain', 'other'"});
}

static void keep(struct reading *r, struct buf *printed, int err, struct text *out)
{
    char *copy = err == ERR_OK ? arena_get(r->arena, printed->len) : NULL;
    if (copy == NULL)
        r->err = ERR_NOMEM;
    else
        *out =
            (struct text){.at = memcpy(copy, buf_str(printed), printed->len), .len = printed->len};
    buf_release(printed);
}

static void read_object(struct reading *r, const struct scan_value *value, struct text *out)
{
    if (value->kind != SCAN_OBJECT) {
        field_wrong(r, PROBLEM_OBJECT, 0);
        return;
    }
    if (value->clean) {
        *out = (struct text){.at = value->text, .len = value->len};
        return;
    }
    struct buf printed;
    buf_init(&printed, SIZE_MAX / 4);
    json *tree = json_parse(value->text, value->len);
    const int err = tree == NULL ? ERR_NOMEM : json_print(tree, &printed);
    json_free(tree);
    keep(r, &printed, err, out);
}

/* Prints the tags that stay. */
static int print_tags(struct reading *r, const struct scan_value *value, struct buf *printed)
{
    struct scan_value tag;
    struct scan s;
    bool more = scan_open(&s, value->text, value->len) == ERR_OK;
    int err = buf_append_char(printed, '[');
    for (r->index = 0; more && scan_element(&s, &tag) == 1; r->index++) {
        struct text text;
        more = r->index < STORED_TAGS_MAX;
        if (!more || !take_text(r, &tag, &text) || text_is_blank(text))
            continue;
        text = text_cut(text, TAG_CHARS);
        if (err == ERR_OK && printed->len > 1)
            err = buf_append_char(printed, ',');
        if (err == ERR_OK)
            err = json_quote(printed, text.at, text.len);
    }
    r->index = -1;
    if (!more)
        field_wrong(r, PROBLEM_ITEMS, STORED_TAGS_MAX);
    return err != ERR_OK ? err : buf_append_char(printed, ']');
}

static void read_tags(struct reading *r, const struct scan_value *value, struct text *out)
{
    struct buf printed;
    if (value->kind != SCAN_ARRAY) {
        field_wrong(r, PROBLEM_LIST, 0);
        return;
    }
    buf_init(&printed, SIZE_MAX / 4);
    const int err = print_tags(r, value, &printed);
    keep(r, &printed, err, out);
}

static void read_tokens(struct reading *r, const struct scan_value *value, int64_t *out)
{
    int64_t whole;
    double number;
    if (!scan_number(value, &number))
        field_wrong(r, PROBLEM_INT, 0);
    else if (!isfinite(number))
        field_wrong(r, PROBLEM_FINITE, 0);
    else if (number < 0)
        field_wrong(r, PROBLEM_LEAST, 0);
    else if (number > (double)TOKENS_MAX)
        field_wrong(r, PROBLEM_GREATEST, TOKENS_MAX);
    else if (!scan_int(value, &whole))
        field_wrong(r, PROBLEM_FRACTION, 0);
    else if (whole > TOKENS_MAX) /* by less than a double tells apart */
        field_wrong(r, PROBLEM_GREATEST, TOKENS_MAX);
    else
        *out = whole;
}

static void read_cost(struct reading *r, const struct scan_value *value, double *out)
{
    double number;
    if (!scan_number(value, &number))
        field_wrong(r, PROBLEM_NUMBER, 0);
    else if (!isfinite(number))
        field_wrong(r, PROBLEM_FINITE, 0);
    else if (number < 0)
        field_wrong(r, PROBLEM_LEAST, 0);
    else if (number > COST_MAX)
        field_wrong(r, PROBLEM_GREATEST, (int64_t)COST_MAX);
    else
        *out = number < COST_LEAST ? 0 : number;
}

static void read_time(struct reading *r, const struct scan_value *value, int64_t *out)
{
    struct text text;
    if (!take_text(r, value, &text))
        return;
    const int err = time_read(text, out);
    if (err != ERR_OK)
        field_wrong(r, err == ERR_RANGE ? PROBLEM_TIME_RANGE : PROBLEM_TIME, 0);
}

void field_read(struct reading *r, const struct field_rule *rule, const struct scan_value *value,
                void *to)
{
    r->index = -1;
    if (value->kind == SCAN_NONE || value->kind == SCAN_NULL) {
        if (rule->needed)
            field_wrong(r, PROBLEM_MISSING, 0);
        return;
    }
    switch (rule->type) {
    case TYPE_TEXT:
        read_text(r, rule, value, to);
        break;
    case TYPE_ID:
        read_id(r, rule, value, to);
        break;
    case TYPE_PROJECT:
        read_project(r, rule, value, to);
        break;
    case TYPE_SPAN_TYPE:
        read_span_type(r, value, to);
        break;
    case TYPE_OBJECT:
        read_object(r, value, to);
        break;
    case TYPE_TAGS:
        read_tags(r, value, to);
        break;
    case TYPE_TOKENS:
        read_tokens(r, value, to);
        break;
    case TYPE_COST:
        read_cost(r, value, to);
        break;
    case TYPE_TIME:
        read_time(r, value, to);
        break;
    }
}
