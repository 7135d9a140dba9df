/* Items as records: those of ours and those of older servers, in which attributes may be missing or
 * NULL, times lack offset or microseconds, and numbers be texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/dynamodb.h"

#define TEXTS_MAX 16

/* Texts that are being collected; they become pointers when all are there. */
struct packer {
    struct out o;
    struct {
        struct text *text;
        size_t at;
    } texts[TEXTS_MAX];
    size_t count;
};

static void note(struct packer *p, struct text *text, size_t at)
{
    text->at = "";
    text->len = p->o.buf.len - at;
    p->texts[p->count].text = text;
    p->texts[p->count++].at = at;
    out_bytes(&p->o, "", 1);
}

static void pack_text(struct packer *p, struct text *text, const json *item, const char *name)
{
    const char *found = item_text(item, name);
    *text = (struct text){NULL, 0};
    if (found == NULL)
        return;
    size_t at = p->o.buf.len;
    out_text(&p->o, found);
    note(p, text, at);
}

/* What is no object becomes one. */
static bool document_from_text(struct packer *p, const json *item, const char *name)
{
    const char *told = item_text(item, name);
    json *document = told != NULL ? json_parse(told, strlen(told)) : NULL;
    if (json_is_object(document) && p->o.err == ERR_OK) {
        p->o.err = json_print(document, &p->o.buf);
    } else if (told != NULL) {
        out_text(&p->o, "{\"text\":");
        out_quote(&p->o, text_of(told));
        out_text(&p->o, "}");
    }
    json_free(document);
    return told != NULL;
}

/* A map; older servers may have stored the text of one. */
static void pack_document(struct packer *p, struct text *text, const json *item, const char *name)
{
    const json *value = json_get(item, name);
    size_t at = p->o.buf.len;
    *text = (struct text){NULL, 0};
    if (item_attribute(item, name, "M") != NULL)
        value_to_document(&p->o, value);
    else if (item_attribute(item, name, "S") == NULL || !document_from_text(p, item, name))
        return;
    note(p, text, at);
}

static void pack_metadata(struct packer *p, struct text *text, const json *item)
{
    size_t at = p->o.buf.len;
    *text = (struct text){NULL, 0};
    if (item_attribute(item, "metadata", "M") == NULL)
        return;
    value_to_metadata(&p->o, json_get(item, "metadata"), json_get(item, "metadata_json"));
    note(p, text, at);
}

static void pack_tags(struct packer *p, struct text *text, const json *item)
{
    const json *list = item_attribute(item, "tags", "L");
    const json *set = item_attribute(item, "tags", "SS");
    size_t at = p->o.buf.len;
    size_t count = 0;
    *text = (struct text){NULL, 0};
    if (list == NULL && set == NULL)
        return;
    out_text(&p->o, "[");
    for (const json *e = json_first(list != NULL ? list : set); e != NULL; e = json_next(e)) {
        const char *tag = list != NULL ? json_get_text(e, "S") : json_text(e);
        if (tag == NULL)
            continue;
        out_text(&p->o, count++ > 0 ? "," : "");
        out_quote(&p->o, text_of(tag));
    }
    out_text(&p->o, "]");
    note(p, text, at);
}

static int pack_end(struct packer *p, char **memory)
{
    int err = p->o.err;
    if (err != ERR_OK) {
        out_release(&p->o);
        return err;
    }
    *memory = buf_take(&p->o.buf);
    for (size_t i = 0; i < p->count; i++)
        p->texts[i].text->at = *memory + p->texts[i].at;
    return ERR_OK;
}

/* 0 when absent. Without an offset it is UTC. */
static int64_t read_time(const json *item, const char *name)
{
    const char *text = item_text(item, name);
    char whole[CLOCK_ISO_MAX];
    int64_t ns = 0;
    if (text == NULL)
        return 0;
    if (clock_parse_iso(text, &ns) == ERR_OK)
        return ns;
    if (snprintf(whole, sizeof(whole), "%sZ", text) >= (int)sizeof(whole))
        return 0;
    return clock_parse_iso(whole, &ns) == ERR_OK ? ns : 0;
}

static int64_t read_int(const json *item, const char *name, int64_t fallback)
{
    int64_t value;
    return item_int(item, name, &value) ? value : fallback;
}

static double read_double(const json *item, const char *name, double fallback)
{
    double value;
    return item_double(item, name, &value) ? value : fallback;
}

static int64_t read_count(const json *item, const char *name, int64_t fallback)
{
    int64_t value = figure_limit(read_int(item, name, fallback));
    return value < fallback ? fallback : value;
}

