/* Spans in a call of write: read, put, updated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/write.h"

#define UPDATE_TRIES  12
#define BATCH_BYTES   ((size_t)6 * 1024 * 1024) /* a request may have 16 MB */
#define BATCH_TRIES   10
#define BATCH_WAIT_MS 20 /* before what was not processed is sent again; doubled each time */

/* What of a span tells its trace, figures and state; its content stays there. */
#define WITHOUT_CONTENT                                                                            \
    "\"ProjectionExpression\":\"span_id, trace_id, span_type, start_time, end_time, metadata, "    \
    "metadata_json, #m, #e, tokens_input, tokens_output, tokens_cache_read, ttft_ms, cost_usd, "   \
    "rev, arrived, input_bytes, #b, "                                                              \
    "#t\",\"ExpressionAttributeNames\":{\"#m\":\"model\",\"#e\":\"error\",\"#b\":\"by\","          \
    "\"#t\":\"ttl\"}"

static struct plan *find_plan(struct plan **plans, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(id) == plans[i]->span_id.len &&
            memcmp(id, plans[i]->span_id.at, plans[i]->span_id.len) == 0)
            return plans[i];
    return NULL;
}

static int take_span(struct plan *p, const json *item)
{
    if (p->known)
        dynamo_span_record_release(&p->old);
    p->known = false;
    int err = dynamo_span_record_read(&p->old, item, false);
    p->known = err == ERR_OK;
    return err;
}

/* At most BATCH_GET of them. */
static int read_batch(struct round *r, struct plan **plans, size_t count)
{
    struct backend_session *s = r->s;
    bool asked[BATCH_GET];
    memset(asked, true, sizeof(asked));
    for (int i = 0; i < BATCH_TRIES; i++) {
        json *answer = NULL;
        bool first = true;
        out_clear(&s->body);
        out_format(&s->body,
                   "{\"RequestItems\":{\"%s\":{\"ConsistentRead\":true," WITHOUT_CONTENT
                   ",\"Keys\":[",
                   s->b->spans_table);
        for (size_t k = 0; k < count; k++) {
            if (!asked[k])
                continue;
            out_text(&s->body, first ? "{\"span_id\":" : ",{\"span_id\":");
            out_s(&s->body, plans[k]->span_id);
            out_text(&s->body, "}");
            first = false;
        }
        out_text(&s->body, "]}}}");
        int err = dynamo_call(s, "BatchGetItem", &answer);
        const json *items = json_get(json_get(answer, "Responses"), s->b->spans_table);
        for (const json *e = json_first(items); err == ERR_OK && e != NULL; e = json_next(e)) {
            const char *id = item_text(e, "span_id");
            struct plan *p = id != NULL ? find_plan(plans, count, id) : NULL;
            err = p != NULL ? take_span(p, e) : ERR_OK;
        }
        memset(asked, false, sizeof(asked));
        const json *left =
            json_get(json_get(json_get(answer, "UnprocessedKeys"), s->b->spans_table), "Keys");
        size_t waiting = 0;
        for (const json *e = json_first(left); e != NULL; e = json_next(e)) {
            const char *id = item_text(e, "span_id");
            for (size_t k = 0; id != NULL && k < count; k++)
                if (find_plan(&plans[k], 1, id) != NULL)
                    asked[k] = ++waiting > 0;
        }
        json_free(answer);
        if (err != ERR_OK || waiting == 0)
            return err;
        session_sleep_ms((BATCH_WAIT_MS << i) / 2 +
                         (int64_t)(session_random(s) % (uint64_t)(BATCH_WAIT_MS << i)) / 2);
    }
    return session_fail(s, ERR_BUSY, "BatchGetItem: DynamoDB leaves keys unprocessed");
}

int dynamo_spans_read(struct round *r, struct plan **plans, size_t count)
{
    int err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i += BATCH_GET)
        err = read_batch(r, plans + i, count - i < BATCH_GET ? count - i : BATCH_GET);
    return err;
}

