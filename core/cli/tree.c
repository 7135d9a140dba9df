#include "cli/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "cli/text.h"

#define DEPTH_MAX  64
#define LABEL_MIN  20
#define LABEL_FAIR 26 /* below these two, figures go that matter less */
#define BAR_MIN    8
#define BAR_FAIR   12
#define BAR_MAX    60

void tree_init(struct tree *t)
{
    *t = (struct tree){.cached = SPAN_UNKNOWN};
}

void tree_release(struct tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->nodes[i].label);
        free(t->nodes[i].error);
    }
    free(t->nodes);
    tree_init(t);
}

static void append_line(struct buf *out, const char *text)
{
    text_escape(out, text, strlen(text), TEXT_LINE);
}

/* Whether the name tells the model already, perhaps without the date that the answer adds. */
static bool names_model(const struct span *s)
{
    if (s->name == NULL)
        return false;
    if (strstr(s->name, s->model) != NULL ||
        (s->request_model != NULL && strstr(s->name, s->request_model) != NULL))
        return true;
    const char *word = strrchr(s->name, ' ');
    size_t len = word != NULL ? strlen(word + 1) : 0;
    return len > 0 && len <= strlen(s->model) && memcmp(s->model, word + 1, len) == 0;
}

static char *make_label(const struct span *s)
{
    struct buf label;
    buf_init(&label, 2048);
    if (s->name != NULL)
        append_line(&label, s->name);
    if (s->model != NULL && !names_model(s)) {
        buf_append_cut(&label, " ", s->name != NULL ? 1 : 0);
        append_line(&label, s->model);
    }
    char *text = buf_take(&label);
    buf_release(&label);
    return text != NULL ? text : strdup("-");
}

static char *make_error(const struct span *s)
{
    struct buf text;
    if (s->error == NULL && s->error_type == NULL)
        return NULL;
    buf_init(&text, 4096);
    if (s->status_code >= 400)
        term_putf(&text, "%lld ", (long long)s->status_code);
    append_line(&text, s->error != NULL ? s->error : s->error_type);
    return buf_take(&text);
}

/* Made by hand and left open: its error says so. */
static bool is_unended(const struct span *s)
{
    return s->error_type != NULL && strcmp(s->error_type, "not_ended") == 0;
}

int tree_add(struct tree *t, const struct span *s)
{
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        struct tree_node *nodes = realloc(t->nodes, cap * sizeof(*nodes));
        if (nodes == NULL)
            return ERR_NOMEM;
        t->nodes = nodes;
        t->cap = cap;
    }
    struct tree_node *n = &t->nodes[t->count];
    *n = (struct tree_node){
        .type = s->type,
        .start_time = s->start_time,
        .end_time = s->end_time,
        .ttft_ms = s->ttft_ms,
        .tokens_input = s->tokens_input,
        .tokens_output = s->tokens_output,
        .tokens_cache_read = s->tokens_cache_read,
        .cost_usd = s->cost_usd,
        .dropped_bytes = s->dropped_bytes,
        .partial = s->partial && !is_unended(s),
        .uncounted = s->uncounted,
        .label = make_label(s),
        .error = make_error(s),
    };
    memcpy(n->span_id, s->span_id, SPAN_ID_LEN);
    memcpy(n->parent_id, s->parent_span_id, SPAN_ID_LEN);
    t->count++;
    t->errors += n->error != NULL;
    t->running += n->end_time == 0;
    if (n->tokens_cache_read >= 0 && !n->uncounted)
        t->cached = (t->cached < 0 ? 0 : t->cached) + n->tokens_cache_read;
    return ERR_OK;
}

int tree_link(struct tree *t)
{
    struct map by_id;
    int err = ERR_OK;
    map_init(&by_id);
    for (size_t i = 0; i < t->count && err == ERR_OK; i++)
        err = map_set(&by_id, t->nodes[i].span_id, SPAN_ID_LEN, &t->nodes[i]);
    for (size_t i = 0; i < t->count && err == ERR_OK; i++) {
        struct tree_node *n = &t->nodes[i];
        struct tree_node *parent = id_is_zero(n->parent_id, SPAN_ID_LEN)
                                       ? NULL
                                       : map_get(&by_id, n->parent_id, SPAN_ID_LEN);
        if (parent == NULL || parent == n)
            continue;
        n->has_parent = true;
        if (parent->last_child == 0)
            parent->first_child = i + 1;
        else
            t->nodes[parent->last_child - 1].next = i + 1;
        parent->last_child = i + 1;
    }
    map_release(&by_id);
    return err;
}

