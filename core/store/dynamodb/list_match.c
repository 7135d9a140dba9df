/* Whether a trace is asked for: what DynamoDB's filters do not know (any case, parts, words,
 * states) and, since nothing speaks against it, what they do. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/list.h"

void match_init(struct match *m, const struct stored_filter *f)
{
    m->filter = f;
    words_query_init(&m->words, f->q);
}

static bool is_or_any(struct text asked, struct text is)
{
    return asked.at == NULL ||
           (is.at != NULL && asked.len == is.len && memcmp(asked.at, is.at, is.len) == 0);
}

static bool has_tag(const struct stored_filter *f, struct text tags)
{
    bool found = f->tag_count == 0;
    if (found || tags.at == NULL)
        return found;
    json *list = json_parse_printed(tags.at, tags.len);
    for (const json *e = json_first(list); e != NULL && !found; e = json_next(e))
        for (size_t i = 0; i < f->tag_count && !found; i++)
            found = json_is_string(e) && is_or_any(f->tags[i], text_of(json_text(e)));
    json_free(list);
    return found;
}

static bool has_model(struct text part, const char *names)
{
    for (const char *p = names; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "\n");
        if (text_contains((struct text){p, n}, part))
            return true;
        p += n + (p[n] == '\n');
    }
    return false;
}

static bool is_in_time(const struct stored_filter *f, const struct stored_trace *t)
{
    return (f->from == 0 || t->start_time >= f->from) && (f->to == 0 || t->start_time < f->to);
}

static bool lasted(const struct stored_filter *f, const struct stored_trace *t)
{
    int64_t least = f->min_duration_ms;
    return least <= 0 || (t->end_time != 0 && least <= INT64_MAX / NS_PER_MS &&
                          t->end_time - t->start_time >= least * NS_PER_MS);
}

struct search {
    const struct match *match;
    bool found;
};

static int look_at_span(void *user, const json *item)
{
    struct search *search = user;
    struct span_record r;
    int err = dynamo_span_record_read(&r, item, true);
    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_OK : err;
    search->found = !r.expired && words_in_span(&search->match->words, &r.span);
    dynamo_span_record_release(&r);
    return search->found ? 1 : ERR_OK;
}

/* 1: its own texts or those of one of its spans have the words. */
static int has_words(struct backend_session *s, const struct match *m, const struct trace_record *r)
{
    struct search search = {.match = m};
    if (m->filter->q.at == NULL || m->words.count == 0 || words_in_trace(&m->words, &r->trace))
        return 1;
    if (r->trace.span_count == 0 && r->figures && !r->open_live)
        return 0;
    int err = dynamo_spans_query(s, r->trace.trace_id, SPANS_WHOLE, look_at_span, &search);
    return search.found ? 1 : err;
}

int match_trace(struct backend_session *s, const struct match *m, const struct trace_record *r)
{
    const struct stored_filter *f = m->filter;
    const struct stored_trace *t = &r->trace;
    if (!is_or_any(f->user_id, t->user_id) || !is_or_any(f->session_id, t->session_id) ||
        !has_tag(f, t->tags) || !is_in_time(f, t) || !lasted(f, t) ||
        (f->name.at != NULL && !text_contains(t->name, f->name)) ||
        (f->model.at != NULL && !has_model(f->model, r->model_names)) ||
        (f->status != STORED_ANY && stored_trace_status(t) != f->status))
        return 0;
    return has_words(s, m, r);
}