void dynamo_span_overlay(struct stored_span *into, const struct stored_span *from)
{
    if (into->end_time == 0)
        into->end_time = from->end_time;
    if (from->input_data.at != NULL)
        into->input_data = from->input_data;
    if (from->output_data.at != NULL)
        into->output_data = from->output_data;
    if (from->metadata.at != NULL)
        into->metadata = from->metadata;
    if (from->tokens_cache_read >= 0)
        into->tokens_cache_read = from->tokens_cache_read;
    if (from->ttft_ms >= 0)
        into->ttft_ms = from->ttft_ms;
    if (from->model.at != NULL)
        into->model = from->model;
    if (from->error.at != NULL)
        into->error = from->error;
    if (from->tokens_input >= 0)
        into->tokens_input = from->tokens_input;
    if (from->tokens_output >= 0)
        into->tokens_output = from->tokens_output;
    if (from->cost_usd >= 0)
        into->cost_usd = from->cost_usd;
}

static void print_item(struct round *r, struct out *o, const struct plan *p)
{
    item_put_span(o, r->s->b, &p->told, p->group->token, r->arrived + (p - r->plans), p->level);
}

/* A new span is stored. */
static void was_put(struct round *r, struct plan *p)
{
    dynamo_totals_add(&p->group->totals, &p->told, r->arrived + (p - r->plans));
    p->done = true;
}

/* The item was refused as invalid: false when it is not for its size, since it was cut to the
 * utmost. */
static bool cut_more(struct plan *p)
{
    if (p->level + 1 < CUT_LEVELS) {
        p->level++;
        return true;
    }
    p->result = ERR_BAD;
    p->done = true;
    return false;
}

static int put_once(struct round *r, struct plan *p)
{
    struct out *o = &r->s->body;
    out_clear(o);
    out_format(o,
               "{\"TableName\":\"%s\",\"ConditionExpression\":\"attribute_not_exists(span_id)\","
               "\"Item\":{",
               r->s->b->spans_table);
    print_item(r, o, p);
    out_text(o, "}}");
    return dynamo_call(r->s, "PutItem", NULL);
}

/* Puts it unless it is there: p->known then, with what is. */
int dynamo_span_put(struct round *r, struct plan *p)
{
    int err = put_once(r, p);
    while (err == ERR_BAD && cut_more(p))
        err = put_once(r, p);
    if (err == ERR_BAD)
        return ERR_OK;
    if (err == ERR_EXIST) {
        err = dynamo_spans_read(r, &p, 1);
        if (err != ERR_OK)
            return err;
        if (!p->known)
            return session_fail(r->s, ERR_BUSY, "a span came and went");
        if (p->old.by.len != strlen(p->group->token) ||
            memcmp(p->old.by.at, p->group->token, p->old.by.len) != 0)
            return ERR_OK;
        p->known = false; /* it is ours: an answer was lost */
        dynamo_span_record_release(&p->old);
        err = ERR_OK;
    }
    if (err == ERR_OK)
        was_put(r, p);
    return err;
}

/* Sends those that are not done, at most BATCH_PUT, and marks those that were taken. */
static int put_batch(struct round *r, struct plan **plans, size_t count)
{
    struct backend_session *s = r->s;
    json *answer = NULL;
    bool left[BATCH_PUT] = {false};
    bool first = true;
    out_clear(&s->body);
    out_format(&s->body, "{\"RequestItems\":{\"%s\":[", s->b->spans_table);
    for (size_t i = 0; i < count; i++) {
        if (plans[i]->done)
            continue;
        out_text(&s->body, first ? "{\"PutRequest\":{\"Item\":{" : ",{\"PutRequest\":{\"Item\":{");
        print_item(r, &s->body, plans[i]);
        out_text(&s->body, "}}}");
        first = false;
    }
    out_text(&s->body, "]}}");
    if (first)
        return ERR_OK;
    int err = dynamo_call(s, "BatchWriteItem", &answer);
    const json *items = json_get(json_get(answer, "UnprocessedItems"), s->b->spans_table);
    for (const json *e = json_first(items); e != NULL; e = json_next(e)) {
        const char *id = json_text(json_path(e, "PutRequest.Item.span_id.S"));
        for (size_t i = 0; id != NULL && i < count; i++)
            left[i] = left[i] || find_plan(&plans[i], 1, id) != NULL;
    }
    json_free(answer);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        if (!plans[i]->done && !left[i])
            was_put(r, plans[i]);
    return err;
}

/* Whether the others still keep off the traces of these spans. */
static bool may_be_blind(struct plan **plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (dynamo_now_ms() - strtoll(plans[i]->group->token, NULL, 16) > BLIND_SEND_MS)
            return false;
    return true;
}

