/* A trace's totals made anew from its spans: when a server died between spans and totals, and for
 * traces of older servers, which keep fewer. The index tells which spans there are; their figures
 * are read from the table itself, since the index may be a moment behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/write.h"

#define RECOUNT_TRIES   3
#define RECOUNT_WAIT_MS 150

struct counting {
    struct backend_session *s;
    struct map seen; /* ids told by the index */
    struct text trace_id;
    struct totals totals;
    struct plan plans[BATCH_GET]; /* spans to be read */
    char *ids[BATCH_GET];         /* theirs */
    size_t count;
};

static int count_read(struct counting *c)
{
    struct plan *pointers[BATCH_GET];
    struct round r = {.s = c->s};
    for (size_t i = 0; i < c->count; i++)
        pointers[i] = &c->plans[i];
    int err = c->count > 0 ? dynamo_spans_read(&r, pointers, c->count) : ERR_OK;
    for (size_t i = 0; i < c->count; i++) {
        if (c->plans[i].known && !c->plans[i].old.expired)
            dynamo_totals_add(&c->totals, &c->plans[i].old.span, c->plans[i].old.arrived);
        if (c->plans[i].known)
            dynamo_span_record_release(&c->plans[i].old);
        free(c->ids[i]);
    }
    memset(c->plans, 0, sizeof(c->plans));
    c->count = 0;
    return err != ERR_OK ? err : c->totals.err;
}

static int count_id(struct counting *c, struct text id)
{
    if (map_get(&c->seen, id.at, id.len) != NULL)
        return ERR_OK;
    char *copy = strndup(id.at, id.len);
    if (copy == NULL || map_set(&c->seen, id.at, id.len, c) != ERR_OK) {
        free(copy);
        return ERR_NOMEM;
    }
    c->ids[c->count] = copy;
    c->plans[c->count++].span_id = text_of(copy);
    return c->count == BATCH_GET ? count_read(c) : ERR_OK;
}

static int count_item(void *user, const json *item)
{
    const char *id = item_text(item, "span_id");
    return id != NULL ? count_id(user, text_of(id)) : ERR_OK;
}

/* Spans that were written a moment ago. */
static int count_round(struct counting *c, const struct round *r, const struct group *g)
{
    int err = ERR_OK;
    for (size_t i = 0; r != NULL && i < r->plan_count && err == ERR_OK; i++)
        if (r->plans[i].group == g && !r->plans[i].elsewhere && r->plans[i].result == ERR_OK)
            err = count_id(c, r->plans[i].span_id);
    return err;
}

static int count_spans(struct counting *c, const struct round *r, const struct group *g)
{
    int err = dynamo_spans_query(c->s, c->trace_id, SPANS_KEYS, count_item, c);
    if (err == ERR_OK)
        err = count_round(c, r, g);
    int read = count_read(c); /* frees, whatever happened */
    return err != ERR_OK ? err : read;
}

/* ERR_EXIST: somebody wrote meanwhile. */
static int store_totals(struct backend_session *s, const struct trace_record *record,
                        const struct totals *totals)
{
    struct update u;
    update_init(&u);
    dynamo_totals_replace(totals, &u);
    update_set_n(&u, "rev", record->rev + 1);
    update_remove(&u, "open");
    if (record->rev > 0)
        update_where_n(&u, "# = $", "rev", record->rev);
    else
        update_where(&u, "attribute_not_exists(#)", "rev", NULL);
    /* An older server knows no rev. */
    update_where_n(&u,
                   record->trace.span_count > 0 ? "# = $" : "(attribute_not_exists(#) OR # = $)",
                   "span_count", record->trace.span_count);
    update_where_text(&u, "# = $", "project_id", record->trace.project_id);
    int err =
        update_send(s, &u, s->b->traces_table, "trace_id", record->trace.trace_id, "NONE", NULL);
    update_release(&u);
    return err;
}

/* Whether a server may be writing the trace's spans at this moment. */
static bool is_written(const struct trace_record *record, const struct group *g)
{
    for (const char *p = record->others; p != NULL && *p != '\0'; p += strcspn(p, "\n") + 1) {
        char token[TOKEN_MAX + 2];
        snprintf(token, sizeof(token), "%.*s\n", (int)strcspn(p, "\n"), p);
        bool own = g != NULL && strncmp(p, g->token, strlen(g->token)) == 0;
        if (!own && (g == NULL || strstr(buf_str(&g->suspects.buf), token) == NULL))
            return true;
    }
    return false;
}

static int count_and_store(struct counting *c, const struct trace_record *record, bool last,
                           const struct round *r, const struct group *g)
{
    int err = count_spans(c, r, g);
    /* Fewer than were counted: the index is behind, or they expired. As long as it may be behind
     * the doubt stays, and the next reader counts again. */
    bool fresh = record->written > dynamo_now_ms() - OPEN_LIVE_MS;
    if (err == ERR_OK && c->totals.spans < record->trace.span_count && (!last || fresh))
        return ERR_EXIST;
    if (err == ERR_OK)
        err = store_totals(c->s, record, &c->totals);
    if (err ==
        ERR_BAD) { /* no room for them: what is stored is cut, and the next try stores them */
        err = dynamo_trace_shrink(c->s, record, CUT_LEVELS / 2);
        return err == ERR_OK ? ERR_EXIST : err;
    }
    return err;
}

static int recount_once(struct backend_session *s, struct text trace_id, bool last,
                        const struct round *r, const struct group *g)
{
    struct trace_record record;
    int err = dynamo_trace_get(s, trace_id, NULL, &record);
    if (err != ERR_OK)
        return err;
    struct counting *c = calloc(1, sizeof(*c));
    err = c == NULL ? ERR_NOMEM : is_written(&record, g) ? ERR_AGAIN : ERR_OK;
    if (err == ERR_OK) {
        c->s = s;
        c->trace_id = trace_id;
        map_init(&c->seen);
        dynamo_totals_init(&c->totals);
        err = count_and_store(c, &record, last, r, g);
        dynamo_totals_release(&c->totals);
        map_release(&c->seen);
    }
    free(c);
    dynamo_trace_record_release(&record);
    return err;
}

int dynamo_trace_recount(struct backend_session *s, struct text trace_id, const struct round *r,
                         const struct group *g)
{
    int err = ERR_EXIST;
    for (int i = 0; i < RECOUNT_TRIES && err == ERR_EXIST; i++) {
        if (i > 0)
            session_sleep_ms(RECOUNT_WAIT_MS);
        err = recount_once(s, trace_id, i == RECOUNT_TRIES - 1, r, g);
    }
    return err == ERR_EXIST ? ERR_AGAIN : err;
}
