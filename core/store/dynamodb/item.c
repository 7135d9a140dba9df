/* Records as items of the tables, made to fit. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/dynamodb.h"
#include "json/trim.h"

#define PARTS      3
#define NS_PER_DAY (86400 * NS_PER_SEC)
/* Of the room: what a text (output, error) has beside documents however large those are, and what
 * documents have beside it and beside what is stored. */
#define TEXT_SHARE     4
#define DOCUMENT_SHARE 9

int64_t dynamo_duration_of(int64_t start, int64_t end)
{
    return end > start ? (end - start + NS_PER_MS / 2) / NS_PER_MS : 0;
}

int64_t dynamo_now_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

void put_name(struct out *o, const char *name)
{
    char last = o->buf.len > 0 ? o->buf.data[o->buf.len - 1] : '{';
    out_format(o, "%s\"%s\":", last == '{' ? "" : ",", name);
}

void put_text(struct out *o, const char *name, struct text text)
{
    if (text.at == NULL)
        return;
    put_name(o, name);
    out_s(o, text);
}

void put_int(struct out *o, const char *name, int64_t value)
{
    put_name(o, name);
    out_n(o, value);
}

void put_time(struct out *o, const char *name, int64_t wall_ns)
{
    char text[CLOCK_ISO_MAX];
    put_text(o, name, text_of(clock_iso(wall_ns, text)));
}

void put_ttl(struct out *o, const struct backend *b)
{
    if (b->ttl_days > 0)
        put_int(o, "ttl", clock_wall_ns() / NS_PER_SEC + b->ttl_days * (NS_PER_DAY / NS_PER_SEC));
}

/* What the value takes as an attribute of an item. */
static size_t item_size(const json *document)
{
    struct out o;
    size_t size = 0;
    out_init(&o);
    value_from_document(&o, document, &size);
    out_release(&o);
    return size;
}

/* The larger of both measures: the contract's, of JSON text, and DynamoDB's own, of which an item
 * may hold more by a tenth. */
static size_t larger(const json *document, size_t (*held)(const json *))
{
    size_t printed = json_printed_size(document);
    size_t n = printed > STORED_CONTENT_MAX * 2 ? 0 : held(document);
    n -= n / 10;
    return printed > n ? printed : n;
}

static size_t document_size(const json *document)
{
    return larger(document, item_size);
}

/* With the names that are also in metadata_json. */
static size_t metadata_item_size(const json *metadata)
{
    struct out o, names;
    size_t size = 0;
    out_init(&o);
    out_init(&names);
    value_from_metadata(&o, metadata, &names, &size);
    out_release(&o);
    out_release(&names);
    return size;
}

static size_t metadata_size(const json *metadata)
{
    return larger(metadata, metadata_item_size);
}

static size_t (*const measures[PARTS])(const json *) = {metadata_size, document_size,
                                                        document_size};

