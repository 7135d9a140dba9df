/* Parameters of queries. */
#include <string.h>
#include <strings.h>

#include "service/validate.h"
#include "json/scan.h"

#define TAG_CHARS  100
#define DIGITS_MAX 18

static void wrong(struct problems *p, const char *name, enum problem_kind kind, int64_t number,
                  const char *text)
{
    p->where = "query";
    problems_add(p, (struct problem){
                        .kind = kind, .field = name, .index = -1, .number = number, .text = text});
}

/* False: absent. */
static bool get(const struct request *r, const char *name, struct text *out)
{
    *out = text_of(request_query(r, name));
    return out->at != NULL;
}

void query_text(const struct request *r, struct problems *p, const char *name, size_t chars_max,
                struct text *out)
{
    struct text text;
    if (!get(r, name, &text))
        return;
    if (!scan_utf8(text.at, text.len))
        wrong(p, name, PROBLEM_UTF8, 0, NULL);
    else if (text.len > chars_max && text_chars(text) > chars_max)
        wrong(p, name, PROBLEM_LONG, (int64_t)chars_max, NULL);
    else if (text.len > 0) /* a form sends what was not filled in */
        *out = text;
}

/* A number above what 18 digits hold is above every limit here, too. */
static bool read_int(struct text text, int64_t *out)
{
    const bool negative = text.len > 0 && text.at[0] == '-';
    int64_t value = 0;
    size_t i = negative || (text.len > 0 && text.at[0] == '+');
    if (i == text.len)
        return false;
    for (size_t digits = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        if ((digits > 0 || text.at[i] != '0') && ++digits > DIGITS_MAX)
            value = INT64_MAX / 10 - 1;
        value = value * 10 + (text.at[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

void query_int(const struct request *r, struct problems *p, const char *name, int64_t least,
               int64_t greatest, int64_t *out)
{
    struct text text;
    int64_t value;
    if (!get(r, name, &text))
        return;
    if (!read_int(text, &value))
        wrong(p, name, PROBLEM_INT_TEXT, 0, NULL);
    else if (value < least)
        wrong(p, name, PROBLEM_LEAST, least, NULL);
    else if (value > greatest)
        wrong(p, name, PROBLEM_GREATEST, greatest, NULL);
    else
        *out = value;
}

void query_time(const struct request *r, struct problems *p, const char *name, int64_t *out)
{
    struct text text;
    if (!get(r, name, &text))
        return;
    const int err = time_read(text, out);
    if (err != ERR_OK)
        wrong(p, name, err == ERR_RANGE ? PROBLEM_TIME_RANGE : PROBLEM_TIME, 0, NULL);
}

void query_bool(const struct request *r, struct problems *p, const char *name, bool *out)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    struct text text;
    if (!get(r, name, &text))
        return;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text.at, words[i]) == 0) {
            *out = i % 2 == 1;
            return;
        }
    }
    wrong(p, name, PROBLEM_BOOL, 0, NULL);
}

void query_choice(const struct request *r, struct problems *p, const char *name,
                  const char *const *choices, const char *told, size_t *out)
{
    struct text text;
    if (!get(r, name, &text))
        return;
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text.at, choices[i]) == 0) {
            *out = i;
            return;
        }
    }
    wrong(p, name, PROBLEM_CHOICE, 0, told);
}

void query_tags(const struct request *r, struct problems *p, struct stored_filter *f)
{
    struct text rest;
    if (!get(r, "tags", &rest))
        return;
    if (!scan_utf8(rest.at, rest.len)) {
        wrong(p, "tags", PROBLEM_UTF8, 0, NULL);
        return;
    }
    for (;;) {
        const char *comma = memchr(rest.at, ',', rest.len);
        const size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.at);
        const struct text tag = {.at = rest.at, .len = len};
        if (!text_is_blank(tag) && f->tag_count == STORED_TAGS_MAX) {
            wrong(p, "tags", PROBLEM_ITEMS, STORED_TAGS_MAX, NULL);
            return;
        }
        if (!text_is_blank(tag))
            f->tags[f->tag_count++] = text_cut(tag, TAG_CHARS);
        if (comma == NULL)
            return;
        rest.at += len + 1;
        rest.len -= len + 1;
    }
}