/* -------------------------------------------------------------------------- layout */

enum figure { FIGURE_TIME, FIGURE_TTFT, FIGURE_TOKENS, FIGURE_CACHED, FIGURE_COST, FIGURE_COUNT };
static const char *const figure_names[] = {"TIME", "TTFT", "TOKENS", "CACHED", "COST"};

struct layout {
    const struct term *term;
    struct buf *out;
    int64_t start, end; /* of the axis, end > start */
    int label, bar;
    int figures[FIGURE_COUNT]; /* widths; 0: not shown */
};

static void format_counted(const struct layout *l, const struct tree_node *n, enum figure figure,
                           char *out, size_t size)
{
    char a[TEXT_FIGURE_MAX];
    char b[TEXT_FIGURE_MAX];
    int64_t end = n->end_time != 0 ? n->end_time : l->end;
    out[0] = '\0';
    switch (figure) {
    case FIGURE_TIME:
        snprintf(out, size, "%s", text_duration(end - n->start_time, a));
        break;
    case FIGURE_TTFT:
        if (n->ttft_ms >= 0 && n->ttft_ms < 1e9)
            snprintf(out, size, "%s", text_duration((int64_t)(n->ttft_ms * 1e6), a));
        break;
    case FIGURE_TOKENS:
        if (n->tokens_input >= 0)
            snprintf(out, size, "%s", text_tokens(n->tokens_input, a));
        if (n->tokens_output >= 0)
            snprintf(out + strlen(out), size - strlen(out), "%s%s", l->term->utf8 ? "→" : "->",
                     text_tokens(n->tokens_output, b));
        break;
    case FIGURE_CACHED:
        if (n->tokens_cache_read > 0)
            snprintf(out, size, "%s", text_tokens(n->tokens_cache_read, a));
        break;
    case FIGURE_COST:
        if (n->cost_usd >= 0)
            snprintf(out, size, "%s", text_cost(n->cost_usd, a));
        break;
    case FIGURE_COUNT:
        break;
    }
}

/* Brackets: it is not in the trace's totals. */
static void format_figure(const struct layout *l, const struct tree_node *n, enum figure figure,
                          char *out, size_t size)
{
    char text[2 * TEXT_FIGURE_MAX + 8];
    const bool brackets = n->uncounted && figure >= FIGURE_TOKENS;
    format_counted(l, n, figure, text, sizeof(text));
    snprintf(out, size, brackets && text[0] != '\0' ? "(%s)" : "%s", text);
}

static int figures_width(const struct layout *l)
{
    int width = 0;
    for (int f = 0; f < FIGURE_COUNT; f++)
        width += l->figures[f] > 0 ? l->figures[f] + 2 : 0;
    return width;
}

static int node_depth(size_t index, const size_t *parents)
{
    int depth = 0;
    for (size_t at = parents[index]; at != 0 && depth < DEPTH_MAX; at = parents[at - 1])
        depth++;
    return depth;
}

/* Widest label with its branches in front. */
static int natural_label(const struct tree *t)
{
    size_t *parents = calloc(t->count + 1, sizeof(*parents));
    int widest = LABEL_MIN;
    if (parents == NULL)
        return widest;
    for (size_t i = 0; i < t->count; i++)
        for (size_t child = t->nodes[i].first_child; child != 0; child = t->nodes[child - 1].next)
            parents[child - 1] = i + 1;
    for (size_t i = 0; i < t->count; i++) {
        int width = 3 * node_depth(i, parents) + text_width(t->nodes[i].label) + 3 +
                    (int)strlen(span_type_name(t->nodes[i].type));
        widest = width > widest ? width : widest;
    }
    free(parents);
    return widest;
}

