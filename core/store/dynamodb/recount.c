/* A trace's totals made anew from its spans: when a server died between spans and totals, and for
 * traces of older servers, which keep fewer. The index tells which spans there are; their figures
 * are read from the table itself, since the index may be a moment behind. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/write.h"

#define RECOUNT_TRIES   3
#define RECOUNT_WAIT_MS 150

struct counting {
    struct backend_session *s;
    struct text trace_id;
    struct totals totals;
    struct plan plans[BATCH_GET]; /* spans to be read */
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
        free((char *)(uintptr_t)c->plans[i].span_id.at);
    }
    memset(c->plans, 0, sizeof(c->plans));
    c->count = 0;
    return err != ERR_OK ? err : c->totals.err;
}

static int count_item(void *user, const json *item)
{
    struct counting *c = user;
    const char *id = item_text(item, "span_id");
    if (id == NULL)
        return ERR_OK;
    char *copy = strdup(id);
    if (copy == NULL)
        return ERR_NOMEM;
    c->plans[c->count++].span_id = text_of(copy);
    return c->count == BATCH_GET ? count_read(c) : ERR_OK;
}

static int count_spans(struct counting *c)
{
    int err = dynamo_spans_query(c->s, c->trace_id, SPANS_KEYS, count_item, c);
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
    update_where_text(&u, "# = $", "project_id", record->trace.project_id);
    int err =
        update_send(s, &u, s->b->traces_table, "trace_id", record->trace.trace_id, "NONE", NULL);
    update_release(&u);
    return err;
}

static int recount_once(struct backend_session *s, struct text trace_id, bool last)
{
    struct trace_record record;
    int err = dynamo_trace_get(s, trace_id, NULL, &record);
    if (err != ERR_OK)
        return err;
    if (record.open_live) {
        dynamo_trace_record_release(&record);
        return ERR_AGAIN;
    }
    struct counting *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        dynamo_trace_record_release(&record);
        return ERR_NOMEM;
    }
    c->s = s;
    c->trace_id = trace_id;
    dynamo_totals_init(&c->totals);
    err = count_spans(c);
    /* Fewer than were counted: the index is behind, or they expired. */
    if (err == ERR_OK && c->totals.spans < record.trace.span_count && !last)
        err = ERR_EXIST;
    if (err == ERR_OK)
        err = store_totals(s, &record, &c->totals);
    dynamo_totals_release(&c->totals);
    free(c);
    dynamo_trace_record_release(&record);
    return err;
}

int dynamo_trace_recount(struct backend_session *s, struct text trace_id)
{
    int err = ERR_EXIST;
    for (int i = 0; i < RECOUNT_TRIES && err == ERR_EXIST; i++) {
        if (i > 0)
            session_sleep_ms(RECOUNT_WAIT_MS);
        err = recount_once(s, trace_id, i == RECOUNT_TRIES - 1);
    }
    return err == ERR_EXIST ? ERR_AGAIN : err;
}
