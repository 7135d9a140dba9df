/* Pages of traces by start_time, from project-time-index, which is a moment behind the writes.
 *
 * DynamoDB's filters take what they can (user, session, tags, duration), the rest is looked at
 * here; a page is filled until it is full or nothing is left. What a trace does not hold, its spans
 * are read for: the words of a search. A listing that finds little gives what it has after
 * SHORT_MS; one that has found nothing after LONG_MS ends with ERR_BUSY and remembers how far it
 * came, so that the same question, asked again of this server, goes on from there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/dynamodb/list.h"
#include "store/dynamodb/write.h"

#define SHORT_MS    ((int64_t)2500)
#define LONG_MS     ((int64_t)9000)
#define REFRESH_MS  ((int64_t)1500) /* within which figures of older servers' traces are made */
#define PAGE_MAX    1000
#define LIMIT_GROWS 4 /* times as many traces are asked for when a page is not full yet */

/* The bound of a time in the index, where times may lack microseconds or offset: the second. */
static void put_bound(struct out *o, int64_t wall_ns, int64_t seconds)
{
    char text[CLOCK_ISO_MAX];
    clock_iso((wall_ns / NS_PER_SEC + seconds) * NS_PER_SEC, text);
    text[strlen("2026-01-02T03:04:05")] = '\0';
    out_s(o, text_of(text));
}

static void put_filters(struct out *filter, struct out *names, struct out *values,
                        const struct stored_filter *f)
{
    const struct text texts[] = {f->user_id, f->session_id};
    const char *const attributes[] = {"user_id", "session_id"};
    for (int i = 0; i < 2; i++) {
        if (texts[i].at == NULL)
            continue;
        out_format(filter, "%s#f%d = :f%d", filter->buf.len > 0 ? " AND " : "", i, i);
        out_format(names, ",\"#f%d\":\"%s\"", i, attributes[i]);
        out_format(values, ",\":f%d\":", i);
        out_s(values, texts[i]);
    }
    for (size_t i = 0; i < f->tag_count; i++) {
        out_format(filter, "%scontains(#g, :g%zu)%s",
                   i > 0                 ? " OR "
                   : filter->buf.len > 0 ? " AND ("
                                         : "(",
                   i, i + 1 == f->tag_count ? ")" : "");
        out_format(values, ",\":g%zu\":", i);
        out_s(values, f->tags[i]);
    }
    if (f->tag_count > 0)
        out_text(names, ",\"#g\":\"tags\"");
    if (f->min_duration_ms <= 1)
        return;
    /* As rounded when it was stored; the exact times are compared here. */
    out_format(filter, "%s#d >= :d", filter->buf.len > 0 ? " AND " : "");
    out_text(names, ",\"#d\":\"duration_ms\"");
    out_text(values, ",\":d\":");
    out_n(values, f->min_duration_ms - 1);
}

static void put_range(struct out *o, struct out *names, struct out *values,
                      const struct stored_filter *f)
{
    out_text(o, "#p = :p");
    if (f->from == 0 && f->to == 0)
        return;
    out_text(o, f->from == 0 ? " AND #s < :b"
                : f->to == 0 ? " AND #s >= :a"
                             : " AND #s BETWEEN :a AND :b");
    out_text(names, ",\"#s\":\"start_time\"");
    if (f->from != 0) {
        out_text(values, ",\":a\":");
        put_bound(values, f->from, 0);
    }
    if (f->to != 0) {
        out_text(values, ",\":b\":");
        put_bound(values, f->to > f->from ? f->to : f->from, 1);
    }
}

static void put_place(struct out *o, const struct stored_filter *f, const struct place *from)
{
    if (from->start == NULL)
        return;
    out_text(o, ",\"ExclusiveStartKey\":{\"project_id\":");
    out_s(o, f->project_id);
    out_text(o, ",\"start_time\":");
    out_s(o, text_of(from->start));
    out_text(o, ",\"trace_id\":");
    out_s(o, text_of(from->trace_id));
    out_text(o, "}");
}

static int set_place(struct place *p, const char *start, const char *trace_id)
{
    place_release(p);
    if (start == NULL || trace_id == NULL)
        return ERR_OK;
    p->start = strdup(start);
    p->trace_id = strdup(trace_id);
    if (p->start != NULL && p->trace_id != NULL)
        return ERR_OK;
    place_release(p);
    return ERR_NOMEM;
}