static bool is_expired(const json *item)
{
    int64_t ttl = read_int(item, "ttl", 0);
    return ttl > 0 && ttl < clock_wall_ns() / NS_PER_SEC;
}

/* When the token was made, in ms; its last part is random. */
static int64_t token_time(const char *token)
{
    char *end;
    long long ms = strtoll(token, &end, 16);
    return (*end == TOKEN_BLIND || *end == TOKEN_SAFE) && ms > 0 ? ms : 0;
}

static int read_open(struct trace_record *r, const json *item, const char *own)
{
    int64_t now = dynamo_now_ms();
    struct out others;
    out_init(&others);
    for (const json *e = json_first(item_attribute(item, "open", "SS")); e != NULL;
         e = json_next(e)) {
        const char *token = json_text(e);
        if (token == NULL)
            continue;
        if (own != NULL && strcmp(token, own) == 0) {
            r->own = true;
            continue;
        }
        int64_t made = token_time(token);
        bool live = made != 0 && made > now - OPEN_LIVE_MS && made < now + OPEN_LIVE_MS;
        r->open_live = r->open_live || live;
        r->open_stale = r->open_stale || !live;
        if (live && strchr(token, TOKEN_BLIND) != NULL && made > now - BLIND_LIVE_MS)
            r->open_blind = true;
        if (live) {
            out_text(&others, token);
            out_text(&others, "\n");
        }
    }
    int err = others.err;
    r->others = buf_take(&others.buf);
    out_release(&others);
    return err;
}

/* How many models have spans, and their names. */
static int read_models(struct trace_record *r, const json *item)
{
    const json *map = item_attribute(item, "model_counts", "M");
    struct out names;
    out_init(&names);
    r->model_map = map != NULL;
    for (const json *e = json_first(map); e != NULL; e = json_next(e)) {
        const char *count = json_get_text(e, "N");
        if (count == NULL || strtoll(count, NULL, 10) <= 0)
            continue;
        r->trace.models++;
        out_text(&names, json_key(e));
        out_text(&names, "\n");
    }
    int err = names.err;
    r->model_names = buf_take(&names.buf);
    out_release(&names);
    return err;
}

/* metadata.error of a trace none of whose spans failed. */
static void pack_error(struct packer *p, struct text *text, const json *item)
{
    pack_text(p, text, item, "error");
    if (text->at != NULL)
        return;
    const char *told = item_text(item_attribute(item, "metadata", "M"), "error");
    if (told == NULL || told[0] == '\0')
        return;
    size_t at = p->o.buf.len;
    out_text(&p->o, told);
    note(p, text, at);
}

static void read_figures(struct trace_record *r, const json *item)
{
    struct stored_trace *t = &r->trace;
    t->span_count = read_count(item, "span_count", 0);
    t->total_cost = read_double(item, "total_cost", 0);
    t->calls = read_count(item, "calls", 0);
    t->errors = read_count(item, "errors", 0);
    t->running = read_count(item, "running", 0);
    t->tokens_input = read_count(item, "tokens_input", SPAN_UNKNOWN);
    t->tokens_output = read_count(item, "tokens_output", SPAN_UNKNOWN);
    t->tokens_cache_read = read_count(item, "tokens_cache_read", SPAN_UNKNOWN);
    t->ttft_ms = read_double(item, "ttft_ms", -1);
    r->ttft_time = read_int(item, "ttft_time", INT64_MAX);
    r->rev = read_int(item, "rev", 0);
    r->counted = read_int(item, "counted", -1);
    r->figures = r->rev > 0 && r->counted == t->span_count;
    r->written = read_int(item, "written", 0);
    r->expired = is_expired(item);
}