static void plan(struct layout *l, const struct tree *t)
{
    static const struct {
        enum figure figure;
        int room; /* what label and bar should have before it goes */
    } expendable[] = {{FIGURE_CACHED, LABEL_FAIR + BAR_FAIR},
                      {FIGURE_TTFT, LABEL_FAIR + BAR_FAIR},
                      {FIGURE_COST, LABEL_MIN + BAR_MIN},
                      {FIGURE_TOKENS, LABEL_MIN + BAR_MIN}};
    char text[3 * TEXT_FIGURE_MAX];
    for (int f = 0; f < FIGURE_COUNT; f++)
        for (size_t i = 0; i < t->count; i++) {
            format_figure(l, &t->nodes[i], (enum figure)f, text, sizeof(text));
            int width = text_width(text);
            int least = width > 0 ? (int)strlen(figure_names[f]) : 0;
            width = width > least ? width : least;
            l->figures[f] = width > l->figures[f] ? width : l->figures[f];
        }
    int natural = natural_label(t);
    int rest = l->term->columns - figures_width(l) - 2;
    for (size_t i = 0; i < sizeof(expendable) / sizeof(expendable[0]); i++) {
        if (rest >= expendable[i].room)
            break;
        l->figures[expendable[i].figure] = 0;
        rest = l->term->columns - figures_width(l) - 2;
    }
    l->bar = rest / 3 > BAR_MIN ? rest / 3 : BAR_MIN;
    l->label = rest - l->bar < natural ? rest - l->bar : natural;
    l->label = l->label > LABEL_MIN ? l->label : LABEL_MIN;
    l->bar = rest - l->label < BAR_MAX ? rest - l->label : BAR_MAX;
}

static enum paint type_paint(enum span_type type)
{
    switch (type) {
    case SPAN_LLM:
        return PAINT_CYAN;
    case SPAN_TOOL:
    case SPAN_FUNCTION:
        return PAINT_YELLOW;
    case SPAN_AGENT:
    case SPAN_CHAIN:
        return PAINT_MAGENTA;
    case SPAN_EMBEDDING:
    case SPAN_RETRIEVAL:
        return PAINT_BLUE;
    default:
        return PAINT_NONE;
    }
}

static int cell_of(const struct layout *l, int64_t time)
{
    double at = (double)(time - l->start) / (double)(l->end - l->start);
    at = at < 0 ? 0 : at > 1 ? 1 : at;
    return (int)floor(at * l->bar);
}

/* Light until the first token, solid from there. */
static void put_bar(const struct layout *l, const struct tree_node *n)
{
    const char *wait = l->term->utf8 ? "░" : "-";
    const char *work = l->term->utf8 ? "█" : "=";
    enum paint paint = n->error != NULL ? PAINT_RED : type_paint(n->type);
    int first = cell_of(l, n->start_time);
    int end = cell_of(l, n->end_time != 0 ? n->end_time : l->end);
    first = first >= l->bar ? l->bar - 1 : first;
    end = end <= first ? first + 1 : end;
    int content = first;
    if (n->ttft_ms > 0 && n->ttft_ms < 1e9)
        content = cell_of(l, n->start_time + (int64_t)(n->ttft_ms * 1e6));
    content = content > end - 1 ? end - 1 : content;
    term_repeat(l->out, " ", first);
    term_on(l->out, l->term, paint);
    term_repeat(l->out, wait, content - first);
    term_repeat(l->out, n->end_time == 0 ? wait : work, end - content);
    term_off(l->out, l->term, paint);
    term_repeat(l->out, " ", l->bar - end);
}

static void put_figures(const struct layout *l, const struct tree_node *n)
{
    char text[3 * TEXT_FIGURE_MAX];
    for (int f = 0; f < FIGURE_COUNT; f++) {
        if (l->figures[f] == 0)
            continue;
        format_figure(l, n, (enum figure)f, text, sizeof(text));
        term_repeat(l->out, " ", l->figures[f] + 2 - text_width(text));
        term_put(l->out, text);
    }
}

static void trim_line(struct buf *out)
{
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    buf_append_cut(out, "\n", 1);
}

static void put_label(const struct layout *l, const struct tree_node *n, const char *branches)
{
    struct buf label;
    buf_init(&label, 4096);
    int used = text_width(branches);
    int room = l->label - used;
    const char *type = span_type_name(n->type);
    term_paint(l->out, l->term, used > 0 ? PAINT_DIM : PAINT_NONE, branches);
    int width = text_fit(&label, type, room, l->term->utf8);
    term_paint(l->out, l->term, type_paint(n->type), buf_str(&label));
    if (room - width > 1) {
        term_put(l->out, " ");
        buf_clear(&label);
        width += 1 + text_fit(&label, n->label, room - width - 1, l->term->utf8);
        term_paint(l->out, l->term, n->error != NULL ? PAINT_RED : PAINT_NONE, buf_str(&label));
    }
    term_repeat(l->out, " ", l->label - used - width + 2);
    buf_release(&label);
}

