/* What spans add to their trace: each counts once, whatever is told how often. */
#include <stdlib.h>

#include "store/sqlite/sqlite.h"
#include "json/scan.h"

static void add_figure(int64_t *total, int64_t before, int64_t now)
{
    if (now < 0)
        return;
    now = figure_limit(now) - (before < 0 ? 0 : figure_limit(before));
    *total = (*total < 0 ? 0 : figure_limit(*total)) + now;
    *total = *total < 0 ? 0 : figure_limit(*total);
}

static bool is_call(const struct stored_span *s)
{
    return s->type == SPAN_LLM || s->type == SPAN_EMBEDDING;
}

static void touch_ttft(struct touched_trace *t, const struct stored_span *now)
{
    if (now->ttft_ms < 0 || !is_call(now))
        return;
    if (t->now.ttft_ms < 0 || now->start_time <= t->ttft_start) {
        t->now.ttft_ms = now->ttft_ms;
        t->ttft_start = now->start_time;
    }
}

static int touch_model(struct batch *b, struct touched_trace *t, const struct stored_span *before,
                       const struct touched_span *span)
{
    struct text was = before == NULL ? (struct text){NULL, 0} : before->model;
    struct text is = span->now.model;
    if (is.at == NULL || (was.at != NULL && text_same(was, is)))
        return ERR_OK;
    if (t->model_row == 0 || t->model_row == span->row) {
        t->now.model = is;
        t->model_row = span->row;
    }
    int err = models_change(&b->scratch, &t->models, is, 1);
    return err == ERR_OK ? models_change(&b->scratch, &t->models, was, -1) : err;
}

/* before NULL: it is new. */
static int touch(struct batch *b, struct touched_trace *t, const struct stored_span *before,
                 const struct touched_span *span)
{
    const struct stored_span *now = &span->now;
    bool failed_before = before != NULL && before->error.at != NULL;
    t->changed = true;
    add_figure(&t->now.tokens_input, before == NULL ? -1 : before->tokens_input, now->tokens_input);
    add_figure(&t->now.tokens_output, before == NULL ? -1 : before->tokens_output,
               now->tokens_output);
    add_figure(&t->now.tokens_cache_read, before == NULL ? -1 : before->tokens_cache_read,
               now->tokens_cache_read);
    if (now->cost_usd >= 0)
        t->now.total_cost = cost_add(t->now.total_cost, now->cost_usd);
    if (now->cost_usd >= 0 && before != NULL && before->cost_usd >= 0)
        t->now.total_cost -= cost_add(before->cost_usd, -1);
    if (t->now.total_cost < 0) /* of rounding */
        t->now.total_cost = 0;
    if (now->error.at != NULL && !failed_before) {
        t->now.errors++;
        if (t->now.error.at == NULL)
            t->now.error = now->error;
    }
    t->now.running += (now->end_time == 0) - (before != NULL && before->end_time == 0);
    touch_ttft(t, now);
    return touch_model(b, t, before, span);
}

int touch_span_added(struct batch *b, struct touched_trace *t, const struct touched_span *span)
{
    t->now.span_count++;
    t->now.calls += is_call(&span->now);
    return touch(b, t, NULL, span);
}

int touch_span_changed(struct batch *b, struct touched_trace *t, const struct stored_span *before,
                       const struct touched_span *span)
{
    return touch(b, t, before, span);
}

int touch_own_error(struct batch *b, struct text metadata, struct text *out)
{
    struct scan scan;
    struct scan_value name;
    struct scan_value value;
    *out = (struct text){NULL, 0};
    if (metadata.at == NULL || scan_open(&scan, metadata.at, metadata.len) != ERR_OK)
        return ERR_OK;
    while (scan_member(&scan, &name, &value) == 1) {
        if (value.kind != SCAN_STRING || value.len <= 2 || !scan_is(&name, "error", 5))
            continue;
        size_t len = value.len - 2;
        if (!value.escaped)
            return scratch_copy(&b->scratch, (struct text){value.text + 1, len}, out);
        char *text = scan_text(&value, &len);
        int err =
            text == NULL ? ERR_NOMEM : scratch_copy(&b->scratch, (struct text){text, len}, out);
        free(text);
        return err;
    }
    return ERR_OK;
}

static bool hint_model(void *user, struct text name)
{
    shelf_hint_add(user, name);
    return false;
}

void touch_shelf_entry(const struct touched_trace *t, struct shelf_entry *e)
{
    const struct stored_trace *now = &t->now;
    bool failed = now->errors > 0 || t->own_error.at != NULL;
    *e = (struct shelf_entry){
        .start = now->start_time,
        .duration = now->end_time == 0                ? -1
                    : now->end_time < now->start_time ? 0
                                                      : now->end_time - now->start_time,
        .tokens = -1,
        .cost = now->total_cost,
        .ttft = now->ttft_ms,
        .tags = shelf_tags(now->tags),
        .project = shelf_hash(now->project_id),
        .user = shelf_hash(now->user_id),
        .session = shelf_hash(now->session_id),
        .status = now->end_time == 0 ? STORED_RUNNING
                  : failed           ? STORED_ERROR
                                     : STORED_OK,
    };
    if (now->tokens_input >= 0 || now->tokens_output >= 0)
        e->tokens = (now->tokens_input < 0 ? 0 : now->tokens_input) +
                    (now->tokens_output < 0 ? 0 : now->tokens_output);
    shelf_hint_add(&e->name, now->name);
    (void)models_any(t->models, hint_model, &e->models);
}
