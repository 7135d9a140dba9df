#include <stdlib.h>
#include <string.h>

#include "export/service.h"

#define BATCH_BYTES_MAX ((size_t)2 * 1024 * 1024)

/* Takes body over; sets what the call's path would say. */
static json *with_ids(json *body, const char *op, const struct object *trace,
                      const struct object *span)
{
    json_set_text(body, "op", op);
    json_set_text(body, "trace_id", trace->remote);
    if (span != NULL)
        json_set_text(body, "span_id", span->remote);
    return body;
}

static json *trace_line(struct export_context *c, const struct outbox_entry *entry,
                        const struct object *trace)
{
    struct trace *t = NULL;
    if (store_get_trace(c->store, entry->trace_id, &t) != ERR_OK)
        return NULL;
    json *line = entry->op == OUTBOX_TRACE_BEGIN
                     ? with_ids(body_create_trace(c, t), "create_trace", trace, NULL)
                     : with_ids(body_complete_trace(c, t), "complete_trace", trace, NULL);
    trace_free(t);
    return line;
}

/* NULL: nothing to send. */
static json *span_line(struct export_context *c, const struct outbox_entry *entry,
                       const struct object *trace, struct object *span)
{
    struct span *s = NULL;
    struct object parent;
    json *line;
    if (store_get_span(c->store, entry->trace_id, entry->span_id, &s) != ERR_OK)
        return NULL;
    bool child = !id_is_zero(s->parent_span_id, SPAN_ID_LEN);
    object_load(c, s->parent_span_id, SPAN_ID_LEN, &parent);
    if (entry->op == OUTBOX_SPAN_BEGIN && late_note(span, late_span_sum(c, s, span)))
        (void)object_save(c, span, span->state);
    if (entry->op == OUTBOX_SPAN_BEGIN)
        line = with_ids(body_create_span(c, s, child ? parent.remote : NULL), "create_span", trace,
                        span);
    else
        line = with_ids(body_complete_span(c, s, span), "complete_span", trace, span);
    span_free(s);
    return line;
}

/* Adds the entry's line. ERR_OK; ERR_NOENT: nothing to send; ERR_BUSY: not in a batch; ERR_FULL. */
static int add_line(struct export_context *c, const struct outbox_entry *entry, struct buf *text)
{
    struct object trace;
    struct object span = {0};
    bool of_span = entry->op == OUTBOX_SPAN_BEGIN || entry->op == OUTBOX_SPAN_END;
    object_load(c, entry->trace_id, TRACE_ID_LEN, &trace);
    if (of_span)
        object_load(c, entry->span_id, SPAN_ID_LEN, &span);
    if (trace.state == OBJECT_REFUSED || trace.state == OBJECT_CREATING ||
        span.state == OBJECT_REFUSED || span.state == OBJECT_CREATING)
        return ERR_BUSY;
    json *line = of_span ? span_line(c, entry, &trace, &span) : trace_line(c, entry, &trace);
    if (line == NULL)
        return ERR_NOENT;
    size_t before = text->len;
    int err = json_print(line, text);
    if (err == ERR_OK)
        err = buf_append_char(text, '\n');
    if (err != ERR_OK && text->data != NULL) {
        text->len = before;
        text->data[before] = '\0';
    }
    json_free(line);
    return err;
}

/* Which entries the answer takes back; lines count from 1. */
static void read_rejected(const json *reply, const size_t *entry_of_line, size_t lines,
                          bool *delivered)
{
    for (const json *e = json_first(json_get(reply, "rejected")); e != NULL; e = json_next(e)) {
        int64_t line = 0;
        if (json_get_int(e, "line", &line) && line >= 1 && line <= (int64_t)lines)
            delivered[entry_of_line[line - 1]] = false;
    }
}

static enum export_result send_batch(struct export_context *c, const struct buf *text, json **reply)
{
    struct service *s = *c->state;
    struct http_answer answer;
    struct buf url;
    const char *base = c->destination->url;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    buf_init(&url, SERVICE_URL_MAX);
    buf_append_cut(&url, base, len);
    buf_append_cut(&url, "/api/ingest", 11);
    http_client_send(s->http, "POST", buf_str(&url), "application/x-ndjson", text,
                     c->timing->request, &answer);
    buf_release(&url);
    if (answer.status >= 200 && answer.status < 300) {
        *reply = json_parse(buf_str(answer.body), answer.body->len);
        if (json_is_object(*reply)) {
            s->seen_ok = true;
            return EXPORT_DELIVERED;
        }
        json_free(*reply);
        *reply = NULL;
    }
    if (answer.status == 404 || answer.status == 405 || answer.status == 413 ||
        answer.status == 422 || (answer.status >= 200 && answer.status < 300)) {
        s->ingest = false; /* until the next probe; single requests tell what is wrong */
        return EXPORT_DELIVERED;
    }
    return service_judge(c, "a trace", &answer);
}

size_t service_batch(struct export_context *c, const struct outbox_entry *entries, size_t count,
                     bool *delivered, enum export_result *all)
{
    const struct service *s = service_get(c);
    size_t entry_of_line[EXPORT_BATCH_MAX];
    size_t lines = 0;
    size_t taken = 0;
    json *reply = NULL;
    struct buf text;
    *all = EXPORT_DELIVERED;
    if (s == NULL || c->destination->url == NULL || c->destination->url[0] == '\0')
        return 0;
    *all = service_probe(c);
    if (*all != EXPORT_DELIVERED || !s->ingest)
        return 0;
    buf_init(&text, BATCH_BYTES_MAX);
    for (; taken < count && taken < EXPORT_BATCH_MAX; taken++) {
        int err = add_line(c, &entries[taken], &text);
        if (err != ERR_OK && err != ERR_NOENT)
            break;
        delivered[taken] = true;
        if (err == ERR_OK)
            entry_of_line[lines++] = taken;
    }
    if (lines > 0) {
        *all = send_batch(c, &text, &reply);
        if (reply != NULL)
            read_rejected(reply, entry_of_line, lines, delivered);
        else
            taken = 0;
    }
    json_free(reply);
    buf_release(&text);
    return taken;
}