int dynamo_traces_query(struct backend_session *s, const struct stored_filter *f, size_t limit,
                        const struct place *from, json **answer, struct place *more)
{
    struct out condition, filter, names, values;
    struct out *o = &s->body;
    struct out *const parts[] = {&condition, &filter, &names, &values};
    for (size_t i = 0; i < 4; i++)
        out_init(parts[i]);
    put_range(&condition, &names, &values, f);
    put_filters(&filter, &names, &values, f);
    out_clear(o);
    out_format(o,
               "{\"TableName\":\"%s\",\"IndexName\":\"" DYNAMO_TRACES_INDEX
               "\",\"ScanIndexForward\":%s,\"Limit\":%zu,\"KeyConditionExpression\":\"%s\"",
               s->b->traces_table, f->sort == SORT_START && f->ascending ? "true" : "false", limit,
               buf_str(&condition.buf));
    if (filter.buf.len > 0)
        out_format(o, ",\"FilterExpression\":\"%s\"", buf_str(&filter.buf));
    out_format(o, ",\"ExpressionAttributeNames\":{\"#p\":\"project_id\"%s}", buf_str(&names.buf));
    out_text(o, ",\"ExpressionAttributeValues\":{\":p\":");
    out_s(o, f->project_id);
    out_bytes(o, buf_str(&values.buf), values.buf.len);
    out_text(o, "}");
    put_place(o, f, from);
    out_text(o, "}");
    int err = ERR_OK;
    for (size_t i = 0; i < 4; i++) {
        err = err != ERR_OK ? err : parts[i]->err;
        out_release(parts[i]);
    }
    if (err == ERR_OK)
        err = dynamo_call(s, "Query", answer);
    const json *last = json_get(err == ERR_OK ? *answer : NULL, "LastEvaluatedKey");
    place_release(more);
    if (err == ERR_OK)
        err = set_place(more, item_text(last, "start_time"), item_text(last, "trace_id"));
    return err;
}

int dynamo_record_refresh(struct backend_session *s, struct trace_record *r, int64_t until)
{
    if ((r->figures && !r->open_stale) || r->open_live || clock_boot_ns() > until)
        return ERR_OK;
    struct trace_record again;
    int err = dynamo_trace_recount(s, r->trace.trace_id, NULL, NULL);
    if (err != ERR_OK) /* it is told as it is */
        return err == ERR_NOMEM ? err : ERR_OK;
    err = dynamo_trace_get(s, r->trace.trace_id, NULL, &again);
    if (err != ERR_OK)
        return err == ERR_NOENT ? ERR_OK : err;
    dynamo_trace_record_release(r);
    *r = again;
    return ERR_OK;
}

struct page {
    struct backend_session *s;
    struct match match;
    stored_trace_fn *each;
    void *user;
    size_t limit, given;
    bool full;       /* there is more, behind `at` */
    struct place at; /* the last trace that was given, or looked at after it */
    int64_t begun;
    int stop; /* what `each` said */
};

static int64_t elapsed_ms(const struct page *p)
{
    return (clock_boot_ns() - p->begun) / NS_PER_MS;
}

/* One trace of the index. */
static int look_at(struct page *p, const json *item)
{
    struct trace_record r;
    int err = dynamo_trace_record_read(&r, item, NULL);
    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_OK : err;
    err = r.expired ? 0 : dynamo_record_refresh(p->s, &r, p->begun + REFRESH_MS * NS_PER_MS);
    if (err == ERR_OK && !r.expired)
        err = match_trace(p->s, &p->match, &r);
    if (err == 1 && p->given == p->limit) {
        p->full = true;
        err = ERR_OK;
    } else if (err >= 0) {
        if (err == 1) {
            p->given++;
            p->stop = p->each(p->user, &r.trace);
        }
        err = set_place(&p->at, item_text(item, "start_time"), item_text(item, "trace_id"));
    }
    dynamo_trace_record_release(&r);
    return err;
}

static bool out_of_time(struct page *p)
{
    return elapsed_ms(p) > (p->given > 0 ? SHORT_MS : LONG_MS);
}

