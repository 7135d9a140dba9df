/* backend_dynamodb.write: the plan of a call and its steps; see write.h. */
#include "store/dynamodb/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "span/span.h"

static void make_token(struct group *g, bool blind)
{
    uint8_t id[SPAN_ID_LEN];
    char hex[SPAN_ID_HEX];
    id_random(id, sizeof(id));
    snprintf(g->token, sizeof(g->token), "%llx%c%s", (unsigned long long)dynamo_now_ms(),
             blind ? TOKEN_BLIND : TOKEN_SAFE, id_to_hex(id, sizeof(id), hex));
}

static int round_init(struct round *r, struct backend_session *s,
                      struct stored_write *const *writes, size_t count)
{
    *r = (struct round){.s = s, .writes = writes, .arrived = clock_wall_ns() / NS_PER_US};
    map_init(&r->by_trace);
    map_init(&r->by_span);
    r->groups = calloc(count, sizeof(*r->groups));
    r->plans = calloc(count, sizeof(*r->plans));
    r->plan_of = calloc(count, sizeof(struct plan *));
    r->group_of = calloc(count, sizeof(struct group *));
    return r->groups != NULL && r->plans != NULL && r->plan_of != NULL && r->group_of != NULL
               ? ERR_OK
               : ERR_NOMEM;
}

static void round_release(struct round *r)
{
    for (size_t i = 0; i < r->group_count; i++) {
        dynamo_totals_release(&r->groups[i].totals);
        dynamo_trace_record_release(&r->groups[i].record);
        out_release(&r->groups[i].suspects);
        free(r->groups[i].id);
    }
    for (size_t i = 0; i < r->plan_count; i++)
        dynamo_span_record_release(&r->plans[i].old);
    map_release(&r->by_trace);
    map_release(&r->by_span);
    free(r->groups);
    free(r->plans);
    free(r->plan_of);
    free(r->group_of);
}

/* The group of a trace and project, made when it is not there yet. */
static struct group *group_get(struct round *r, struct text project_id, struct text trace_id)
{
    struct out key;
    out_init(&key);
    out_bytes(&key, trace_id.at, trace_id.len);
    out_bytes(&key, "", 1);
    out_bytes(&key, project_id.at, project_id.len);
    struct group *g = key.err == ERR_OK ? map_get(&r->by_trace, key.buf.data, key.buf.len) : NULL;
    if (g == NULL && key.err == ERR_OK) {
        g = &r->groups[r->group_count];
        g->id = strndup(trace_id.at, trace_id.len); /* it may be a record's, which is read anew */
        g->trace_id = (struct text){g->id, trace_id.len};
        g->project_id = project_id;
        if (g->id != NULL && map_set(&r->by_trace, key.buf.data, key.buf.len, g) == ERR_OK) {
            dynamo_totals_init(&g->totals);
            out_init(&g->suspects);
            r->group_count++;
        } else {
            free(g->id);
            g = NULL;
        }
    }
    out_release(&key);
    return g;
}

/* Adding one more write to the round: ERR_AGAIN: it has to wait for the next one, since its order
 * among those of the same trace or span matters. */
static int add_trace_write(struct round *r, struct stored_write *w)
{
    struct group *g = group_get(r, w->project_id, w->trace.trace_id);
    if (g == NULL)
        return ERR_NOMEM;
    if (w->op == STORED_CREATE_TRACE && (g->create != NULL || g->complete != NULL || g->spans > 0))
        return ERR_AGAIN;
    r->group_of[r->count] = g;
    if (w->op == STORED_CREATE_TRACE) {
        g->create = w;
        return ERR_OK;
    }
    struct stored_trace *c = &g->completed;
    if (g->complete == NULL) {
        g->complete = w;
        *c = w->trace;
        return ERR_OK;
    }
    c->end_time = c->end_time != 0 ? c->end_time : w->trace.end_time;
    c->output = w->trace.output.len > 0 ? w->trace.output : c->output;
    c->metadata = w->trace.metadata.at != NULL ? w->trace.metadata : c->metadata;
    return ERR_OK;
}

static struct plan *plan_new(struct round *r, struct stored_write *w)
{
    struct plan *p = &r->plans[r->plan_count];
    p->span_id = w->span.span_id;
    p->project_id = w->project_id;
    if (map_set(&r->by_span, p->span_id.at, p->span_id.len, p) != ERR_OK)
        return NULL;
    r->plan_count++;
    return p;
}

