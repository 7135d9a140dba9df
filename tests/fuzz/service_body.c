/* Bodies, lines of a batch and parameters, whatever is in them: what is taken keeps every promise
 * that is made to the store, what is not is told in JSON. The first byte chooses what it is. */
#include "service/validate.h"

#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "json/json.h"
#include "json/scan.h"

static char parameter[4096];

const char *request_query(const struct request *r, const char *name)
{
    (void)r;
    (void)name;
    return parameter;
}

void request_fail(struct request *r, int status, const char *format, ...)
{
    (void)format;
    r->status = status;
}

/* Texts are UTF-8, not empty, not longer than they may be. */
static void check_text(struct text text, size_t chars_max)
{
    if (text.at == NULL)
        return;
    MUST(text.len > 0 && scan_utf8(text.at, text.len));
    MUST(chars_max == 0 || text_chars(text) <= chars_max);
}

/* JSON is on one line and of its kind, to the letter. */
static void check_json(struct text text, enum scan_kind kind)
{
    struct scan_value value;
    if (text.at == NULL)
        return;
    MUST(scan_one(text.at, text.len, &value) == ERR_OK);
    MUST(value.kind == kind && value.clean && value.len == text.len);
    MUST(memchr(text.at, '\n', text.len) == NULL);
}

static void check_time(int64_t time)
{
    MUST(time == 0 || (time >= 86400000000000 && time < INT64_C(7258118400) * 1000000000));
}

static void check_trace(const struct stored_trace *t, bool create)
{
    MUST(!create || (t->name.at != NULL && t->project_id.at != NULL));
    check_text(t->name, 255);
    check_text(t->project_id, 100);
    check_text(t->user_id, 255);
    check_text(t->session_id, 255);
    check_text(t->output, 0);
    check_text(t->trace_id, STORED_ID_MAX);
    check_json(t->metadata, SCAN_OBJECT);
    check_json(t->tags, SCAN_ARRAY);
    check_time(t->start_time);
    check_time(t->end_time);
}

static void check_span(const struct stored_span *s, bool create)
{
    MUST(!create || s->name.at != NULL);
    MUST(s->type >= 0 && s->type < SPAN_TYPE_COUNT);
    check_text(s->name, 255);
    check_text(s->parent_span_id, 100);
    check_text(s->model, 255);
    check_text(s->error, 0);
    check_json(s->input_data, SCAN_OBJECT);
    check_json(s->output_data, SCAN_OBJECT);
    check_json(s->metadata, SCAN_OBJECT);
    MUST(s->tokens_input >= -1 && s->tokens_input <= TOKENS_MAX);
    MUST(s->tokens_output >= -1 && s->tokens_output <= TOKENS_MAX);
    MUST(s->tokens_cache_read >= -1 && s->tokens_cache_read <= TOKENS_MAX);
    MUST(isfinite(s->cost_usd) && s->cost_usd <= COST_MAX && isfinite(s->ttft_ms));
    check_time(s->start_time);
    check_time(s->end_time);
}

static void check_write(struct stored_write *w, struct arena *arena)
{
    const bool create = w->op == STORED_CREATE_TRACE || w->op == STORED_CREATE_SPAN;
    const bool trace = w->op == STORED_CREATE_TRACE || w->op == STORED_COMPLETE_TRACE;
    if (trace)
        check_trace(&w->trace, create);
    else
        check_span(&w->span, create);
    const int64_t now = INT64_C(1767323045) * 1000000000;
    MUST(write_finish(w, arena, now) == ERR_OK);
    const int64_t start = trace ? w->trace.start_time : w->span.start_time;
    const int64_t end = trace ? w->trace.end_time : w->span.end_time;
    MUST(create ? start != 0 && (end == 0 || end >= start) : end != 0);
    MUST(w->op != STORED_CREATE_TRACE || w->trace.trace_id.at != NULL);
    MUST(w->op != STORED_CREATE_SPAN || w->span.span_id.at != NULL);
}

static void check_problems(const struct problems *problems)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    MUST(problems->count > 0 && problems_print(problems, &out) == ERR_OK);
    json *parsed = json_parse(buf_str(&out), out.len);
    MUST(json_length(json_get(parsed, "detail")) == problems->count);
    json_free(parsed);
    buf_clear(&out);
    MUST(problems_sentence(problems, &out) == ERR_OK && out.len > 0);
    buf_release(&out);
}

static void check_body(unsigned kind, struct text body)
{
    struct arena arena = {0};
    struct problems problems = {0};
    struct stored_write write;
    const int err = kind < BODY_KINDS
                        ? body_read((enum body_kind)kind, body, &arena, &write, &problems)
                        : body_read_line(body, &arena, &write, &problems);
    MUST(err == ERR_OK || err == ERR_BAD);
    if (err == ERR_OK)
        check_write(&write, &arena);
    else
        check_problems(&problems);
    arena_release(&arena);
}

static void check_query(struct text text)
{
    static const char *const choices[] = {"asc", "desc", NULL};
    struct problems problems = {0};
    struct stored_filter f = {0};
    struct text q = {0};
    int64_t number = 5, time = 0;
    size_t choice = 0;
    bool flag = false;
    const size_t len = text.len < sizeof(parameter) ? text.len : sizeof(parameter) - 1;
    memcpy(parameter, text.at, len);
    parameter[len] = '\0';
    query_text(NULL, &problems, "q", 100, &q);
    check_text(q, 100);
    query_int(NULL, &problems, "n", 1, 1000, &number);
    MUST(number >= 1 && number <= 1000);
    query_time(NULL, &problems, "t", &time);
    check_time(time);
    query_bool(NULL, &problems, "b", &flag);
    query_choice(NULL, &problems, "c", choices, "'asc', 'desc'", &choice);
    query_tags(NULL, &problems, &f);
    for (size_t i = 0; i < f.tag_count; i++)
        check_text(f.tags[i], 100);
    if (problems.count > 0)
        check_problems(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy of just that size, so that a sanitizer sees a read before or behind it. */
    char *copy = malloc(size);
    MUST(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    const struct text text = {.at = copy, .len = size - 1};
    const unsigned kind = data[0] % (BODY_KINDS + 2);
    if (kind <= BODY_KINDS)
        check_body(kind, text);
    else
        check_query(text);
    free(copy);
    return 0;
}
