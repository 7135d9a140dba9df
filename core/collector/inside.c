/* Captured calls inside a span of type llm that the program made by hand: they fill what it left
 * open and make no spans of their own, so that nothing is counted twice. Several are summed up. The
 * sum is kept apart from what the program said, which may say more at any time; the row of a span
 * that runs shows both, and its state holds the sum for the next collector. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define WAIT_NS (5 * NS_PER_SEC) /* of an ended span, for its calls to end */
#define SHOW_NS NS_PER_SEC
#define IDS_MAX 1024u /* calls of one span that the next collector will know */

struct joined {
    struct explicit_span *es;
    struct joined *next, *prev; /* of the depot's list */
    struct span *sum;           /* of those that ended; NULL: none */
    int64_t calls;              /* of those */
    json *ids;                  /* their span ids */
    struct call *open;
    int64_t waits;  /* boot ns: since when the ended span waits; 0: it does not */
    int64_t looked; /* boot ns: for something new */
    uint64_t told;  /* call_progress of all, then */
};

struct call **joined_calls(struct joined *j)
{
    return j != NULL ? &j->open : NULL;
}

static struct joined *joined_get(struct explicit_span *es)
{
    struct depot *d = es->depot;
    struct joined *j = es->joined;
    if (j != NULL)
        return j;
    j = calloc(1, sizeof(*j));
    if (j == NULL)
        return NULL;
    j->es = es;
    j->next = d->joined;
    if (j->next != NULL)
        j->next->prev = j;
    d->joined = es->joined = j;
    return j;
}

void join_release(struct explicit_span *es)
{
    struct joined *j = es->joined;
    if (j == NULL)
        return;
    while (j->open != NULL) {
        j->open->absorbed = true;
        call_leave(j->open);
    }
    if (j->next != NULL)
        j->next->prev = j->prev;
    if (j->prev != NULL)
        j->prev->next = j->next;
    else
        es->depot->joined = j->next;
    es->joined = NULL;
    es->holds = 0;
    span_free(j->sum);
    json_free(j->ids);
    free(j);
}

static bool has_id(const json *ids, const uint8_t *span_id)
{
    char hex[SPAN_ID_HEX];
    id_to_hex(span_id, SPAN_ID_LEN, hex);
    for (const json *id = json_first(ids); id != NULL; id = json_next(id))
        if (json_text(id) != NULL && strcmp(json_text(id), hex) == 0)
            return true;
    return false;
}

bool inside_has(const struct explicit_span *es, const struct call *call)
{
    return es->joined != NULL && has_id(es->joined->ids, call->span_id);
}

static void add_span(struct span **sum, struct span *s)
{
    if (*sum == NULL) {
        *sum = s;
        return;
    }
    span_sum(*sum, s);
    span_free(s);
}

static void add_id(struct joined *j, const char *hex)
{
    if (j->ids == NULL)
        j->ids = json_array();
    if (hex != NULL && json_length(j->ids) < IDS_MAX)
        json_add(j->ids, json_string(hex));
}

/* Takes call->ended and frees the call. */
static void add_ended(struct joined *j, struct call *call)
{
    char hex[SPAN_ID_HEX];
    add_id(j, id_to_hex(call->span_id, SPAN_ID_LEN, hex));
    j->calls++;
    add_span(&j->sum, call->ended);
    call->ended = NULL;
    explicit_changed(j->es); /* its row has to be written before the call's records are released */
    call_free(call);
}

void inside_add(struct explicit_span *es, struct call *call)
{
    struct joined *j = joined_get(es);
    if (j == NULL)
        return;
    if (call->ended != NULL) {
        add_ended(j, call);
        return;
    }
    call_enlist(call, CALL_INSIDE, &j->open);
    call->inside = j;
    es->holds++;
}

void inside_left(struct joined *j)
{
    if (j->es->holds > 0)
        j->es->holds--;
}

void inside_end(struct call *call)
{
    struct joined *j = call->inside;
    call_leave(call);
    add_ended(j, call);
}

/* One that runs, as far as it is known; end: of what it is shown in. */
static void add_running(struct span **sum, struct call *call, int64_t end)
{
    struct span *s = call_snapshot(call);
    if (s == NULL)
        return;
    s->end_time = end;
    add_span(sum, s);
}

/* Puts the sum into the span and frees it. */
static void fill(struct span *s, struct span *sum, int64_t calls)
{
    if (sum == NULL)
        return;
    if (calls > 1) {
        if (sum->metadata == NULL)
            sum->metadata = json_object();
        json_set_int(sum->metadata, "calls", calls);
    }
    span_fill(s, sum);
    span_free(sum);
}

void join_finish(struct explicit_span *es)
{
    struct joined *j = es->joined;
    if (j == NULL)
        return;
    for (struct call *call = j->open; call != NULL; call = call->next) {
        add_running(&j->sum, call, es->end_time);
        j->calls++;
        if (j->sum != NULL)
            j->sum->partial = true;
    }
    fill(es->span, j->sum, j->calls);
    j->sum = NULL;
    join_release(es);
}

/* The sum as the next collector gets it, beside what is in the state already. own: the names of the
 * metadata that are the program's. */
static void add_state(struct span *s, const struct joined *j, const struct span *own)
{
    json *state = s->state != NULL ? json_parse_printed(s->state, strlen(s->state)) : json_object();
    json *calls = json_object(), *names = json_array();
    struct buf text;
    buf_init(&text, CONTENT_MAX);
    for (const json *e = json_first(own->metadata); e != NULL; e = json_next(e))
        json_add(names, json_string(json_key(e)));
    json_set(calls, "own", names);
    if (j->sum != NULL && span_print(j->sum, &text) == ERR_OK) {
        json_set(calls, "sum", json_parse_printed(buf_str(&text), text.len));
        json_set(calls, "ids", json_copy(j->ids));
        json_set_int(calls, "count", j->calls);
    }
    buf_release(&text);
    json_set(state, "calls", calls);
    char *made = json_print_new(state);
    json_free(state);
    if (made == NULL)
        return;
    free(s->state);
    s->state = made;
}

