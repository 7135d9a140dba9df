#include "store/local/document.h"

#include <stdlib.h>
#include <string.h>

struct text document_text(const struct scan_value *value, struct buf *out)
{
    size_t len;
    size_t at = out->len;
    if (value->kind != SCAN_STRING)
        return (struct text){0};
    if (!value->escaped)
        return (struct text){value->text + 1, value->len - 2};
    char *text = scan_text(value, &len);
    int err = text == NULL ? ERR_NOMEM : buf_append(out, text, len);
    free(text);
    if (err != ERR_OK)
        return (struct text){0};
    return (struct text){len == 0 ? "" : out->data + at, len};
}

static double number(const struct scan_value *value)
{
    double n;
    return scan_number(value, &n) && n >= 0 ? n : -1;
}

static int64_t figure(const struct scan_value *value)
{
    int64_t n;
    return scan_int(value, &n) && n >= 0 ? n : SPAN_UNKNOWN;
}

static bool is(const struct scan_value *value, const char *text)
{
    return scan_is(value, text, strlen(text));
}

void document_facts(struct text document, struct facts *out)
{
    *out = (struct facts){.tokens_cache_read = SPAN_UNKNOWN, .ttft_ms = -1};
    bool uncounted = false;
    struct scan scan;
    struct scan_value key, value;
    if (scan_open(&scan, document.at, document.len) != ERR_OK)
        return;
    while (scan_member(&scan, &key, &value) == 1) {
        if (is(&key, "model"))
            out->model = value;
        else if (is(&key, "span_type"))
            out->call = is(&value, "llm") || is(&value, "embedding");
        else if (is(&key, "error"))
            out->failed = true;
        else if (is(&key, "ttft_ms"))
            out->ttft_ms = number(&value);
        else if (is(&key, "tokens_cache_read"))
            out->tokens_cache_read = figure(&value);
        else if (is(&key, "counted"))
            uncounted = true;
        else if (is(&key, "input_data") || is(&key, "output_data") || is(&key, "process"))
            break; /* span_print has the figures before them */
    }
    if (uncounted)
        out->tokens_cache_read = SPAN_UNKNOWN; /* the calls below it tell */
}

/* ---- a span */

/* Members by the field that they become; what has none goes to the metadata. */
struct fields {
    struct scan_value span_id, trace_id, parent, name, type, model, error, input, output, metadata;
    struct scan_value tokens_input, tokens_output, cost, cache_read, ttft;
    bool uncounted;
};

static int read_fields(struct text document, struct fields *f)
{
    const struct {
        const char *name;
        struct scan_value *to;
    } known[] = {{"trace_id", &f->trace_id},
                 {"span_id", &f->span_id},
                 {"parent_span_id", &f->parent},
                 {"name", &f->name},
                 {"span_type", &f->type},
                 {"model", &f->model},
                 {"error", &f->error},
                 {"input_data", &f->input},
                 {"output_data", &f->output},
                 {"metadata", &f->metadata},
                 {"tokens_input", &f->tokens_input},
                 {"tokens_output", &f->tokens_output},
                 {"cost_usd", &f->cost},
                 {"tokens_cache_read", &f->cache_read},
                 {"ttft_ms", &f->ttft}};
    struct scan scan;
    struct scan_value key, value;
    int more = scan_open(&scan, document.at, document.len);
    if (more != ERR_OK)
        return ERR_BAD;
    while ((more = scan_member(&scan, &key, &value)) == 1) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (is(&key, known[i].name))
                *known[i].to = value;
        if (is(&key, "counted"))
            f->uncounted = true;
    }
    return more == 0 && f->span_id.kind == SCAN_STRING ? ERR_OK : ERR_BAD;
}

static bool has_member(const struct scan_value *object, const struct scan_value *key)
{
    struct scan scan;
    struct scan_value own, value;
    if (object->kind != SCAN_OBJECT || scan_open(&scan, object->text, object->len) != ERR_OK)
        return false;
    while (scan_member(&scan, &own, &value) == 1)
        if (own.len == key->len && memcmp(own.text, key->text, own.len) == 0)
            return true;
    return false;
}

static int add_member(struct buf *out, const struct scan_value *key, const struct scan_value *value)
{
    int err = buf_append(out, out->len == 0 ? "{" : ",", 1);
    if (err == ERR_OK)
        err = buf_append(out, key->text, key->len);
    if (err == ERR_OK)
        err = buf_append(out, ":", 1);
    return err == ERR_OK ? buf_append(out, value->text, value->len) : err;
}

/* As span_metadata makes it: what no field of the contract holds, and the span's own metadata,
 * which wins. out is empty. */
static int make_metadata(struct text document, const struct fields *f, struct buf *out)
{
    struct scan scan;
    struct scan_value key, value;
    int err = scan_open(&scan, document.at, document.len);
    while (err == ERR_OK && scan_member(&scan, &key, &value) == 1)
        if (!span_contract_field(key.text + 1, key.len - 2, f->uncounted) &&
            !has_member(&f->metadata, &key))
            err = add_member(out, &key, &value);
    if (err == ERR_OK && f->metadata.kind == SCAN_OBJECT)
        err = scan_open(&scan, f->metadata.text, f->metadata.len);
    while (err == ERR_OK && f->metadata.kind == SCAN_OBJECT &&
           scan_member(&scan, &key, &value) == 1)
        err = add_member(out, &key, &value);
    if (err == ERR_OK && out->len == 0)
        err = buf_append(out, "{", 1);
    return err == ERR_OK ? buf_append(out, "}", 1) : err;
}

static struct text object_or_none(const struct scan_value *value)
{
    return value->kind == SCAN_OBJECT ? (struct text){value->text, value->len} : (struct text){0};
}

static enum span_type type_of(const struct scan_value *value, struct buf *scratch)
{
    char name[16] = "";
    enum span_type type;
    struct text text = document_text(value, scratch);
    if (text.at != NULL && text.len < sizeof(name))
        memcpy(name, text.at, text.len);
    (void)span_type_parse(name, &type);
    return type;
}

int document_span(struct text document, bool content, struct stored_span *out, struct buf *scratch)
{
    struct fields f = {0};
    memset(out, 0, sizeof(*out));
    int err = read_fields(document, &f);
    if (err != ERR_OK)
        return err;
    buf_clear(scratch);
    err = buf_reserve(scratch, 2 * document.len + 64); /* then nothing in it moves */
    if (err == ERR_OK)
        err = make_metadata(document, &f, scratch);
    if (err != ERR_OK)
        return err;
    out->metadata = (struct text){scratch->data, scratch->len};
    out->span_id = document_text(&f.span_id, scratch);
    out->trace_id = document_text(&f.trace_id, scratch);
    out->parent_span_id = document_text(&f.parent, scratch);
    out->name = document_text(&f.name, scratch);
    out->model = document_text(&f.model, scratch);
    out->error = document_text(&f.error, scratch);
    out->type = type_of(&f.type, scratch);
    if (content) {
        out->input_data = object_or_none(&f.input);
        out->output_data = object_or_none(&f.output);
    }
    out->tokens_input = f.uncounted ? SPAN_UNKNOWN : figure(&f.tokens_input);
    out->tokens_output = f.uncounted ? SPAN_UNKNOWN : figure(&f.tokens_output);
    out->cost_usd = f.uncounted ? -1 : number(&f.cost);
    out->tokens_cache_read = figure(&f.cache_read);
    out->ttft_ms = number(&f.ttft);
    return ERR_OK;
}