static bool same(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static int add_span_write(struct round *r, struct stored_write *w)
{
    struct plan *p = map_get(&r->by_span, w->span.span_id.at, w->span.span_id.len);
    bool create = w->op == STORED_CREATE_SPAN;
    if (p != NULL && (create || !same(p->project_id, w->project_id)))
        return ERR_AGAIN;
    bool begun = p == NULL;
    if (begun)
        p = plan_new(r, w);
    if (p == NULL)
        return ERR_NOMEM;
    r->plan_of[r->count] = p;
    if (create) {
        p->create = w;
        p->told = w->span;
        p->group = group_get(r, w->project_id, w->span.trace_id);
        if (p->group == NULL)
            return ERR_NOMEM;
        p->group->spans++;
        p->group->creates++;
        return ERR_OK;
    }
    if (begun || !p->completes)
        p->completed = w->span;
    else
        dynamo_span_overlay(&p->completed, &w->span);
    if (p->create != NULL)
        dynamo_span_overlay(&p->told, &w->span);
    p->completes = true;
    return ERR_OK;
}

/* As many writes as can be put together; *taken of them. */
static int plan_round(struct round *r, size_t count)
{
    int err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        struct stored_write *w = r->writes[i];
        w->result = ERR_OK;
        w->existed = false;
        w->trace_id = (struct text){NULL, 0};
        bool trace = w->op == STORED_CREATE_TRACE || w->op == STORED_COMPLETE_TRACE;
        err = trace ? add_trace_write(r, w) : add_span_write(r, w);
        if (err == ERR_OK)
            r->count++;
    }
    return err == ERR_AGAIN && r->count > 0 ? ERR_OK : err;
}

/* Reads those of the plans that `which` wants; they are in *out, as many as returned. */
static size_t select_plans(struct round *r, struct plan **out, bool (*which)(const struct plan *))
{
    size_t n = 0;
    for (size_t i = 0; i < r->plan_count; i++)
        if (which(&r->plans[i]))
            out[n++] = &r->plans[i];
    return n;
}

static bool only_completes(const struct plan *p)
{
    return p->create == NULL;
}

/* Its trace, now that it was read. */
static int place_completed(struct round *r, struct plan *p)
{
    if (!p->known || p->old.expired) {
        p->result = ERR_NOENT;
        p->done = true;
        return ERR_OK;
    }
    p->group = group_get(r, p->project_id, p->old.span.trace_id);
    if (p->group == NULL)
        return ERR_NOMEM;
    p->group->spans++;
    return ERR_OK;
}

static bool is_waiting(const struct plan *p)
{
    return !p->done && p->group != NULL && p->group->refused == ERR_OK;
}

static bool wants_blind(const struct plan *p)
{
    return is_waiting(p) && p->create != NULL && !p->known && p->group->open &&
           !p->group->record.open_live && strchr(p->group->token, TOKEN_BLIND) != NULL;
}

static bool wants_put(const struct plan *p)
{
    return is_waiting(p) && p->create != NULL && !p->known;
}

/* A span that was to be created is there already. */
static int meet_existing(struct round *r, struct plan *p)
{
    bool here = same(p->old.span.trace_id, p->group->trace_id);
    p->create->existed = true;
    if (here)
        return ERR_OK;
    struct trace_record other;
    int err = dynamo_trace_get(r->s, p->old.span.trace_id, NULL, &other);
    if (err != ERR_OK && err != ERR_NOENT)
        return err;
    if (err == ERR_NOENT || !same(other.trace.project_id, p->project_id)) {
        p->create->existed = false;
        p->result = ERR_NOENT;
    }
    if (err == ERR_OK)
        dynamo_trace_record_release(&other);
    p->elsewhere = p->result == ERR_OK;
    p->done = true; /* nothing of this trace changes */
    return ERR_OK;
}

static int update_existing(struct round *r, struct plan *p)
{
    int err = p->create != NULL ? meet_existing(r, p) : ERR_OK;
    if (err != ERR_OK || p->done)
        return err;
    group_note_suspect(p);
    if (p->completes)
        return dynamo_span_update(r, p);
    p->done = true;
    return ERR_OK;
}

static int write_spans(struct round *r, struct plan **some)
{
    size_t n = select_plans(r, some, wants_blind);
    int err = n > 0 ? dynamo_spans_read(r, some, n) : ERR_OK;
    if (err == ERR_OK && n > 0) {
        n = select_plans(r, some, wants_blind);
        err = dynamo_spans_put_blind(r, some, n);
    }
    n = select_plans(r, some, wants_put);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = dynamo_span_put(r, some[i]);
    n = select_plans(r, some, is_waiting);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = update_existing(r, some[i]);
    return err;
}

