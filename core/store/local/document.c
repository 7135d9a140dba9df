#include "store/local/document.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct text t, size_t at)
{
    while (at < t.len && is_blank(t.at[at]))
        at++;
    return at;
}

/* Behind the string whose quote is at `at`; t.len + 1 when it does not end. */
static size_t skip_string(struct text t, size_t at)
{
    for (at++; at < t.len; at++) {
        const char *next = memchr(t.at + at, '"', t.len - at);
        const char *escape =
            next == NULL ? NULL : memchr(t.at + at, '\\', (size_t)(next - t.at) - at);
        if (next == NULL)
            break;
        if (escape == NULL)
            return (size_t)(next - t.at) + 1;
        at = (size_t)(escape - t.at) + 1;
    }
    return t.len + 1;
}

/* Behind the value at `at`; t.len + 1 when it does not end. */
static size_t skip_value(struct text t, size_t at)
{
    size_t depth = 0;
    while (at < t.len) {
        char c = t.at[at];
        if (c == '"') {
            at = skip_string(t, at);
            if (depth == 0)
                return at;
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            at++;
            if (--depth == 0)
                return at;
        } else if (depth == 0 && c == ',') {
            return at;
        } else {
            at++;
        }
    }
    return at == t.len && depth == 0 ? at : t.len + 1;
}

bool document_next(struct text object, size_t *at, struct member *out)
{
    size_t i = skip_blanks(object, *at);
    if (i >= object.len || object.at[i] != (*at == 0 ? '{' : ','))
        return false;
    size_t key = skip_blanks(object, i + 1);
    if (key >= object.len || object.at[key] != '"')
        return false;
    size_t end = skip_string(object, key);
    i = skip_blanks(object, end);
    if (end > object.len || i >= object.len || object.at[i] != ':')
        return false;
    size_t value = skip_blanks(object, i + 1);
    size_t after = skip_value(object, value);
    if (after > object.len)
        return false;
    out->key = (struct text){object.at + key + 1, end - key - 2};
    out->value = (struct text){object.at + value, after - value};
    *at = after;
    return true;
}

/* What is escaped is read by the JSON room, which knows surrogates and the like. */
static struct text unescape(struct text value, struct buf *out)
{
    json *string = json_parse_printed(value.at, value.len);
    const char *text = json_text(string);
    struct text made = {.len = text == NULL ? 0 : strlen(text)};
    size_t at = out->len;
    if (text != NULL && buf_append(out, text, made.len) == ERR_OK)
        made.at = out->data == NULL ? "" : out->data + at;
    json_free(string);
    return made.at == NULL ? (struct text){0} : made;
}

struct text document_text(struct text value, struct buf *out)
{
    if (value.len < 2 || value.at[0] != '"')
        return (struct text){0};
    if (memchr(value.at, '\\', value.len) != NULL)
        return unescape(value, out);
    return (struct text){value.at + 1, value.len - 2};
}

/* Numbers end with the value; strtod needs an end of its own. */
static bool copy_number(struct text value, char out[static 48])
{
    if (value.at == NULL || value.len == 0 || value.len >= 48)
        return false;
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
    return true;
}

bool document_int(struct text value, int64_t *out)
{
    char text[48];
    char *end;
    if (!copy_number(value, text))
        return false;
    long long n = strtoll(text, &end, 10);
    if (*end != '\0')
        return false;
    *out = n;
    return true;
}

double document_number(struct text value)
{
    char text[48];
    char *end;
    if (!copy_number(value, text) || value.at[0] == '"')
        return -1;
    double n = strtod(text, &end);
    return *end == '\0' ? n : -1;
}

static bool is(struct text t, const char *name)
{
    return t.len == strlen(name) && memcmp(t.at, name, t.len) == 0;
}

void document_facts(struct text document, struct facts *out)
{
    *out = (struct facts){.tokens_cache_read = SPAN_UNKNOWN, .ttft_ms = -1};
    bool uncounted = false;
    struct member m;
    for (size_t at = 0; document_next(document, &at, &m);) {
        if (is(m.key, "input_data") || is(m.key, "output_data") || is(m.key, "process"))
            break; /* span_print has the figures before them */
        if (is(m.key, "span_type"))
            out->call = is(m.value, "\"llm\"") || is(m.value, "\"embedding\"");
        else if (is(m.key, "model"))
            out->model = m.value;
        else if (is(m.key, "error"))
            out->failed = true;
        else if (is(m.key, "ttft_ms"))
            out->ttft_ms = document_number(m.value);
        else if (is(m.key, "tokens_cache_read"))
            (void)document_int(m.value, &out->tokens_cache_read);
        else if (is(m.key, "counted"))
            uncounted = true;
    }
    if (uncounted)
        out->tokens_cache_read = SPAN_UNKNOWN; /* the calls below it tell */
}