static size_t batch_length(struct plan **plans, size_t count)
{
    size_t bytes = 0;
    size_t n = 0;
    for (; n < count && n < BATCH_PUT; n++) {
        const struct stored_span *s = &plans[n]->told;
        bytes += s->input_data.len + s->output_data.len + s->metadata.len + s->error.len;
        if (n > 0 && bytes > BATCH_BYTES)
            break;
    }
    return n;
}

static bool all_done(struct plan **plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!plans[i]->done)
            return false;
    return true;
}

/* One batch until all of it is taken. ERR_BAD: one of them is invalid. */
static int put_whole_batch(struct round *r, struct plan **plans, size_t count)
{
    for (int i = 0; i < BATCH_TRIES; i++) {
        if (!may_be_blind(plans, count))
            return ERR_OK; /* the rest goes one by one */
        int err = put_batch(r, plans, count);
        if (err != ERR_OK || all_done(plans, count))
            return err;
        session_sleep_ms((BATCH_WAIT_MS << i) / 2 +
                         (int64_t)(session_random(r->s) % (uint64_t)(BATCH_WAIT_MS << i)) / 2);
    }
    return session_fail(r->s, ERR_BUSY, "BatchWriteItem: DynamoDB leaves items unprocessed");
}

int dynamo_spans_put_blind(struct round *r, struct plan **plans, size_t count)
{
    int err = ERR_OK;
    for (size_t i = 0, n; i < count && err == ERR_OK; i += n) {
        n = batch_length(plans + i, count - i);
        err = put_whole_batch(r, plans + i, n);
        for (size_t k = i; err == ERR_BAD && k < i + n; k++) {
            /* Each by itself, so that one invalid span is alone with its refusal. */
            int single = plans[k]->done ? ERR_OK : dynamo_span_put(r, plans[k]);
            err = single != ERR_OK ? single : k + 1 < i + n ? ERR_BAD : ERR_OK;
        }
    }
    return err;
}

/* The span as it is stored, with its content. ERR_NOENT: it is gone. */
static int read_whole(struct round *r, const struct plan *p, struct span_record *out)
{
    struct backend_session *s = r->s;
    json *answer = NULL;
    out_clear(&s->body);
    out_format(&s->body, "{\"TableName\":\"%s\",\"ConsistentRead\":true,\"Key\":{\"span_id\":",
               s->b->spans_table);
    out_s(&s->body, p->span_id);
    out_text(&s->body, "}}");
    int err = dynamo_call(s, "GetItem", &answer);
    const json *item = json_get(answer, "Item");
    if (err == ERR_NOENT)
        err = ERR_IO; /* the table is gone */
    else if (err == ERR_OK)
        err = item == NULL ? ERR_NOENT : dynamo_span_record_read(out, item, true);
    json_free(answer);
    return err;
}

static void set_documents(struct update *u, const struct stored_span *c, size_t taken,
                          unsigned level)
{
    struct documents d;
    documents_init(&d, c->metadata, c->input_data, c->output_data);
    documents_fit(&d, c->error, taken, level);
    if (d.text != NULL)
        update_set_s(u, "error", text_of(d.text));
    update_set_documents(u, &d);
    if (d.values[1] != NULL)
        update_set_n(u, "input_bytes", (int64_t)(d.sizes[0] + d.sizes[1]));
    documents_release(&d);
}

/* By estimate beside what is stored; from level 1 on all of it is made to fit anew. */
static int update_documents(struct round *r, struct update *u, const struct plan *p)
{
    const struct stored_span *c = &p->completed;
    if (p->level == 0) {
        size_t taken = (size_t)(p->old.input_bytes > 0 ? p->old.input_bytes : 0);
        set_documents(u, c, c->input_data.at != NULL ? 0 : taken, 0);
        return ERR_OK;
    }
    struct span_record whole = {.memory = NULL};
    int err = read_whole(r, p, &whole);
    if (err == ERR_NOENT || (err == ERR_OK && whole.rev != p->old.rev))
        err = ERR_EXIST; /* changed since it was read */
    if (err == ERR_OK) {
        struct stored_span after = whole.span;
        dynamo_span_overlay(&after, c);
        set_documents(u, &after, 0, p->level);
    }
    dynamo_span_record_release(&whole);
    return err;
}