/* A line of its own for what went wrong, under the span. */
static void put_note(const struct layout *l, const struct tree_node *n, const char *below)
{
    struct buf note;
    char size[TEXT_FIGURE_MAX];
    buf_init(&note, 8192);
    if (n->error != NULL)
        term_putf(&note, "%s %s", l->term->utf8 ? "✗" : "x", n->error);
    if (n->partial)
        term_putf(&note, "%s%s", note.len > 0 ? "; " : "", "partial: the answer did not end");
    if (n->end_time == 0)
        term_putf(&note, "%s%s", note.len > 0 ? "; " : "", "still running");
    if (n->dropped_bytes > 0)
        term_putf(&note, "%s%s not captured", note.len > 0 ? "; " : "",
                  text_bytes(n->dropped_bytes, size));
    if (note.len > 0) {
        enum paint paint = n->error != NULL ? PAINT_RED : PAINT_YELLOW;
        struct buf fitted;
        buf_init(&fitted, 8192);
        term_paint(l->out, l->term, PAINT_DIM, below);
        text_fit(&fitted, buf_str(&note), l->term->columns - text_width(below), l->term->utf8);
        term_paint(l->out, l->term, paint, buf_str(&fitted));
        term_put(l->out, "\n");
        buf_release(&fitted);
    }
    buf_release(&note);
}

/* prefix: the branches of the levels above; it is put back before returning. */
static void put_node(struct tree *t, const struct layout *l, size_t index, struct buf *prefix,
                     int depth, bool last)
{
    struct tree_node *n = &t->nodes[index];
    bool utf8 = l->term->utf8;
    size_t before = prefix->len;
    struct buf branches;
    if (n->shown)
        return;
    n->shown = true;
    buf_init(&branches, 4096);
    term_put(&branches, buf_str(prefix));
    if (depth > 0)
        term_put(&branches, last ? (utf8 ? "└─ " : "`- ") : (utf8 ? "├─ " : "|- "));
    put_label(l, n, buf_str(&branches));
    put_bar(l, n);
    put_figures(l, n);
    trim_line(l->out);
    if (depth > 0)
        term_put(prefix, last ? "   " : (utf8 ? "│  " : "|  "));
    buf_clear(&branches);
    term_putf(&branches, "%s%s", buf_str(prefix),
              n->first_child == 0 ? "   "
              : utf8              ? "│  "
                                  : "|  ");
    put_note(l, n, buf_str(&branches));
    buf_release(&branches);
    for (size_t child = n->first_child; child != 0 && depth < DEPTH_MAX;
         child = t->nodes[child - 1].next)
        put_node(t, l, child - 1, prefix, depth + 1, t->nodes[child - 1].next == 0);
    if (prefix->data != NULL) {
        prefix->len = before;
        prefix->data[before] = '\0';
    }
}

static void put_head(const struct layout *l)
{
    char text[TEXT_FIGURE_MAX];
    char axis[128];
    struct buf head;
    buf_init(&head, 4096);
    term_put(&head, "SPAN");
    term_repeat(&head, " ", l->label - 4 + 2);
    text_duration(l->end - l->start, text);
    int gap = l->bar - 1 - text_width(text);
    snprintf(axis, sizeof(axis), "0%*s%s", gap > 0 ? gap : 0, "", gap > 0 ? text : "");
    term_putf(&head, "%-*s", l->bar, axis);
    for (int f = 0; f < FIGURE_COUNT; f++)
        if (l->figures[f] > 0)
            term_putf(&head, "%*s", l->figures[f] + 2, figure_names[f]);
    term_paint(l->out, l->term, PAINT_DIM, buf_str(&head));
    term_put(l->out, "\n");
    buf_release(&head);
}

void tree_print(struct tree *t, int64_t trace_start, int64_t trace_end, const struct term *term,
                struct buf *out)
{
    struct layout l = {.term = term, .out = out, .start = trace_start, .end = trace_end};
    struct buf prefix;
    for (size_t i = 0; i < t->count; i++) {
        const struct tree_node *n = &t->nodes[i];
        l.start = n->start_time < l.start ? n->start_time : l.start;
        l.end = n->end_time > l.end ? n->end_time : l.end;
        l.end = n->end_time == 0 && term->now > l.end ? term->now : l.end;
    }
    l.end = l.end > l.start ? l.end : l.start + 1;
    if (t->count == 0)
        return;
    plan(&l, t);
    put_head(&l);
    buf_init(&prefix, 4096);
    for (size_t i = 0; i < t->count; i++)
        if (!t->nodes[i].has_parent)
            put_node(t, &l, i, &prefix, 0, true);
    for (size_t i = 0; i < t->count; i++) /* parents in a circle: no root leads to them */
        put_node(t, &l, i, &prefix, 0, true);
    buf_release(&prefix);
}