/* Makes the documents fit into room together: the small ones stay whole, the large ones share. */
static void fit_documents(json **documents, const size_t *sizes, size_t count, size_t room)
{
    bool done[PARTS] = {false};
    size_t left = count;
    for (bool again = true; again && left > 0;) {
        again = false;
        for (size_t i = 0; i < count; i++) {
            if (done[i] || sizes[i] > room / left)
                continue;
            done[i] = again = true;
            room -= sizes[i];
            left--;
            if (left == 0)
                break;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!done[i])
            json_trim_sized(&documents[i], room / left, measures[i]);
}

static json *parse_document(struct text text)
{
    return text.at == NULL ? NULL : json_parse_printed(text.at, text.len);
}

void documents_init(struct documents *d, struct text metadata, struct text input,
                    struct text output)
{
    const struct text texts[PARTS] = {metadata, input, output};
    d->text = NULL;
    for (size_t i = 0; i < PARTS; i++) {
        d->values[i] = parse_document(texts[i]);
        d->sizes[i] = 0;
    }
}

static size_t measure(struct documents *d)
{
    size_t total = 0;
    for (size_t i = 0; i < PARTS; i++) {
        d->sizes[i] = d->values[i] != NULL ? measures[i](d->values[i]) : 0;
        total += d->sizes[i];
    }
    return total;
}

/* New memory, or NULL. */
static char *fit_text(struct text text, size_t room)
{
    if (text.at == NULL)
        return NULL;
    char *whole = strndup(text.at, text.len);
    if (whole == NULL || text.len <= room)
        return whole;
    /* text_trim counts characters, of up to four bytes. */
    char *cut = text_trim(whole, room);
    for (size_t max = room / 2; cut != NULL && strlen(cut) > room; max /= 2) {
        char *shorter = text_trim(cut, max);
        free(cut);
        cut = shorter;
    }
    free(whole);
    return cut;
}

static size_t room_beside(size_t room, size_t taken, size_t least)
{
    return room > taken + least ? room - taken : least;
}

void documents_fit(struct documents *d, struct text text, size_t taken, unsigned level)
{
    static const size_t rooms[CUT_LEVELS] = {STORED_CONTENT_MAX, 300000, 200000, 100000, 20000};
    size_t room = rooms[level < CUT_LEVELS ? level : CUT_LEVELS - 1];
    size_t total = measure(d);
    d->text = fit_text(text, room_beside(room, total + taken, room / TEXT_SHARE));
    if (d->text != NULL)
        taken += strlen(d->text);
    room = room_beside(room, taken, room / DOCUMENT_SHARE);
    if (total <= room)
        return;
    fit_documents(d->values, d->sizes, PARTS, room);
    measure(d);
}

void documents_release(struct documents *d)
{
    for (size_t i = 0; i < PARTS; i++)
        json_free(d->values[i]);
    free(d->text);
}

void put_metadata(struct out *o, const json *metadata)
{
    size_t size = 0;
    struct out names;
    if (metadata == NULL)
        return;
    out_init(&names);
    put_name(o, "metadata");
    value_from_metadata(o, metadata, &names, &size);
    put_name(o, "metadata_json");
    out_format(o, "{\"L\":[%s]}", buf_str(&names.buf));
    if (names.err != ERR_OK && o->err == ERR_OK)
        o->err = names.err;
    out_release(&names);
}

void put_document(struct out *o, const char *name, const json *document)
{
    size_t size = 0;
    if (document == NULL)
        return;
    put_name(o, name);
    value_from_document(o, document, &size);
}

static void put_tags(struct out *o, struct text tags)
{
    size_t size = 0;
    json *list = parse_document(tags);
    if (json_is_array(list)) {
        put_name(o, "tags");
        if (!value_from_json(o, list, &size, 1) && o->err == ERR_OK)
            o->err = ERR_BAD;
    }
    json_free(list);
}

void item_put_trace(struct out *o, const struct backend *b, const struct stored_trace *t,
                    const char *open, unsigned level)
{
    struct documents d;
    documents_init(&d, t->metadata, (struct text){NULL, 0}, (struct text){NULL, 0});
    documents_fit(&d, t->output, 0, level);
    put_text(o, "trace_id", t->trace_id);
    put_text(o, "name", t->name);
    put_text(o, "project_id", t->project_id);
    put_time(o, "start_time", t->start_time);
    if (t->end_time != 0) {
        put_time(o, "end_time", t->end_time);
        put_int(o, "duration_ms", dynamo_duration_of(t->start_time, t->end_time));
    }
    put_metadata(o, d.values[0]);
    put_tags(o, t->tags);
    put_text(o, "user_id", t->user_id);
    put_text(o, "session_id", t->session_id);
    put_text(o, "output", text_of(d.text));
    put_ttl(o, b);
    out_text(o, ",\"span_count\":{\"N\":\"0\"},\"total_cost\":{\"N\":\"0\"},"
                "\"counted\":{\"N\":\"0\"},\"calls\":{\"N\":\"0\"},\"errors\":{\"N\":\"0\"},"
                "\"running\":{\"N\":\"0\"},\"rev\":{\"N\":\"1\"},\"model_counts\":{\"M\":{}}");
    put_int(o, "written", dynamo_now_ms());
    if (open != NULL)
        out_format(o, ",\"open\":{\"SS\":[\"%s\"]}", open);
    documents_release(&d);
}

void item_put_span(struct out *o, const struct backend *b, const struct stored_span *s,
                   const char *by, int64_t arrived, unsigned level)
{
    struct documents d;
    documents_init(&d, s->metadata, s->input_data, s->output_data);
    documents_fit(&d, s->error, 0, level);
    put_text(o, "span_id", s->span_id);
    put_text(o, "trace_id", s->trace_id);
    put_text(o, "parent_span_id", s->parent_span_id);
    put_text(o, "name", s->name);
    put_text(o, "span_type", text_of(span_type_name(s->type)));
    put_time(o, "start_time", s->start_time);
    if (s->end_time != 0) {
        put_time(o, "end_time", s->end_time);
        put_int(o, "duration_ms", dynamo_duration_of(s->start_time, s->end_time));
    }
    put_metadata(o, d.values[0]);
    put_document(o, "input_data", d.values[1]);
    put_document(o, "output_data", d.values[2]);
    put_text(o, "model", s->model);
    if (s->tokens_input >= 0)
        put_int(o, "tokens_input", s->tokens_input);
    if (s->tokens_output >= 0)
        put_int(o, "tokens_output", s->tokens_output);
    if (s->cost_usd >= 0) {
        put_name(o, "cost_usd");
        out_n_double(o, s->cost_usd);
    }
    if (s->tokens_cache_read >= 0)
        put_int(o, "tokens_cache_read", s->tokens_cache_read);
    if (s->ttft_ms >= 0) {
        put_name(o, "ttft_ms");
        out_n_double(o, s->ttft_ms);
    }
    put_text(o, "error", text_of(d.text));
    put_int(o, "input_bytes", (int64_t)(d.sizes[0] + d.sizes[1]));
    put_int(o, "arrived", arrived);
    put_int(o, "rev", 1);
    put_text(o, "by", text_of(by));
    put_ttl(o, b);
    documents_release(&d);
}
