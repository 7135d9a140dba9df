/* What a program says of a span or trace by hand after the service was told of its begin, and no
 * call of the contract takes any more: the input of a span, the metadata of a trace towards an
 * older server. A check sum of what the create said tells whether there is something. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "export/service.h"

#define SENT_UNSURE 1 /* the service may have either of two */

static uint64_t sum_of(const json *value)
{
    if (value == NULL || (json_is_object(value) && json_length(value) == 0))
        return SENT_UNSURE + 1;
    char *text = json_print_new(value);
    uint64_t sum = text == NULL ? SENT_UNSURE : hash_bytes(0, text, strlen(text));
    free(text);
    return sum > SENT_UNSURE ? sum : SENT_UNSURE;
}

uint64_t late_span_sum(const struct export_context *c, const struct span *s, const struct object *o)
{
    bool may_change = s->end_time == 0 && s->capture_route == NULL;
    if (!may_change && o->sent == 0)
        return 0;
    json *input = body_span_input(c, s);
    uint64_t sum = sum_of(input);
    json_free(input);
    return sum;
}

uint64_t late_trace_sum(const struct export_context *c, const struct trace *t,
                        const struct object *o)
{
    const struct service *s = *c->state;
    bool may_change = t->end_time == 0 && !s->client_times; /* else it goes with the complete */
    return may_change || o->sent != 0 ? sum_of(t->metadata) : 0;
}

bool late_note(struct object *o, uint64_t sum)
{
    uint64_t before = o->sent;
    if (sum == 0 || sum == before)
        return false;
    o->sent = before == 0 ? sum : SENT_UNSURE;
    return o->sent != before;
}

json *late_span_input(const struct export_context *c, const struct span *s, const struct object *o)
{
    json *input = o->sent == 0 ? NULL : body_span_input(c, s);
    if (input == NULL || sum_of(input) != o->sent)
        return input;
    json_free(input);
    return NULL;
}

/* -------------------------------------------------------------------------- of traces */

struct last_span {
    struct export_context *c;
    uint8_t id[SPAN_ID_LEN];
    int64_t end_time; /* 0: there is none */
};

static int look_for_last(void *user, const struct span *s)
{
    struct last_span *last = user;
    const struct service *service = *last->c->state;
    struct object o;
    if (s->end_time == 0 || s->end_time < last->end_time)
        return ERR_OK;
    object_load(last->c, s->span_id, SPAN_ID_LEN, &o);
    if (service->client_ids ? o.state == OBJECT_REFUSED : o.state != OBJECT_COMPLETED)
        return ERR_OK;
    memcpy(last->id, s->span_id, SPAN_ID_LEN);
    last->end_time = s->end_time;
    return ERR_OK;
}

/* Completes the span that ended last once more. Without figures: a server would count a cost
 * twice. */
static enum export_result tell_with_span(struct export_context *c, const struct trace *t,
                                         const json *metadata)
{
    struct last_span last = {.c = c};
    struct span *s = NULL;
    struct object o;
    if (store_each_span(c->store, t->trace_id, look_for_last, &last) != ERR_OK)
        return service_fail(c, EXPORT_RETRY, "the local store cannot be read");
    if (last.end_time == 0 || store_get_span(c->store, t->trace_id, last.id, &s) != ERR_OK)
        return service_fail(c, EXPORT_REJECTED,
                            "metadata set after a trace's begin has no place at the service: its "
                            "complete takes none, and the trace has no span to carry it");
    object_load(c, last.id, SPAN_ID_LEN, &o);
    json *body = body_amend_span(c, s, &o, metadata);
    enum export_result result = service_complete_call(c, "spans", o.remote, body, NULL);
    json_free(body);
    span_free(s);
    return result;
}

enum export_result late_tell_trace(struct export_context *c, const struct trace *t,
                                   struct object *trace)
{
    const struct service *s = *c->state;
    if (s->client_times || trace->sent == 0)
        return EXPORT_DELIVERED;
    json *metadata = t->metadata != NULL ? json_copy(t->metadata) : json_object();
    if (body_tells_exit(c, t))
        json_free(json_take(metadata, STORE_ENDED_BY));
    uint64_t sum = sum_of(metadata);
    enum export_result result = EXPORT_DELIVERED;
    if (sum != trace->sent) {
        result = tell_with_span(c, t, metadata);
        if (result == EXPORT_DELIVERED || result == EXPORT_REJECTED) {
            trace->sent = sum; /* a trace may end again, later */
            enum export_result saved = object_save(c, trace, trace->state);
            result = saved == EXPORT_DELIVERED ? result : saved;
        }
    }
    json_free(metadata);
    return result;
}
