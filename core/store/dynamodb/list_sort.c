/* Pages by duration, cost, tokens or time to the first token. No index has that order, so each page
 * looks at all traces of the project in the time asked for, and keeps the best that lie behind the
 * cursor: requests grow with the traces (a megabyte of items each), memory with the page. Beyond
 * TIME_MAX_MS it is ERR_BUSY, with the advice to ask for a shorter time. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/list.h"

#define TIME_MAX_MS ((int64_t)20000)
#define PAGE_MAX    1000
#define QUERY_LIMIT 1000

struct kept {
    struct trace_record record;
    double value;
    bool unknown;
};

struct best {
    const struct stored_filter *filter;
    struct kept *all; /* in order; room for one more than the page */
    size_t count, room;
};

static double value_of(enum stored_sort sort, const struct stored_trace *t, bool *unknown)
{
    double tokens = (double)(t->tokens_input > 0 ? t->tokens_input : 0) +
                    (double)(t->tokens_output > 0 ? t->tokens_output : 0);
    *unknown = false;
    switch (sort) {
    case SORT_DURATION:
        *unknown = t->end_time == 0;
        return *unknown ? 0 : (double)(t->end_time - t->start_time) / (double)NS_PER_US;
    case SORT_COST:
        return t->total_cost;
    case SORT_TOKENS:
        *unknown = t->tokens_input < 0 && t->tokens_output < 0;
        return tokens;
    default:
        *unknown = t->ttft_ms < 0;
        return *unknown ? 0 : t->ttft_ms;
    }
}

/* Below 0: a comes before b. Of equal ones the newer first, then by id. */
static int compare(const struct stored_filter *f, const struct kept *a, double value, bool unknown,
                   const char *start, const char *id)
{
    if (a->unknown != unknown)
        return a->unknown ? 1 : -1;
    if (!unknown && a->value != value)
        return (a->value < value) == f->ascending ? -1 : 1;
    int order = strcmp(start, a->record.start_text.at);
    return order != 0 ? order : strcmp(id, a->record.trace.trace_id.at);
}

static int compare_kept(const struct stored_filter *f, const struct kept *a, const struct kept *b)
{
    return compare(f, a, b->value, b->unknown, b->record.start_text.at,
                   b->record.trace.trace_id.at);
}

/* Takes it over if it is among the best. */
static void keep(struct best *b, struct kept *k)
{
    size_t at = b->count;
    while (at > 0 && compare_kept(b->filter, k, &b->all[at - 1]) < 0)
        at--;
    if (at == b->room) {
        dynamo_trace_record_release(&k->record);
        return;
    }
    if (b->count == b->room)
        dynamo_trace_record_release(&b->all[--b->count].record);
    memmove(&b->all[at + 1], &b->all[at], (b->count - at) * sizeof(*b->all));
    b->all[at] = *k;
    b->count++;
}

static int look_at(struct backend_session *s, struct best *b, const struct match *m,
                   const struct cursor *from, const json *item, int64_t until)
{
    struct kept k;
    int err = dynamo_trace_record_read(&k.record, item, NULL);
    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_OK : err;
    err = k.record.expired || k.record.start_text.at == NULL ? 0 : 1;
    if (err == 1)
        err = dynamo_record_refresh(s, &k.record, until);
    if (err == ERR_OK && !k.record.expired)
        err = match_trace(s, m, &k.record);
    if (err != 1) {
        dynamo_trace_record_release(&k.record);
        return err;
    }
    k.value = value_of(m->filter->sort, &k.record.trace, &k.unknown);
    if (from->place.start != NULL && compare(m->filter, &k, from->value, from->unknown,
                                             from->place.start, from->place.trace_id) <= 0)
        dynamo_trace_record_release(&k.record); /* on a page before */
    else
        keep(b, &k);
    return ERR_OK;
}

static int look_at_all(struct backend_session *s, struct best *b, const struct match *m,
                       const struct cursor *from)
{
    struct place at = {NULL, NULL};
    int64_t until = clock_boot_ns() + TIME_MAX_MS * NS_PER_MS;
    int err;
    do {
        json *answer = NULL;
        struct place more = {NULL, NULL};
        err = dynamo_traces_query(s, m->filter, QUERY_LIMIT, &at, &answer, &more);
        for (const json *e = json_first(json_get(answer, "Items")); err == ERR_OK && e != NULL;
             e = json_next(e)) {
            err = look_at(s, b, m, from, e, until - TIME_MAX_MS * NS_PER_MS * 3 / 4);
            if (err == ERR_OK && clock_boot_ns() > until)
                err = session_fail(s, ERR_BUSY,
                                   "there are too many traces to sort; ask for a shorter time");
        }
        json_free(answer);
        place_release(&at);
        at = more;
    } while (err == ERR_OK && at.start != NULL);
    place_release(&at);
    return err;
}

static int give(const struct stored_filter *f, struct best *b, stored_trace_fn *each, void *user,
                char **next_cursor)
{
    size_t limit = b->room - 1;
    size_t count = b->count < limit ? b->count : limit;
    for (size_t i = 0; i < count; i++) {
        int stop = each(user, &b->all[i].record.trace);
        if (stop != 0)
            return stop;
    }
    if (b->count <= limit)
        return ERR_OK;
    const struct kept *last = &b->all[count - 1];
    struct cursor c = {
        .place = {(char *)(uintptr_t)last->record.start_text.at,
                  (char *)(uintptr_t)last->record.trace.trace_id.at},
        .value = last->value,
        .unknown = last->unknown,
    };
    *next_cursor = cursor_print(f, &c);
    return *next_cursor == NULL ? ERR_NOMEM : ERR_OK;
}

int dynamo_list_sorted(struct backend_session *s, const struct stored_filter *f,
                       stored_trace_fn *each, void *user, char **next_cursor)
{
    struct cursor from;
    struct match m;
    struct best b = {.filter = f};
    if (cursor_parse(f, &from) != ERR_OK)
        return session_fail(s, ERR_BAD, "that is no cursor of such a page");
    match_init(&m, f);
    b.room = (f->limit < 1 ? 1 : f->limit > PAGE_MAX ? PAGE_MAX : f->limit) + 1;
    b.all = calloc(b.room + 1, sizeof(*b.all));
    int err = b.all == NULL ? ERR_NOMEM : look_at_all(s, &b, &m, &from);
    err = err == ERR_OK ? give(f, &b, each, user, next_cursor) : dynamo_error(err);
    for (size_t i = 0; i < b.count; i++)
        dynamo_trace_record_release(&b.all[i].record);
    free(b.all);
    place_release(&from.place);
    return err;
}
