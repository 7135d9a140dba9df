/* One trace, its spans, one span. A trace and a span are read from the tables (what was
 * acknowledged is seen); which spans a trace has, from the index, which is a moment behind. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/write.h"

#define HELD_MAX                                                                                   \
    ((size_t)48 * 1024 * 1024) /* of contents held while a trace's spans are sorted                \
                                */

/* Names that DynamoDB reserves stand behind #. */
#define LIGHT                                                                                      \
    "span_id, trace_id, parent_span_id, #n, span_type, start_time, end_time, metadata, "           \
    "metadata_json, #m, tokens_input, tokens_output, tokens_cache_read, ttft_ms, cost_usd, #e, "   \
    "rev, arrived, input_bytes, #t"

static void print_projection(struct out *o, enum spans_part part)
{
    if (part == SPANS_KEYS)
        out_text(o, ",\"ProjectionExpression\":\"span_id\"");
    else if (part == SPANS_LIGHT)
        out_text(o, ",\"ProjectionExpression\":\"" LIGHT "\"");
    if (part == SPANS_LIGHT)
        out_text(o, ",\"ExpressionAttributeNames\":{\"#k\":\"trace_id\",\"#n\":\"name\",\"#m\":"
                    "\"model\",\"#e\":\"error\",\"#t\":\"ttl\"}");
    else
        out_text(o, ",\"ExpressionAttributeNames\":{\"#k\":\"trace_id\"}");
}

int dynamo_spans_query(struct backend_session *s, struct text trace_id, enum spans_part part,
                       item_fn *each, void *user)
{
    char *start = NULL;
    int err;
    do {
        json *answer = NULL;
        out_clear(&s->body);
        out_format(&s->body,
                   "{\"TableName\":\"%s\",\"IndexName\":\"" DYNAMO_SPANS_INDEX
                   "\",\"KeyConditionExpression\":\"#k = :k\",\"ExpressionAttributeValues\":"
                   "{\":k\":",
                   s->b->spans_table);
        out_s(&s->body, trace_id);
        out_text(&s->body, "}");
        print_projection(&s->body, part);
        if (start != NULL)
            out_format(&s->body, ",\"ExclusiveStartKey\":%s", start);
        out_text(&s->body, "}");
        free(start);
        start = NULL;
        err = dynamo_call(s, "Query", &answer);
        for (const json *e = json_first(json_get(answer, "Items")); err == ERR_OK && e != NULL;
             e = json_next(e))
            err = each(user, e);
        const json *last = json_get(answer, "LastEvaluatedKey");
        if (err == ERR_OK && json_is_object(last)) {
            start = json_print_new(last);
            err = start == NULL ? ERR_NOMEM : ERR_OK;
        }
        json_free(answer);
    } while (err == ERR_OK && start != NULL);
    free(start);
    return err;
}

static bool sees(struct text project_id, struct text of)
{
    return project_id.at == NULL ||
           (project_id.len == of.len && memcmp(project_id.at, of.at, of.len) == 0);
}

/* Reads a trace of the project; figures that are in doubt or missing are counted first. */
static int read_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                      struct trace_record *r)
{
    for (int i = 0;; i++) {
        int err = dynamo_trace_get(s, trace_id, NULL, r);
        if (err != ERR_OK)
            return err;
        if (r->expired || !sees(project_id, r->trace.project_id)) {
            dynamo_trace_record_release(r);
            return ERR_NOENT;
        }
        if (i > 0 || r->open_live || (r->figures && !r->open_stale))
            return ERR_OK;
        err = dynamo_trace_recount(s, trace_id, NULL, NULL);
        if (err != ERR_OK) /* it is told as it is; the next who looks tries again */
            return err == ERR_NOMEM ? err : ERR_OK;
        dynamo_trace_record_release(r);
    }
}

int dynamo_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                 stored_trace_fn *each, void *user)
{
    struct trace_record r;
    int err = read_trace(s, project_id, trace_id, &r);
    if (err != ERR_OK)
        return err == ERR_NOENT ? err : dynamo_error(err);
    err = each(user, &r.trace);
    dynamo_trace_record_release(&r);
    return err;
}