/* ERR_BUSY: out of time with nothing found. */
static int fill(struct page *p, struct place *from)
{
    const struct stored_filter *f = p->match.filter;
    size_t limit = p->limit + 1;
    int err;
    do {
        json *answer = NULL;
        struct place more = {NULL, NULL};
        err = dynamo_traces_query(p->s, f, limit, from, &answer, &more);
        for (const json *e = json_first(json_get(answer, "Items"));
             err == ERR_OK && p->stop == 0 && !p->full && e != NULL; e = json_next(e)) {
            err = look_at(p, e);
            bool last = json_next(e) == NULL && more.start == NULL;
            if (err == ERR_OK && !last && out_of_time(p))
                p->full = true;
        }
        json_free(answer);
        limit = limit * LIMIT_GROWS < PAGE_MAX ? limit * LIMIT_GROWS : PAGE_MAX;
        place_release(from);
        *from = more;
        if (err == ERR_OK && !p->full && from->start != NULL && out_of_time(p)) {
            /* The whole page was passed over. */
            err = set_place(&p->at, from->start, from->trace_id);
            p->full = true;
        }
    } while (err == ERR_OK && p->stop == 0 && !p->full && from->start != NULL);
    return err == ERR_OK && p->full && p->given == 0 ? ERR_BUSY : err;
}

static uint64_t hash_of(const struct stored_filter *f)
{
    uint64_t hash = 0;
    const struct text texts[] = {f->project_id, f->cursor, f->user_id, f->session_id,
                                 f->name,       f->model,  f->q};
    const int64_t numbers[] = {f->from,      f->to,        f->min_duration_ms,
                               f->ascending, (int)f->sort, (int)f->status};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        hash = hash_bytes(hash + texts[i].len + 1, texts[i].at, texts[i].len);
    for (size_t i = 0; i < f->tag_count; i++)
        hash = hash_bytes(hash + f->tags[i].len + 1, f->tags[i].at, f->tags[i].len);
    hash = hash_bytes(hash, numbers, sizeof(numbers));
    return hash != 0 ? hash : 1;
}

/* Where this question came to before it ran out of time; taken out. */
static char *resume_take(struct backend *b, uint64_t asked)
{
    char *at = NULL;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < RESUME_MAX && at == NULL; i++) {
        if (b->resume[i].asked != asked)
            continue;
        at = b->resume[i].at;
        b->resume[i] = (struct resume){0, NULL};
    }
    pthread_mutex_unlock(&b->lock);
    return at;
}

static void resume_put(struct backend *b, uint64_t asked, char *at)
{
    if (at == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    struct resume *r = &b->resume[b->resume_next++ % RESUME_MAX];
    free(r->at);
    *r = (struct resume){asked, at};
    pthread_mutex_unlock(&b->lock);
}

/* Begins where the cursor says, or where the same question ended before. */
static int begin(struct backend *b, const struct stored_filter *f, struct place *from)
{
    struct cursor c;
    int err = cursor_parse(f, &c);
    if (err != ERR_OK)
        return err;
    *from = c.place;
    char *resumed = resume_take(b, hash_of(f));
    struct stored_filter at = *f;
    at.cursor = text_of(resumed);
    if (resumed != NULL && cursor_parse(&at, &c) == ERR_OK) {
        place_release(from);
        *from = c.place;
    }
    free(resumed);
    return ERR_OK;
}

static int list_by_time(struct backend_session *s, const struct stored_filter *f,
                        stored_trace_fn *each, void *user, char **next_cursor)
{
    struct place from = {NULL, NULL};
    struct page p = {.s = s,
                     .each = each,
                     .user = user,
                     .limit = f->limit < 1          ? 1
                              : f->limit > PAGE_MAX ? PAGE_MAX
                                                    : f->limit,
                     .begun = clock_boot_ns()};
    int err = begin(s->b, f, &from);
    if (err != ERR_OK)
        return session_fail(s, err, "that is no cursor of such a page");
    match_init(&p.match, f);
    err = fill(&p, &from);
    struct cursor next = {.place = p.at};
    if (err == ERR_BUSY && p.full && p.at.start != NULL) {
        session_fail(s, err, "nothing is found yet; asked again, the search goes on");
        resume_put(s->b, hash_of(f), cursor_print(f, &next));
    } else if (err == ERR_OK && p.stop == 0 && p.full) {
        *next_cursor = cursor_print(f, &next);
        err = *next_cursor == NULL ? ERR_NOMEM : ERR_OK;
    }
    place_release(&p.at);
    place_release(&from);
    return p.stop != 0 ? p.stop : dynamo_error(err);
}

int dynamo_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
                void *user, char **next_cursor)
{
    *next_cursor = NULL;
    if (f->project_id.at == NULL)
        return session_fail(s, ERR_UNSUPPORTED, "DynamoDB lists the traces of one project");
    if (f->sort != SORT_START)
        return dynamo_list_sorted(s, f, each, user, next_cursor);
    return list_by_time(s, f, each, user, next_cursor);
}