static int run_round(struct round *r, struct plan **some)
{
    size_t n = select_plans(r, some, only_completes);
    int err = dynamo_spans_read(r, some, n);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = place_completed(r, some[i]);
    for (size_t i = 0; i < r->group_count && err == ERR_OK; i++) {
        make_token(&r->groups[i], r->groups[i].creates >= BLIND_LEAST);
        err = group_open(r, &r->groups[i]);
    }
    if (err == ERR_OK)
        err = write_spans(r, some);
    for (size_t i = 0; i < r->group_count && err == ERR_OK; i++)
        err = group_close(r, &r->groups[i]);
    if (err == ERR_OK)
        return err;
    char why[sizeof(r->s->error)];
    memcpy(why, r->s->error, sizeof(why));
    for (size_t i = 0; i < r->group_count; i++)
        group_abandon(r, &r->groups[i]);
    memcpy(r->s->error, why, sizeof(why));
    return err;
}

static int result_of_span(const struct stored_write *w, const struct plan *p)
{
    if (p->result != ERR_OK)
        return p->result;
    if (p->group == NULL || p->group->refused == ERR_OK)
        return ERR_OK;
    if (p->group->refused == ERR_BAD)
        return ERR_BAD;
    return w->op == STORED_COMPLETE_SPAN && p->create == NULL && p->group->foreign ? ERR_DENIED
                                                                                   : ERR_NOENT;
}

/* The trace ids of completed spans stay with the session. */
static int tell_results(struct round *r, struct out *ids)
{
    for (size_t i = 0; i < r->count; i++) {
        struct stored_write *w = r->writes[i];
        const struct plan *p = r->plan_of[i];
        w->result = p != NULL ? result_of_span(w, p) : r->group_of[i]->refused;
        if (w->result != ERR_OK)
            w->existed = false;
        if (p == NULL || w->op != STORED_COMPLETE_SPAN || w->result != ERR_OK)
            continue;
        if (p->elsewhere) {
            w->result = ERR_AGAIN; /* completed by itself, where it is */
            continue;
        }
        w->trace_id.len = p->group->trace_id.len;
        w->trace_id.at =
            (const char *)(uintptr_t)(ids->buf.len + 1); /* where it will lie, and one */
        out_bytes(ids, p->group->trace_id.at, p->group->trace_id.len);
    }
    return ids->err;
}

/* The told ids are where they stay. */
static void point_trace_ids(struct backend_session *s, struct stored_write *const *writes,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct text *id = &writes[i]->trace_id;
        if (id->len > 0 && s->trace_ids != NULL)
            id->at = s->trace_ids + ((uintptr_t)id->at - 1);
        else
            *id = (struct text){NULL, 0};
    }
}

static int write_round(struct backend_session *s, struct stored_write *const *writes, size_t count,
                       size_t *taken, struct out *ids)
{
    struct round r;
    int err = round_init(&r, s, writes, count);
    struct plan **some = calloc(count, sizeof(struct plan *));
    if (some == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = plan_round(&r, count);
    if (err == ERR_OK)
        err = run_round(&r, some);
    if (err == ERR_OK)
        err = tell_results(&r, ids);
    *taken = r.count;
    free(some);
    round_release(&r);
    return err;
}

int dynamo_write(struct backend_session *s, struct stored_write *const *writes, size_t count)
{
    struct out ids;
    int err = ERR_OK;
    for (size_t i = 0; i < count; i++)
        if (writes[i]->project_id.at == NULL)
            return session_fail(s, ERR_UNSUPPORTED, "a write needs a project");
    out_init(&ids);
    for (size_t at = 0, taken = 0; at < count && err == ERR_OK; at += taken)
        err = write_round(s, writes + at, count - at, &taken, &ids);
    for (size_t i = 0, taken = 0; i < count && err == ERR_OK; i++)
        if (writes[i]->result == ERR_AGAIN)
            err = write_round(s, writes + i, 1, &taken, &ids);
    free(s->trace_ids);
    s->trace_ids = buf_take(&ids.buf);
    out_release(&ids);
    if (err == ERR_OK)
        point_trace_ids(s, writes, count);
    for (size_t i = 0; i < count && err != ERR_OK; i++)
        writes[i]->trace_id = (struct text){NULL, 0};
    return err == ERR_UNSUPPORTED ? err : dynamo_error(err);
}