struct span *join_shown(const struct explicit_span *es)
{
    const struct joined *j = es->joined;
    if (j == NULL)
        return NULL;
    struct span *s = span_copy(es->span);
    struct span *sum = j->sum != NULL ? span_copy(j->sum) : NULL;
    if (s == NULL || (sum == NULL && j->sum != NULL)) {
        span_free(s);
        span_free(sum);
        return NULL;
    }
    int64_t calls = j->calls;
    for (struct call *call = j->open; call != NULL; call = call->next, calls++)
        add_running(&sum, call, clock_wall_ns());
    if (sum != NULL) { /* a failed attempt may be followed by another */
        free(sum->error);
        free(sum->error_type);
        sum->error = sum->error_type = NULL;
        sum->partial = false;
    }
    add_state(s, j, es->span);
    fill(s, sum, calls);
    s->end_time = 0;
    return s;
}

static void forget_text(char **text)
{
    free(*text);
    *text = NULL;
}

static void forget_json(json **value)
{
    json_free(*value);
    *value = NULL;
}

/* Leaves what the program said. */
static void strip(struct span *s, const struct told *t, const json *own)
{
    struct {
        int field;
        int64_t *figure;
    } const figures[] = {{WIRE_FIELD_TOKENS_INPUT, &s->tokens_input},
                         {WIRE_FIELD_TOKENS_OUTPUT, &s->tokens_output},
                         {WIRE_FIELD_TOKENS_CACHE_READ, &s->tokens_cache_read},
                         {WIRE_FIELD_TOKENS_CACHE_WRITE, &s->tokens_cache_write},
                         {WIRE_FIELD_TOKENS_REASONING, &s->tokens_reasoning}};
    char **const texts[] = {&s->provider,       &s->operation,    &s->request_model,
                            &s->response_model, &s->response_id,  &s->usage_source,
                            &s->cost_source,    &s->capture_route};
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        if (t->at[figures[i].field] == 0)
            *figures[i].figure = SPAN_UNKNOWN;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        forget_text(texts[i]);
    if (t->at[WIRE_FIELD_COST] == 0)
        s->cost_usd = SPAN_UNKNOWN;
    if (t->at[WIRE_FIELD_MODEL] == 0)
        forget_text(&s->model);
    if (t->at[WIRE_FIELD_INPUT] == 0)
        forget_json(&s->input_data);
    if (t->at[WIRE_FIELD_OUTPUT] == 0)
        forget_json(&s->output_data);
    forget_json(&s->finish_reasons);
    s->chunk_count = s->status_code = s->retry = SPAN_UNKNOWN;
    s->ttfc_ms = s->ttft_ms = SPAN_UNKNOWN;
    s->stream = -1;
    s->dropped_bytes = 0;
    json *mine = own != NULL && s->metadata != NULL ? json_object() : NULL;
    for (const json *name = json_first(own); name != NULL && mine != NULL; name = json_next(name))
        if (json_text(name) != NULL)
            json_set(mine, json_text(name), json_take(s->metadata, json_text(name)));
    if (mine != NULL && json_first(mine) == NULL)
        forget_json(&mine);
    json_free(s->metadata);
    s->metadata = mine;
}

void join_adopt(struct explicit_span *es, struct span *from, const struct told *stored)
{
    json *state = from->state != NULL ? json_parse_printed(from->state, strlen(from->state)) : NULL;
    const json *calls = json_get(state, "calls");
    char *text = json_print_new(json_get(calls, "sum"));
    struct joined *j = calls != NULL ? joined_get(es) : NULL;
    if (j != NULL) {
        int64_t count = 0;
        struct span *sum = text != NULL ? span_parse(text, strlen(text)) : NULL;
        strip(from, stored, json_get(calls, "own"));
        if (sum != NULL)
            add_span(&j->sum, sum);
        for (const json *id = json_first(json_get(calls, "ids")); id != NULL; id = json_next(id))
            add_id(j, json_text(id));
        if (json_get_int(calls, "count", &count) && count > 0)
            j->calls += count;
    }
    free(text);
    json_free(state);
}

/* What was said of the calls that run shows in the row once a second. */
static void look_progress(struct joined *j)
{
    const int64_t now = j->es->depot->collector->now;
    uint64_t progress = 0;
    if (!j->es->stored || j->open == NULL || now - j->looked < SHOW_NS)
        return;
    j->looked = now;
    for (const struct call *call = j->open; call != NULL; call = call->next)
        progress += call_progress(call);
    if (progress != j->told)
        explicit_changed(j->es);
    j->told = progress;
}

void inside_look(struct depot *d)
{
    const int64_t now = d->collector->now;
    for (struct joined *j = d->joined; j != NULL; j = j->next) {
        look_progress(j);
        if (!j->es->ended || j->open == NULL)
            j->waits = 0;
        else if (j->waits == 0)
            j->waits = now;
        else if (now - j->waits >= WAIT_NS)
            j->es->holds = 0; /* join_finish takes what there is */
    }
}

int inside_put(struct depot *d)
{
    int err = ERR_OK;
    for (struct joined *j = d->joined; j != NULL && err == ERR_OK; j = j->next)
        if (j->es->ended && j->open != NULL)
            err = explicit_put_chain(d, j->es->span_id);
    return err;
}