int dynamo_trace_record_read(struct trace_record *r, const json *item, const char *own)
{
    struct packer p = {.count = 0};
    struct stored_trace *t = &r->trace;
    memset(r, 0, sizeof(*r));
    if (item_text(item, "trace_id") == NULL)
        return ERR_CORRUPT;
    out_init(&p.o);
    pack_text(&p, &t->trace_id, item, "trace_id");
    pack_text(&p, &t->name, item, "name");
    pack_text(&p, &t->project_id, item, "project_id");
    pack_text(&p, &t->user_id, item, "user_id");
    pack_text(&p, &t->session_id, item, "session_id");
    pack_text(&p, &t->output, item, "output");
    pack_text(&p, &t->model, item, "model");
    pack_text(&p, &r->model_span, item, "model_span");
    pack_text(&p, &r->start_text, item, "start_time");
    pack_metadata(&p, &t->metadata, item);
    pack_tags(&p, &t->tags, item);
    pack_error(&p, &t->error, item);
    t->start_time = read_time(item, "start_time");
    t->end_time = read_time(item, "end_time");
    r->end_unreadable = t->end_time == 0 && item_text(item, "end_time") != NULL;
    read_figures(r, item);
    int err = read_open(r, item, own);
    if (err == ERR_OK)
        err = read_models(r, item);
    if (err == ERR_OK)
        err = pack_end(&p, &r->memory);
    else
        out_release(&p.o);
    if (err != ERR_OK)
        dynamo_trace_record_release(r);
    return err;
}

void dynamo_trace_record_release(struct trace_record *r)
{
    free(r->memory);
    free(r->model_names);
    free(r->others);
    r->memory = r->model_names = r->others = NULL;
}

void dynamo_span_read_metadata(struct stored_span *span)
{
    if (span->metadata.at == NULL)
        return;
    json *metadata = json_parse_printed(span->metadata.at, span->metadata.len);
    const json *tokens = json_get(metadata, "tokens_cache_read");
    const json *ttft = json_get(metadata, "ttft_ms");
    /* Older servers make a text of every value. */
    const char *tokens_text = json_text(tokens);
    const char *ttft_text = json_text(ttft);
    json *tokens_value = tokens_text != NULL ? json_parse(tokens_text, strlen(tokens_text)) : NULL;
    json *ttft_value = ttft_text != NULL ? json_parse(ttft_text, strlen(ttft_text)) : NULL;
    int64_t count;
    double ms;
    if (json_int(tokens_value != NULL ? tokens_value : tokens, &count) && count >= 0 &&
        span->tokens_cache_read < 0)
        span->tokens_cache_read = count;
    if (json_number(ttft_value != NULL ? ttft_value : ttft, &ms) && ms >= 0 && span->ttft_ms < 0)
        span->ttft_ms = ms;
    json_free(tokens_value);
    json_free(ttft_value);
    json_free(metadata);
}

int dynamo_span_record_read(struct span_record *r, const json *item, bool content)
{
    struct packer p = {.count = 0};
    struct stored_span *s = &r->span;
    const char *type = item_text(item, "span_type");
    memset(r, 0, sizeof(*r));
    if (item_text(item, "span_id") == NULL || item_text(item, "trace_id") == NULL)
        return ERR_CORRUPT;
    out_init(&p.o);
    pack_text(&p, &s->span_id, item, "span_id");
    pack_text(&p, &s->trace_id, item, "trace_id");
    pack_text(&p, &s->parent_span_id, item, "parent_span_id");
    pack_text(&p, &s->name, item, "name");
    pack_text(&p, &s->model, item, "model");
    pack_text(&p, &s->error, item, "error");
    pack_text(&p, &r->by, item, "by");
    pack_metadata(&p, &s->metadata, item);
    if (content) {
        pack_document(&p, &s->input_data, item, "input_data");
        pack_document(&p, &s->output_data, item, "output_data");
    }
    if (span_type_parse(type != NULL ? type : "", &s->type) != ERR_OK)
        s->type = SPAN_OTHER;
    s->start_time = read_time(item, "start_time");
    s->end_time = read_time(item, "end_time");
    s->tokens_input = read_count(item, "tokens_input", SPAN_UNKNOWN);
    s->tokens_output = read_count(item, "tokens_output", SPAN_UNKNOWN);
    s->cost_usd = read_double(item, "cost_usd", -1);
    s->tokens_cache_read = read_count(item, "tokens_cache_read", SPAN_UNKNOWN);
    s->ttft_ms = read_double(item, "ttft_ms", -1);
    r->rev = read_int(item, "rev", 0);
    r->arrived = read_int(item, "arrived", s->start_time / NS_PER_US);
    r->input_bytes = read_int(item, "input_bytes", OLDER_INPUT_BYTES);
    r->end_unreadable = s->end_time == 0 && item_text(item, "end_time") != NULL;
    r->expired = is_expired(item);
    int err = pack_end(&p, &r->memory);
    if (err == ERR_OK && (s->tokens_cache_read < 0 || s->ttft_ms < 0) && r->rev == 0)
        dynamo_span_read_metadata(s);
    return err;
}

void dynamo_span_record_release(struct span_record *r)
{
    free(r->memory);
    r->memory = NULL;
}