/* ---- a span */

/* Members by the field that they become; what has none goes to the metadata. */
struct fields {
    struct text span_id, trace_id, parent, name, type, model, error, input, output, metadata;
    struct text tokens_input, tokens_output, cost, cache_read, ttft;
    bool uncounted;
};

static void read_fields(struct text document, struct fields *f)
{
    const struct {
        const char *name;
        struct text *to;
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
    struct member m;
    for (size_t at = 0; document_next(document, &at, &m);) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (is(m.key, known[i].name))
                *known[i].to = m.value;
        if (is(m.key, "counted"))
            f->uncounted = is(m.value, "false");
    }
}

static bool has_member(struct text object, struct text key)
{
    struct member m;
    for (size_t at = 0; document_next(object, &at, &m);)
        if (m.key.len == key.len && memcmp(m.key.at, key.at, key.len) == 0)
            return true;
    return false;
}

static int add_member(struct buf *out, size_t begin, const struct member *m)
{
    int err = buf_append(out, out->len == begin ? "{\"" : ",\"", 2);
    if (err == ERR_OK)
        err = buf_append(out, m->key.at, m->key.len);
    if (err == ERR_OK)
        err = buf_append(out, "\":", 2);
    return err == ERR_OK ? buf_append(out, m->value.at, m->value.len) : err;
}

/* As span_metadata makes it: what no field of the contract holds, and the span's own metadata,
 * which wins. */
static int make_metadata(struct text document, const struct fields *f, struct buf *out)
{
    size_t begin = out->len;
    struct member m;
    int err = ERR_OK;
    for (size_t at = 0; err == ERR_OK && document_next(document, &at, &m);)
        if (!span_contract_field(m.key.at, m.key.len, f->uncounted) &&
            !has_member(f->metadata, m.key))
            err = add_member(out, begin, &m);
    for (size_t at = 0; err == ERR_OK && document_next(f->metadata, &at, &m);)
        err = add_member(out, begin, &m);
    if (err == ERR_OK && out->len == begin)
        err = buf_append(out, "{", 1);
    return err == ERR_OK ? buf_append(out, "}", 1) : err;
}

static struct text object_or_none(struct text value)
{
    return value.len > 0 && value.at[0] == '{' ? value : (struct text){0};
}

static int64_t figure(struct text value)
{
    int64_t n = SPAN_UNKNOWN;
    return document_int(value, &n) && n >= 0 ? n : SPAN_UNKNOWN;
}

int document_span(struct text document, bool content, struct stored_span *out, struct buf *scratch)
{
    struct fields f = {0};
    char type[16] = "";
    memset(out, 0, sizeof(*out));
    read_fields(document, &f);
    if (f.span_id.at == NULL)
        return ERR_BAD;
    buf_clear(scratch);
    int err = buf_reserve(scratch, 2 * document.len + 64); /* then nothing in it moves */
    if (err == ERR_OK)
        err = make_metadata(document, &f, scratch);
    if (err != ERR_OK)
        return err;
    out->metadata = (struct text){scratch->data, scratch->len};
    out->span_id = document_text(f.span_id, scratch);
    out->trace_id = document_text(f.trace_id, scratch);
    out->parent_span_id = document_text(f.parent, scratch);
    out->name = document_text(f.name, scratch);
    out->model = document_text(f.model, scratch);
    out->error = document_text(f.error, scratch);
    if (content) {
        out->input_data = object_or_none(f.input);
        out->output_data = object_or_none(f.output);
    }
    struct text name = document_text(f.type, scratch);
    if (name.len < sizeof(type) && name.at != NULL)
        memcpy(type, name.at, name.len);
    (void)span_type_parse(type, &out->type);
    const bool counts = !f.uncounted;
    out->tokens_input = counts ? figure(f.tokens_input) : SPAN_UNKNOWN;
    out->tokens_output = counts ? figure(f.tokens_output) : SPAN_UNKNOWN;
    out->cost_usd = counts ? document_number(f.cost) : -1;
    out->tokens_cache_read = figure(f.cache_read);
    out->ttft_ms = document_number(f.ttft);
    return ERR_OK;
}