static void update_figures(struct update *u, const struct plan *p)
{
    const struct stored_span *c = &p->completed;
    const struct stored_span *stored = &p->old.span;
    char text[CLOCK_ISO_MAX];
    if (c->end_time != 0 && stored->end_time == 0) {
        update_set_s(u, "end_time", text_of(clock_iso(c->end_time, text)));
        update_set_n(u, "duration_ms", dynamo_duration_of(stored->start_time, c->end_time));
    }
    if (c->model.at != NULL)
        update_set_s(u, "model", c->model);
    if (c->tokens_input >= 0)
        update_set_n(u, "tokens_input", c->tokens_input);
    if (c->tokens_output >= 0)
        update_set_n(u, "tokens_output", c->tokens_output);
    if (c->cost_usd >= 0)
        update_set_double(u, "cost_usd", c->cost_usd);
    if (c->tokens_cache_read >= 0)
        update_set_n(u, "tokens_cache_read", c->tokens_cache_read);
    if (c->ttft_ms >= 0)
        update_set_double(u, "ttft_ms", c->ttft_ms);
}

/* As the span was read, and no other write since. */
static void where_unchanged(struct update *u, const struct plan *p)
{
    const struct span_record *old = &p->old;
    if (old->rev > 0)
        update_where_n(u, "# = $", "rev", old->rev);
    else
        update_where(u, "attribute_not_exists(#)", "rev", NULL);
    update_where_text(u, "# = $", "trace_id", old->span.trace_id);
    if (old->span.end_time != 0 || old->end_unreadable)
        return;
    struct out null;
    out_init(&null);
    out_text(&null, "{\"S\":\"NULL\"}");
    update_where(u, "(attribute_not_exists(#) OR attribute_type(#, $))", "end_time", &null);
    out_release(&null);
}

static int update_once(struct round *r, struct plan *p)
{
    struct update u;
    update_init(&u);
    int err = update_documents(r, &u, p);
    update_figures(&u, p);
    update_set_n(&u, "rev", p->old.rev + 1);
    update_set_s(&u, "by", text_of(p->group->token));
    where_unchanged(&u, p);
    if (err == ERR_OK)
        err = update_send(r->s, &u, r->s->b->spans_table, "span_id", p->span_id, "NONE", NULL);
    update_release(&u);
    return err;
}

static bool is_ours(const struct plan *p)
{
    return p->old.by.len == strlen(p->group->token) &&
           memcmp(p->old.by.at, p->group->token, p->old.by.len) == 0;
}

static void was_updated(struct plan *p, const struct stored_span *before)
{
    struct stored_span after = *before;
    dynamo_span_overlay(&after, &p->completed);
    dynamo_totals_change(&p->group->totals, before, &after, p->old.arrived);
    p->done = true;
}

/* Whether the span was last written under a token that is still in its trace: by a server that died
 * before it added the totals, or is about to. */
void group_note_suspect(struct plan *p)
{
    char token[TOKEN_MAX + 2];
    struct group *g = p->group;
    const char *others = g->record.others;
    if (p->old.by.len == 0 || p->old.by.len >= TOKEN_MAX || others == NULL)
        return;
    snprintf(token, sizeof(token), "%.*s\n", (int)p->old.by.len, p->old.by.at);
    /* With it all that are older than ours: under one of them it may have been written before. */
    if (strstr(others, token) != NULL && strstr(buf_str(&g->suspects.buf), token) == NULL)
        out_text(&g->suspects, others);
}

int dynamo_span_update(struct round *r, struct plan *p)
{
    for (int i = 0; i < UPDATE_TRIES; i++) {
        group_note_suspect(p);
        int err = update_once(r, p);
        if (err == ERR_OK)
            was_updated(p, &p->old.span);
        if (err == ERR_BAD && cut_more(p))
            continue;
        if (err != ERR_EXIST)
            return err == ERR_BAD ? ERR_OK : err;
        struct span_record before = p->old;
        p->known = false;
        err = dynamo_spans_read(r, &p, 1);
        if (err == ERR_OK && p->known && is_ours(p)) /* obeyed, and the answer was lost */
            was_updated(p, &before.span);
        else if (err == ERR_OK && !p->known) {
            p->result = ERR_NOENT; /* it expired just now */
            p->done = true;
        }
        dynamo_span_record_release(&before);
        if (err != ERR_OK || p->done)
            return err;
        session_sleep_ms((int64_t)(session_random(r->s) % (uint64_t)(10 + 10 * i)));
    }
    return session_fail(r->s, ERR_BUSY, "a span is written by too many at once");
}
