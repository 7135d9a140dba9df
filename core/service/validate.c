#include "service/validate.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"

#define ARENA_BLOCK ((size_t)16 * 1024)

struct arena_block {
    struct arena_block *before;
    size_t used, size;
    max_align_t memory[];
};

void *arena_get(struct arena *a, size_t size)
{
    const size_t align = sizeof(max_align_t);
    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size + align - 1) / align * align;
    if (a->last == NULL || a->last->size - a->last->used < size) {
        const size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;
        struct arena_block *block = malloc(sizeof(*block) + room);
        if (block == NULL)
            return NULL;
        *block = (struct arena_block){.before = a->last, .size = room};
        a->last = block;
    }
    void *memory = (char *)a->last->memory + a->last->used;
    a->last->used += size;
    return memory;
}

void arena_release(struct arena *a)
{
    while (a->last != NULL) {
        struct arena_block *before = a->last->before;
        free(a->last);
        a->last = before;
    }
}

size_t text_chars(struct text t)
{
    size_t chars = 0;
    for (size_t i = 0; i < t.len; i++)
        chars += ((unsigned char)t.at[i] & 0xc0) != 0x80;
    return chars;
}

struct text text_cut(struct text t, size_t chars)
{
    if (t.len <= chars)
        return t;
    size_t i = 0;
    for (size_t seen = 0; i < t.len; i++)
        if (((unsigned char)t.at[i] & 0xc0) != 0x80 && seen++ == chars)
            break;
    t.len = i;
    return t;
}

bool text_is_blank(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.at[i] != ' ' && (t.at[i] < '\t' || t.at[i] > '\r'))
            return false;
    return true;
}

void problems_add(struct problems *p, struct problem problem)
{
    if (p->count < PROBLEMS_MAX)
        p->list[p->count++] = problem;
}

/* `%s` is the problem's number or text. The words are pydantic's where it has the same rule. */
static const struct {
    const char *type, *message;
} kinds[] = {
    [PROBLEM_MISSING] = {"missing", "Field required"},
    [PROBLEM_JSON] = {"json_invalid", "JSON decode error"},
    [PROBLEM_DEPTH] = {"json_invalid", "JSON decode error: nested too deep"},
    [PROBLEM_BODY] = {"model_attributes_type",
                      "Input should be a valid dictionary or object to extract fields from"},
    [PROBLEM_TEXT] = {"string_type", "Input should be a valid string"},
    [PROBLEM_SHORT] = {"string_too_short", "String should have at least % character"},
    [PROBLEM_LONG] = {"string_too_long", "String should have at most % characters"},
    [PROBLEM_PROJECT] = {"string_pattern_mismatch",
                         "String should match pattern '^[a-zA-Z0-9_-]+$'"},
    [PROBLEM_ID] = {"string_pattern_mismatch",
                    "String should match pattern '^[A-Za-z0-9-]{1,64}$'"},
    [PROBLEM_CHOICE] = {"enum", "Input should be one of %"},
    [PROBLEM_OBJECT] = {"dict_type", "Input should be a valid dictionary"},
    [PROBLEM_LIST] = {"list_type", "Input should be a valid list"},
    [PROBLEM_ITEMS] = {"too_long", "List should have at most % items"},
    [PROBLEM_INT] = {"int_type", "Input should be a valid integer"},
    [PROBLEM_INT_TEXT] = {"int_parsing", "Input should be a valid integer, unable to parse string "
                                         "as an integer"},
    [PROBLEM_FRACTION] = {"int_from_float", "Input should be a valid integer, got a number with a "
                                            "fractional part"},
    [PROBLEM_NUMBER] = {"float_type", "Input should be a valid number"},
    [PROBLEM_FINITE] = {"finite_number", "Input should be a finite number"},
    [PROBLEM_LEAST] = {"greater_than_equal", "Input should be greater than or equal to %"},
    [PROBLEM_GREATEST] = {"less_than_equal", "Input should be less than or equal to %"},
    [PROBLEM_TIME] = {"datetime_parsing",
                      "Input should be an ISO 8601 time with Z or an offset, such as "
                      "2026-01-02T03:04:05.678901+00:00"},
    [PROBLEM_TIME_RANGE] = {"datetime_range", "Input should be a time from 1970-01-02 to 2199"},
    [PROBLEM_BOOL] = {"bool_parsing", "Input should be true or false"},
    [PROBLEM_UTF8] = {"string_unicode", "Input should be valid UTF-8 without NUL"},
    [PROBLEM_CURSOR] = {"value_error", "Input should be the next_cursor of a page with the same "
                                       "sort and order"},
};

/* The message without quotes: it holds none that JSON would have to escape. */
static int print_message(const struct problem *problem, struct buf *out)
{
    const char *message = kinds[problem->kind].message;
    const char *hole = strchr(message, '%');
    if (hole == NULL)
        return buf_append_str(out, message);
    int err = buf_append(out, message, (size_t)(hole - message));
    if (err == ERR_OK)
        err = problem->text != NULL ? buf_append_str(out, problem->text)
                                    : buf_printf(out, "%lld", (long long)problem->number);
    return err != ERR_OK ? err : buf_append_str(out, hole + 1);
}

/* The path behind "body" or "query". */
static int print_path(const struct problem *problem, struct buf *out)
{
    int err = ERR_OK;
    if (problem->kind == PROBLEM_JSON || problem->kind == PROBLEM_DEPTH)
        err = buf_printf(out, ",%lld", (long long)problem->number);
    if (err == ERR_OK && problem->field != NULL)
        err = buf_printf(out, ",\"%s\"", problem->field);
    if (err == ERR_OK && problem->index >= 0)
        err = buf_printf(out, ",%lld", (long long)problem->index);
    return err;
}

int problems_print(const struct problems *p, struct buf *out)
{
    int err = buf_append_str(out, "{\"detail\":[");
    for (size_t i = 0; i < p->count && err == ERR_OK; i++) {
        const struct problem *problem = &p->list[i];
        err = buf_printf(out, "%s{\"loc\":[\"%s\"", i > 0 ? "," : "", p->where);
        if (err == ERR_OK)
            err = print_path(problem, out);
        if (err == ERR_OK)
            err = buf_append_str(out, "],\"msg\":\"");
        if (err == ERR_OK)
            err = print_message(problem, out);
        if (err == ERR_OK)
            err = buf_printf(out, "\",\"type\":\"%s\"}", kinds[problem->kind].type);
    }
    return err != ERR_OK ? err : buf_append_str(out, "]}");
}

int problems_sentence(const struct problems *p, struct buf *out)
{
    const struct problem *problem = &p->list[0];
    int err = ERR_OK;
    if (problem->field != NULL)
        err = buf_append_str(out, problem->field);
    if (err == ERR_OK && problem->index >= 0)
        err = buf_printf(out, "[%lld]", (long long)problem->index);
    if (err == ERR_OK && problem->field != NULL)
        err = buf_append(out, ": ", 2);
    return err != ERR_OK ? err : print_message(problem, out);
}

void problems_answer(const struct problems *p, struct request *r)
{
    buf_clear(&r->answer);
    if (problems_print(p, &r->answer) == ERR_OK)
        r->status = 422;
    else
        request_fail(r, 503, "out of memory");
}