static int trace_is_of(struct backend_session *s, struct text project_id, struct text trace_id)
{
    struct trace_record r;
    int err = dynamo_trace_get(s, trace_id, NULL, &r);
    if (err != ERR_OK)
        return err;
    err = !r.expired && sees(project_id, r.trace.project_id) ? ERR_OK : ERR_NOENT;
    dynamo_trace_record_release(&r);
    return err;
}

static int get_span(struct backend_session *s, struct text span_id, struct span_record *out)
{
    json *answer = NULL;
    out_clear(&s->body);
    out_format(&s->body, "{\"TableName\":\"%s\",\"ConsistentRead\":true,\"Key\":{\"span_id\":",
               s->b->spans_table);
    out_s(&s->body, span_id);
    out_text(&s->body, "}}");
    int err = dynamo_call(s, "GetItem", &answer);
    const json *item = json_get(answer, "Item");
    if (err == ERR_NOENT)
        err = ERR_IO;
    else if (err == ERR_OK)
        err = item == NULL ? ERR_NOENT : dynamo_span_record_read(out, item, true);
    json_free(answer);
    return err;
}

int dynamo_span(struct backend_session *s, struct text project_id, struct text span_id,
                stored_span_fn *each, void *user)
{
    struct span_record r;
    int err = get_span(s, span_id, &r);
    if (err != ERR_OK)
        return err == ERR_NOENT ? err : dynamo_error(err);
    err = r.expired ? ERR_NOENT : trace_is_of(s, project_id, r.span.trace_id);
    if (err == ERR_OK)
        err = each(user, &r.span);
    else if (err != ERR_NOENT)
        err = dynamo_error(err);
    dynamo_span_record_release(&r);
    return err;
}

struct held {
    struct span_record *records;
    size_t count, room;
    size_t bytes;
    bool content;
};

static int hold(void *user, const json *item)
{
    struct held *h = user;
    if (h->count == h->room) {
        size_t room = h->room > 0 ? h->room * 2 : 64;
        struct span_record *more = realloc(h->records, room * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        h->records = more;
        h->room = room;
    }
    struct span_record *r = &h->records[h->count];
    bool content = h->content && h->bytes < HELD_MAX;
    int err = dynamo_span_record_read(r, item, content);
    if (err == ERR_CORRUPT) /* none of the layout's: nobody can see it */
        return ERR_OK;
    if (err != ERR_OK)
        return err;
    r->partial = h->content && !content;
    h->bytes += r->span.input_data.len + r->span.output_data.len + r->span.metadata.len;
    if (r->expired)
        dynamo_span_record_release(r);
    else
        h->count++;
    return ERR_OK;
}

static int by_coming(const void *a, const void *b)
{
    const struct span_record *x = a;
    const struct span_record *y = b;
    if (x->span.start_time != y->span.start_time)
        return x->span.start_time < y->span.start_time ? -1 : 1;
    return (x->arrived > y->arrived) - (x->arrived < y->arrived);
}

static int give(struct backend_session *s, struct held *h, stored_span_fn *each, void *user)
{
    for (size_t i = 0; i < h->count; i++) {
        struct span_record *r = &h->records[i];
        struct span_record whole;
        int err = ERR_OK;
        if (r->partial) { /* its content was too much to be held */
            err = get_span(s, r->span.span_id, &whole);
            if (err == ERR_NOENT)
                continue;
            if (err != ERR_OK)
                return dynamo_error(err);
        }
        err = each(user, r->partial ? &whole.span : &r->span);
        if (r->partial)
            dynamo_span_record_release(&whole);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

int dynamo_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                 bool content, stored_span_fn *each, void *user)
{
    struct held h = {.content = content};
    int err = trace_is_of(s, project_id, trace_id);
    if (err != ERR_OK)
        return err == ERR_NOENT ? err : dynamo_error(err);
    err = dynamo_spans_query(s, trace_id, content ? SPANS_WHOLE : SPANS_LIGHT, hold, &h);
    if (err == ERR_OK && h.count > 0) {
        qsort(h.records, h.count, sizeof(*h.records), by_coming);
        err = give(s, &h, each, user);
    } else {
        err = dynamo_error(err);
    }
    for (size_t i = 0; i < h.count; i++)
        dynamo_span_record_release(&h.records[i]);
    free(h.records);
    return err;
}
