/* The four writes. */
#include "store/sqlite/rollup.h"

static int create_trace(struct backend_session *s, struct stored_write *w)
{
    struct touched_trace *t;
    struct text id = w->trace.trace_id;
    struct text project = w->project_id.at != NULL ? w->project_id : w->trace.project_id;
    int err = batch_trace(s, id, &t);
    if (err == ERR_OK) {
        w->existed = text_same(project, t->now.project_id);
        w->result = w->existed ? ERR_OK : ERR_NOENT;
    }
    if (err != ERR_NOENT)
        return err;
    t = batch_add_trace(s, id, s->batch.meta.next_trace);
    if (t == NULL)
        return ERR_NOMEM;
    s->batch.meta.next_trace++;
    t->fresh = true;
    t->changed = true;
    t->now = w->trace;
    t->now.project_id = project;
    t->now.span_count = t->now.calls = t->now.errors = t->now.running = 0;
    t->now.tokens_input = t->now.tokens_output = t->now.tokens_cache_read = SPAN_UNKNOWN;
    t->now.total_cost = 0;
    t->now.ttft_ms = -1;
    t->now.model = t->now.error = (struct text){NULL, 0};
    err = rollup_trace(&s->batch, &t->now, 1);
    return err == ERR_OK ? touch_own_error(&s->batch, t->now.metadata, &t->own_error) : err;
}

static int complete_trace(struct backend_session *s, struct stored_write *w)
{
    struct touched_trace *t;
    int err = batch_trace(s, w->trace.trace_id, &t);
    if (err == ERR_NOENT || (err == ERR_OK && !project_sees(w->project_id, t->now.project_id))) {
        w->result = ERR_NOENT;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    t->changed = true;
    if (t->now.end_time == 0)
        t->now.end_time = w->trace.end_time;
    if (w->trace.output.at != NULL)
        t->now.output = w->trace.output;
    if (w->trace.metadata.at == NULL)
        return ERR_OK;
    t->now.metadata = w->trace.metadata;
    return touch_own_error(&s->batch, t->now.metadata, &t->own_error);
}

static int create_span(struct backend_session *s, struct stored_write *w)
{
    struct touched_trace *t;
    struct touched_span *span;
    int err = batch_trace(s, w->span.trace_id, &t);
    if (err == ERR_NOENT || (err == ERR_OK && !project_sees(w->project_id, t->now.project_id))) {
        w->result = ERR_NOENT;
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = batch_span(s, w->span.span_id, &span);
    if (err == ERR_OK) {
        w->existed = text_same(span->trace->now.project_id, t->now.project_id);
        w->result = w->existed ? ERR_OK : ERR_NOENT;
    }
    if (err != ERR_NOENT)
        return err;
    span = batch_add_span(s, w->span.span_id);
    if (span == NULL)
        return ERR_NOMEM;
    span->row = s->batch.meta.next_span++;
    span->fresh = true;
    span->changed = true;
    span->trace = t;
    span->now = w->span;
    err = rollup_span(&s->batch, &t->now, &span->now, 1);
    return err == ERR_OK ? touch_span_added(&s->batch, t, span) : err;
}

/* Takes over what is told. */
static void merge_span(struct stored_span *now, const struct stored_span *told)
{
    if (now->end_time == 0)
        now->end_time = told->end_time;
    if (told->input_data.at != NULL)
        now->input_data = told->input_data;
    if (told->output_data.at != NULL)
        now->output_data = told->output_data;
    if (told->metadata.at != NULL)
        now->metadata = told->metadata;
    if (told->model.at != NULL)
        now->model = told->model;
    if (told->error.at != NULL)
        now->error = told->error;
    if (told->tokens_input >= 0)
        now->tokens_input = told->tokens_input;
    if (told->tokens_output >= 0)
        now->tokens_output = told->tokens_output;
    if (told->tokens_cache_read >= 0)
        now->tokens_cache_read = told->tokens_cache_read;
    if (told->cost_usd >= 0)
        now->cost_usd = told->cost_usd;
    if (told->ttft_ms >= 0)
        now->ttft_ms = told->ttft_ms;
}

static int complete_span(struct backend_session *s, struct stored_write *w)
{
    struct touched_span *span;
    int err = batch_span(s, w->span.span_id, &span);
    if (err == ERR_NOENT) {
        w->result = ERR_NOENT;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    if (!project_sees(w->project_id, span->trace->now.project_id)) {
        w->result = ERR_DENIED;
        return ERR_OK;
    }
    struct stored_span before = span->now;
    merge_span(&span->now, &w->span);
    span->changed = true;
    w->trace_id = span->trace->now.trace_id;
    err = rollup_span(&s->batch, &span->trace->now, &before, -1);
    if (err == ERR_OK)
        err = rollup_span(&s->batch, &span->trace->now, &span->now, 1);
    return err == ERR_OK ? touch_span_changed(&s->batch, span->trace, &before, span) : err;
}

static int apply(struct backend_session *s, struct stored_write *w)
{
    w->result = ERR_OK;
    w->existed = false;
    w->trace_id = (struct text){NULL, 0};
    switch (w->op) {
    case STORED_CREATE_TRACE:
        return create_trace(s, w);
    case STORED_CREATE_SPAN:
        return create_span(s, w);
    case STORED_COMPLETE_SPAN:
        return complete_span(s, w);
    case STORED_COMPLETE_TRACE:
        return complete_trace(s, w);
    }
    return ERR_UNSUPPORTED;
}

int sqlite_write(struct backend_session *s, struct stored_write *const *writes, size_t count)
{
    if (!s->writer)
        return sql_error(s, ERR_UNSUPPORTED, "this session does not write");
    search_index_wait(&s->b->index);
    pthread_mutex_lock(&s->b->writing);
    int err = batch_begin(s);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = apply(s, writes[i]);
    err = batch_end(s, err);
    pthread_mutex_unlock(&s->b->writing);
    return err;
}
