/* A trace's item in a call of write: opened, and closed with what its spans add to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/write.h"

#define BLIND_WAIT_MS   ((int64_t)BLIND_LIVE_MS + 1500) /* then ERR_BUSY */
#define BLIND_LOOK_MS   20
#define CLOSE_TRIES     12
#define SUSPECT_LOOKS   6
#define SUSPECT_WAIT_MS 60

int dynamo_trace_get(struct backend_session *s, struct text trace_id, const char *own,
                     struct trace_record *out)
{
    json *answer = NULL;
    out_clear(&s->body);
    out_format(&s->body, "{\"TableName\":\"%s\",\"ConsistentRead\":true,\"Key\":{\"trace_id\":",
               s->b->traces_table);
    out_s(&s->body, trace_id);
    out_text(&s->body, "}}");
    int err = dynamo_call(s, "GetItem", &answer);
    const json *item = json_get(answer, "Item");
    if (err == ERR_NOENT)
        err = ERR_IO; /* the table is gone */
    else if (err == ERR_OK)
        err = item == NULL ? ERR_NOENT : dynamo_trace_record_read(out, item, own);
    json_free(answer);
    return err;
}

static bool same(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static void refuse(struct group *g, bool foreign)
{
    g->refused = ERR_NOENT;
    g->foreign = foreign;
}

/* Whether the trace that is there is the group's project's. */
static int look(struct round *r, struct group *g)
{
    dynamo_trace_record_release(&g->record);
    int err = dynamo_trace_get(r->s, g->trace_id, g->token, &g->record);
    if (err == ERR_NOENT) {
        refuse(g, false);
        return ERR_OK;
    }
    if (err == ERR_OK && !same(g->record.trace.project_id, g->project_id))
        refuse(g, true);
    else if (err == ERR_OK && g->record.expired)
        refuse(g, false);
    return err;
}

static bool ends(const struct group *g)
{
    return g->complete != NULL;
}

/* The trace as this call makes it: created, and completed over that. */
static struct stored_trace whole_trace(const struct group *g)
{
    struct stored_trace t = g->create->trace;
    const struct stored_trace *c = &g->completed;
    if (!ends(g))
        return t;
    t.end_time = t.end_time != 0 ? t.end_time : c->end_time;
    t.metadata = c->metadata.at != NULL ? c->metadata : t.metadata;
    t.tags = c->tags.at != NULL ? c->tags : t.tags;
    t.output = c->output.len > 0 ? c->output : t.output;
    return t;
}

static int put_trace_once(struct round *r, struct group *g)
{
    struct out *o = &r->s->body;
    struct stored_trace t = whole_trace(g);
    out_clear(o);
    out_format(o,
               "{\"TableName\":\"%s\",\"ConditionExpression\":\"attribute_not_exists(trace_id) OR "
               "#t < :t\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\"},"
               "\"ExpressionAttributeValues\":{\":t\":{\"N\":\"%lld\"}},\"Item\":{",
               r->s->b->traces_table, (long long)(clock_wall_ns() / NS_PER_SEC));
    t.project_id = g->project_id;
    item_put_trace(o, r->s->b, &t, g->spans > 0 ? g->token : NULL, g->level);
    out_text(o, "}}");
    return dynamo_call(r->s, "PutItem", NULL);
}

/* The item was refused as invalid: false when it is not for its size, since it was cut to the
 * utmost. */
static bool cut_more(struct group *g)
{
    return ++g->level < CUT_LEVELS;
}

/* ERR_EXIST: it is there. */
static int put_trace(struct round *r, struct group *g)
{
    int err = put_trace_once(r, g);
    while (err == ERR_BAD && cut_more(g))
        err = put_trace_once(r, g);
    return err;
}

static int create_trace(struct round *r, struct group *g)
{
    int err = put_trace(r, g);
    if (err == ERR_OK) {
        g->fresh = true;
        g->open = g->spans > 0;
        g->record.model_map = true;
        g->record.ttft_time = INT64_MAX;
        g->record.rev = 1;
        return ERR_OK;
    }
    if (err != ERR_EXIST)
        return err;
    err = look(r, g);
    g->create->existed = err == ERR_OK && g->refused == ERR_OK;
    /* A try whose answer was lost may have made it. */
    g->open = g->record.own;
    return err;
}

static const struct text none = {NULL, 0};

static void set_documents(struct update *u, struct text metadata, struct text output, size_t taken,
                          unsigned level)
{
    struct documents d;
    documents_init(&d, metadata, none, none);
    documents_fit(&d, output, taken, level);
    if (d.text != NULL)
        update_set_s(u, "output", text_of(d.text));
    update_set_documents(u, &d);
    documents_release(&d);
}

static void where_unchanged(struct update *u, const struct trace_record *record)
{
    if (record->rev > 0)
        update_where_n(u, "# = $", "rev", record->rev);
    else
        update_where(u, "attribute_not_exists(#)", "rev", NULL);
}

int dynamo_trace_shrink(struct backend_session *s, const struct trace_record *record,
                        unsigned level)
{
    struct update u;
    update_init(&u);
    set_documents(&u, record->trace.metadata, record->trace.output, 0, level);
    update_set_n(&u, "rev", record->rev + 1);
    where_unchanged(&u, record);
    update_where_text(&u, "# = $", "project_id", record->trace.project_id);
    int err =
        update_send(s, &u, s->b->traces_table, "trace_id", record->trace.trace_id, "NONE", NULL);
    update_release(&u);
    return err;
}

/* What is stored already leaves no room for a token or totals. */
static int make_room(struct round *r, struct group *g)
{
    int err = look(r, g);
    if (err != ERR_OK || g->refused != ERR_OK)
        return err;
    err = dynamo_trace_shrink(r->s, &g->record, g->level);
    return err == ERR_EXIST ? ERR_OK : err; /* another try tells */
}

static int put_token_once(struct round *r, struct group *g)
{
    struct update u;
    json *item = NULL;
    update_init(&u);
    update_add_member(&u, "open", g->token);
    update_add_n(&u, "rev", 1);
    update_set_n(&u, "written", dynamo_now_ms());
    update_where_text(&u, "# = $", "project_id", g->project_id);
    int err =
        update_send(r->s, &u, r->s->b->traces_table, "trace_id", g->trace_id, "ALL_NEW", &item);
    update_release(&u);
    if (err == ERR_OK) {
        dynamo_trace_record_release(&g->record);
        err = dynamo_trace_record_read(&g->record, item, g->token);
        g->open = true;
        if (err == ERR_OK && g->record.expired)
            refuse(g, false);
    }
    json_free(item);
    return err;
}

/* Puts the token in. ERR_EXIST: the trace is not there, or another project's. */
static int put_token(struct round *r, struct group *g)
{
    int err = put_token_once(r, g);
    while (err == ERR_BAD && cut_more(g)) {
        err = make_room(r, g);
        if (err == ERR_OK && g->refused == ERR_OK)
            err = put_token_once(r, g);
    }
    return err;
}

/* Waits until no other server's batch can be on its way to the trace's spans. */
static int wait_for_blind(struct round *r, struct group *g)
{
    int64_t begun = clock_boot_ns();
    int err = ERR_OK;
    while (err == ERR_OK && g->refused == ERR_OK && g->record.open_blind) {
        if ((clock_boot_ns() - begun) / NS_PER_MS > BLIND_WAIT_MS)
            return session_fail(r->s, ERR_BUSY, "another server is writing spans of the trace");
        session_sleep_ms(BLIND_LOOK_MS + (int64_t)(session_random(r->s) % BLIND_LOOK_MS));
        err = look(r, g);
    }
    return err;
}

static int open_trace(struct round *r, struct group *g)
{
    int err = ERR_OK;
    if (g->create != NULL)
        err = create_trace(r, g);
    if (err != ERR_OK || g->refused != ERR_OK || g->fresh || g->spans == 0)
        return err;
    if (!g->open)
        err = put_token(r, g);
    if (err == ERR_EXIST) {
        err = look(r, g);
        if (err == ERR_OK && g->refused == ERR_OK) /* made a moment ago */
            err = put_token(r, g);
    }
    return err == ERR_OK ? wait_for_blind(r, g) : err;
}

/* Refused as invalid: only this group's writes, and for good. */
static int refuse_invalid(struct group *g, int err)
{
    if (err != ERR_BAD)
        return err;
    g->refused = ERR_BAD;
    return ERR_OK;
}

int group_open(struct round *r, struct group *g)
{
    return refuse_invalid(g, open_trace(r, g));
}

/* By estimate beside what is stored; from level 1 on all of it is made to fit anew. */
static void update_documents(struct group *g, struct update *u)
{
    const struct stored_trace *stored = &g->record.trace;
    const struct stored_trace *c = &g->completed;
    struct text metadata = c->metadata;
    struct text output = c->output.len > 0 ? c->output : none;
    size_t taken = (metadata.at != NULL ? 0 : stored->metadata.len) +
                   (output.at != NULL ? 0 : stored->output.len);
    if (g->level > 0) {
        taken = 0;
        metadata = metadata.at != NULL ? metadata : stored->metadata;
        output = output.at != NULL ? output : stored->output;
        where_unchanged(u, &g->record);
    }
    set_documents(u, metadata, output, taken, g->level);
}

/* What completing the trace changes in it. */
static void update_completed(struct group *g, struct update *u)
{
    const struct stored_trace *stored = &g->record.trace;
    const struct stored_trace *c = &g->completed;
    char text[CLOCK_ISO_MAX];
    update_documents(g, u);
    if (c->end_time == 0 || stored->end_time != 0)
        return;
    update_set_s(u, "end_time", text_of(clock_iso(c->end_time, text)));
    update_set_n(u, "duration_ms", dynamo_duration_of(stored->start_time, c->end_time));
    if (g->record.end_unreadable)
        return;
    struct out null;
    out_init(&null);
    out_text(&null, "{\"S\":\"NULL\"}");
    update_where(u, "(attribute_not_exists(#) OR attribute_type(#, $))", "end_time", &null);
    out_release(&null);
}

static int close_once(struct round *r, struct group *g, bool complete, json **item)
{
    struct update u;
    update_init(&u);
    if (g->open) {
        dynamo_totals_update(&g->totals, &g->record, &u);
        update_drop_member(&u, "open", g->token);
        update_where_text(&u, "contains(#, $)", "open", text_of(g->token));
    } else {
        update_where_text(&u, "# = $", "project_id", g->project_id);
    }
    update_add_n(&u, "rev", 1);
    update_set_n(&u, "written", dynamo_now_ms());
    if (complete)
        update_completed(g, &u);
    else if (g->level > 0)
        update_documents(g, &u);
    int err = g->totals.err != ERR_OK ? g->totals.err
                                      : update_send(r->s, &u, r->s->b->traces_table, "trace_id",
                                                    g->trace_id, "ALL_NEW", item);
    update_release(&u);
    return err;
}

/* Puts a token of long ago in: the totals are in doubt for whoever reads the trace next. */
static int put_doubt(struct round *r, struct group *g)
{
    char doubt[TOKEN_MAX + 2];
    struct update u;
    snprintf(doubt, sizeof(doubt), "1%c%s", TOKEN_SAFE, strpbrk(g->token, TOKENS) + 1);
    update_init(&u);
    update_add_member(&u, "open", doubt);
    update_add_n(&u, "rev", 1);
    update_where_text(&u, "# = $", "project_id", g->project_id);
    int err = update_send(r->s, &u, r->s->b->traces_table, "trace_id", g->trace_id, "NONE", NULL);
    update_release(&u);
    return err;
}

/* What was asked for is done; totals that cannot be counted now are counted by the next reader. */
static int count_again(struct round *r, struct group *g)
{
    int err = dynamo_trace_recount(r->s, g->trace_id, r, g);
    if (err == ERR_AGAIN)
        err = put_doubt(r, g);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static bool has_suspect(const struct group *g, const struct trace_record *now)
{
    for (const char *p = now->others; p != NULL && *p != '\0'; p += strcspn(p, "\n") + 1) {
        char token[TOKEN_MAX + 2];
        snprintf(token, sizeof(token), "%.*s\n", (int)strcspn(p, "\n"), p);
        if (strstr(buf_str(&g->suspects.buf), token) != NULL)
            return true;
    }
    return false;
}

/* Waits a little for servers that may be about to add what they wrote; *left: some have not. */
static int wait_for_suspects(struct round *r, struct group *g, bool *left)
{
    int err = ERR_OK;
    *left = g->suspects.buf.len > 0;
    for (int i = 0; i < SUSPECT_LOOKS && *left && err == ERR_OK; i++) {
        session_sleep_ms(i > 0 ? SUSPECT_WAIT_MS : 0);
        err = look(r, g);
        *left = err == ERR_OK && has_suspect(g, &g->record);
    }
    return err;
}

/* Totals that others may not have added are counted before this call's token goes, so that one of
 * them is in the trace whenever this server dies. */
static int settle_suspects(struct round *r, struct group *g)
{
    bool left = false;
    int err = wait_for_suspects(r, g, &left);
    if (err != ERR_OK || !left || g->refused != ERR_OK)
        return err;
    err = dynamo_trace_recount(r->s, g->trace_id, r, g);
    if (err == ERR_OK)
        g->open = false; /* what this call wrote is in it */
    else if (err == ERR_AGAIN)
        err = put_doubt(r, g);
    return err;
}

/* The trace as the last update left it: tokens of dead servers may be in it. */
static int after_close(struct round *r, struct group *g, const json *item)
{
    struct trace_record now;
    if (item == NULL || g->spans == 0)
        return ERR_OK;
    int err = dynamo_trace_record_read(&now, item, NULL);
    if (err != ERR_OK)
        return err;
    bool stale = now.open_stale && !now.open_live;
    dynamo_trace_record_release(&now);
    if (stale) /* what cannot be counted now stays in doubt, and the next reader counts */
        err = dynamo_trace_recount(r->s, g->trace_id, r, g);
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* The token is gone from the trace: a try whose answer was lost was obeyed, or this server was
 * taken for dead and its spans were counted before they were all there. */
static int after_loss(struct round *r, struct group *g)
{
    g->open = false;
    return count_again(r, g);
}

static int close_trace(struct round *r, struct group *g)
{
    bool complete = ends(g) && !g->fresh;
    int err = ERR_OK;
    if (g->refused != ERR_OK || (!g->open && !complete))
        return ERR_OK;
    if (!g->open && g->record.memory == NULL) {
        err = look(r, g);
        if (err != ERR_OK || g->refused != ERR_OK)
            return err;
    }
    if (g->open && g->suspects.buf.len > 0)
        err = settle_suspects(r, g);
    if (err != ERR_OK || (!g->open && !complete))
        return err;
    for (int i = 0; i < CLOSE_TRIES; i++) {
        json *item = NULL;
        err = close_once(r, g, complete, &item);
        if (err == ERR_OK)
            err = after_close(r, g, item);
        json_free(item);
        if (err != ERR_EXIST && (err != ERR_BAD || !cut_more(g)))
            return err;
        err = look(r, g);
        if (err == ERR_OK && g->refused == ERR_OK && g->open && !g->record.own) {
            err = after_loss(r, g);
            complete = complete && g->record.trace.end_time == 0;
        }
        if (err != ERR_OK || g->refused != ERR_OK || (!g->open && !complete))
            return err;
    }
    return session_fail(r->s, ERR_BUSY, "a trace is written by too many at once");
}

int group_close(struct round *r, struct group *g)
{
    int err = close_trace(r, g);
    if (err == ERR_BAD)
        group_abandon(r, g);
    return refuse_invalid(g, err);
}

void group_abandon(struct round *r, struct group *g)
{
    struct update u;
    /* The doubt before ours goes; what fails here is told by ours when it is old. */
    if (!g->open || put_doubt(r, g) != ERR_OK)
        return;
    update_init(&u);
    update_drop_member(&u, "open", g->token);
    update_where_text(&u, "contains(#, $)", "open", text_of(g->token));
    int err = update_send(r->s, &u, r->s->b->traces_table, "trace_id", g->trace_id, "NONE", NULL);
    update_release(&u);
    if (err == ERR_OK)
        g->open = false;
}
